"""Paired tests: closed forms, and methods whose answers are really exchanged."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, rankdata, ttest_1samp
from simulated_predictions import plain_score, said, sides

from semantoks.errors import ConfigError
from semantoks.statistics.paired import corrected_mean, holm, paired_permutation, unit_contributions
from semantoks.statistics.tested import SplitTested, count_units, held_out

pytestmark = pytest.mark.slow

CASES = [
    ("class", 2, "balanced_accuracy"),
    ("class", 3, "balanced_accuracy"),
    ("class", 2, "auroc"),
    ("class", 3, "auroc"),
    ("value", 0, "r"),
    ("value", 0, "r2"),
    ("value", 0, "mae"),
]


def exchanged(side, first, second, units):
    """Return the side after the two methods have exchanged what they said of the people of these units."""
    predicted, probability = side.predicted.copy(), side.probability.copy()
    rows = np.isin(side.unit, units)
    predicted[np.ix_([first, second], rows)] = predicted[np.ix_([second, first], rows)]
    probability[np.ix_([first, second], rows)] = probability[np.ix_([second, first], rows)]
    return replace(side, predicted=predicted, probability=probability)


def ranked(side):
    """Return the side with every method's probabilities replaced by their ranks; the areas stay as they are."""
    return replace(side, probability=rankdata(side.probability, axis=1))


def one_hot(side, classes):
    return (side.predicted[:, :, None] == np.arange(classes)).astype(float)


def difference(held, metric, first=0, second=1):
    return np.mean([plain_score(side, first, metric) - plain_score(side, second, metric) for side in held])


def test_without_the_overlap_of_training_sets_the_corrected_t_is_the_plain_one():
    differences = np.array([0.1, 0.3, -0.1, 0.2, 0.15])
    plain, found = ttest_1samp(differences, 0), corrected_mean(differences, 1e12, np.ones(5))
    assert (found.mean / found.error, found.p) == pytest.approx((plain.statistic, plain.pvalue))
    assert found.interval(0.9) == pytest.approx(tuple(plain.confidence_interval(0.9)))


def test_the_corrected_t_by_hand():
    # Mean 0.2, s² = 0.01, (1/3 + 1/4) 0.01 = 0.07637²: t = 2.6186; with 2 degrees of freedom p = 1 - t / sqrt(2 + t²).
    found = corrected_mean(np.array([0.1, 0.2, 0.3]), 80.0, np.full(3, 20.0))
    statistic = found.mean / found.error
    assert statistic == pytest.approx(0.2 / np.sqrt(0.01 * 7 / 12))
    assert found.p == pytest.approx(1 - statistic / np.sqrt(2 + statistic**2))


def test_differences_without_spread_are_certain_or_nothing():
    folds = np.full(5, 20.0)
    assert corrected_mean(np.zeros(5), 80.0, folds).p == 1
    assert corrected_mean(np.full(5, -0.1), 80.0, folds).p == 0
    assert corrected_mean(np.full(5, -0.1), 80.0, folds).interval(0.95) == pytest.approx((-0.1, -0.1))
    assert np.isnan(corrected_mean(np.array([0.1]), 80.0, folds[:1]).p)


def test_splits_of_unequal_sizes_count_by_people_and_the_error_is_that_of_a_weighted_mean():
    """In 4,000 draws of differences with a variance of 1 / people, as many t are large as the t distribution says."""
    rng, people = np.random.default_rng(0), np.array([5.0, 10, 20, 40, 25])
    differences = rng.normal(size=(4000, 5)) / np.sqrt(people)
    found = [corrected_mean(each, 1e12, people) for each in differences]
    assert [one.mean for one in found] == pytest.approx(np.average(differences, axis=1, weights=people))
    assert np.var([one.mean for one in found]) == pytest.approx(1 / people.sum(), rel=0.1)
    assert np.mean([one.error**2 for one in found]) == pytest.approx(1 / people.sum(), rel=0.1)
    assert np.mean([one.p < 0.05 for one in found]) == pytest.approx(0.05, abs=0.012)


