"""Splits: disjoint, complete, stratified, and copies of a recording stay together."""

import re

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.study.people import People, groups_of, sites_of
from semantoks.evaluate.study.splits import (
    check_disjoint,
    leave_site_out,
    read_splits,
    shuffle_people,
    split_people,
    without_leaks,
)


def split(labels, groups=None, **changes):
    labels = np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return split_people(labels, groups, **({"kind": "class", "folds": 5, "repeats": 1, "seed": 0} | changes))


def at(sites):
    """Everybody has one recording, at one of these sites."""
    everybody = np.arange(len(sites))
    return sites_of(People(ids=tuple(map(str, everybody)), owner=everybody, groups=everybody), list(map(str, sites)))


def test_people_who_share_a_recording_are_one_group_also_over_a_third_person():
    table = pd.DataFrame(
        {
            "participant_id": ["d", "a", "b", "b", "c", "c", "e"],
            "sha256": ["5", "1", "1", "2", "2", "3", "4"],
        }
    )
    groups = groups_of(table)
    assert groups.index.tolist() == ["a", "b", "c", "d", "e"]
    assert groups["a"] == groups["b"] == groups["c"]
    assert groups.nunique() == 3


@pytest.mark.parametrize("kind", ["class", "value"])
def test_everybody_is_tested_once_a_repeat_and_never_trained_on_too(kind):
    rng = np.random.default_rng(0)
    labels = rng.choice(["p", "q", "r"], 61) if kind == "class" else rng.normal(size=61)
    splits = split(labels, kind=kind, repeats=3)
    assert len(splits) == 15
    for repeat in range(3):
        parts = splits[5 * repeat : 5 * repeat + 5]
        assert sorted(np.concatenate([test for _, test in parts])) == list(range(61))
        for train, test in parts:
            assert sorted([*train, *test]) == list(range(61))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(splits[:5], splits[5:10], strict=True))


def test_the_same_seed_gives_the_same_splits_and_another_does_not():
    labels = ["p", "q"] * 30
    same = zip(split(labels), split(labels), strict=True)
    assert all(np.array_equal(a[1], b[1]) for a, b in same)
    other = zip(split(labels), split(labels, seed=9), strict=True)
    assert not all(np.array_equal(a[1], b[1]) for a, b in other)


def test_every_fold_has_its_share_of_every_class():
    labels = np.array(["many"] * 103 + ["some"] * 27 + ["few"] * 5)
    for _, test in split(labels):
        assert (labels[test] == "many").sum() in (20, 21)
        assert (labels[test] == "some").sum() in (5, 6)
        assert (labels[test] == "few").sum() == 1


def test_every_fold_has_its_share_of_low_and_of_high_values():
    values = np.random.default_rng(0).lognormal(size=100)
    fifth = np.argsort(np.argsort(values)) // 20
    for _, test in split(values, kind="value"):
        assert np.bincount(fifth[test]).tolist() == [4, 4, 4, 4, 4]


def test_a_value_that_most_people_share_can_be_split():
    values = np.array([0.0] * 79 + list(range(1, 22)))
    assert [len(test) for _, test in split(values, kind="value")] == [20] * 5


def test_a_group_is_never_on_both_sides():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 30, 60)
    labels = np.where(groups % 2, "p", "q")
    for train, test in split(labels, groups):
        assert not set(groups[train]) & set(groups[test])


def test_a_class_too_small_for_the_folds_is_named():
    with pytest.raises(DataError, match=r"at least 5 people for 5 folds; too few in: 'q' \(4\)"):
        split(["p"] * 20 + ["q"] * 4)
    copies = [0, 0, 1, 1, 2, 2]
    with pytest.raises(DataError, match=r"'q' \(3\)"):
        split(["p"] * 20 + ["q"] * 6, [*range(10, 30), *copies])
    with pytest.raises(DataError, match="5 folds need at least 5 people with a value, but there are 3"):
        split([1.0, 2.0, 3.0], kind="value")


@pytest.mark.parametrize(("folds", "least"), [(2, 6), (3, 5), (4, 4), (5, 5)])
def test_every_training_side_can_be_split_again(folds, least):
    labels = np.array(["p"] * 20 + ["q"] * least)
    for train, _ in split(labels, folds=folds, inner=3):
        for again, held in split(labels[train], folds=3):
            assert set(labels[train][again]) == set(labels[train][held]) == {"p", "q"}
    with pytest.raises(DataError, match=rf"at least {least} people"):
        split(labels[:-1], folds=folds, inner=3)


@pytest.mark.parametrize(
    ("sizes", "ways"),
    [
        ((10, 2), "More people are needed, or another target; fewer folds do not help."),
        ((20, 4), "Use --folds 4."),
        ((20, 20, 2), "Leave these classes out (--drop-rare), or merge classes."),
        ((20, 20, 4), "Use --folds 4, or leave these classes out (--drop-rare), or merge classes."),
    ],
)
def test_what_is_advised_against_small_classes_works(sizes, ways):
    labels = np.repeat(["p", "q", "r"][: len(sizes)], sizes)
    with pytest.raises(DataError) as error:
        split(labels, folds=5, inner=3)
    assert str(error.value).endswith(ways)
    if "--folds 4" in ways:
        assert split(labels, folds=4, inner=3)
    if "--drop-rare" in ways:
        assert split(labels[:40], folds=5, inner=3)


