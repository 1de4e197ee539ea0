"""Two ranks train what one trains, write once, and stop together."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tiny_run import make_cohort, tiny_config
from two_ranks import PLAIN

from semantoks.storage.lock import hold_folder
from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def stop_after(step):
    def on_row(row):
        if row["step"] == step:
            os.kill(os.getpid(), signal.SIGUSR1)

    return on_row


def started(by, cohort, out, steps=4, kill_at=None, words=None):
    """Start two processes as torchrun or as srun does; their exit codes, and what they wrote to the screen.

    ``kill_at``: kill the second one when so many rows are written. ``words``: what to start, if not two_ranks.py.
    """
    words = words or [str(HERE / "two_ranks.py"), str(cohort.path), str(out), str(steps), "-1", "0"]
    if by == "torchrun":
        words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *words]
        environments = [os.environ]
    else:
        job = {"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "4711"}
        environments = [os.environ | job | dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID"), str(n)) for n in range(2)]
        environments = [one | {"MASTER_ADDR": "127.0.0.1"} for one in environments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": HERE}
    ranks = [subprocess.Popen([sys.executable, *words], env=one, **pipes) for one in environments]
    if kill_at is not None:
        while len(rows(out) if (out / "metrics.jsonl").exists() else []) < kill_at:
            time.sleep(0.05)
        ranks[1].kill()
    said = "".join(rank.communicate(timeout=120)[0] for rank in ranks)
    return [rank.returncode for rank in ranks], said


def test_processes_that_torchrun_started_together_train_one_run_together_and_one_of_them_says_so(fixed, tmp_path):
    out, small = tmp_path / "run", ["--encoder.width=16", "--encoder.depth=1", "--batch-size=8", "--steps=4"]
    words = ["-m", "semantoks", "pretrain", fixed.path, "--out", out, "--device=cpu", "--min-seconds=0", *small]
    codes, said = started("torchrun", fixed, out, words=[*map(str, words), "--json"])
    assert not any(codes), said
    assert len(rows(out)) == 4
    assert "find_unused_parameters" not in said
    assert "Initializing distributed" not in said
    assert json.loads((out / "run.json").read_text())["environment"]["devices"] == 2
    (told,) = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    assert (told["status"], told["steps"]) == ("finished", 4)


@pytest.mark.parametrize("lacking", ["a multiple", "a cohort"])
def test_what_no_process_can_train_with_is_said_once(fixed, tmp_path, lacking):
    words = ["pretrain", fixed.path if lacking == "a multiple" else tmp_path / "x", "--out", tmp_path / "run"]
    codes, said = started("torchrun", fixed, None, words=["-m", "semantoks", *map(str, words), "--batch-size=7"])
    assert all(codes)
    assert said.count("semantoks: ") == 1, said
    assert ("7 has to be a multiple of devices x accumulate = 2: use --batch-size 8" in said) == (lacking != "a cohort")


@pytest.mark.parametrize("by", ["torchrun", "srun"])
def test_where_another_job_writes_the_run_every_rank_says_so_and_ends(fixed, tmp_path, by):
    with hold_folder(tmp_path / "run"):
        codes, said = started(by, fixed, tmp_path / "run")
    assert all(codes)
    assert said.count(f"BusyError: {tmp_path / 'run'} is being written by process {os.getpid()}") == 2
    assert not (tmp_path / "run").exists()


def test_a_rank_of_sruns_that_is_killed_ends_the_job_with_a_sentence_and_one_rank_goes_on_from_the_last_checkpoint(
    fixed, tmp_path
):
    codes, said = started("srun", fixed, tmp_path / "run", steps=400, kill_at=5)
    assert sorted(codes) == [-9, 1]
    assert "RankLost: another process of this training has ended" in said
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "stopped"
    (last,) = re.findall(r"step-(\d+).safetensors is whole: the same command goes on", said)
    done = int(last)
    options = {"config": tiny_config(**PLAIN, steps=400), "resume": True, "log_every": 1}
    record = pretrain([fixed], out=tmp_path / "run", on_row=stop_after(done + 1), **options)
    assert record["ranks"] == [[0, 2], [done, 1]]
    assert [row["step"] for row in rows(tmp_path / "run")] == list(range(done + 2))


def test_two_processes_go_on_with_what_one_began(fixed, tmp_path):
    options = {"config": tiny_config(**PLAIN, steps=4), "log_every": 1, "checkpoint_every": 2}
    assert pretrain([fixed], out=tmp_path / "run", on_row=stop_after(1), **options)["status"] == "stopped"
    codes, said = started("srun", fixed, tmp_path / "run")
    assert not any(codes), said
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["status"], record["ranks"]) == ("finished", [[0, 1], [2, 2]])
    assert [row["step"] for row in rows(tmp_path / "run")] == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """Twelve people with one recording, one window long."""
    return make_cohort(tmp_path_factory.mktemp("fixed"), frames=(100, 101), sessions=1)


@pytest.fixture(scope="module")
def two(fixed, tmp_path_factory):
    """A run of two ranks, 40 steps long, of which the first rank alone was asked to stop at the fifth."""
    out = tmp_path_factory.mktemp("two") / "run"
    command = [sys.executable, str(HERE / "two_ranks.py"), str(fixed.path), str(out), "40", "4", "2"]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=HERE)
    return out


def test_when_one_rank_is_asked_to_stop_both_do_and_save(two):
    assert json.loads((two / "run.json").read_text())["status"] == "stopped"
    assert [row["step"] for row in rows(two)] == list(range(10))


def test_two_ranks_have_the_metrics_and_the_weights_of_one(fixed, two, tmp_path):
    config = tiny_config(**PLAIN, steps=40)
    pretrain([fixed], out=tmp_path / "one", config=config, log_every=1, on_row=stop_after(9))
    alone, together = rows(tmp_path / "one"), rows(two)
    assert len(together) == len(alone) == 10
    for name in ("loss", "agreement", "coding_rate", "grad_norm"):
        assert [row[name] for row in together] == pytest.approx([row[name] for row in alone], rel=1e-3), name
    last = "checkpoints/step-00000010.safetensors"
    weights = [load_file(out / last) for out in (tmp_path / "one", two)]
    for name, value in weights[0].items():
        if name.startswith("teacher."):
            assert (value - weights[1][name]).abs().max() < 1e-3, name
