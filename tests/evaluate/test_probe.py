"""Probes: one set of splits for all, planted answers found, chance where there is nothing, nothing leaks."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_people import make_people, save_model, write_cohort

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate import probe as module
from semantoks.evaluate.embed import embed, open_encoder
from semantoks.evaluate.probe import feature_sets, plan_target, probe
from semantoks.evaluate.splits import groups_of
from semantoks.report.gather import read_run
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import Target, target


@pytest.fixture(scope="module")
def run(cohort, model, tmp_path_factory):
    """Scores of three targets, the folder, and the progress that was shown."""
    out, seen = tmp_path_factory.mktemp("run") / "probe", []
    scores = probe(
        model,
        cohort,
        targets=("sex", "age", "coin"),
        out=out,
        crops=2,
        folds=3,
        command="semantoks probe",
        progress=lambda *x: seen.append(x),
    )
    return scores, out, seen


def mean(scores, name, method, metric):
    chosen = scores[(scores["target"] == name) & (scores["method"] == method) & (scores["metric"] == metric)]
    assert len(chosen) == 3
    return chosen["value"].mean()


def test_every_method_is_scored_on_the_same_people(run):
    scores, _, _ = run
    sizes = scores.pivot_table(index=["target", "split"], columns=["method", "metric"], values=["n_train", "n_test"])
    assert set(scores["method"]) == {"encoder", "random_weights", "fc", "motion"}
    for size in ("n_train", "n_test"):
        table = sizes[size].T.groupby("method").first().T
        assert (table.nunique(axis=1) == 1).all()
    one = scores[(scores["method"] == "fc") & (scores["metric"].isin(["auroc", "mae"]))]
    assert (one["n_train"] + one["n_test"] == 40).all()
    assert (one.groupby("target")["n_test"].sum() == 40).all()


def test_the_features_are_those_that_embedding_gives_averaged_by_person(cohort, model, tmp_path):
    encoder, card = open_encoder(model)
    found = feature_sets(encoder, card, cohort, readout="cls", crops=3, device=torch.device("cpu"), tick=lambda: None)
    for name, path in (("encoder", model), ("random_weights", save_model(tmp_path / "start", seed=card.seed))):
        table = embed(path, cohort, readout="cls", crops=3)
        means = table.groupby("participant_id")[[c for c in table if c.startswith("cls_")]].mean()
        assert found[name].index.tolist() == means.index.tolist()
        np.testing.assert_allclose(found[name], means, atol=1e-6)
    assert not np.allclose(found["encoder"], found["random_weights"], atol=0.1)


def test_a_class_has_to_be_large_enough_for_choosing_the_penalty_too():
    people = [f"{i:02d}" for i in range(25)]
    values = pd.Series(["few"] * 5 + ["many"] * 20, index=people)
    aim = Target(name="size", kind="class", values=values, classes=("few", "many"), missing=0)
    groups = pd.Series(range(25), index=people)
    assert len(plan_target(aim, groups, folds=5, repeats=1, seed=0).splits) == 5
    with pytest.raises(DataError, match=r"target 'size': every class needs at least 6 people .* 'few' \(5\)"):
        plan_target(aim, groups, folds=2, repeats=1, seed=0)


def test_what_was_planted_in_the_connectivity_is_found_there_alone(run):
    scores, _, _ = run
    assert mean(scores, "sex", "fc", "balanced_accuracy") > 0.8
    assert mean(scores, "sex", "fc", "auroc") > 0.95
    assert mean(scores, "age", "fc", "r") > 0.6
    assert mean(scores, "age", "fc", "r2") > 0.3
    assert mean(scores, "age", "fc", "mae") < 10
    assert abs(mean(scores, "age", "motion", "r")) < 0.4
    assert 0.3 < mean(scores, "sex", "motion", "balanced_accuracy") < 0.7


def test_a_label_that_nothing_shows_is_predicted_at_chance(run):
    scores, _, _ = run
    for method in ("encoder", "random_weights", "fc", "motion"):
        assert 0.25 < mean(scores, "coin", method, "balanced_accuracy") < 0.75


def test_progress_goes_up_by_one_from_the_first_crop_to_the_last_fit(run):
    _, _, seen = run
    batches, fits = 2 * int(np.ceil(80 * 2 / 64)), 3 * 4 * 3
    assert seen == [(done, batches + fits) for done in range(1, batches + fits + 1)]


def test_the_files_say_what_was_done_and_the_report_reads_them(run):
    scores, out, _ = run
    pd.testing.assert_frame_equal(pd.read_csv(out / "scores.csv"), scores)
    about = json.loads((out / "probe.json").read_text())
    assert about["command"] == "semantoks probe"
    assert about["targets"]["sex"] == {"kind": "class", "n": 40, "classes": ["F", "M"]}
    assert about["targets"]["age"] == {"kind": "value", "n": 40, "classes": None}
    assert about["settings"] == {"readout": "cls_avg", "crops": 2, "folds": 3, "repeats": 1, "seed": 0}
    assert list(about["methods"]) == ["encoder", "random_weights", "fc", "motion"]
    assert about["notes"] == ["3 of 40 people were seen, without labels, in pretraining."]
    assert len(read_run(out.parent).scores) == len(scores)


def test_the_order_of_the_participants_table_changes_nothing(cohort, model, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.path, copy)
    table = pd.read_csv(copy / "participants.tsv", sep="\t", dtype=str)
    table.sample(frac=1, random_state=3).to_csv(copy / "participants.tsv", sep="\t", index=False)
    a, b = (probe(model, c, targets=["coin", "age"], out=tmp_path / "probe", crops=1, folds=2) for c in (cohort, copy))
    pd.testing.assert_frame_equal(a, b)


def test_people_who_share_a_recording_never_straddle_a_split_and_are_counted(model, tmp_path):
    series, table = make_people(24)
    for i in range(0, 12, 2):
        series[f"sub-{i:02d}_ses-2"] = series[f"sub-{i + 1:02d}_ses-1"]
    table["coin"] = ["heads"] * 12 + ["tails"] * 12
    cohort = write_cohort(tmp_path, series, table)
    groups = groups_of(cohort.recordings)
    for name in ("coin", "age"):
        plan = plan_target(target(cohort.participants, name), groups, folds=3, repeats=3, seed=0)
        people = plan.values.index.to_numpy()
        for _, test in plan.splits:
            held = set(people[test])
            assert all((f"{i:02d}" in held) == (f"{i + 1:02d}" in held) for i in range(0, 12, 2))
    probe(model, cohort, targets=["coin"], out=tmp_path / "probe", crops=1, folds=2)
    notes = json.loads((tmp_path / "probe" / "probe.json").read_text())["notes"]
    assert any(note.startswith("6 people have a recording that is byte for byte another's") for note in notes)


def test_without_displacements_there_is_no_motion_row_but_a_note(model, tmp_path):
    cohort = write_cohort(tmp_path, *make_people(20, motion=False))
    found = probe(model, cohort, targets=["sex"], out=tmp_path / "probe", crops=1, folds=2)
    assert set(found["method"]) == {"encoder", "random_weights", "fc"}
    about = json.loads((tmp_path / "probe" / "probe.json").read_text())
    assert "motion" not in about["methods"]
    assert any(note.startswith("No motion row") for note in about["notes"])


def test_people_without_a_value_or_without_recordings_are_left_out(model, tmp_path):
    series, table = make_people(24)
    table.loc[:3, "age"] = np.nan
    table.loc[len(table)] = {"participant_id": "absent", "sex": "F", "age": 50.0, "coin": "heads", "mean_fd": 0.1}
    cohort = write_cohort(tmp_path, series, table)
    found = probe(model, cohort, targets=["age"], out=tmp_path / "probe", crops=1, folds=2)
    assert set(found["n_train"] + found["n_test"]) == {20}
    assert json.loads((tmp_path / "probe" / "probe.json").read_text())["targets"]["age"]["n"] == 20


def test_what_cannot_be_probed_is_said_before_anything_is_embedded(cohort, model, tmp_path, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError

    monkeypatch.setattr(module, "feature_sets", never)
    out = tmp_path / "probe"
    for targets, changes, error, words in (
        ([], {}, ConfigError, "at least one target"),
        (["sexx"], {}, DataError, "Did you mean sex"),
        (["sex"], {"folds": 30}, DataError, r"target 'sex': every class needs at least 30 people .*'F' \(20\)"),
        (["sex"], {"folds": 1}, ConfigError, "at least 2 folds"),
        (["sex"], {"device": "abacus"}, ConfigError, "--device 'abacus' is not there"),
    ):
        with pytest.raises(error, match=words):
            probe(model, cohort, targets=targets, out=out, **changes)
    assert not out.exists()


def test_a_target_that_all_people_with_recordings_share_is_refused(cohort, model, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.path, copy)
    table = pd.read_csv(copy / "participants.tsv", sep="\t", dtype=str)
    table["same"] = "yes"
    table.loc[len(table)] = ["absent", "F", "50", "heads", "0.1", "no"]
    table.to_csv(copy / "participants.tsv", sep="\t", index=False)
    with pytest.raises(
        DataError, match="'same' cannot be predicted: of the 40 people with recordings, 40 have a value"
    ):
        probe(model, Cohort(copy), targets=["same"], out=tmp_path / "probe")