def test_one_fold_no_repeat_or_a_negative_seed_is_refused():
    for bad in ({"folds": 1}, {"repeats": 0}, {"seed": -1}):
        with pytest.raises(ConfigError, match="at least 2 folds, 1 repeat and a seed of at least 0"):
            split(["p", "q"] * 10, **bad)


def test_a_family_is_one_group_and_so_are_families_that_share_a_recording():
    table = pd.DataFrame({"participant_id": list("abcdef"), "sha256": ["1", "2", "3", "3", "5", "6"]})
    families = pd.Series(["f1", "f1", "f2", None, None], index=list("acdeb"))
    groups = groups_of(table, families)
    assert groups["a"] == groups["c"] == groups["d"]
    assert groups.nunique() == 4


def test_families_of_several_classes_stay_whole_and_every_class_is_trained_on():
    rng = np.random.default_rng(0)
    groups, labels = np.repeat(np.arange(20), 3), rng.choice(["p", "q"], 60)
    for train, test in split(labels, groups, folds=4, repeats=2):
        assert not set(groups[train]) & set(groups[test])
        assert set(labels[train]) == {"p", "q"}
    with pytest.raises(DataError, match="5 folds need at least 5 groups"):
        split(labels, np.repeat(np.arange(4), 15))
    with pytest.raises(DataError, match="without class 'r'"):
        split(np.where(groups == 0, "r", labels)[:57], groups[:57] // 3 * 3)


def test_leaving_sites_out_tests_every_site_that_is_large_enough_once():
    sites = np.repeat(["A", "B", "C", "D"], [20, 20, 5, 20])
    labels = np.array(["p", "q"] * 22 + ["p"] * 21)
    splits = leave_site_out(labels, at(sites), np.arange(65), kind="class")
    assert [sorted(set(sites[test])) for _, test in splits] == [["A"], ["B"]]
    for train, test in splits:
        assert sorted([*train, *test]) == list(range(65))
    values = leave_site_out(np.arange(65.0), at(sites), np.arange(65), kind="value")
    assert [set(sites[test]) for _, test in values] == [{"A"}, {"B"}, {"D"}]
    with pytest.raises(DataError, match="of 2 sites 1 can be tested"):
        leave_site_out(labels[20:45], at(sites[20:45]), np.arange(25), kind="class")


def test_a_relative_at_another_site_is_not_trained_on_when_his_site_is_tested():
    sites, groups = np.repeat(["A", "B"], 20), np.r_[0:20, 0, 21:40]
    (train, _), _ = leave_site_out(np.arange(40.0), at(sites), groups, kind="value")
    assert 20 not in train
    assert len(train) == 19


def test_given_splits_are_read_by_participant(tmp_path):
    file = tmp_path / "splits.tsv"
    file.write_text("participant_id\tone\ttwo\nsub-01\ttrain\ttest\n02\ttest\ttrain\n03\tTrain\t\n09\ttest\ttest\n")
    one, two = read_splits(file, ["01", "02", "03"])
    assert [side.tolist() for side in one] == [[0, 2], [1]]
    assert [side.tolist() for side in two] == [[1], [0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("participant_id\n01\n", "one column per split"),
        ("participant_id\ta\n01\ttrain\n01\ttest\n", "names participant 01 twice"),
        ("participant_id\ta\n01\ttrain\n02\tvalid\n", "not 'valid'"),
        ("participant_id\ta\n01\ttrain\n02\ttrain\n", "2 people train and 0 test"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_holds_no_splits_is_refused(tmp_path, text, said):
    (tmp_path / "splits.tsv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_splits(tmp_path / "splits.tsv", ["01", "02"])


def test_whoever_is_on_both_sides_is_caught():
    check_disjoint([(np.array([0, 1]), np.array([2]))], np.array([0, 1, 2]))
    with pytest.raises(DataError, match="split 1: 1 person, family or copy of a recording is on both sides"):
        check_disjoint([(np.array([0]), np.array([2])), (np.array([0, 1]), np.array([2]))], np.array([0, 1, 1]))


def shuffle(labels, groups=None, **changes):
    groups = np.arange(len(labels)) if groups is None else groups
    options = {"kind": "class", "share": 0.62, "least": 3, "repeats": 4, "seed": 0} | changes
    return shuffle_people(labels, groups, **options)


def test_sides_have_the_size_asked_for_and_the_classes_of_the_whole():
    labels = np.array(["a", "b"]).repeat([300, 700])
    for train, test in shuffle(labels):
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1000))
        assert len(test) == 620
        assert np.mean(labels[test] == "a") == pytest.approx(0.3, abs=0.01)
        assert np.mean(labels[train] == "a") == pytest.approx(0.3, abs=0.01)


def test_values_are_stratified_by_size():
    values = np.random.default_rng(0).exponential(size=1000)
    for sides in shuffle(values, kind="value"):
        for side in sides:
            assert np.mean(values[side] < np.quantile(values, 0.2)) == pytest.approx(0.2, abs=0.005)


def test_a_group_is_on_one_side_alone():
    groups = np.random.default_rng(0).integers(0, 60, 200)
    for labels, kind in ((np.array(["a", "b"])[groups % 2], "class"), (groups + 0.5, "value")):
        for train, test in shuffle(labels, groups, kind=kind):
            assert len(train) + len(test) == 200
            assert not set(groups[train]) & set(groups[test])


def test_families_with_people_of_both_classes_stay_whole():
    groups, labels = np.arange(120) // 2, np.array(["a", "b"] * 60)
    for train, test in shuffle(labels, groups):
        assert not set(groups[train]) & set(groups[test])
        assert (labels[train] == "b").sum() == (labels[train] == "a").sum()


def test_a_split_depends_on_its_own_seed_alone():
    labels = np.array(["a", "b"] * 40)
    four, two = shuffle(labels), shuffle(labels, repeats=2, seed=2)
    for before, after in zip(four[2:], two, strict=True):
        assert np.array_equal(before[1], after[1])
    assert not np.array_equal(four[0][1], four[1][1])


def test_as_many_people_as_are_needed_are_enough():
    labels = np.array(["a", "b"]).repeat([8, 40])
    for train, _ in shuffle(labels, repeats=30):
        assert (labels[train] == "a").sum() >= 3
    assert [len(side) for side in shuffle(np.arange(8.0), kind="value")[0]] == [3, 5]


def test_rare_classes_few_values_and_no_repeats_are_refused():
    with pytest.raises(DataError, match=r"at least 8 people .* too few in: 'a' \(7\)"):
        shuffle(np.array(["a", "b"]).repeat([7, 40]))
    with pytest.raises(DataError, match="at least 8 people with a value, but there are 6"):
        shuffle(np.arange(6.0), kind="value")
    with pytest.raises(DataError, match="64 people are too few for these splits"):
        shuffle(np.array(list("abcdefgh")).repeat(8), share=0.1)
    with pytest.raises(ConfigError, match="at least 1 repeat"):
        shuffle(np.array(["a", "b"] * 40), repeats=0)


def test_somebody_scanned_at_two_sites_and_their_family_never_train_when_either_is_tested():
    owner = np.array([*range(40), 0, 1])  # 0 and 1 live at A and were scanned at B, too
    people = People(ids=tuple(map(str, range(40))), owner=owner, groups=np.arange(40))
    sites = sites_of(people, [*["A"] * 20, *["B"] * 20, "B", "B"])
    groups = np.array([*range(19), 0, *range(20, 40)])  # 19 is a relative of 0
    (train_b, test_a), (train_a, test_b) = leave_site_out(np.arange(40.0), sites, groups, kind="value")
    assert (test_a.tolist(), test_b.tolist()) == (list(range(20)), list(range(20, 40)))
    assert train_b.tolist() == list(range(20, 40))
    assert train_a.tolist() == list(range(2, 19))
    assert sites.travelled().sum() == 2
    folds = [(np.arange(20), np.arange(20, 40))]
    ((train, _),) = without_leaks(folds, np.arange(40.0), sites, groups)
    assert train.tolist() == list(range(2, 19))
    with pytest.raises(DataError, match=r"scanned at several sites.*--split person"):
        without_leaks([(np.arange(2), np.arange(20, 40))], np.arange(40.0), sites, groups)


@pytest.mark.parametrize(
    ("number", "folds", "said"),
    [
        (
            2,
            2,
            "2 folds of 2 of them leave 1 on a training side, which is split again into 3 inner .*: more groups are",
        ),
        (4, 2, "2 folds of 4 of them leave 2 on a training side, .*: use --folds 4"),
        (5, 2, "2 folds of 5 of them leave 2 on a training side, .*: use --folds 3"),
        (1, 2, "2 folds need at least 2 groups .* but there are 1: more groups are needed"),
        (4, 9, "9 folds need at least 9 groups .* but there are 4: use --folds 4"),
    ],
)
@pytest.mark.parametrize("kind", ["class", "value"])
def test_too_few_groups_for_the_folds_or_the_inner_ones_are_refused_with_folds_that_work(number, folds, said, kind):
    groups = np.repeat(np.arange(number), 12)
    labels = np.tile(["a", "b"], 6 * number) if kind == "class" else np.arange(12.0 * number)
    options = {"kind": kind, "repeats": 1, "seed": 0, "inner": 3}
    with pytest.raises(DataError, match=said) as error:
        split_people(labels, groups, folds=folds, **options)
    for found in re.findall(r"--folds (\d+)", str(error.value)):
        for train, _ in split_people(labels, groups, folds=int(found), **options):
            split_people(labels[train], groups[train], kind=kind, folds=3, repeats=1, seed=0)
