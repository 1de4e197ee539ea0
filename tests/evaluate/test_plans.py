"""Plans: who has a label, who is left out and why, and which splits."""

import re

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.analyses.run import learning_plans
from semantoks.evaluate.plans import plan_target, read_targets, spelling_notes, unmatched_codes
from semantoks.evaluate.protocols import PROTOCOLS
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.people import People, sites_of
from semantoks.evaluate.study.study import first_repeats, first_tests
from semantoks.evaluate.study.tasks import Plan
from semantoks.signals.phenotypes import UNKNOWN
from semantoks.signals.targets import Target

PEOPLE = People(ids=tuple(f"{i:02d}" for i in range(60)), owner=np.arange(60), groups=np.arange(60))
WHERE = np.repeat(["A", "B", "C"], 20)
FOUR = np.repeat(list("ABCD"), 15)
"""Sites enough for folds of them, and inner folds of three of them."""
SITES = sites_of(PEOPLE, WHERE.tolist())
EVERYBODY = np.ones(60, dtype=bool)


def aim(values, kind="class", name="dx"):
    series = pd.Series(values, index=[f"{i:02d}" for i in range(len(values))]).dropna()
    classes = tuple(sorted(set(series))) if kind == "class" else None
    return Target(name=name, kind=kind, values=series, classes=classes, missing=0)


def plan(values, kind="class", eligible=EVERYBODY, people=PEOPLE, sites=WHERE, **config):
    where = sites_of(people, list(sites[: len(people)]))
    settings = ProbeConfig(**({"repeats": 1} | config))
    return plan_target(aim(values, kind), people, where, settings, eligible[: len(people)])


def test_people_without_a_label_are_left_out_and_counted():
    found, excluded = plan(["p", "q", None] * 20)
    assert excluded == [("no value for dx", 20)]
    assert found.people.tolist() == [i for i in range(60) if i % 3 < 2]
    assert found.labels.tolist() == ["p", "q"] * 20
    assert len(found.splits) == 5


def test_a_rare_class_is_refused_or_left_out_with_its_count():
    values = ["p", "q"] * 28 + ["r"] * 4
    with pytest.raises(DataError, match=r"target 'dx': every class needs at least 5 .*'r' \(4\)"):
        plan(values)
    found, excluded = plan(values, drop_rare=True)
    assert excluded == [("dx: class 'r' is rare (fewer than 5 people)", 4)]
    assert set(found.labels) == {"p", "q"}


def test_people_who_may_not_take_part_do_not():
    eligible = np.arange(60) % 5 > 0
    found, excluded = plan(["p", "q", None] * 20, eligible=eligible)
    assert eligible[found.people].all()
    assert excluded == [("no value for dx", 16)]


def test_sites_stay_whole_or_are_left_out_one_by_one():
    values = ["p", "q"] * 30
    whole, _ = plan(values, split="site", folds=4, sites=FOUR)
    single, _ = plan(values, split="leave-site-out", sites=FOUR)
    for found in (whole, single):
        assert sorted("".join(sorted(set(FOUR[test]))) for _, test in found.splits) == ["A", "B", "C", "D"]
        for train, test in found.splits:
            assert not set(FOUR[train]) & set(FOUR[test])


@pytest.mark.parametrize("kind", ["class", "value"])
def test_too_few_sites_for_folds_of_them_are_refused_with_splits_that_work(kind):
    values = ["p", "q"] * 30 if kind == "class" else list(range(60))
    said = (
        "target 'dx': groups .* 3 folds of 3 of them leave 2 .* more groups are needed. --split leave-site-out can be"
    )
    with pytest.raises(DataError, match=said):
        plan(values, kind, split="site", folds=3)
    assert len(plan(values, kind, split="leave-site-out")[0].splits) == 3
    with pytest.raises(DataError, match=r"there are 1: more groups are needed\. --split person can be made"):
        plan(values, kind, split="site", folds=2, sites=["A"] * 60)


