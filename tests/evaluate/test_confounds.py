"""Confounds: the table person by person, which are a target's, plans to decode, tests of predictions."""

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.evaluate.analyses.confounds import (
    confound_table,
    confound_tests,
    confounds_of,
    decode_plans,
    design,
)
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.tasks import Plan
from tiny_people import make_people, write_cohort


@pytest.fixture(scope="module")
def sited(tmp_path_factory):
    """Six people of two sites, two sessions each; one without age, one without sex, one without FD."""
    series, table = make_people(6)
    table = table.assign(site=list("ABABAB"), Age=table.pop("age"), Gender=table.pop("sex"), hand="R", iq=range(6))
    table.loc[1, "Age"] = table.loc[2, "Gender"] = table.loc[4, "mean_fd"] = np.nan
    table.loc[0, "mean_fd"] = 0.0
    return write_cohort(tmp_path_factory.mktemp("sited"), series, table)


def plan(target="dx", labels=None, people=None, kind="class", n=6):
    people = np.arange(n) if people is None else people
    labels = np.array(["a", "b"])[np.arange(len(people)) % 2] if labels is None else labels
    return Plan(target=target, kind=kind, people=people, labels=labels, groups=people, splits=())


def test_the_table_has_what_is_known_of_everybody_and_varies(sited):
    table = confound_table(sited, people_of(sited))
    assert list(table) == ["site", "frames", "mean_fd", "good_frames", "age", "sex"]
    frames = sited.recordings["frames"].to_numpy().reshape(6, 2)
    np.testing.assert_allclose(table["frames"], frames.mean(axis=1))
    fd = sited.recordings["mean_fd"].to_numpy(float)[::2]
    np.testing.assert_allclose(table["mean_fd"], np.log([1e-3, *fd[1:4], np.nan, fd[5]]))
    assert table["site"].tolist() == list("ABABAB")
    ages = sited.participants["Age"].tolist()
    np.testing.assert_allclose(table["age"], ages)
    assert np.isnan(table["age"][1])
    assert table["sex"][2] == ""
    assert set(table["sex"]) == {"F", "M", ""}


def test_other_columns_come_by_name_and_an_unknown_one_is_refused(sited):
    people = people_of(sited)
    assert confound_table(sited, people, ["iq", "age", "site"])["iq"].tolist() == list(range(6))
    assert "hand" not in confound_table(sited, people, ["hand"])
    with pytest.raises(DataError, match="no column 'weight' to regress out; it has participant_id"):
        confound_table(sited, people, ["weight"])


@pytest.mark.parametrize("endless", [np.inf, -1e300])
def test_a_column_whose_square_is_no_number_is_refused_as_a_confound(sited, endless, monkeypatch):
    table = sited.participants.assign(iq=[endless, 1, 2, 3, 4, 5])
    monkeypatch.setattr(sited, "participants", table)
    with pytest.raises(
        DataError, match=r"the column iq of the participants table has -?(inf|1e\+300), which cannot be"
    ):
        confound_table(sited, people_of(sited), ["iq"])


def test_age_and_sex_are_there_where_they_are_known_and_asked_for_only_then(tmp_path):
    series, table = make_people(4)
    cohort = write_cohort(tmp_path, series, table.drop(columns=["age", "sex"]))
    people = people_of(cohort)
    assert not {"age", "sex"} & set(confound_table(cohort, people))
    with pytest.raises(DataError, match="no column 'age' to regress out"):
        confound_table(cohort, people, ["age"])


def test_a_target_is_no_confound_of_itself_under_any_name():
    table = pd.DataFrame(
        {"site": list("AABBCC"), "mean_fd": [1.0, 2, 3, 4, 5, 6], "age": [5.0, 4, 9, 1, 2, 3], "sex": list("FMFMFF")}
    )
    assert confounds_of(table, plan(labels=np.array(list("abbaab")))) == ["mean_fd", "site", "age", "sex"]
    assert confounds_of(table, plan("Sex", np.array(list("abbaab")))) == ["mean_fd", "site", "age"]
    assert confounds_of(table, plan("gender", np.array(list("babaaa"))))[-1] == "sex"
    assert confounds_of(table, plan("gender", np.array(list("babaab"))))[-1] == "sex"
    assert confounds_of(table, plan("gender", np.array(list("babab")), np.arange(5)))[-1] == "age"
    years = np.exp(np.array([5.0, 4, 9, 1, 2, 3]))
    assert confounds_of(table, plan("years", years, kind="value")) == ["mean_fd", "site", "sex"]
    assert confounds_of(table, plan(people=np.array([0, 2, 4, 5]))) == ["mean_fd", "site", "age"]
    assert confounds_of(table, plan(labels=np.array(list("abbaab"))), ["age", "tall"]) == ["age"]


def test_what_the_site_decides_is_not_taken_out_of_features_that_are_to_tell_the_site():
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=6) for name in ("source_tr", "frames", "good_frames", "mean_fd", "age")}
    table = pd.DataFrame({"site": list("AABBCC"), **numbers})
    assert confounds_of(table, plan("site", np.array(list("AABBCC")))) == ["mean_fd", "age"]
    assert confounds_of(table, plan(labels=np.array(list("abbaab")))) == ["mean_fd", "good_frames", "site", "age"]


