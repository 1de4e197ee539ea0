"""Random splits: the sizes asked for, every class on both sides, groups whole, nobody missing."""

import numpy as np
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.shuffles import shuffle_people


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