def test_given_splits_that_part_a_family_are_caught(tmp_path):
    file = tmp_path / "s.tsv"
    lines = [f"{i:02d}\t{'test' if i < 20 else 'train'}" for i in range(60)]
    file.write_text("participant_id\tone\n" + "\n".join(lines) + "\n")
    found, _ = plan(["p", "q"] * 30, split=str(file))
    assert found.splits[0][1].tolist() == list(range(20))
    groups = np.arange(60)
    groups[59] = 0
    relatives = People(ids=PEOPLE.ids, owner=PEOPLE.owner, groups=groups)
    with pytest.raises(DataError, match=r"target 'dx': split 0: 1 person, family or copy of"):
        plan(["p", "q"] * 30, split=str(file), people=relatives)


def test_the_first_repeats_are_the_first_folds():
    found, _ = plan(["p", "q"] * 30, repeats=3)
    config = ProbeConfig(repeats=3)
    assert len(found.splits) == 15
    assert first_repeats(found, config).splits == found.splits[:5]
    assert first_repeats(found, config, 2).splits == found.splits[:10]


def test_a_fold_of_a_site_without_a_class_or_of_too_few_people_is_not_scored_and_counted():
    """Ten sites in ten folds: one of a single person, one of two, one without a class; seven can be scored."""
    sizes = [1, 2, 5, 8, 8, 8, 8, 8, 6, 6]
    homes = np.repeat(list("ABCDEFGHIJ"), sizes)
    values = np.array(["p", "q"] * 30)
    values[homes == "C"] = "p"
    found, _ = plan(values, split="site", folds=10, repeats=1, sites=homes)
    assert sorted("".join(sorted(set(homes[test]))) for _, test in found.splits) == list("DEFGHIJ")
    assert sorted(len(test) for test in found.unscored) == [1, 2, 5]
    assert found.unscored_words() == (
        "dx: 3 of 10 splits were left out, with 1 or 2 or 5 test people: a test side needs every class and at least 4 "
        "people. 8 people are never tested."
    )
    whole, _ = plan(values)
    assert (whole.unscored, whole.unscored_words(), whole.untested()) == ((), "", 0)


def test_twelve_people_in_twelve_folds_are_refused_with_a_number_of_folds_that_works():
    few = People(ids=PEOPLE.ids[:12], owner=PEOPLE.owner[:12], groups=PEOPLE.groups[:12])
    values = list(np.arange(12.0))
    with pytest.raises(DataError, match="a test side needs two different values and at least 4 people") as error:
        plan(values, "value", people=few, folds=12, repeats=1)
    folds = int(re.search(r"Use --folds (\d+)\.", str(error.value)).group(1))
    found, _ = plan(values, "value", people=few, folds=folds, repeats=1)
    assert folds == 3
    assert [len(test) for _, test in found.splits] == [4, 4, 4]
    assert found.unscored == ()
    with pytest.raises(DataError, match=r"More people are needed\.$"):
        plan(values[:7], "value", people=People(ids=few.ids[:7], owner=few.owner[:7], groups=few.groups[:7]), folds=5)


def test_the_first_repeat_tests_nobody_twice_though_some_of_its_folds_are_left_out():
    homes = np.repeat(list("ABCDEFGH"), [2, 6, 8, 8, 9, 9, 9, 9])
    found, _ = plan(["p", "q"] * 30, split="site", folds=8, repeats=3, sites=homes)
    assert (len(found.splits), len(found.unscored)) == (21, 3)
    once = first_repeats(found, ProbeConfig(split="site", folds=8, repeats=3))
    assert sorted(np.concatenate([test for _, test in once.splits])) == list(range(2, 60))


def test_of_given_splits_those_that_test_nobody_twice_come_first():
    splits = [(np.arange(5, 9), np.arange(0, 5)), (np.arange(0, 5), np.arange(5, 9)), (np.arange(4), np.arange(4, 9))]
    labels = np.arange(9.0)
    given = Plan(
        target="t", kind="value", people=np.arange(9), labels=labels, groups=np.arange(9), splits=tuple(splits)
    )
    assert first_tests(given, 1).splits == given.splits[:2]
    assert first_tests(given, 2).splits == given.splits


