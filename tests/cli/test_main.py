"""The entry point: help, versions, exit codes, and no traceback for what a user gets wrong."""

import dataclasses
import re
from importlib.metadata import version

import pytest

from semantoks.cli.main import COMMANDS, run
from semantoks.cli.training import pretrain
from semantoks.train.recipe import PretrainConfig


def said(capsys, *words):
    """Exit code of a command, and what it wrote to stdout and to stderr, each on one line."""
    code = run([str(word) for word in words])
    captured = capsys.readouterr()
    flat = [re.sub(r"([─│╭╮╰╯\s]|-{5,})+", " ", text).strip() for text in (captured.out, captured.err)]
    return code, *flat


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_the_overview_names_every_command(capsys, words):
    code, out, _ = said(capsys, *words)
    assert code == 0
    assert all(f" {name} " in out for name in COMMANDS)


def test_the_version_is_the_packages(capsys):
    assert said(capsys, "--version") == (0, f"semantoks {version('semantoks')}", "")


def test_an_unknown_command_is_answered_with_the_nearest(capsys):
    assert said(capsys, "prpare") == (2, "", "semantoks: there is no command 'prpare'. Did you mean 'prepare'?")
    assert said(capsys, "zzz")[0] == 2


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example_and_words_for_each_option(capsys, command):
    code, out, _ = said(capsys, command, "--help")
    assert code == 0
    assert f" Example: semantoks {command} " in out
    options = re.split(r" (?=--[a-z])", out[out.index("-h, --help") + 10 :])
    named = [option for option in options if option.startswith("--") and not option.endswith(",")]
    assert named or command == "completion"
    for option in named:
        assert len(re.findall(r"[A-Za-z]{2,}", option)) >= 4, option
        assert re.search(r"\((required|default: [^)]*)\)", option), option


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_has_no_marks_of_code_and_no_empty_default(capsys, command):
    out = said(capsys, command, "--help")[1]
    assert "``" not in out
    assert "(default: )" not in out
    assert "(default: None)" not in out


