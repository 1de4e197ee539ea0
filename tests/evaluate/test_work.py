"""The pieces of a probe: one that was stopped goes on with the same results, tables on disk change nothing."""

import dataclasses
import io
import itertools
import json
import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster

from semantoks.errors import DataError, MemoryShort
from semantoks.evaluate import methods, plans
from semantoks.evaluate.analyses.run import null_scores
from semantoks.evaluate.finetuning.finetune import finetune
from semantoks.evaluate.models import linear
from semantoks.evaluate.models.linear import standardise, standardised_rows
from semantoks.evaluate.models.predictors import Fixed, Linear, Svm
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study import crossval, work
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.study import Stages, first_tests
from semantoks.evaluate.study.tasks import Plan
from semantoks.evaluate.study.work import Piece, Results, Work, name_of, unfinished
from semantoks.signals.cohort import Cohort
from semantoks.statistics.tables import read_predictions, read_scores
from semantoks.storage import arrays, memory
from semantoks.storage.arrays import Chosen, OnDisk, empty, kept, scratch
from semantoks.storage.checksums import SUMS, read_sums, sha256, write_sums

CONFIG = ProbeConfig(
    crops=1, folds=2, repeats=2, methods=("fc_tangent", "fc_partial", "pca"), analyses=("permutation",), permutations=9
)
FILES = ("scores.csv", "predictions.parquet")


def run_probe(model, cohort, out, **options):
    probe(model, cohort, targets=["age"], out=out, config=CONFIG, **options)
    return [(out / name).read_bytes() for name in FILES]


@pytest.fixture(scope="module")
def undisturbed(cohort, model, tmp_path_factory):
    return run_probe(model, cohort, tmp_path_factory.mktemp("undisturbed"))


def stop_after(allowed, monkeypatch):
    """Score so many splits, then be interrupted; return who counts them."""
    done, original = [], crossval.score_split

    def score(*args):
        if len(done) == allowed:
            raise KeyboardInterrupt
        done.append(args)
        return original(*args)

    monkeypatch.setattr(crossval, "score_split", score)
    return done