def test_codes_bins_and_classes_are_as_asked():
    table = pd.DataFrame(
        {
            "participant_id": [f"{i:02d}" for i in range(60)],
            "age": [-9999.0, *np.arange(20.0, 79.0)],
            "group": [1, 2, 3] * 20,
        }
    )
    config = ProbeConfig(missing=("-9999",), bins=3, as_class=("group",))
    age, group = read_targets(table, ["age", "group", "age"], config)
    assert age.classes == ("1 (20 to 39.33)", "2 (39.33 to 58.67)", "3 (58.67 to 78)")
    assert age.values.value_counts().tolist() == [20, 20, 19]
    assert age.values["01"].startswith("1 (20")
    assert group.classes == ("1", "2", "3")
    with pytest.raises(DataError, match="cannot be cut into 3"):
        read_targets(table.assign(age=[1.5] * 59 + [2.5]), ["age"], ProbeConfig(bins=3))


def test_kinds_are_chosen_for_targets_alone_and_one_each():
    table = pd.DataFrame({"participant_id": [f"{i:02d}" for i in range(60)], "sex": [0, 1, 2] * 20})
    (sex,), (amount,) = (
        read_targets(table, ["sex"], ProbeConfig()),
        read_targets(table, ["sex"], ProbeConfig(as_value=("sex",))),
    )
    assert (sex.kind, amount.kind) == ("class", "value")
    with pytest.raises(ConfigError, match="--as-value names age, which is no target here: the targets are sex"):
        read_targets(table, ["sex"], ProbeConfig(as_value=("age",)))
    with pytest.raises(ConfigError, match="sex cannot be both --as-class and --as-value"):
        read_targets(table, ["sex"], ProbeConfig(as_value=("sex",), as_class=("sex",)))


def test_a_code_that_no_target_has_is_named():
    table = pd.DataFrame({"participant_id": ["1", "2", "3"], "sex": [1.0, 2.0, np.nan], "age": ["old", "8", "9"]})
    table.attrs[UNKNOWN] = {"sex": {"-9999": 1}}
    assert unmatched_codes(table, ["sex", "age"], ["2", "old", "-9999"]) == []
    assert unmatched_codes(table, ["sex"], ["2", "old", "-8"]) == ["--missing: no target has the value old, -8."]


def test_settings_out_of_range_are_refused():
    for bad, said in (
        ({"folds": 1}, "^--folds has to be at least 2, not 1\\.$"),
        ({"repeats": 0}, "^--repeats has to be at least 1, not 0\\.$"),
        ({"seed": -1}, "^--seed has to be at least 0, not -1\\.$"),
        ({"permutations": 0}, "^--permutations has to be at least 1, not 0\\.$"),
        ({"bins": 1}, "--bins has to be 2 to 9"),
        ({"equivalence": 0.0}, "--equivalence has to be above 0, e.g. 0.05, not 0"),
        ({"crops": 0}, "^--crops has to be at least 1, not 0\\.$"),
        ({"split": "nowhere.tsv"}, "no file 'nowhere.tsv'"),
    ):
        with pytest.raises(ConfigError, match=said):
            ProbeConfig(**bad)
    assert [PROTOCOLS[name].repeats for name in ("nested", "paper", "brainmarks")] == [5, 10, 100]


