"""Splits: disjoint, complete, stratified, and copies of a recording stay together."""

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.splits import groups_of, split_people


def split(labels, groups=None, **changes):
    labels = np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return split_people(labels, groups, **({"kind": "class", "folds": 5, "repeats": 1, "seed": 0} | changes))


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


def test_one_fold_no_repeat_or_a_negative_seed_is_refused():
    for bad in ({"folds": 1}, {"repeats": 0}, {"seed": -1}):
        with pytest.raises(ConfigError, match="at least 2 folds, 1 repeat and a seed of at least 0"):
            split(["p", "q"] * 10, **bad)