def test_a_probe_that_was_stopped_goes_on_from_the_splits_that_are_done(
    undisturbed, cohort, model, tmp_path, monkeypatch
):
    stop_after(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_probe(model, cohort, tmp_path)
    assert len(list((tmp_path / work.UNFINISHED).glob("*/*.json"))) == 3
    monkeypatch.undo()
    done = stop_after(100, monkeypatch)
    assert run_probe(model, cohort, tmp_path) == undisturbed
    assert len(done) == 1
    assert not (tmp_path / work.UNFINISHED).exists()
    assert read_sums(tmp_path) == {name: sha256(content) for name, content in zip(FILES, undisturbed, strict=True)}


def test_workers_stay_for_the_next_pieces():
    pieces = [Piece(joblib.delayed(lambda: Results([{"worker": os.getpid()}]))(), name_of(n)) for n in range(4)]
    found = [row for _ in range(3) for part in itertools.islice(Work(2).results(pieces, str), 4) for row in part.scores]
    assert len(found) == 12
    assert len({row["worker"] for row in found}) <= 2


def test_tables_on_disk_change_no_score(undisturbed, cohort, model, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "LARGE", 64)
    monkeypatch.setattr(arrays, "LARGE_SCRATCH", 64)
    monkeypatch.setattr(linear, "BLOCK", 200)
    run_probe(model, cohort, tmp_path)
    one, other = read_scores(tmp_path / "scores.csv"), pd.read_csv(io.BytesIO(undisturbed[0]))
    assert len(one) == len(other) > 20
    np.testing.assert_allclose(one["r"], other["r"], rtol=1e-6)
    np.testing.assert_allclose(one["mae"], other["mae"], rtol=1e-6)


def test_components_are_said_to_cost_score(cohort, model, tmp_path):
    config = dataclasses.replace(CONFIG, components=6, analyses=())
    probe(model, cohort, targets=["age"], out=tmp_path, config=config)
    notes = json.loads((tmp_path / "probe.json").read_text())["notes"]
    assert any("6 principal components" in note and "easier to beat" in note for note in notes)


@pytest.mark.slow
def test_a_cluster_computes_the_same(undisturbed, cohort, model, tmp_path):
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        assert run_probe(model, cohort, tmp_path, scheduler=cluster.scheduler_address) == undisturbed


def test_a_clusters_workers_need_not_see_the_cohort(cohort, model, tmp_path, monkeypatch):
    def on_cluster(address, function, folder, jobs, *, needed):
        for number, piece in jobs:
            assert Cohort.__module__.encode() not in pickle.dumps(piece.call[1])
            yield function(folder, (number, piece))

    monkeypatch.setattr(work, "map_on_cluster", on_cluster)
    config = dataclasses.replace(CONFIG, analyses=("permutation", "reliability"))
    probe(model, cohort, targets=["age"], out=tmp_path, config=config, scheduler="tcp://host:8786")
    assert set(read_scores(tmp_path / "scores.csv")["analysis"]) == {"main", "permutation", "reliability"}


def twice(number):
    CALLED.append(number)
    table = pd.DataFrame({"person": [number], "probability": [np.array([0.5, 0.5], np.float32)]})
    return Results([{"method": "twice", "r": 2.0 * number, "split": np.int64(number)}], [table])


CALLED = []


def pieces(count):
    return [Piece(joblib.delayed(twice)(number), name_of("twice", number)) for number in range(count)]


def rows_of(folder, count):
    CALLED.clear()
    found = list(Work(folder=folder).results(pieces(count), "{}".format))
    return [row["r"] for one in found for row in one.scores], [len(one.predictions[0]) for one in found]


def test_pieces_that_are_kept_are_read_in_their_places(tmp_path):
    rows_of(tmp_path, 2)
    assert rows_of(tmp_path, 4) == ([0, 2, 4, 6], [1] * 4)
    assert CALLED == [2, 3]


def test_predictions_that_are_not_the_ones_that_were_written_are_refused_and_without_the_list_read(
    undisturbed, tmp_path
):
    for name, content in zip(FILES, undisturbed, strict=True):
        (tmp_path / name).write_bytes(content)
    write_sums(tmp_path, {name: sha256(undisturbed[0]) for name in FILES})  # those of another file, for one
    assert len(read_scores(tmp_path / FILES[0]))
    with pytest.raises(DataError, match=r"predictions\.parquet does not match its checksum.*Run the probe again"):
        read_predictions(tmp_path / FILES[1])
    (tmp_path / SUMS).unlink()
    assert len(read_predictions(tmp_path / FILES[1]))


@pytest.mark.parametrize("damage", ["", "{", '{"rows": 3, "scores": []}', "[" * 5000])
def test_a_damaged_piece_is_computed_again(tmp_path, damage):
    rows_of(tmp_path, 3)
    (tmp_path / f"{pieces(3)[1].name}.json").write_text(damage)
    assert rows_of(tmp_path, 3) == ([0, 2, 4], [1] * 3)
    assert CALLED == [1]


def stop(folder):
    (folder / "piece.json").write_text("")
    raise KeyboardInterrupt


def test_pieces_of_another_probe_go_away(tmp_path):
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path, ("one",)) as first:
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), unfinished(tmp_path, ("one",)) as again:
            stop(again)
        assert again == first
        assert [path.name for path in first.iterdir()] == ["piece.json"]
    with unfinished(tmp_path, ("other",)) as other:
        assert other.exists()
        assert not first.exists()
    assert not other.exists()


def test_a_large_array_travels_as_its_path(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "LARGE", 64)
    made = empty((40, 30), tmp_path, "table")
    made[:] = np.arange(1200).reshape(40, 30)
    on_disk = kept(made)
    assert isinstance(on_disk, OnDisk)
    assert on_disk.shape == (40, 30)
    packed = pickle.dumps(on_disk)
    assert len(packed) < 500
    with pytest.raises(FileExistsError):
        empty((40, 30), tmp_path, "table")
    some = Chosen(pickle.loads(packed), np.array([3, 0, 3]))
    np.testing.assert_array_equal(some[:, 4:6], [[94, 95], [4, 5], [94, 95]])


def test_a_small_array_stays_in_memory(tmp_path):
    assert not isinstance(kept(empty((4, 3), tmp_path, "table")), OnDisk)
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_array_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "LARGE_SCRATCH", 64)
    made = scratch((40, 30), tmp_path)
    made[:] = 2
    assert made.sum() == 2400
    assert list(tmp_path.iterdir()) == []


