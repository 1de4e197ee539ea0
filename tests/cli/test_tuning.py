"""The command finetune: a recipe, what the command line changes of it, and every setting an option."""

import dataclasses

import pandas as pd
import pytest

from semantoks.cli.tuning import finetune
from semantoks.errors import ConfigError
from semantoks.evaluate.finetuning.beside import BESIDE
from semantoks.evaluate.finetuning.tuning import FinetuneConfig, TuningCorruption
from semantoks.evaluate.settings import ProbeConfig

WORDS = ["runs/a", "cohort", "--target", "dx", "age", "--out", "o"]


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of the job."""
    seen = {}

    def job(model, cohort, **options):
        seen.update(options, model=model, cohort=cohort)
        return pd.DataFrame()

    monkeypatch.setattr("semantoks.evaluate.finetuning.finetune.finetune", job)
    monkeypatch.setattr("semantoks.cli.results.score_table", lambda _: "the table")
    monkeypatch.setattr("semantoks.cli.results.probe_notes", lambda _: ["a note"])
    return seen


def test_without_options_the_recipe_decides(asked, capsys):
    assert finetune(WORDS) == 0
    assert asked["config"] == FinetuneConfig()
    assert asked["probe"] == ProbeConfig(repeats=1)
    assert (str(asked["model"]), str(asked["cohort"]), str(asked["out"])) == ("runs/a", "cohort", "o")
    assert (asked["targets"], asked["from_scratch"], asked["device"]) == (("dx", "age"), False, "auto")
    assert asked["beside"] == ()
    out = capsys.readouterr().out
    assert out.startswith("the table\na note\n")
    assert out.endswith("All scores: o/scores.csv\nNext: semantoks report o\n")


@pytest.mark.parametrize("joined", [True, False])
def test_a_file_changes_the_defaults_and_an_option_goes_before_it(asked, tmp_path, joined):
    path = tmp_path / "own.toml"
    path.write_text("epochs = 7\nlora_rank = 4\n")
    finetune([*WORDS, *([f"--recipe={path}"] if joined else ["--recipe", str(path)]), "--epochs", "9"])
    assert asked["config"] == FinetuneConfig(epochs=9, lora_rank=4)


def test_options_reach_the_job(asked):
    finetune(
        [*WORDS, "--lr", "1e-3", "0.01", "--patience", "3", "--corruption.noise", "0.2", "--class-weight", "balanced"]
    )
    assert asked["config"] == FinetuneConfig(
        lr=(1e-3, 0.01), patience=3, class_weight="balanced", corruption=TuningCorruption(noise=0.2)
    )
    finetune([*WORDS, "--folds", "3", "--repeats", "2", "--seed", "5", "--split", "site", "--from-scratch"])
    assert asked["probe"] == ProbeConfig(folds=3, repeats=2, seed=5, split="site")
    assert asked["from_scratch"]
    finetune([*WORDS, "--beside", "fc_mlp", "dynamic_graph", "--beside-lr", "0.1"])
    assert asked["beside"] == ("fc_mlp", "dynamic_graph")
    assert asked["config"] == FinetuneConfig(beside_lr=(0.1,))
    finetune(
        [*WORDS, "--exclude-pretrained", "--drop-rare", "--as-class", "dx", "--missing", "-9999", "--device", "mps"]
    )
    assert asked["probe"] == ProbeConfig(
        repeats=1, exclude_pretrained=True, drop_rare=True, as_class=("dx",), missing=("-9999",)
    )
    assert asked["device"] == "mps"
    finetune([*WORDS, "--equivalence", "0.05", "--family", "house", "--bins", "3", "--identifiers"])
    assert asked["probe"] == ProbeConfig(repeats=1, equivalence=0.05, family="house", bins=3, identifiers=True)


def test_every_setting_is_an_option(capsys):
    with pytest.raises(SystemExit):
        finetune(["--help"])
    text = capsys.readouterr().out
    names = {f.name for f in dataclasses.fields(FinetuneConfig)} - {"corruption"}
    names |= {f"corruption.{f.name}" for f in dataclasses.fields(TuningCorruption)}
    assert {name for name in names if f"--{name.replace('_', '-')}" not in text} == set()
    assert "Example: semantoks finetune " in text
    assert all(name in text for name in BESIDE)


def test_a_wrong_recipe_or_setting_is_a_sentence(asked):
    with pytest.raises(ConfigError, match="there is no recipe 'smal' for fine-tuning"):
        finetune([*WORDS, "--recipe", "smal"])
    with pytest.raises(ConfigError, match="batch_size has to be at least 2"):
        finetune([*WORDS, "--batch-size", "1"])
    with pytest.raises(SystemExit):
        finetune([*WORDS, "--recipe"])
    assert not asked
