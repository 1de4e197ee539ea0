"""Shards on a Dask cluster: the same bytes, whatever dies; and a sentence for whatever keeps it from working."""

import sys

import dask
import pytest
from deadly import deadly, wait
from distributed import LocalCluster
from scripted import TOY, scripted, tree

from semantoks.cli.main import run
from semantoks.errors import ConfigError
from semantoks.signals import cluster as on_cluster
from semantoks.signals import layout, writer
from semantoks.signals.cluster import map_on_cluster
from semantoks.signals.prepare import PUBLISHED, prepare
from semantoks.signals.writer import plan_jobs, run_jobs

pytestmark = pytest.mark.slow


@pytest.fixture
def start():
    """Start clusters of worker processes, each with one thread, and end them."""
    started = []

    def begin(workers):
        started.append(LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def test_a_worker_killed_in_the_middle_costs_nothing_but_its_shard(tmp_path, start):
    source = deadly(tmp_path / "lives", 99, victim="p045", lives=1)
    calls = []
    made = prepare(
        source,
        out=tmp_path / "cluster",
        atlas=TOY,
        scheduler=start(2).scheduler_address,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert list((tmp_path / "lives").iterdir()) == [], "no worker was killed"
    alone = prepare(source, out=tmp_path / "alone", atlas=TOY)
    assert tree(made.path) == tree(alone.path)
    assert made.verify() == []
    assert (len(made), made.excluded["recording_id"].tolist()) == (99, ["zz_short"])
    assert len(made.shards) == 4
    assert (len(calls), calls[0], calls[-1]) == (1 + 4, (0, 100), (100, 100))


def test_a_shard_that_kills_its_workers_is_given_up_and_the_same_call_again_finishes(tmp_path, start):
    source = deadly(tmp_path / "lives", 39, victim="p035", lives=1)
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        told = {"out": tmp_path / "cohort", "atlas": TOY, "scheduler": start(1).scheduler_address}
    with pytest.raises(ConfigError, match=r"[12] of 2 jobs killed every worker.*--memory-limit.*What is finished"):
        prepare(source, **told)
    assert not (tmp_path / "cohort" / "recordings.tsv").exists()
    assert tree(prepare(source, **told).path) == tree(prepare(source, out=tmp_path / "alone", atlas=TOY).path)


def test_a_scheduler_that_goes_away_ends_the_waiting(start):
    cluster = start(1)
    done = map_on_cluster(cluster.scheduler_address, wait, 7, [0, 5, 5], needed=[])
    assert next(done) == 7
    cluster.close()
    with pytest.raises(ConfigError, match=r"scheduler tcp.* is gone.*What is finished stays"):
        next(done)


def test_a_worker_has_to_see_both_folders_and_to_be_of_this_version(tmp_path, monkeypatch):
    work = {"function": max, "shared": 1, "job": 2, "maker": on_cluster.version("semantoks"), "needed": [tmp_path]}
    assert on_cluster._run(**work) == 2
    with pytest.raises(ConfigError, match=r"worker on .* does not see .*/absent: give absolute paths"):
        on_cluster._run(**(work | {"needed": [tmp_path, tmp_path / "absent"]}))
    with pytest.raises(ConfigError, match=r"has semantoks .*, but 99\.0 is asked for"):
        on_cluster._run(**(work | {"maker": "99.0"}))


@pytest.mark.parametrize(
    ("address", "why"),
    [("nonsense", "missing port"), ("tcp://127.0.0.1:1", "Timed out"), ("gopher://host:1", "unknown address scheme")],
)
def test_a_scheduler_that_does_not_answer_is_a_sentence(tmp_path, monkeypatch, capsys, address, why):
    monkeypatch.setattr(on_cluster, "CONNECT_SECONDS", 1)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "sub-1_timeseries.csv").write_text("1,2\n3,4\n")
    words = ["prepare", raw, "--out", tmp_path / "c", "--atlas", "cc200", "--tr", "2", "--scheduler", address]
    assert run([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert f"semantoks: no Dask scheduler answers at {address}: {why}" in said
    assert "Traceback" not in said


def test_without_dask_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"needs Dask, which is not installed: pip install dask distributed"):
        prepare(scripted(1), out=tmp_path / "c", atlas=TOY, scheduler="tcp://host:8786")


def test_a_finished_cohort_asks_no_cluster(tmp_path, monkeypatch):
    source = scripted(3)
    made = prepare(source, out=tmp_path / "c", atlas=TOY)
    monkeypatch.setattr(writer, "map_on_cluster", lambda *_args, **_more: pytest.fail("the cluster was asked"))
    jobs, seen = plan_jobs(source.items(), out=made.path, atlas=TOY, cleaning=PUBLISHED), []
    run_jobs(source, jobs, scheduler="tcp://absent:1", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 3)]
    layout.rows_path(made.path, 1).unlink()
    with pytest.raises(pytest.fail.Exception, match="the cluster was asked"):
        run_jobs(source, jobs, scheduler="tcp://absent:1")