def test_a_design_has_a_column_a_level_and_says_what_is_missing():
    table = pd.DataFrame({"sex": ["F", "", "M"], "age": [1.0, np.nan, 3.0], "fd": [0.1, 0.2, 0.3]})
    found = design(table, ["sex", "age", "fd"])
    nan = np.nan
    np.testing.assert_array_equal(found, [[0, 1, 0, 1, 0, 0.1], [1, 0, 0, nan, 1, 0.2], [0, 0, 1, 3, 0, 0.3]])


def test_confounds_that_vary_have_a_plan_and_the_others_a_note():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "site": ["A"] * 30 + ["B"] * 25 + ["C"] * 3 + [""] * 2,
            "source_tr": [2.0] * 30 + [1.5] * 28 + [np.nan] * 2,
            "mean_fd": [*rng.normal(size=58), np.nan, np.nan],
        }
    )
    plans, notes = decode_plans(table, np.arange(60), folds=5, repeats=2, seed=0)
    assert [(p.target, p.kind, p.analysis, len(p.splits)) for p in plans] == [
        ("site", "class", "decode", 10),
        ("source_tr", "class", "decode", 10),
        ("mean_fd", "value", "decode", 10),
    ]
    assert notes == [
        "Site: 3 people left out; classes too small to test: 1.",
        "Scan length could not be tested: it is unknown or the same for everybody.",
    ]
    assert plans[0].people.tolist() == list(range(55))
    assert np.unique(plans[1].labels).tolist() == ["1.5", "2"]
    np.testing.assert_array_equal(plans[2].labels, table["mean_fd"][:58])
    for train, test in plans[0].splits:
        assert set(plans[0].labels[test]) == {"A", "B"}
        assert not set(train) & set(test)


def test_small_and_lonely_classes_are_left_out_by_their_groups():
    table = pd.DataFrame({"site": ["A"] * 20 + ["B"] * 20 + ["C"] * 20})
    groups = np.array([*range(40), *[40] * 20])
    plans, notes = decode_plans(table, groups, folds=5, repeats=1, seed=0)
    assert set(plans[0].labels) == {"A", "B"}
    assert notes[0] == "Site: 20 people left out; classes too small to test: 1."
    plans, notes = decode_plans(table, np.array([*range(20), *[40] * 40]), folds=5, repeats=1, seed=0)
    assert not plans
    assert "Site could not be tested: fewer than two classes are large enough." in notes


def test_confounds_of_few_people_are_scored_where_a_test_side_is_large_enough_and_the_others_counted():
    table = pd.DataFrame({"mean_fd": np.arange(17.0)})
    (found,), notes = decode_plans(table, np.arange(17), folds=5, repeats=1, seed=0)
    assert sorted(len(test) for _, test in found.splits) == [4, 4]
    assert "mean_fd: 3 of 5 splits were left out, with 3 test people" in notes[-1]


def predictions(table, follow, people, *, kind="value", splits=2, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    truth = rng.normal(size=len(table)) if kind == "value" else rng.integers(0, 2, len(table)) * 1.0
    for split in range(splits):
        for method, weight in follow.items():
            said = truth + weight * table["mean_fd"].to_numpy() + rng.normal(size=len(table))
            for p in people:
                chance = 1 / (1 + np.exp(-said[p]))
                row = {"analysis": "main", "target": "t", "kind": kind, "method": method, "split": split, "person": p}
                row |= {"group": p, "truth": truth[p], "predicted": said[p] if kind == "value" else float(chance > 0.5)}
                row |= {"truth_name": "" if kind == "value" else "ab"[int(truth[p])]}
                row["probability"] = np.float32([] if kind == "value" else [1 - chance, chance])
                rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("kind", ["value", "class"])
def test_predictions_that_follow_motion_are_found_out(kind):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"mean_fd": rng.normal(size=150), "site": rng.choice(list("AB"), 150)})
    table.loc[0, "mean_fd"] = np.nan
    found = predictions(table.fillna(0), {"moved": 1.0, "honest": 0.0}, range(0, 150), kind=kind)
    rows = confound_tests(found, table, ["mean_fd", "site"], np.arange(150), permutations=199)
    assert [(row["method"], row["condition"]) for row in rows] == [
        ("moved", "mean_fd"),
        ("honest", "mean_fd"),
        ("moved", "site"),
        ("honest", "site"),
    ]
    assert [row["n_test"] for row in rows] == [149, 149, 150, 150]
    assert rows[0]["p"] == 1 / 200
    assert min(row["p"] for row in rows[1:]) > 0.02
    assert rows == confound_tests(found, table, ["mean_fd", "site"], np.arange(150), permutations=199)
    assert {**rows[0], "p": 0} == {
        "analysis": "confound_test",
        "condition": "mean_fd",
        "target": "t",
        "kind": kind,
        "method": "moved",
        "split": -1,
        "n_test": 149,
        "p": 0,
    }


def test_of_copies_and_families_one_person_is_tested():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"mean_fd": rng.normal(size=60)})
    found = predictions(table, {"a": 0.0}, range(60))
    groups = np.repeat(np.arange(20), 3)
    rows = confound_tests(found, table, ["mean_fd"], groups, permutations=19)
    alone = confound_tests(found[found["person"] % 3 == 0], table, ["mean_fd"], np.arange(60), permutations=19)
    assert rows == alone
    assert rows[0]["n_test"] == 20