def test_a_block_of_columns_at_a_time_gives_the_same_rows(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 300))
    values[3, 7] = np.nan
    whole, held = standardised_rows(values, 35)
    monkeypatch.setattr(linear, "BLOCK", 50 * 7)
    blocks, blocks_held = standardised_rows(values, 35)
    np.testing.assert_allclose(blocks @ blocks.T, whole @ whole.T, atol=1e-12)
    np.testing.assert_allclose(blocks_held @ blocks.T, held @ whole.T, atol=1e-12)


def test_leading_components_are_those_of_a_singular_value_decomposition():
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(8, 400)) * (2.0 ** -np.arange(8))[:, None]
    values = rng.normal(size=(130, 8)) @ axes + 1e-4 * rng.normal(size=(130, 400))
    rows, held = standardised_rows(values, 100, 8)
    train, test = standardise(values[:100], values[100:])
    _, _, right = np.linalg.svd(train, full_matrices=False)
    assert rows.shape == (100, 8)
    for found, truth in ((rows, train @ right[:8].T), (held, test @ right[:8].T)):
        np.testing.assert_allclose(found @ rows.T, truth @ (train @ right[:8].T).T, atol=2e-4)


def test_with_as_many_components_as_rows_nothing_is_lost():
    values = np.random.default_rng(0).normal(size=(50, 300))
    rows, held = standardised_rows(values, 40, 39)
    train, test = standardise(values[:40], values[40:])
    np.testing.assert_allclose(rows @ rows.T, train @ train.T, atol=1e-5)
    np.testing.assert_allclose(held @ rows.T, test @ train.T, atol=1e-5)


def test_progress_counts_a_stage_as_much_as_it_is_expected_to_cost():
    seen = []
    stages = Stages(lambda done, total: seen.append(done / total), [1.0, 3.0])
    stages.step(1, 2)
    stages.next()
    stages.ticks(3)()
    stages.next()
    assert seen == [0.125, 0.25, 0.5, 1.0]


def test_rows_that_the_null_asks_for_again_are_made_once(tmp_path, monkeypatch):
    made, plain_matrix = [], Fixed.matrix

    def counted(self, train, people):
        made.append(len(train))
        return plain_matrix(self, train, people)

    monkeypatch.setattr(Fixed, "matrix", counted)
    rng = np.random.default_rng(0)
    features = Fixed(rng.normal(size=(40, 60)))
    labels, everyone = np.repeat(["a", "b"], 20), np.arange(40)
    splits = tuple(split_people(labels, everyone, kind="class", folds=2, repeats=2, seed=0, inner=3))
    plan = Plan(target="sex", kind="class", people=everyone, labels=labels, groups=everyone, splits=splits)
    plain = crossval.cross_validate(plan, {"fc": Linear(features)}, seed=0)
    made.clear()
    kept_plan = dataclasses.replace(plan, again=(2, tmp_path))
    found = crossval.cross_validate(kept_plan, {"fc": Linear(features), "fc_svm": Svm(features)}, seed=0)
    assert len(made) == 2 + 2 * 2  # once in the first two splits, by each method in the others
    assert len(list(tmp_path.glob("rows-*.npy"))) == 2
    assert [row for row in found.scores if row["method"] == "fc"] == plain.scores
    null = null_scores([(first_tests(kept_plan, 1), {"fc": features})], permutations=20, seed=0)
    assert len(made) == 6
    again = null_scores([(first_tests(plan, 1), {"fc": features})], permutations=20, seed=0)
    assert null == again
    assert len(made) == 8


def test_a_probe_for_which_memory_is_short_is_refused_before_anybody_is_looked_at(cohort, model, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 1)
    monkeypatch.setattr(plans, "find_alike", None)  # minutes, of many people
    with pytest.raises(MemoryShort, match=r"probe needs about .* of memory"):
        run_probe(model, cohort, tmp_path)
    with pytest.raises(MemoryShort, match=r"finetune needs about .* of memory.*: take a smaller --batch-size"):
        finetune(model, cohort, targets="sex", out=tmp_path / "tuned")


@pytest.mark.parametrize(("n_rois", "least", "most"), [(100, 4, 16), (400, 60, 80)])
def test_memory_grows_with_people_times_pairs_until_pairs_outnumber_people(n_rois, least, most):
    assert least < methods.bytes_of(CONFIG, n_rois, 40_000, jobs=1) / 2**30 < most
