"""A study on a Dask cluster: each run is its part of the command, in a process of its own; what fails is a sentence."""

import dataclasses
import json
from pathlib import Path

import pytest
from distributed import LocalCluster

from semantoks.errors import ConfigError
from semantoks.studies import on_cluster
from semantoks.studies.engine import carry_out
from semantoks.studies.on_cluster import Typed, run_part
from semantoks.studies.settings import StudyConfig
from semantoks.studies.table import Planned, Study
from semantoks.train.recipe import load_recipe

FINISHING = """
import json, os, pathlib, sys
parent, *words = sys.argv[1:]
assert int(parent) == os.getppid()
assert words[:-1] == ["ablate", "a cohort/", "--target", "sex", "--out", "study", "--part"], words
folder = pathlib.Path("study", "runs", f"r{int(words[-1].split('/')[0]) - 1}")
(folder / "probe").mkdir(parents=True)
(folder / "probe" / "probe.json").write_text("{}")
(folder / "run.json").write_text(json.dumps({"status": "finished", "part": words[-1]}))
"""
FAILING = "import sys; print('x'); print('semantoks: no recipe.', file=sys.stderr); sys.exit(2)"
COMMAND = "semantoks ablate 'a cohort/' --scheduler tcp://h:1 --target sex --part=1/1 --out study"


@pytest.fixture
def study(halves, recipe, tmp_path, monkeypatch):
    """Three runs of a study whose command was typed in a folder."""
    monkeypatch.chdir(tmp_path)
    config = load_recipe(recipe)
    runs = tuple(Planned(name=f"r{k}", condition="full", seed=k, people=20, config=config) for k in range(3))
    return Study(
        kind="ablate",
        out=Path("study"),
        sides=halves,
        targets=("sex",),
        settings=StudyConfig(),
        runs=runs,
        command=COMMAND,
    )


@pytest.fixture
def address():
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address


def on(address, study):
    return dataclasses.replace(study, settings=StudyConfig(scheduler=address))


@pytest.mark.slow
def test_each_run_that_is_not_there_is_its_part_of_the_command(study, address, monkeypatch):
    monkeypatch.setattr(on_cluster, "_CHILD", FINISHING)
    said, shown = [], []
    run_part(Typed(("ablate", "a cohort/", "--target", "sex", "--out", "study"), Path.cwd(), 3), 2)
    done = carry_out(on(address, study), progress=lambda *now: shown.append(now), tell=said.append)
    assert done.missing == ()
    parts = [json.loads((study.folder(one) / "run.json").read_text())["part"] for one in study.runs]
    assert parts == ["1/3", "2/3", "3/3"]
    assert sorted(said)[1] == f"2 of 2 runs are back: full, seed {said[1][-1]}"
    assert shown[-1] == (1000, 1000)
    assert json.loads(Path("study/study.json").read_text())["command"] == COMMAND
    nowhere = on("tcp://localhost:1", study)
    assert carry_out(nowhere).missing == (), "there is nothing to ask the cluster for"


@pytest.mark.slow
def test_the_last_words_of_a_run_that_fails_on_its_worker_are_said(study, address, monkeypatch):
    monkeypatch.setattr(on_cluster, "_CHILD", FAILING)
    with pytest.raises(ConfigError, match=r"run [123] of 3 failed on its worker: no recipe\."):
        carry_out(on(address, study))


def test_a_run_whose_writer_has_just_died_is_tried_again(tmp_path, monkeypatch):
    child = "import pathlib; p = pathlib.Path('n'); n = len(p.read_text()) if p.exists() else 0; "
    child += "p.write_text('x' * (n + 1)); print('done' if n == 2 else '1 another job is writing it')"
    monkeypatch.setattr(on_cluster, "_CHILD", child)
    monkeypatch.setattr(on_cluster, "PAUSE", 0.0)
    assert run_part(Typed(("ablate",), tmp_path, 9), 4) == 4
    assert (tmp_path / "n").read_text() == "xxx"


def test_a_study_that_no_command_began_and_what_cannot_be_together_are_refused(study, command):
    with pytest.raises(ConfigError, match="for studies that a command begins"):
        carry_out(on("tcp://h:1", dataclasses.replace(study, command="")))
    code, _, said = command(
        "ablate", "s", "--target", "sex", "--grid", "small", "--scheduler", "tcp://h:1", "--assemble"
    )
    assert (code, "give one of them" in said) == (2, True)
