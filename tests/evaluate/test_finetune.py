"""The fine-tuning job: rows beside the probe's on the probe's splits, files for the report, and refusals in time."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from semantoks.config import to_plain
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.finetuning import finetune as module
from semantoks.evaluate.finetuning.finetune import Diary, finetune
from semantoks.evaluate.finetuning.tuning import Epoch, FinetuneConfig, load_settings
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.crossval import score_split
from semantoks.reporting.run.evaluation import read_evaluation
from semantoks.statistics.tables import read_predictions, read_scores
from tiny_people import make_people, write_cohort

pytestmark = pytest.mark.slow

QUICK = FinetuneConfig(epochs=2, lr=(1e-3, 1e-2), crops=2, validation_crops=1)
PROBE = ProbeConfig(folds=2, repeats=1, equivalence=0.9)


@pytest.fixture(scope="module")
def run(cohort, model, tmp_path_factory):
    """The summary, the folder, and the progress that was shown, of a class and a value."""
    out, seen = tmp_path_factory.mktemp("run") / "finetune", []
    summary = finetune(
        model,
        cohort,
        targets=("sex", "age"),
        out=out,
        config=QUICK,
        probe=PROBE,
        from_scratch=True,
        command="semantoks finetune",
        progress=lambda *x: seen.append(x),
    )
    return summary, out, seen


def test_every_row_is_scored_on_the_same_people(run):
    summary, out, _ = run
    scores = read_scores(out / "scores.csv")
    names = {"finetuned", "finetuned_random", "encoder", "fc+encoder", "random_weights", "fc", "motion"}
    names |= {"fc_tangent", "tangent+encoder"}
    for target in ("sex", "age"):
        rows = scores[scores["target"] == target]
        assert set(rows["method"]) == names
        assert (rows.groupby("split")[["n_train", "n_test"]].nunique() == 1).all(axis=None)
        assert rows.groupby("method")["n_test"].sum().eq(40).all()
    predictions = read_predictions(out / "predictions.parquet")
    people = predictions.groupby(["target", "split", "method"])["person"].agg(tuple)
    assert (people.groupby(["target", "split"]).nunique() == 1).all()
    assert set(summary["method"]) == names


def test_as_good_as_fc_is_tested_within_the_bound_that_the_report_reads(run):
    summary, out, _ = run
    tested = summary[summary["method"] != "fc"]
    assert tested["p_equal"].between(0, 1).all()
    evaluation, _ = read_evaluation(out, "finetune", json.loads((out / "probe.json").read_text()))
    pd.testing.assert_series_equal(evaluation.summary["p_equal"], summary["p_equal"])
    assert evaluation.bound == 0.9


def test_the_splits_are_those_of_the_probe(run, cohort, model):
    study = module.open_study(model, cohort, ["sex"], PROBE, device="cpu", out=run[1])
    found = read_predictions(run[1] / "predictions.parquet")
    for number, (_, test) in enumerate(study.plans[0].splits):
        one = found[(found["target"] == "sex") & (found["method"] == "finetuned") & (found["split"] == number)]
        np.testing.assert_array_equal(one["person"], study.plans[0].people[test])


def test_the_files_say_what_was_done(run):
    about = json.loads((run[1] / "probe.json").read_text())
    assert about["command"] == "semantoks finetune"
    assert about["finetune"] == to_plain(QUICK) | {"lr": [1e-3, 1e-2]}
    assert about["settings"]["folds"] == 2
    assert {"finetuned", "finetuned_random", "encoder", "fc", "motion"} <= about["methods"].keys()
    epochs = pd.read_csv(run[1] / "epochs.csv")
    assert epochs.columns.tolist() == ["target", "method", "split", "lr", "epoch", "validation"]
    assert len(epochs) == 2 * 2 * 2 * 2 * 2
    assert not epochs.duplicated(["target", "method", "split", "lr", "epoch"]).any()
    assert epochs["validation"][epochs["target"] == "sex"].between(0, 1).all()


def test_progress_goes_up_epoch_by_epoch_and_ends_at_the_total(run):
    trained = [done for done, total in run[2] if done > total // 10]  # what comes before is a tenth
    assert trained == [int(100 + 900 * k / 32 + 1e-6) for k in range(1, 33)]
    assert {total for _, total in run[2]} == {1000}


def test_an_early_stop_counts_the_epochs_that_it_saves():
    seen = []
    diary = Diary(10, 4, lambda *x: seen.append(x))
    write = diary.of("dx", "finetuned")
    for lr, number, last in ((0.1, 1, False), (0.1, 2, True), (0.2, 1, True), (0.1, 1, False)):
        diary.split = len(seen) // 3
        write(Epoch(lr=lr, epoch=number, quality=0.5, last=last))
    assert seen == [(1, 40), (10, 40), (20, 40), (21, 40)]
    assert [row["split"] for row in diary.rows] == [0, 0, 0, 1]


def test_what_was_stopped_goes_on_from_the_splits_that_are_done(cohort, model, tmp_path, monkeypatch):
    config, done = dataclasses.replace(QUICK, epochs=1, lr=(1e-2,)), []

    def tuned(out):
        finetune(model, cohort, targets="age", out=out, config=config, probe=PROBE)
        return [(out / name).read_bytes() for name in ("scores.csv", "predictions.parquet", "epochs.csv")]

    def score(*args, **options):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(args)
        return score_split(*args, **options)

    monkeypatch.setattr(module, "score_split", score)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "cut")
    monkeypatch.undo()
    assert tuned(tmp_path / "cut") == tuned(tmp_path / "whole")
    assert len(pd.read_csv(tmp_path / "cut" / "epochs.csv")) == 2


def test_people_who_share_a_recording_are_never_parted(model, tmp_path, monkeypatch):
    series, table = make_people(24)
    for i in range(0, 12, 2):
        series[f"sub-{i:02d}_ses-2"] = series[f"sub-{i + 1:02d}_ses-1"]
    table["coin"] = ["heads"] * 12 + ["tails"] * 12
    held = []
    choose = module.Finetune.fit

    def remember(self, people, labels, *, kind, seed):
        fits = choose(self, people, labels, kind=kind, seed=seed)
        held.append((set(people[fits.validation]), set(people) - set(people[fits.validation])))
        return fits

    monkeypatch.setattr(module.Finetune, "fit", remember)
    monkeypatch.setattr(module, "methods_for", lambda *_: {})
    config = FinetuneConfig(epochs=1, crops=1, validation_crops=1)
    out = tmp_path / "finetune"
    finetune(model, write_cohort(tmp_path, series, table), targets=["coin"], out=out, config=config, probe=PROBE)
    assert len(held) == 2
    for some, others in held:
        assert some
        assert not any({i, i + 1} & some and {i, i + 1} & others for i in range(0, 12, 2))


def test_what_cannot_be_done_is_said_before_anything_is_trained(cohort, model, tmp_path, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError

    monkeypatch.setattr(module, "tune_and_compare", never)
    for targets, changes, error, words in (
        ([], {}, ConfigError, "finetune needs at least one target"),
        (["sexx"], {}, DataError, "Did you mean sex"),
        (["sex"], {"probe": ProbeConfig(folds=30)}, DataError, "every class needs at least 30 people"),
        (["sex"], {"device": "abacus"}, ConfigError, "--device 'abacus' is not available"),
    ):
        with pytest.raises(error, match=words):
            finetune(model, cohort, targets=targets, out=tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_the_packaged_recipe_is_the_defaults_which_are_the_papers():
    assert load_settings("finetune") == FinetuneConfig()
    paper = {"epochs": 50, "batch_size": 16, "lr": (1e-4,), "weight_decay": 0.05, "layer_decay": 0.9, "crops": 8}
    assert {name: getattr(FinetuneConfig(), name) for name in paper} == paper


def test_settings_come_from_the_packaged_recipe_or_a_file(tmp_path):
    (tmp_path / "own.toml").write_text("epochs = 3\nlr = [1, 0.1]\n[corruption]\nnoise = 0.0\n")
    own = load_settings(tmp_path / "own.toml")
    assert (own.epochs, own.lr, own.corruption.noise, own.batch_size) == (3, (1.0, 0.1), 0.0, 16)
    with pytest.raises(ConfigError, match=r"there is no recipe 'smal' for fine-tuning: use finetune, or a FILE\.toml"):
        load_settings("smal")
    with pytest.raises(ConfigError, match="there is no file"):
        load_settings(tmp_path / "absent.toml")
