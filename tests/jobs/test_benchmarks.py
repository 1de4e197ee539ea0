"""Every benchmark runs and prints its table, at a size at which its figures say nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import SCRIPTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
THREADS = ("--threads", 1)
TOY = {
    "training_step": ("--size", "toy", *THREADS),
    "tokenizer": ("--width", 64, *THREADS),
    "attention": ("--tokens", 46, *THREADS),
    "prepare": ("--recordings", 2),
    "xcpd": ("--runs", 2),
    "cli_start": ("--starts", 1),
    "baselines": ("--people", 12, "--frames", 110, "--atlas", "schaefer100"),
    "paper_probe": ("--people", 60, "--features", 8, "--targets", 1, "--turns", 1, *THREADS),
    "embedding": ("--turns", 1, "--batch", 2, "--depth", 1, *THREADS),
    "finetune_step": ("--size", "small", *THREADS),
}


def test_every_benchmark_has_a_toy_size():
    assert set(TOY) == set(SCRIPTS)


@pytest.mark.parametrize("script", TOY)
def test_a_benchmark_runs_and_prints_a_table(script, tmp_path):
    words = [sys.executable, "-m", f"benchmarks.{script}", *map(str, TOY[script])]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "src")))
    done = subprocess.run(
        words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("|--") for line in done.stdout.splitlines())
