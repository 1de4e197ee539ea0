"""The partial confounder test: exact distributions on few people, uniform p without an effect, power with one."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kstest

from semantoks.statistics import confounder
from semantoks.statistics.confounder import association, p_of_association, redrawn

pytestmark = pytest.mark.slow


def partial_confound_test(truth, said, confound, *, kind_truth, kind_confound, permutations, rng):
    draws = redrawn(confound, truth, kind_confound, kind_truth, permutations=permutations, rng=rng)
    return p_of_association(association(said, draws, kind_confound))


def linked(rng, people=50, *, kind_truth="value", kind_confound="value", follow=0.0):
    """A target, a confound that goes with it, and predictions of the target that follow the confound by ``follow``."""
    truth = rng.normal(size=people)
    confound = truth + rng.normal(size=people)
    labels = truth if kind_truth == "value" else np.where(truth > 0, "ill", "well")
    signal = truth if kind_truth == "value" else (truth > 0) * 1.0
    said = signal + follow * confound + rng.normal(size=people)
    return labels, said[:, None], confound if kind_confound == "value" else np.digitize(confound, [-1, 1]).astype(str)


@pytest.mark.parametrize("kind_confound", ["value", "class"])
@pytest.mark.parametrize("kind_truth", ["value", "class"])
def test_p_is_uniform_for_predictions_that_know_the_confound_through_the_target_alone(kind_truth, kind_confound):
    kinds = {"kind_truth": kind_truth, "kind_confound": kind_confound}
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found.append(partial_confound_test(*linked(rng, **kinds), **kinds, permutations=19, rng=rng))
    assert kstest(np.array(found) - 0.025, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.1) < 0.22


@pytest.mark.parametrize("kind_confound", ["value", "class"])
@pytest.mark.parametrize("kind_truth", ["value", "class"])
def test_p_is_small_for_predictions_that_follow_the_confound(kind_truth, kind_confound):
    kinds = {"kind_truth": kind_truth, "kind_confound": kind_confound}
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels, said, confound = linked(rng, 200, follow=1.0, **kinds)
        found.append(partial_confound_test(labels, said, confound, **kinds, permutations=99, rng=rng))
    assert np.median(found) == 0.01
    assert max(found) < 0.1


def test_a_confound_is_shuffled_within_the_classes_of_the_target_and_stays_whole():
    truth = np.array(["a"] * 3 + ["b"] * 4)
    confound = np.array(["x", "y", "z", "x", "x", "y", "y"])
    draws = redrawn(confound, truth, "class", "class", permutations=6000, rng=np.random.default_rng(0))
    assert draws[:, 0].tolist() == [0, 1, 2, 0, 0, 1, 1]
    assert np.all(np.sort(draws[:3], axis=0) == np.array([[0], [1], [2]]))
    assert np.all(np.sort(draws[3:], axis=0) == np.array([[0], [0], [1], [1]]))
    counts = Counter(map(tuple, draws[:3, 1:].T))
    assert sorted(counts) == sorted(permutations(range(3)))
    assert all(abs(count - 1000) < 150 for count in counts.values())


@pytest.mark.parametrize("kind_confound", ["value", "class"])
def test_draws_given_a_value_have_the_odds_of_the_fitted_model(kind_confound, monkeypatch):
    """Four people: the 24 ways to hand out the confounds, each with its probability under the model, spelt out."""
    truth = np.array([0.1, 0.9, 1.4, 2.2])
    confound = np.array([0.3, 1.0, 0.2, 2.0]) if kind_confound == "value" else np.array(["p", "q", "p", "r"])
    pull = np.array([[0.2], [0.9], [1.3], [1.9]])
    if kind_confound == "class":
        pull = np.log(np.array([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]]))
    monkeypatch.setattr(confounder, "_pull", lambda *_: pull)
    # Draws of one call share their pairs: many calls, for pairs of all kinds.
    rng = np.random.default_rng(0)
    drawn = [redrawn(confound, truth, kind_confound, "value", permutations=100, rng=rng) for _ in range(60)]
    values = drawn[0][:, 0]
    weight = Counter()
    for order in permutations(range(4)):
        given = values[list(order)]
        log = given @ pull[:, 0] if kind_confound == "value" else pull[np.arange(4), given].sum()
        weight[tuple(given)] += np.exp(log)
    counts = Counter(map(tuple, np.hstack([draws[:, 1:] for draws in drawn]).T))
    assert set(counts) == set(weight)
    for given, mass in weight.items():
        assert counts[given] / 6000 == pytest.approx(mass / sum(weight.values()), abs=0.02)


def test_association_is_squared_correlation_and_eta_squared():
    rng = np.random.default_rng(0)
    said, values, codes = rng.normal(size=(30, 2)), rng.normal(size=(30, 3)), rng.integers(0, 4, size=(30, 3))
    codes = np.stack([codes[:, 0], rng.permutation(codes[:, 0]), rng.permutation(codes[:, 0])], axis=1)
    expected = [[np.corrcoef(one, other)[0, 1] ** 2 for other in values.T] for one in said.T]
    np.testing.assert_allclose(association(said, values, "value"), expected)
    for output, one in enumerate(said.T):
        for draw, code in enumerate(codes.T):
            between = sum((code == k).sum() * (one[code == k].mean() - one.mean()) ** 2 for k in range(4))
            eta = between / ((one - one.mean()) ** 2).sum()
            assert association(said, codes, "class")[output, draw] == pytest.approx(eta)


def test_flat_predictions_follow_nothing_and_p_is_one():
    rng = np.random.default_rng(0)
    truth, said, confound = linked(rng)
    assert np.all(association(np.full_like(said, 0.1), confound[:, None], "value") == 0)
    flat = partial_confound_test(
        truth, np.full_like(said, 0.1), confound, kind_truth="value", kind_confound="value", permutations=9, rng=rng
    )
    assert flat == 1


def test_p_counts_the_observed_draw_and_ties():
    assert p_of_association(np.array([[0.5, 0.1, 0.5, 0.9, 0.2]])) == 3 / 5
    assert p_of_association(np.array([[0.5, 0.1, 0.2], [0.1, 0.6, 0.3]])) == 2 / 3


def test_only_the_order_of_a_value_counts():
    truth, said, confound = linked(np.random.default_rng(0), follow=0.2)
    first, second = (
        partial_confound_test(
            one, said, two, kind_truth="value", kind_confound="value", permutations=99, rng=np.random.default_rng(0)
        )
        for one, two in ((truth, confound), (np.exp(truth), confound**3))
    )
    assert first == second
