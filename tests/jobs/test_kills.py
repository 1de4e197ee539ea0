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
from semantoks.config import from_plain
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
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
