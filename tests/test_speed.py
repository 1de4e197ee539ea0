"""The machine's own table: measured on simulated people, in 80 columns or as JSON, with one piece of advice."""

import itertools
import json

import pandas as pd
import pytest
import torch

from semantoks import speed
from semantoks.cli.main import run
from semantoks.train.pace import matmul_rate

ROW = {"recipe": "paper", "precision": "32-true", "samples_per_s": 2.0, "steps_per_s": 0.125, "tflops": 0.1,
       "share_of_matmul": 0.9, "peak_memory_gib": 2.5, "hours_uk_biobank": 555.6}  # fmt: skip


@pytest.mark.slow
def test_a_recipe_is_timed_beside_the_matmul_rate_and_nothing_is_left(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    asked = []
    for step in ("pretrain", "embed", "probe"):
        whole = getattr(speed, step)
        monkeypatch.setattr(speed, step, lambda *a, whole=whole, **k: (asked.append(k["precision"]), whole(*a, **k))[1])
    words = ["--recipes", "smoke", "--people", "20", "--device", "cpu", "--precision", "32-true", "--json"]
    assert run(["bench", *words]) == 0
    assert asked == ["32-true"] * 3
    found = json.loads(capsys.readouterr().out)
    (row,) = found["training"]
    assert row["recipe"] == "smoke"
    assert row["share_of_matmul"] == pytest.approx(row["tflops"] / found["matmul_tflops"]["float32"], rel=0.05)
    assert row["hours_uk_biobank"] == pytest.approx(4e6 / row["samples_per_s"] / 3600, rel=0.02)
    assert set(found["seconds_per_1000_people"]) == {"prepare", "embed", "probe"}
    assert not list(tmp_path.iterdir())


def test_a_slow_matrix_product_is_timed_at_a_small_size(monkeypatch):
    seconds = itertools.accumulate(itertools.repeat(0.5))
    monkeypatch.setattr("time.perf_counter", lambda: next(seconds))
    assert matmul_rate(torch.device("cpu"), torch.bfloat16) == 2 * 256**3 / 0.5


def test_the_table_fits_80_columns_and_ends_with_the_advice():
    found = speed.Bench(machine="2 cores", device="cpu", load=0.1, matmul_tflops={"float32": 0.08, "bfloat16": 0.3},
                        training=pd.DataFrame([ROW]), seconds_per_1000_people={"prepare": 60.0},
                        advice="Nothing stands out: train.")  # fmt: skip
    lines = str(found).splitlines()
    assert repr(found).startswith("Bench(2 cores; paper;")
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "Nothing stands out: train."
    assert any(line.split() == ["paper", "32-true", "2", "0.125", "0.1", "90", "%", "2.5", "556"] for line in lines)


@pytest.mark.parametrize(
    ("load", "rates", "precision", "hours", "words"),
    [
        (0.8, (0.1, 0.1), "32-true", 1, "Other programs use 80 % of the cores"),
        (0.1, (0.1, 0.4), "32-true", 1, "4.0 times as fast here as in float32: try --precision bf16-mixed"),
        (0.1, (0.1, 0.4), "bf16-mixed", 100, "UK Biobank takes days here with paper: take a GPU"),
        (0.1, (0.1, 0.1), "32-true", 2, "Nothing stands out"),
    ],
)
def test_the_advice_names_what_would_help_most(load, rates, precision, hours, words):
    row = ROW | {"precision": precision, "hours_uk_biobank": hours}
    both = dict(zip(("float32", "bfloat16"), rates, strict=True))
    assert words in speed._advice(torch.device("cpu"), load, both, [row])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU")
def test_a_device_that_there_is_not_is_refused_in_a_sentence(capsys):
    assert run(["bench", "--device", "cuda"]) == 2
    assert "--device 'cuda' is not available" in capsys.readouterr().err
