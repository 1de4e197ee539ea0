"""Logistic regressions of all penalties at once are scikit-learn's, one by one."""

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from semantoks.evaluate.models import logistic
from semantoks.evaluate.models.linear import INVERSE_PENALTIES, standardise
from semantoks.evaluate.models.logistic import logistic_path, logistic_paths, minimised


def people(n, columns, classes, seed=0, spread=1.0):
    """Return standardised rows whose columns differ in size, and labels that some of them tell."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, columns)) * np.exp(spread * rng.normal(size=columns))
    odds = rows @ rng.normal(size=(columns, classes)) + rng.normal(size=(n, classes))
    rows, _ = standardise(rows, rows[:1])
    return rows.astype(np.float64), np.array([f"class {code}" for code in odds.argmax(axis=1)])


@pytest.mark.parametrize(("n", "columns", "classes"), [(60, 5, 2), (90, 30, 4), (40, 200, 2), (300, 500, 2)])
def test_probabilities_are_those_of_scikit_learn(n, columns, classes):
    rows, labels = people(n, columns, classes)
    train, test = rows[: n - 20], rows[n - 20 :]
    for inverse, chances in zip(
        INVERSE_PENALTIES[:6], logistic_path(train, labels[: n - 20], INVERSE_PENALTIES[:6]), strict=True
    ):
        direct = LogisticRegression(C=inverse, class_weight="balanced", tol=1e-10, max_iter=5000)
        found = chances(test)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, direct.fit(train, labels[: n - 20]).predict_proba(test), atol=2e-3)


def objective(weights, intercepts, rows, labels, inverse):
    """What both minimise, in a loop's words: the mean loss of classes that weigh alike, and the penalty."""
    names, codes = np.unique(labels, return_inverse=True)
    odds = rows @ weights.T + intercepts
    odds = np.hstack([np.zeros_like(odds), odds]) if len(names) == 2 else odds
    losses = logsumexp(odds, axis=1) - odds[np.arange(len(codes)), codes]
    each = np.mean([losses[codes == code].mean() for code in range(len(names))])
    return each + (weights**2).sum() / (2 * inverse * len(rows))


@pytest.mark.parametrize("seed", range(12))
def test_no_fit_is_worse_than_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    rows, labels = people(int(rng.integers(30, 300)), int(rng.choice([1, 3, 40, 600])), int(rng.choice([2, 3, 9])))
    rows = np.hstack([rows, rows[:, :1], np.zeros((len(rows), 1))])  # a column that stands twice, and one of nothing
    for inverse, chances in zip(INVERSE_PENALTIES, logistic_path(rows, labels, INVERSE_PENALTIES), strict=True):
        direct = LogisticRegression(C=inverse, class_weight="balanced", tol=1e-6, max_iter=500).fit(rows, labels)
        weights, axes = chances.args
        ours = objective(
            weights[:, :-1] @ (np.eye(rows.shape[1]) if axes is None else axes.T), weights[:, -1], rows, labels, inverse
        )
        theirs = objective(direct.coef_, direct.intercept_, rows, labels, inverse)
        assert ours <= theirs + 1e-5


def test_float32_and_float64_say_the_same(monkeypatch):
    rows, labels = people(200, 300, 3)
    found = []
    for cells in (0, 1 << 40):
        monkeypatch.setattr(logistic, "_LARGE", cells)
        found.append([chances(rows) for chances in logistic_path(rows, labels, INVERSE_PENALTIES[:5])])
    np.testing.assert_allclose(*found, atol=2e-4)
    assert np.abs(np.subtract(*found)).max() > 0


def test_fits_on_several_choices_of_rows_are_those_of_each_alone():
    rows, labels = people(120, 30, 4)
    trainings = [np.arange(80), np.arange(40, 120), np.flatnonzero(labels != "class 1")]
    many = list(logistic_paths(rows, labels, INVERSE_PENALTIES[:5], trainings))
    for one, found in zip(trainings, many, strict=True):
        for alone, together in zip(logistic_path(rows[one], labels[one], INVERSE_PENALTIES[:5]), found, strict=True):
            there = np.isin(np.unique(labels), labels[one])
            np.testing.assert_allclose(together(rows)[:, there], alone(rows), atol=2e-4)
            assert np.all(together(rows)[:, ~there] == 0)


def test_a_minimum_of_quadratic_functions_is_exact_and_costs_few_gradients():
    rng = np.random.default_rng(0)
    bends, ends = np.exp(rng.normal(size=(3, 6))), rng.normal(size=(3, 6))
    calls = []

    def gradient(weights, problems):
        calls.append(len(problems))
        return bends[problems] * (weights - ends[problems])

    found = minimised(gradient, lambda _, problems: 1 / bends[problems], np.zeros_like(bends))
    np.testing.assert_allclose(found, ends, atol=1e-6)
    assert calls == [3, 3]
    calls.clear()
    found = minimised(gradient, lambda weights, _: np.ones_like(weights), np.zeros_like(bends))
    np.testing.assert_allclose(found, ends, atol=1e-5)
    assert len(calls) < 40


def test_what_cannot_be_reached_ends():
    rows, labels = people(60, 4, 2)
    found = minimised(
        lambda weights, _: np.exp(-weights) * -1e3, lambda weights, _: np.ones_like(weights), np.zeros((2, 3))
    )
    assert np.isfinite(found).all()
    for chances in logistic_path(1e6 * rows, labels, np.array([1e12])):
        assert np.isfinite(chances(1e6 * rows)).all()