def names_of(kind, prefix=""):
    """Every setting of a configuration, nested ones with their path."""
    for field in dataclasses.fields(kind):
        inner = field.default_factory
        if inner is not dataclasses.MISSING and dataclasses.is_dataclass(inner):
            yield from names_of(inner, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def test_every_setting_of_the_pretraining_is_an_option_under_its_own_path(capsys):
    assert run(["pretrain", "--recipe", "paper", "--help"]) == 0
    text = capsys.readouterr().out
    options = {f"--{name.replace('_', '-')}" for name in names_of(PretrainConfig)}
    assert {"--encoder.depth", "--views.masks.share", "--optim.lr", "--batch-size"} <= options
    assert {option for option in options if option not in text} == set()


def test_a_kind_on_the_command_line_decides_which_options_there_are(capsys):
    connectivity = said(capsys, "pretrain", "--help")[1]
    assert "--encoder.tokenizer.shrinkage" in connectivity
    published = said(capsys, "pretrain", "--encoder.tokenizer.kind", "published", "--help")[1]
    assert "--encoder.tokenizer.branches" in published
    projection = said(capsys, "pretrain", "--encoder.tokenizer.kind", "projection", "--help")[1]
    assert "--encoder.tokenizer.kind" in projection
    assert "--encoder.tokenizer.branches" not in projection


def test_a_kind_that_is_a_mere_setting_leaves_the_recipes_other_settings_alone(monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr("semantoks.train.run.pretrain", lambda cohorts, **options: seen.update(options) or 1 / 0)
    (tmp_path / "own.toml").write_text("[views.masks]\nprobability = 0.25\n")
    with pytest.raises(ZeroDivisionError):
        pretrain(["c", "--out", "o", "--recipe", str(tmp_path / "own.toml"), "--views.masks.kind", "random"])
    masks = seen["config"].views.masks
    assert (masks.kind, masks.probability) == ("random", 0.25)


def test_flags_of_earlier_versions_are_understood(monkeypatch):
    seen = {}
    monkeypatch.setattr("semantoks.train.run.pretrain", lambda cohorts, **options: seen.update(options) or 1 / 0)
    flags = ["--optim.teacher-momentum", "0.5", "--head.hidden=8", "--optim.lr", "0.25"]
    with pytest.raises(ZeroDivisionError):
        pretrain(["cohort", "--out", "run", *flags])
    objective = seen["config"].objective
    assert (objective.teacher_momentum, objective.head.hidden, seen["config"].optim.lr) == (0.5, 8, 0.25)


def test_the_defaults_that_help_shows_are_the_recipes(capsys, tmp_path):
    (tmp_path / "own.toml").write_text("[encoder]\nwidth = 4096\n")
    assert "(default: 4096)" in said(capsys, "pretrain", "--recipe", tmp_path / "own.toml", "--help")[1]
    assert "(default: 4096)" in said(capsys, "pretrain", f"--recipe={tmp_path / 'own.toml'}", "--help")[1]
    assert "(default: 768)" in said(capsys, "pretrain", "--recipe", "paper", "--help")[1]
    assert "(default: 768)" in said(capsys, "pretrain", "--recipe", "small", "--recipe", "paper", "--help")[1]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["pretrain", "c", "--out", "o", "--encoder.widht", "8"], "--encoder.width INT"),
        (["pretrain", "c", "--out", "o", "--encoder.width", "7"], "encoder width has to be even"),
        (["pretrain", "c", "--out", "o", "--seed", "-1"], "seed has to be at least 0"),
        (["pretrain", "c", "--out", "o", "--steps", "0"], "at least 1"),
        (["pretrain", "c", "--out", "o", "--checkpoint-every", "0"], "at least 1"),
        (["pretrain", "c", "--out", "o", "--recipe", "smal"], "there is no recipe 'smal'"),
        (["pretrain", "c", "--out", "o", "--recipe", "absent.toml"], "there is no file absent.toml"),
        (["pretrain", "c", "--out", "o", "--recipe"], "--recipe"),
        (["pretrain", "c", "--out", "o", "--device", "tpu"], "invalid choice 'tpu'"),
        (["pretrain", "c"], "--out PATH"),
        (["embed", "c", "--model", "r"], "--out PATH"),
        (["embed", "c", "--model", "r", "--out", "t.csv"], "ends in .parquet, not t.csv"),
        (["embed", "c", "--model", "r", "--out", "t.parquet", "--readout", "clss"], "invalid choice 'clss'"),
        (["probe", "r", "c", "--target", "--out", "p"], "at least one target"),
        (["simulate", "--out", "s", "--participants", "0"], "participants has to be 1 or more"),
        (["simulate", "--out", "s", "--minutes", "nan"], "minutes has to be a number, not NaN"),
        (["simulate", "--out", "s", "--n-jobs", "0"], "--n-jobs must not be 0"),
        (["simulate", "--out", "s", "--as", "dicom"], "invalid choice 'dicom'"),
        (["simulate", "--out", "s", "--as", "abide", "--atlas", "cc200"], "pass --sessions 1"),
        (["prepare", "--out", "c", "--atlas", "cc200"], "give either SOURCE or --files FILE.tsv"),
        (["prepare", "raw", "--files", "f.tsv", "--out", "c", "--atlas", "cc200"], "give either SOURCE or --files"),
        (["embed", "--model", "r", "--out", "t.parquet"], "give either SOURCE or --files FILE.tsv"),
        (["doctor"], "give either SOURCE or --files FILE.tsv"),
        (["prepare", "raw", "--out", "c", "--parcellation", "p.nii"], "there is no parcellation image p.nii"),
        (["prepare", "raw", "--out", "c", "--atlas", "cc200", "--n-jobs", "0"], "not 0"),
        (["prepare", "raw", "--out", "c", "--atlas", "cc200", "--band", "0.1", "0.01"], "two rising frequencies"),
        (["demo", "--participants", "5"], "at least 40 simulated people and 1 step, not 5 and 40"),
        (["demo", "--steps", "0"], "at least 40 simulated people and 1 step, not 80 and 0"),
        (["info", "--verify"], "PATH"),
    ],
)
def test_a_wrong_option_is_a_sentence_and_exit_code_two(capsys, tmp_path, monkeypatch, words, answer):
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, *words)
    assert code == 2
    assert answer in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_input_that_is_not_there_is_a_sentence_and_exit_code_three(capsys, tmp_path):
    for words, answer in (
        (["pretrain", tmp_path / "c", "--out", tmp_path / "o"], "no folder"),
        (["pretrain", __file__, "--out", tmp_path / "o"], "is a file, not a cohort: name the folder"),
        (["pretrain", "--out", tmp_path / "o"], "needs at least one cohort"),
        (
            ["embed", tmp_path / "c", "--model", tmp_path / "r", "--out", tmp_path / "t.parquet"],
            "neither a run with a saved",
        ),
        (["probe", tmp_path / "r", tmp_path / "c", "--target", "sex", "--out", tmp_path / "p"], "no folder"),
        (["report", tmp_path / "r"], "there is no folder"),
        (["info", tmp_path / "r"], "there is nothing at"),
        (["info", tmp_path], "is not a cohort (dataset_description.json), run (run.json) or encoder (config.json)"),
        (["prepare", tmp_path / "raw", "--out", tmp_path / "c", "--atlas", "cc200"], "there is no"),
        (["simulate", "--out", tmp_path / "s", "--atlas", "cc20"], "there is no atlas 'cc20'"),
    ):
        code, out, err = said(capsys, *words)
        assert code == 3
        assert answer in err
        assert err.startswith("semantoks: ")
        assert out == ""


def test_a_diverged_training_and_an_interrupt_have_their_exit_codes(capsys, monkeypatch):
    def diverge(*_args):
        raise FloatingPointError("the loss is nan at step 3: lower --optim.lr.")

    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "pretrain", diverge)
    assert said(capsys, "pretrain") == (3, "", "semantoks: the loss is nan at step 3: lower --optim.lr.")
    monkeypatch.setitem(COMMANDS, "pretrain", interrupt)
    assert said(capsys, "pretrain") == (130, "", "semantoks: stopped. The same command goes on with what is finished.")


def test_a_bug_is_not_hidden(monkeypatch):
    def stumble(*_args):
        raise ZeroDivisionError

    monkeypatch.setitem(COMMANDS, "pretrain", stumble)
    with pytest.raises(ZeroDivisionError):
        run(["pretrain"])
