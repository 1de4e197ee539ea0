"""Two ranks train what one trains, write once, and stop together."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tiny_run import make_cohort, tiny_config
from two_ranks import PLAIN

from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def run_two(cohort, out, steps, stop_at):
    command = [sys.executable, str(HERE / "two_ranks.py"), str(cohort.path), str(out), str(steps), str(stop_at)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=HERE)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """Twelve people with one recording, one window long."""
    return make_cohort(tmp_path_factory.mktemp("fixed"), frames=(100, 101), sessions=1)


def test_two_ranks_have_the_metrics_and_the_weights_of_one(fixed, tmp_path):
    pretrain([fixed], out=tmp_path / "one", config=tiny_config(**PLAIN, steps=6), log_every=1)
    run_two(fixed, tmp_path / "two", 6, -1)
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert len(two) == len(one) == 6
    for name in ("loss", "agreement", "coding_rate", "grad_norm"):
        assert [row[name] for row in two] == pytest.approx([row[name] for row in one], rel=1e-3), name
    last = "checkpoints/step-00000006.safetensors"
    weights = [load_file(tmp_path / name / last) for name in ("one", "two")]
    for name, value in weights[0].items():
        if name.startswith("teacher."):
            assert (value - weights[1][name]).abs().max() < 1e-3, name


def test_when_one_rank_is_asked_to_stop_both_do_and_save(fixed, tmp_path):
    run_two(fixed, tmp_path / "two", 40, 4)
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["status"] == "stopped"
    assert [row["step"] for row in rows(tmp_path / "two")] == list(range(10))
