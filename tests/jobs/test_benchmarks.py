"""Every benchmark runs and prints its table, at a size at which its figures say nothing."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks import nulls
from benchmarks.__main__ import SCRIPTS
from benchmarks.beside_plain import Plain
from benchmarks.training_step import build_trainer, paired_steps, sizes

from semantoks import SimulationConfig, prepare, simulate
from semantoks.objective.self_distillation import loss_terms

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
THREADS = ("--threads", 1)
GROWN = ("prepare", "open", "train", "fit", "probe fc", "report")
TOY = {
    "training_step": ("--size", "toy", *THREADS),
    "beside_plain": ("--case", "toy", "--turns", 1, "--no-bf16", *THREADS),
    "tokenizer": ("--width", 64, "--turns", 1, *THREADS),
    "attention": ("--tokens", 46, *THREADS),
    "prepare": ("--recordings", 2),
    "xcpd": ("--runs", 2),
    "cli_start": ("--starts", 1),
    "baselines": ("--people", 12, "--frames", 110, "--atlas", "schaefer100"),
    "penalties": ("--people", 40, "--classes", 2, 3, "--columns", 60, 8, "--turns", 1),
    "paper_probe": ("--people", 60, "--features", 8, "--targets", 1, "--turns", 1, *THREADS),
    "embedding": ("--turns", 1, "--batch", 2, "--depth", 1, *THREADS),
    "finetune_step": ("--size", "small", "--turns", 1, *THREADS),
    "growth": ("--people", 40, "--rois", 14, "--components", 20, "--stages", *GROWN, "--figure", "growth.svg"),
}


def test_every_benchmark_has_a_toy_size():
    assert set(TOY) == set(SCRIPTS)


@pytest.mark.parametrize("masked", [True, False])
def test_what_ours_is_timed_beside_has_its_loss_and_its_gradient(masked):
    trainer = build_trainer(sizes()["toy"], "cpu", "32-true")
    plain, (with_masks, without) = Plain(trainer), next(paired_steps(trainer.config))
    batch = trainer.draw(with_masks if masked else without)
    views, hidden = batch.crops.chunk(2), None if batch.hidden is None else list(batch.hidden.chunk(2))
    given = plain.project(plain.student, views, hidden, masked=masked)
    seen = plain.project(plain.teacher, views, None, masked=masked)
    theirs = loss_terms(given, seen, batch.mask, ttr_weight=0.0, config=trainer.config.objective).loss
    theirs.backward()
    ours = trainer.backward(batch, {"ttr_weight": 0.0}).loss
    assert (batch.mask is not None) == masked
    assert theirs.item() == pytest.approx(ours.item(), rel=1e-5)
    mine, its = (
        torch.cat([torch.zeros(w.numel()) if w.grad is None else w.grad.flatten() for w in student.parameters()])
        for student in (trainer.learner.student, plain.student)
    )
    assert (its - mine).norm() < 1e-3 * mine.norm()  # rounding, of a batch of two people


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, untyped):
    """Run a script in this process, in a fresh folder, and return what it prints; what it starts finds the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "src"))))

    def call(script, *options):
        monkeypatch.setattr(sys, "argv", [script, *map(str, options)])
        importlib.import_module(f"benchmarks.{script}").main()
        printed = capsys.readouterr().out
        assert any(line.startswith("|--") for line in printed.splitlines())
        return printed

    return call


@pytest.mark.parametrize("script", TOY)
def test_a_benchmark_runs_and_prints_a_table(script, run):
    run(script, *TOY[script])


def test_a_benchmark_is_started_as_its_page_says(run, tmp_path):
    words = [sys.executable, "-m", "benchmarks.prepare", *map(str, TOY["prepare"])]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "|--" in done.stdout
    begun = '\n\nif __name__ == "__main__":\n    main()\n'
    assert all((ROOT / "benchmarks" / f"{script}.py").read_text().endswith(begun) for script in SCRIPTS)


def test_the_simulated_nulls_are_drawn_and_printed(run, tmp_path, monkeypatch):
    for name, few in {"EFFECTS": (0.0, 0.2), "FEATURES": 20, "PERMUTATIONS": 19, "FLIPS": 99}.items():
        monkeypatch.setattr(nulls, name, few)
    run("nulls", "--runs", 2, "--figure", "nulls.svg")
    assert (tmp_path / "nulls.svg").stat().st_size > 1000


def test_a_trial_is_trained_and_has_its_row(run, tmp_path):
    simulate(SimulationConfig(participants=20, sessions=1, minutes=7.5, atlas="schaefer100"), out=tmp_path / "rec")
    prepare(tmp_path / "rec", out=tmp_path / "cohort", atlas="schaefer100:one")
    printed = run("trials", "cohort", "--out", "trials", "--target", "sex", "--only", "toy")
    for name in ("FC", "motion", "toy", "its random weights"):
        assert f"| {name} |" in printed


def test_the_results_are_printed_over_seeds_and_not_computed_twice(run, tmp_path):
    simulate(SimulationConfig(participants=80, sessions=1, minutes=5.0, atlas="schaefer100"), out=tmp_path / "rec")
    prepare(tmp_path / "rec", out=tmp_path / "cohort", atlas="schaefer100:one")
    words = ("cohort", "--out", "o", "--target", "sex", "--seeds", 0, 1, "--steps", 2, "--repeats", 1, "--columns", 8)
    printed = run("results", *words)
    assert "2 steps on 80 of 80 people, seeds 0, 1" in printed
    assert re.search(r"\| encoder +\| +0\.\d{3} \(0\.\d{3} to 0\.\d{3}\) \|", printed)
    assert re.search(r"\| closed form, encoder +\| +0\.\d{3} \[", printed)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "o").rglob("*") if path.is_file()}
    assert run("results", *words) == printed
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "o").rglob("*") if path.is_file()}


def test_what_is_made_without_a_site_is_tried_there(run, tmp_path):
    simulate(SimulationConfig(participants=30, sessions=1, minutes=5.0, atlas="schaefer100"), out=tmp_path / "rec")
    prepare(tmp_path / "rec", out=tmp_path / "cohort", atlas="schaefer100")
    recipe = (ROOT / "src/semantoks/recipes/small.toml").read_text()
    recipe = recipe.replace("batch_size = 128", "batch_size = 8")
    (tmp_path / "tiny.toml").write_text(recipe)
    words = ("cohort", "--target", "sex", "age", "--groups", 2, "--columns", 8, "--draws", 9)
    printed = run("new_people", *words, "--run", "tiny.toml", "--steps", 2, "--seeds", 0, "--out", "runs")
    for name in ("FC, tangent", "closed form, 8", "FC, tangent + closed form, 8", "pretrained, seed 0"):
        assert f"| {name}" in printed
    assert "From 30 s" in printed
