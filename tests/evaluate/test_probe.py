"""The probe end to end: planted answers found, chance where there is nothing, everything on disk, nothing leaks."""

import json
import shutil
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from plain_words import odd
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate import probe as module
from semantoks.evaluate.methods import BASELINES, STACKS, feature_sets
from semantoks.evaluate.plans import open_study
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig, Probed
from semantoks.features.embed import embed
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import BOXED, FC_FULL, PROBED, TANGENT_FULL
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import read_predictions, read_scores
from tiny_people import make_people, save_model, write_cohort

pytestmark = pytest.mark.slow

QUICK = {"crops": 1, "folds": 2, "repeats": 1, "analyses": ()}


def quick(model, cohort, targets, out, **changes):
    return probe(model, cohort, targets=targets, out=out, config=ProbeConfig(**(QUICK | changes)))


@pytest.fixture(scope="module")
def run(cohort, model, tmp_path_factory):
    """The summary of three targets with all questions, the folder, and the progress that was shown."""
    out, seen = tmp_path_factory.mktemp("run") / "probe", []
    summary = probe(
        model,
        cohort,
        targets=("sex", "age", "coin"),
        out=out,
        config=ProbeConfig(crops=2, folds=3, repeats=1, permutations=99),
        command="semantoks probe",
        progress=lambda *x: seen.append(x),
    )
    return summary, out, seen


def about(out):
    return json.loads((out / "probe.json").read_text())


def main_scores(out, target, method, metric):
    table = read_scores(out / "scores.csv")
    chosen = table[(table["analysis"] == "main") & (table["target"] == target) & (table["method"] == method)]
    assert len(chosen) == 3
    return chosen[metric].mean()


def test_the_table_of_methods_has_every_method_that_is_built_and_no_other():
    readouts = {f"encoder_{name}" for name in get_args(Probed)}
    made_of_others = {"encoder", "random_weights", *STACKS, "fc_svm", "encoder_knn", "demographics"}
    assert set(BASELINES) | readouts | made_of_others == set(PROBED)


def test_what_a_probe_notes_is_in_words_for_people(run):
    told = about(run[1])
    texts = [*told["notes"], *told["checks"], *(reason for reason, _ in told["excluded"]), *told["methods"].values()]
    assert len(texts) > 20
    assert odd(texts) == []


def test_every_method_is_scored_on_the_same_people(run):
    _, out, _ = run
    table = read_scores(out / "scores.csv")
    main = table[table["analysis"] == "main"]
    expected = set(PROBED) - {name for name in PROBED if name.startswith("encoder_") and name != "encoder_knn"}
    expected -= {"site", BOXED, FC_FULL, TANGENT_FULL}  # the cohort has none of these
    assert set(main["method"]) == expected
    sizes = main.groupby(["target", "split"])[["n_train", "n_test"]]
    assert (sizes.nunique() == 1).all(axis=None)
    assert (main["n_train"] + main["n_test"] == 40).all()
    said = read_predictions(out / "predictions.parquet")
    people = said[said["analysis"] == "main"].groupby(["target", "method"])["person"].agg(sorted)
    assert all(who == list(range(40)) for who in people)


def test_what_was_planted_in_the_connectivity_is_found_there_alone(run):
    _, out, _ = run
    assert main_scores(out, "sex", "fc", "balanced_accuracy") > 0.8
    assert main_scores(out, "sex", "fc", "auroc") > 0.95
    assert main_scores(out, "age", "fc", "r") > 0.6
    assert main_scores(out, "age", "fc", "mae") < 10
    assert abs(main_scores(out, "age", "motion", "r")) < 0.45
    assert 0.3 < main_scores(out, "sex", "motion", "balanced_accuracy") < 0.7


def test_a_label_that_nothing_shows_is_predicted_at_chance(run):
    _, out, _ = run
    for method in ("encoder", "random_weights", "fc", "motion", "fc_tangent", "fc+encoder", "tangent+encoder"):
        assert 0.2 < main_scores(out, "coin", method, "balanced_accuracy") < 0.8


def test_every_question_leaves_its_rows(run):
    _, out, _ = run
    table = read_scores(out / "scores.csv")
    assert {"main", "permutation", "confound_test", "decode", "deconfounded", "network", "reliability"} <= set(
        table["analysis"]
    )
    null = table[table["analysis"] == "permutation"].set_index(["target", "method"])["p"]
    assert null["sex", "fc"] == pytest.approx(0.01)
    assert null["coin", "fc"] > 0.02
    assert set(table.loc[table["analysis"] == "network", "condition"]) == {"x", "y", "z"}
    assert set(table.loc[table["analysis"] == "deconfounded", "condition"]) >= {"age+good_frames+mean_fd"}


