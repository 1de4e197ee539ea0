"""Jobs that are killed at random moments, run again, end with the bytes of undisturbed ones, and leave nothing behind.

By hand with more rounds and other moments: ``SEMANTOKS_KILLS=50 python -m pytest tests/jobs/test_kills.py -s``.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.cli.main import run
from semantoks.config import from_plain
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.train.closed_form import FitConfig, fit
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("SEMANTOKS_KILLS", "2"))
ATLAS = Atlas(name="tiny", labels=tuple("abcdefgh"), networks=("x", "y", "x", "z", "y", "z", "x", "z"))
CONFIG = {
    "encoder": {"width": 16, "depth": 1},
    "objective": {"head": {"hidden": 16, "projection": 8}},
    "batch_size": 4,
    "steps": 12,
    "min_seconds": 0.0,
}


def bytes_of(folder, unlike=()):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in unlike)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def run_and_kill(job, moment):
    """Run a job in a process of its own and kill it after ``moment`` seconds; say whether it was still running."""
    child = os.fork()
    if not child:
        try:
            job()
        finally:
            os._exit(0)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def attacked(job, whole, tmp_path, unlike):
    """Kill a job in each round, a second time while it is taken up, and let it end; give how often it was alive."""
    begin = time.perf_counter()
    job(whole)
    lasts = time.perf_counter() - begin
    chance, alive = random.Random(17 if ROUNDS == 2 else None), 0
    for number in range(ROUNDS):
        out = tmp_path / f"round-{number}"
        for _ in range(2):
            alive += run_and_kill(lambda out=out: job(out), chance.uniform(0, 1.3 * lasts))
        job(out)
        assert bytes_of(out, unlike) == bytes_of(whole, unlike), number
        assert not list(out.rglob(".*semantoks*"))
    sys.stdout.write(f"{ROUNDS} rounds, {2 * ROUNDS} kills, {alive} of them in time; no losses, nothing left behind\n")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    random_numbers = np.random.default_rng(0)
    for person in range(12):
        series = random_numbers.normal(size=(130 + person, 8)).cumsum(axis=0)
        np.savetxt(
            folder / f"sub-{person:02d}_timeseries.tsv",
            series,
            "%.6f",
            "\t",
            header="\t".join(ATLAS.labels),
            comments="",
        )
    return folder


def test_a_killed_prepare_ends_with_the_same_bytes(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("semantoks.signals.writer.SHARD_RECORDINGS", 3)
    attacked(lambda out: prepare(recordings, out=out, atlas=ATLAS, tr=2.0), tmp_path / "whole", tmp_path, ())


def test_a_killed_training_ends_with_the_same_weights(recordings, tmp_path):
    prepare(recordings, out=tmp_path / "cohort", atlas=ATLAS, tr=2.0)
    config = from_plain(PretrainConfig, CONFIG)

    def job(out: Path) -> None:
        pretrain([Cohort(tmp_path / "cohort")], out=out, config=config, checkpoint_every=3, resume=True)

    attacked(job, tmp_path / "whole", tmp_path, ("run.json", "metrics.jsonl", "warnings.jsonl", "config.json"))


@pytest.fixture(scope="module")
def fitted(recordings, tmp_path_factory):
    """A cohort with ages, and an encoder in closed form of it."""
    folder = tmp_path_factory.mktemp("fitted")
    rows = "".join(f"sub-{person:02d}\t{20 + 3 * person}\n" for person in range(12))
    (folder / "people.tsv").write_text("participant_id\tage\n" + rows)
    prepare(recordings, out=folder / "cohort", atlas=ATLAS, tr=2.0, participants=folder / "people.tsv")
    fit([folder / "cohort"], out=folder / "encoder", config=FitConfig(columns=4, components=2, shrinkage=0.3))
    return folder


def test_a_killed_embed_ends_with_the_same_table(fitted, tmp_path):
    def job(out: Path) -> None:
        out.mkdir(exist_ok=True)
        words = ["embed", str(fitted / "cohort"), "--model", str(fitted / "encoder"), "--out", str(out / "f.parquet")]
        assert run(words) == 0

    attacked(job, tmp_path / "whole", tmp_path, ())


def test_a_killed_probe_ends_with_the_same_scores(fitted, tmp_path):
    config = ProbeConfig(folds=2, repeats=1, methods=("fc_tangent",), analyses=())

    def job(out: Path) -> None:
        probe(fitted / "encoder", fitted / "cohort", targets=["age"], out=out, config=config, n_jobs=1)

    attacked(job, tmp_path / "whole", tmp_path, ("probe.json",))