def test_two_one_sided_tests_say_equal_when_the_90_percent_interval_is_within_the_bounds():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = corrected_mean(rng.normal(0.02, 0.05, 10), 80.0, np.full(10, 20.0))
        within = max(np.abs(found.interval(0.9))) < 0.06
        assert (found.p_within(0.06) < 0.05) == within
    sides = [
        ttest_1samp(d := np.array([0.1, 0.3, -0.1, 0.2]), b, alternative=a).pvalue
        for b, a in ((0.5, "less"), (-0.5, "greater"))
    ]
    assert corrected_mean(d, 1e12, np.ones(4)).p_within(0.5) == pytest.approx(max(sides))
    assert [
        corrected_mean(np.zeros(5), 80.0, np.ones(5)).p_within(0.1),
        corrected_mean(np.ones(5), 80.0, np.ones(5)).p_within(0.1),
    ] == [0, 1]


def test_a_difference_as_large_as_the_bound_is_called_equal_in_one_of_twenty_cases():
    rng = np.random.default_rng(0)
    found = [corrected_mean(rng.normal(0.1, 0.02, 10), 1e12, np.ones(10)).p_within(0.1) for _ in range(4000)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("kind", "classes", "metric"), CASES)
def test_contributions_of_units_add_up_to_the_difference(kind, classes, metric):
    held = sides(kind=kind, classes=classes, groups=np.arange(40) // 2)
    found = unit_contributions(held, metric, 1)
    assert found.shape == (20, 3)
    for method in range(3):
        assert found[:, method].sum() == pytest.approx(difference(held, metric, method, 1), abs=1e-12)


@pytest.mark.parametrize(("kind", "classes", "metric"), [case for case in CASES if case[2] != "r"])
def test_a_flipped_sign_is_an_exchange_of_what_was_said(kind, classes, metric):
    held = sides(kind=kind, classes=classes, groups=np.arange(40) // 2)
    if metric == "auroc":
        held = [ranked(side) for side in held]
    parts = unit_contributions(held, metric, 1)[:, 0]
    rng = np.random.default_rng(0)
    for _ in range(5):
        units = np.flatnonzero(rng.random(20) < 0.5)
        signs = np.where(np.isin(np.arange(20), units), -1, 1)
        after = [exchanged(side, 0, 1, units) for side in held]
        if metric == "balanced_accuracy":  # scored by the class predicted, which was exchanged, too
            after = [replace(side, probability=one_hot(side, classes)) for side in after]
        assert signs @ parts == pytest.approx(difference(after, metric), abs=1e-12)


def test_for_r_a_flipped_sign_is_an_exchange_to_first_order():
    """Among 4,000 people the error of r after an exchange is far below the exchange's own spread."""
    side = sides(kind="value", n=4000, folds=1, repeats=1)[0]
    side.predicted[:] = (side.predicted - side.predicted.mean(axis=1, keepdims=True)) / side.predicted.std(
        axis=1, keepdims=True
    )
    parts = unit_contributions([side], "r", 1)[:, 0]
    rng = np.random.default_rng(0)
    expected, found = [], []
    for _ in range(20):
        units = np.flatnonzero(rng.random(4000) < 0.5)
        found.append(np.where(np.isin(np.arange(4000), units), -1, 1) @ parts)
        expected.append(difference([exchanged(side, 0, 1, units)], "r"))
    assert np.std(np.subtract(found, expected)) < 0.1 * np.std(expected)


def test_p_of_few_units_equals_all_their_flips():
    parts = np.array([[0.3, 0.0], [0.2, 0.0], [-0.1, 0.0], [0.4, 0.0]])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1).T
    exact = np.mean(np.abs(signs @ parts[:, 0]) >= 0.8 - 1e-9)
    found = paired_permutation(parts, overlap=0.0, flips=20_000, rng=np.random.default_rng(0))
    assert found[0] == pytest.approx(exact, abs=0.01)
    assert found[1] == 1


def test_overlap_of_training_and_test_sides_stretches_what_flips_make():
    """Sums of many small parts are normal, so p is known."""
    parts = np.random.default_rng(0).normal(0.1, 1, (400, 1))
    z = float(parts.sum() / np.sqrt((parts**2).sum()))
    for overlap in (0.0, 0.5, 1.0):
        found = paired_permutation(parts, overlap=overlap, flips=20_000, rng=np.random.default_rng(1))
        assert found[0] == pytest.approx(2 * norm.sf(z / np.sqrt(1 + overlap)), abs=0.005)


def test_p_is_never_zero():
    found = paired_permutation(np.ones((60, 1)), overlap=0.0, flips=99, rng=np.random.default_rng(0))
    assert found == pytest.approx([1 / 100])


def test_flips_that_are_drawn_a_few_at_a_time_are_all_counted(monkeypatch):
    parts = np.ones((6, 1))
    monkeypatch.setattr("semantoks.statistics.paired._CELLS", 6 * 7)
    found = paired_permutation(parts, overlap=0.0, flips=5000, rng=np.random.default_rng(1))[0]
    assert found == pytest.approx(2 / 64, abs=4 * np.sqrt(2 / 64 / 5000))
    assert found * 5001 == pytest.approx(round(found * 5001))


def two_alike(kind, skill, seed, n=60):
    """Two methods that are equally good: the truth and noise of their own."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) % 2).astype(float) if kind == "class" else rng.normal(size=n)
    answer = skill * truth + rng.normal(size=(2, n))
    chance = 1 / (1 + np.exp(skill / 2 - answer))
    probability = np.stack([1 - chance, chance], axis=2) if kind == "class" else np.zeros((2, n, 0))
    predicted = (chance > 0.5).astype(float) if kind == "class" else answer
    return SplitTested(unit=np.arange(n), truth=truth, predicted=predicted, probability=probability)


@pytest.mark.parametrize(("metric", "skill"), [("auroc", 0.0), ("auroc", 2.0), ("r", 0.0), ("r", 2.0), ("mae", 1.0)])
def test_p_values_of_equally_good_methods_are_uniform(metric, skill):
    """A fifth of 400 p-values lies below 0.2, however good the methods are."""
    rng, kind = np.random.default_rng(0), "class" if metric == "auroc" else "value"
    each = [unit_contributions([two_alike(kind, skill, seed)], metric, 1)[:, [0]] for seed in range(400)]
    p = [paired_permutation(parts, overlap=0.0, flips=99, rng=rng)[0] for parts in each]
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=3 * np.sqrt(0.16 / 400))


def test_p_values_of_equal_balanced_accuracies_are_not_too_small():
    """Their differences are few numbers, and a tie counts against them: p is uniform or larger."""
    rng = np.random.default_rng(0)
    each = [unit_contributions([two_alike("class", 1.0, seed)], "balanced_accuracy", 1)[:, [0]] for seed in range(400)]
    p = np.array([paired_permutation(parts, overlap=0.0, flips=99, rng=rng)[0] for parts in each])
    assert 0.1 < np.mean(p <= 0.2) < 0.2 + 3 * np.sqrt(0.16 / 400)


def test_only_the_splits_that_both_have_are_compared():
    _, table = said()
    whole = held_out(table, ["encoder", "fc"])
    held = held_out(table[(table["method"] != "fc") | (table["split"] > 0)], ["encoder", "fc"])
    found = unit_contributions(held, "balanced_accuracy", 1)
    assert found[:, 0].sum() == pytest.approx(difference(whole[1:], "balanced_accuracy"))
    nowhere = held_out(table[table["method"] != "fc"], ["encoder", "fc"])
    parts = unit_contributions(nowhere, "balanced_accuracy", 1)
    assert parts.shape == (count_units(held), 2)
    assert np.isnan(paired_permutation(parts, overlap=0.0, flips=9, rng=np.random.default_rng(0))).all()


def test_a_split_whose_truth_is_constant_has_no_difference():
    held = sides(kind="value")
    held[0].truth[:] = 1.0
    for metric in ("r", "r2"):
        found = unit_contributions(held, metric, 1)[:, 0].sum()
        assert found == pytest.approx(difference(held[1:], metric))


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match="no paired permutation for the metric 'ece'"):
        unit_contributions(sides(), "ece", 0)


def test_holm_by_hand():
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1; the last one may not be below the one before it.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_is_never_above_one_and_never_lowers_a_p_value():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(rng.integers(1, 9))
        found = holm(p)
        assert (found >= p).all()
        assert (found <= 1).all()
        assert (np.argsort(p) == np.lexsort((p, found))).all()


def test_a_test_that_was_not_made_counts_for_none():
    found = holm(np.array([0.02, np.nan, 0.03]))
    assert found[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(found[1])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_equal_p_values_get_equal_answers():
    assert holm(np.array([0.01, 0.01, 0.5])) == pytest.approx([0.03, 0.03, 0.5])


def test_at_most_one_claim_in_twenty_families_is_false():
    """Five true null hypotheses, 2,000 times: the share of families with a rejection is 0.05 in the mean."""
    p = np.random.default_rng(0).random((2000, 5))
    share = np.mean([holm(row).min() < 0.05 for row in p])
    assert share == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 2000))