def test_progress_never_goes_back_and_ends_at_its_end(run):
    _, _, seen = run
    done = [a for a, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1


def test_the_files_say_what_was_done_and_hold_the_summary(run):
    summary, out, _ = run
    again = summarise(read_scores(out / "scores.csv"), read_predictions(out / "predictions.parquet"), seed=0)
    pd.testing.assert_frame_equal(again, summary, rtol=1e-4)
    said = about(out)
    assert said["command"] == "semantoks probe"
    scored = {"splits": 3, "unscored_splits": 0, "untested": 0}
    assert said["targets"]["sex"] == {"kind": "class", "n": 40, "classes": ["F", "M"], **scored}
    assert said["targets"]["age"] == {"kind": "value", "n": 40, "classes": None, **scored}
    assert said["settings"]["folds"] == 3
    assert said["protocol"] == "nested"
    assert (
        "3 of 40 people were seen, without labels, in pretraining (told by their ids alone: this encoder stores no "
        "checksums of recordings); --exclude-pretrained leaves them out." in (said["notes"])
    )
    assert any(note.startswith("Reliability is inflated: 3 people were seen") for note in said["notes"])
    assert said["checks"][0].startswith(
        "sex: 0 people, families or copies of a recording are on both sides of any of 3"
    )
    assert {"semantoks", "nilearn", "python"} <= set(said["environment"])


def test_no_identifier_leaves_the_cohort_unless_asked(run, cohort, model, tmp_path):
    _, out, _ = run
    assert "participant_id" not in read_predictions(out / "predictions.parquet")
    quick(model, cohort, ["sex"], tmp_path / "p", methods=("motion",), identifiers=True)
    said = read_predictions(tmp_path / "p" / "predictions.parquet")
    assert sorted(set(said["participant_id"])) == sorted(set(cohort.recordings["participant_id"]))


def test_the_order_of_the_participants_table_changes_nothing(cohort, model, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.path, copy)
    table = pd.read_csv(copy / "participants.tsv", sep="\t", dtype=str)
    table.sample(frac=1, random_state=3).to_csv(copy / "participants.tsv", sep="\t", index=False)
    a, b = (
        quick(model, c, ["coin", "age"], tmp_path / "probe", methods=("motion", "demographics"))
        for c in (cohort, Cohort(copy))
    )
    pd.testing.assert_frame_equal(a, b)


def test_the_features_are_those_that_embedding_gives_averaged_by_person(cohort, model, tmp_path):
    config = ProbeConfig(crops=3, readouts=("cls", "network"), methods=("encoder", "random_weights"))
    study = open_study(model, cohort, ["sex"], config, device="cpu", out=tmp_path)
    sets, everybody = feature_sets(study), np.arange(40)
    assert list(sets) == ["encoder", "encoder_network", "random_weights", "fc"]
    start = save_model(tmp_path / "start", seed=study.card.seed)
    for name, path, readout in (
        ("encoder", model, "cls"),
        ("encoder_network", model, "network"),
        ("random_weights", start, "cls"),
    ):
        table = embed(cohort, model=path, readout=readout, crops=3)
        means = table.groupby("participant_id")[[c for c in table if c.startswith(f"{readout}_")]].mean()
        assert tuple(means.index) == study.people.ids
        np.testing.assert_allclose(sets[name].matrix(everybody, everybody), means, atol=1e-6)


def test_people_seen_in_pretraining_are_left_out_on_request(cohort, model, tmp_path):
    options = {"methods": ("motion",), "analyses": ("reliability",)}
    quick(model, cohort, ["sex"], tmp_path / "p", **options, exclude_pretrained=True)
    found = read_scores(tmp_path / "p" / "scores.csv")
    assert set(found.loc[found["analysis"] == "reliability", "n_test"]) == {37}
    assert not any("inflated" in note for note in about(tmp_path / "p")["notes"])
    assert set(read_predictions(tmp_path / "p" / "predictions.parquet")["person"]) == set(range(2, 39))
    assert ["seen in pretraining (--exclude-pretrained)", 3] in about(tmp_path / "p")["excluded"]


def test_people_who_share_a_recording_or_a_family_never_straddle_a_split(model, tmp_path):
    series, table = make_people(24)
    for i in range(0, 12, 2):
        series[f"sub-{i:02d}_ses-2"] = series[f"sub-{i + 1:02d}_ses-1"]
    table["coin"] = ["heads", "tails"] * 12
    cohort = write_cohort(tmp_path, series, table.assign(Family_ID=[f"f{min(i, 20)}" for i in range(24)]))
    quick(model, cohort, ["coin", "age"], tmp_path / "probe", methods=("motion",), repeats=3)
    said = read_predictions(tmp_path / "probe" / "predictions.parquet")
    for _, part in said[said["method"] == "fc"].groupby(["target", "split"]):
        held = set(part["person"])
        assert all((i in held) == (i + 1 in held) for i in range(0, 12, 2))
        assert len(held & {20, 21, 22, 23}) in (0, 4)
    assert "Families come from the column Family_ID: 21 families." in about(tmp_path / "probe")["checks"]


def test_without_displacements_there_is_no_motion_row_but_a_note(model, tmp_path):
    cohort = write_cohort(tmp_path, *make_people(20, motion=False))
    summary = quick(model, cohort, ["sex"], tmp_path / "probe", methods=("motion", "roi"))
    assert set(summary["method"]) == {"encoder", "fc", "fc+encoder", "roi"}
    said = about(tmp_path / "probe")
    assert "motion" not in said["methods"]
    assert any(note.startswith("No motion row") for note in said["notes"])


def test_people_without_a_value_or_without_recordings_are_left_out(model, tmp_path):
    series, table = make_people(24)
    table.loc[:3, "age"] = np.nan
    table.loc[len(table)] = {"participant_id": "absent", "sex": "F", "age": 50.0, "coin": "heads", "mean_fd": 0.1}
    cohort = write_cohort(tmp_path, series, table)
    quick(model, cohort, ["age"], tmp_path / "probe", methods=("motion",))
    assert about(tmp_path / "probe")["targets"]["age"]["n"] == 20
    assert ["no value for age", 4] in about(tmp_path / "probe")["excluded"]


def test_what_cannot_be_probed_is_said_before_anything_is_embedded(cohort, model, tmp_path, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError

    monkeypatch.setattr(module, "run_protocol", never)
    out = tmp_path / "probe"
    for targets, changes, error, words in (
        ([], {}, ConfigError, "at least one target"),
        (["sexx"], {}, DataError, "Did you mean sex"),
        (["sex"], {"folds": 30}, DataError, r"target 'sex': every class needs at least 30 people .*'F' \(20\)"),
        (["sex"], {"family": "clan"}, DataError, "no column 'clan'"),
        (["sex"], {"methods": ("fcc",)}, ConfigError, "no method 'fcc'. Did you mean fc"),
    ):
        with pytest.raises(error, match=words):
            quick(model, cohort, targets, out, **changes)
    with pytest.raises(ConfigError, match="--device 'abacus' is not available"):
        probe(model, cohort, targets=["sex"], out=out, device="abacus")
    assert not out.exists()


def test_a_target_that_all_people_with_recordings_share_is_refused(cohort, model, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.path, copy)
    table = pd.read_csv(copy / "participants.tsv", sep="\t", dtype=str)
    table["same"] = "yes"
    table.loc[len(table)] = ["absent", "F", "50", "heads", "0.1", "no"]
    table.to_csv(copy / "participants.tsv", sep="\t", index=False)
    with pytest.raises(DataError, match="'same' cannot be predicted: 40 of the 40 people with recordings have a value"):
        quick(model, Cohort(copy), ["same"], tmp_path / "probe")


def test_scores_of_other_targets_or_settings_are_not_replaced(cohort, model, tmp_path):
    options = {"methods": ("motion",), "analyses": ()}
    quick(model, cohort, ["sex"], tmp_path / "p", **options)
    held = (tmp_path / "p" / "scores.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"already contains the scores of sex: choose another --out"):
        quick(model, cohort, ["age"], tmp_path / "p", **options)
    with pytest.raises(ConfigError, match=r"scores of sex with other settings"):
        quick(model, cohort, ["sex"], tmp_path / "p", **options, seed=5)
    quick(model, cohort, ["sex"], tmp_path / "p", **options)
    assert (tmp_path / "p" / "scores.csv").read_bytes() == held


def test_a_confound_that_there_is_not_is_refused_and_options_without_effect_are_noted(cohort, model, tmp_path):
    with pytest.raises(DataError, match="no column 'wrong' to regress out; it has participant_id"):
        quick(model, cohort, ["sex"], tmp_path / "a", confounds=("wrong",))
    quick(model, cohort, ["sex"], tmp_path / "b", confounds=("age",), permutations=9, components=500, methods=("fc",))
    notes = about(tmp_path / "b")["notes"]
    assert "--confounds has no effect here: the analysis confounds is not run." in notes
    assert "--permutations has no effect here: the analysis permutation is not run." in notes
    assert any(note.startswith("--components 500 reduces nothing: no more than 20 people train") for note in notes)