def test_learning_curves_draw_stratified_from_the_training_sides_alone():
    rng = np.random.default_rng(0)
    people = People(ids=tuple(f"{i:03d}" for i in range(300)), owner=np.arange(300), groups=np.arange(300))
    values = pd.Series(rng.permutation(["p"] * 60 + ["q"] * 240), index=people.ids)
    target = Target(name="dx", kind="class", values=values, classes=("p", "q"), missing=0)
    full, _ = plan_target(
        target, people, sites_of(people, ["A"] * 300), ProbeConfig(repeats=1), np.ones(300, dtype=bool)
    )
    plans = learning_plans(full, seed=0)
    assert [p.condition for p in plans] == ["50", "100", "200", "240"]
    assert {p.analysis for p in plans} == {"learning_curve"}
    for sized in plans:
        for (train, test), (whole, same) in zip(sized.splits, full.splits, strict=True):
            assert len(train) == int(sized.condition)
            assert set(train) <= set(whole)
            assert np.array_equal(test, same)
            assert np.mean(full.labels[train] == "p") == pytest.approx(0.2, abs=0.01)
    rare, _ = plan_target(
        Target(
            name="dx",
            kind="class",
            values=pd.Series(["p"] * 20 + ["q"] * 280, index=people.ids),
            classes=("p", "q"),
            missing=0,
        ),
        people,
        sites_of(people, ["A"] * 300),
        ProbeConfig(repeats=1),
        np.ones(300, dtype=bool),
    )
    assert [p.condition for p in learning_plans(rare, seed=0)] == ["100", "200", "240"]


@pytest.mark.parametrize("split", ["site", "leave-site-out"])
def test_travelling_people_never_train_when_any_of_their_sites_is_tested(split):
    people = People(ids=PEOPLE.ids, owner=np.array([*range(60), 0, 1, 2]), groups=np.arange(60))
    sites = sites_of(people, [*FOUR, "B", "B", "C"])
    config = ProbeConfig(repeats=1, split=split, folds=4)
    found, _ = plan_target(aim(["p", "q"] * 30), people, sites, config, EVERYBODY)
    trained = {FOUR[test[0]]: set(train) for train, test in found.splits}
    assert {site: len(train) for site, train in trained.items()} == {"A": 45, "B": 43, "C": 44, "D": 45}
    assert not trained["B"] & {0, 1}
    assert 2 not in trained["C"]


def test_relatives_at_two_sites_are_left_out_of_training_and_no_reason_to_refuse():
    people = People(ids=PEOPLE.ids, owner=np.arange(60), groups=np.array([*range(59), 0]))  # 59 of D with 0 of A
    found, _ = plan(["p", "q"] * 30, people=people, sites=FOUR, split="site", folds=4)
    assert {FOUR[test[0]]: len(train) for train, test in found.splits} == {"A": 44, "B": 45, "C": 45, "D": 44}


def test_a_code_that_makes_a_rare_class_is_refused_with_the_options_that_help():
    table = pd.DataFrame({"participant_id": [f"{i:02d}" for i in range(60)], "sex": [0] * 3 + [1, 2] * 28 + [2]})
    (sex,) = read_targets(table, ["sex"], ProbeConfig())
    with pytest.raises(DataError, match=r"too few in: '0' \(3\).*--as-value sex.*--missing CODE"):
        plan_target(sex, PEOPLE, SITES, ProbeConfig(repeats=1), EVERYBODY)
    (sex,) = read_targets(table, ["sex"], ProbeConfig(missing=("0",)))
    assert len(plan_target(sex, PEOPLE, SITES, ProbeConfig(repeats=1), EVERYBODY)[0].people) == 57


def test_hundreds_of_rare_classes_do_not_fill_the_message():
    with pytest.raises(DataError, match=r"too few in: .* and 15 more\.") as error:
        plan([f"c{i % 20}" for i in range(60)])
    assert len(str(error.value)) < 400


def test_people_without_a_row_are_counted_with_the_shape_of_their_ids_and_without_a_name():
    assert spelling_notes(["0051", "0052", "1051"], pd.Series(["51", "52", "1051"])) == [
        "2 of 3 people with recordings are without a row in participants.tsv: their ids are spelled 0000 (2), those "
        "of the 2 other rows 00 (2)."
    ]
    assert spelling_notes(["a", "b"], pd.Series(["a"])) == [
        "1 of 2 people with recordings is without a row in participants.tsv."
    ]
    assert spelling_notes(["a"], pd.Series(["a", "b"])) == []
