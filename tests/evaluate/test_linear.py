"""The linear models: the short way round is the direct fit, the penalty is chosen inside, nothing leaks."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from semantoks.evaluate.models import linear
from semantoks.evaluate.models import logistic as logistic_regression
from semantoks.evaluate.models.linear import (
    Fold,
    calibrated,
    fit_path,
    logistic,
    ridge,
    standardise,
    standardised_rows,
    support_vectors,
)
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Predicted


def wide(rows=30, features=200, seed=0):
    """More features than rows, of very different sizes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, features)) * np.exp(rng.normal(size=features))


def inner_of(labels, kind, seed=0):
    return split_people(labels, np.arange(len(labels)), kind=kind, folds=3, repeats=1, seed=seed)


def test_standardising_uses_the_training_side_alone():
    train, test = wide(20, 7), wide(9, 7, seed=1) + 3
    rows, held = standardise(train, test)
    np.testing.assert_allclose(rows, (train - train.mean(axis=0)) / train.std(axis=0) / np.sqrt(7), atol=1e-12)
    np.testing.assert_allclose(held, (test - train.mean(axis=0)) / train.std(axis=0) / np.sqrt(7), atol=1e-12)
    assert (rows**2).sum(axis=1).mean() == pytest.approx(1)


def test_a_missing_cell_becomes_the_training_median_and_a_constant_column_zero():
    train = np.array([[1.0, 5, np.nan, 2], [2, 5, np.nan, np.nan], [9, 5, np.nan, 4]])
    test = np.array([[np.nan, 7.0, 3, 3]])
    rows, held = standardise(train, test)
    assert held[0, 0] == pytest.approx((2 - 4) / np.std([1, 2, 9]) / 2)
    assert rows[1, 3] == pytest.approx(0)
    assert np.all(rows[:, 1] == 0)
    assert held[0, 1] == 0
    assert np.all(rows[:, 2] == 0)
    assert np.isfinite(held).all()


def both_ways(train, test):
    """Return standardised features, and the same in the span of the training rows."""
    return standardise(train, test), standardised_rows(np.vstack([train, test]), len(train))


def test_the_span_of_the_rows_keeps_every_inner_product_with_a_training_row():
    (train, test), (rows, held) = both_ways(wide(), wide(8, seed=1))
    assert rows.shape == (30, 29)  # around their mean, thirty rows span 29 dimensions
    np.testing.assert_allclose(rows @ rows.T, train @ train.T, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(held @ rows.T, test @ train.T, rtol=1e-9, atol=1e-8)


def test_a_row_that_is_a_sum_of_others_costs_a_dimension_and_nothing_else():
    train = wide()
    train[29] = (train[0] + train[1]) / 2
    (train, _), (rows, _) = both_ways(train, train[:1])
    assert rows.shape == (30, 28)
    np.testing.assert_allclose(rows @ rows.T, train @ train.T, rtol=1e-9, atol=1e-8)


def test_ridge_in_the_span_of_the_rows_is_ridge_on_all_features():
    (train, test), (rows, held) = both_ways(wide(), wide(8, seed=1))
    labels = np.random.default_rng(2).normal(size=30)
    short = Ridge(alpha=3.0).fit(rows, labels).predict(held)
    np.testing.assert_allclose(short, Ridge(alpha=3.0).fit(train, labels).predict(test), rtol=1e-8)


def test_logistic_regression_in_the_span_of_the_rows_is_that_on_all_features():
    (train, test), (rows, held) = both_ways(wide(), wide(8, seed=1))
    labels = np.random.default_rng(2).choice(["a", "b", "c"], 30)
    fit = LogisticRegression(C=2.0, tol=1e-10, max_iter=2000).fit
    short, direct = fit(rows, labels).predict_proba(held), fit(train, labels).predict_proba(test)
    np.testing.assert_allclose(short, direct, atol=1e-6)


@pytest.mark.parametrize("components", [None, 3])
@pytest.mark.parametrize("columns", [5, 60, 5000])
@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"], [1.0, 2.0, 6.0]])
def test_features_of_which_none_varies_say_what_guessing_says(labels, columns, components):
    kind, labels = "value" if isinstance(labels[0], float) else "class", np.array(labels * 10)
    rows, test = standardised_rows(np.full((40, columns), 7.0, dtype=np.float32), 30, components)
    for model in (linear.linear_model, support_vectors):
        found = model(Fold(rows[: len(labels)], labels, test, inner_of(labels, kind), kind))
        guess = 1 / len(np.unique(labels)) if kind == "class" else 3.0
        np.testing.assert_allclose(found.test, guess, atol=0.35 if model is support_vectors else 1e-6)
        assert np.ptp(found.test, axis=0).max() == 0


def test_copies_of_all_features_change_no_prediction():
    train, test = wide(40, 6), wide(8, 6, seed=1)
    labels = np.where(train[:, 0] + train[:, 1] > 0, "a", "b")
    inner = inner_of(labels, "class")
    predicted = []
    for copies in (1, 4):
        rows, held = standardise(np.tile(train, copies), np.tile(test, copies))
        predicted.append(logistic(Fold(rows, labels, held, inner, "class")).test)
    np.testing.assert_allclose(predicted[0], predicted[1], atol=2e-3)


def test_a_fitted_penalty_is_the_one_that_a_loop_over_the_inner_splits_finds():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 20)) / np.sqrt(20)
    labels = rows[:, 0] + 0.2 * rng.normal(size=60)
    inner = inner_of(labels, "value")
    errors = []
    for inverse in linear.INVERSE_PENALTIES:
        model = Ridge(alpha=1 / inverse)
        errors.append(
            np.mean([np.mean((model.fit(rows[a], labels[a]).predict(rows[b]) - labels[b]) ** 2) for a, b in inner])
        )
    best = int(np.argmin(errors))
    found = ridge(Fold(rows, labels, rows, inner, "value"))
    direct = Ridge(alpha=1 / linear.INVERSE_PENALTIES[best]).fit(rows, labels).predict(rows)
    np.testing.assert_allclose(found.test[:, 0], direct, atol=1e-10)
    np.testing.assert_array_equal(found.candidates[best], found.test)


def test_inner_predictions_come_from_models_that_did_not_see_the_row():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 20)) / np.sqrt(20)
    labels = rows[:, 0] + 0.2 * rng.normal(size=60)
    inner = inner_of(labels, "value")
    found = ridge(Fold(rows, labels, rows[:5], inner, "value"))
    best = next(k for k in range(8) if np.array_equal(found.candidates[k], found.test))
    for a, b in inner:
        direct = Ridge(alpha=1 / linear.INVERSE_PENALTIES[best]).fit(rows[a], labels[a]).predict(rows[b])
        np.testing.assert_allclose(found.inner[b, 0], direct, atol=1e-10)


def test_the_logistic_penalty_is_the_one_that_a_loop_over_the_inner_splits_finds():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 30)) / np.sqrt(30)
    labels = np.where(rows[:, 0] + 0.1 * rng.normal(size=90) > 0.1, "a", "b")
    inner = inner_of(labels, "class")
    likelihood = []
    for inverse in linear.INVERSE_PENALTIES:
        direct = LogisticRegression(C=inverse, class_weight="balanced", tol=1e-8, max_iter=5000)
        for a, b in inner:
            chance = direct.fit(rows[a], labels[a]).predict_proba(rows[b])
            each = [np.log(chance[labels[b] == name, i]).mean() for i, name in enumerate("ab")]
            likelihood.append(np.mean(each))
    best = np.reshape(likelihood, (-1, 3)).mean(axis=1).argmax()
    assert 0 < best < len(linear.INVERSE_PENALTIES) - 1
    found, chosen = fit_path(linear.logistic_paths, linear.surprise, Fold(rows, labels, rows, inner, "class"))
    assert chosen == best
    np.testing.assert_array_equal(found.candidates[best], found.test)
    penalty = linear.INVERSE_PENALTIES[best]
    direct = LogisticRegression(C=penalty, class_weight="balanced", tol=1e-8, max_iter=5000).fit(rows, labels)
    np.testing.assert_allclose(found.test, direct.predict_proba(rows), atol=2e-3)
    again = calibrated(found, labels, linear.log_odds)
    np.testing.assert_array_equal(again.test, logistic(Fold(rows, labels, rows, inner, "class")).test)


def test_calibration_keeps_the_ranking_and_moves_a_threshold_that_was_off():
    rng = np.random.default_rng(0)
    labels = np.array(["few"] * 60 + ["many"] * 340)
    score = np.where(labels == "few", 1.0, -1.0) + rng.normal(size=400)
    chances = 1 / (1 + np.exp(3 - score))  # nobody is thought to be one of the few
    said = np.column_stack([chances, 1 - chances])
    found = calibrated(
        Predicted(classes=np.array(["few", "many"]), test=said, inner=said, candidates=said[None]),
        labels,
        linear.log_odds,
    )
    few = labels == "few"
    assert np.array_equal(np.argsort(found.test[:, 0]), np.argsort(chances))
    assert (said[few, 0] > 0.5).mean() < 0.1
    assert (found.test[few, 0] > 0.5).mean() > 0.75
    assert (found.test[~few, 0] < 0.5).mean() > 0.75
    np.testing.assert_allclose(found.test.sum(axis=1), 1)


def test_calibration_asks_for_the_order_of_scores_not_for_their_size():
    """A strong penalty leaves log odds of a thousandth: they are calibrated as well as those of a weak one."""
    rng = np.random.default_rng(0)
    labels = np.array(["few"] * 20 + ["many"] * 80)
    score = np.where(labels == "few", 0.5, -0.5) + rng.normal(size=100)
    chances = []
    for size in (1.0, 1e-3, 1e-6):
        said = size * np.column_stack([score, -score])
        made = Predicted(classes=np.array(["few", "many"]), test=said, inner=said, candidates=said[None])
        chances.append(calibrated(made, labels, lambda margins: margins).test[:, 0])
    np.testing.assert_allclose(chances[1:], [chances[0]] * 2, atol=1e-6)
    assert (chances[0] > 0.5).mean() == pytest.approx(0.4, abs=0.15)


def test_features_that_know_nothing_do_not_put_everybody_into_the_rare_class():
    """21 of 100 are rare; a fold in which all are called rare would be a fault of the numbers, not of chance."""
    shares = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.array(["F"] * 21 + ["M"] * 79))
        rows, test = standardised_rows(rng.normal(size=(140, 400)), 100)
        found = logistic(Fold(rows, labels, test, inner_of(labels, "class"), "class"))
        shares.append((found.test[:, 0] > 0.5).mean())
        assert len(np.unique(found.test[:, 0])) == 40
    assert min(shares) > 0
    assert max(shares) < 1


@pytest.mark.parametrize("kind", ["class", "value"])
def test_support_vectors_find_a_planted_signal_and_choose_inside(kind):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 10)) / np.sqrt(10)
    signal = rows[:, 0] + 0.05 * rng.normal(size=120)
    labels = np.where(signal > 0, "a", "b") if kind == "class" else 50 + 10 * signal
    train, test = np.arange(80), np.arange(80, 120)
    found = support_vectors(Fold(rows[train], labels[train], rows[test], inner_of(labels[train], kind), kind))
    if kind == "class":
        np.testing.assert_allclose(found.test.sum(axis=1), 1)
        assert (np.array(["a", "b"])[found.test.argmax(axis=1)] == labels[test]).mean() > 0.85
        assert np.array_equal(found.classes, ["a", "b"])
    else:
        assert np.corrcoef(found.test[:, 0], labels[test])[0, 1] > 0.9
        assert abs(found.test.mean() - 50) < 2
    assert found.candidates.shape == (len(linear.MARGIN_PENALTIES), 40, 2 if kind == "class" else 1)


def test_margins_of_three_classes_become_probabilities_of_three():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 20)
    rows = np.eye(3)[np.repeat([0, 1, 2], 20)] + 0.3 * rng.normal(size=(60, 3))
    found = support_vectors(Fold(rows, labels, rows, inner_of(labels, "class"), "class"))
    assert (found.classes[found.test.argmax(axis=1)] == labels).mean() > 0.8


def test_a_class_that_an_inner_training_side_lacks_gets_probability_zero_there():
    rows, labels = wide(30, 5), np.array(["a"] * 14 + ["b"] * 14 + ["c"] * 2)
    halves = [(np.arange(28), np.arange(28, 30)), (np.r_[0:10, 14:24, 28:30], np.r_[10:14, 24:28])]
    fold = Fold(standardise(rows, rows)[0], labels, rows, halves, "class")
    assert np.all(fit_path(linear.logistic_paths, linear.surprise, fold)[0].inner[28:, 2] == 0)


def test_a_chance_of_zero_is_no_news_to_the_user(monkeypatch):
    sure = lambda rows: np.eye(2)[np.zeros(len(rows), int)]  # noqa: E731
    monkeypatch.setattr(linear, "logistic_paths", lambda _rows, _labels, c, parts: [[sure] * len(c)] * len(parts))
    rows, labels = wide(40, 5), np.array(["a", "b"] * 20)
    found = logistic(Fold(rows, labels, rows, inner_of(labels, "class"), "class"))
    np.testing.assert_allclose(found.test, 0.5, atol=1e-6)  # what says the same of all is calibrated to no knowledge


def test_a_fit_that_does_not_converge_is_no_news_to_the_user(monkeypatch):
    monkeypatch.setattr(logistic_regression, "_ITERATIONS", 1)
    rows = wide(60, 12)
    labels = np.random.default_rng(1).choice(["a", "b", "c"], 60)
    found = logistic(Fold(*standardise(rows, rows)[:1], labels, rows, inner_of(labels, "class"), "class"))
    assert np.isfinite(found.test).all()


def test_finer_splits_choose_the_penalty_of_a_value_where_there_are_some():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(40, 39)) / np.sqrt(39), rng.normal(size=40)
    labels += 3 * rows[:, 0]
    fine = split_people(labels, np.arange(40), kind="value", folds=10, repeats=1, seed=0)
    one, two = (
        ridge(Fold(rows, labels, rows, fine, "value")),
        ridge(Fold(rows, labels, rows, inner_of(labels, "value"), "value", fine)),
    )
    np.testing.assert_array_equal(one.inner, two.inner)
    np.testing.assert_array_equal(one.test, two.test)


@pytest.mark.parametrize("columns", [60, 80, 110])
def test_as_many_columns_as_people_are_no_trap(columns):
    # Least squares collapse there, and with them a penalty that was chosen on fewer people, who are past the collapse.
    scores = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        latent = rng.normal(size=(480, 5))
        features = latent @ rng.normal(size=(5, columns)) + rng.normal(size=(480, columns))
        truth = latent[:, 0] + 0.3 * rng.normal(size=480)
        rows, held = standardised_rows(features, 80)
        fine = split_people(truth[:80], np.arange(80), kind="value", folds=10, repeats=1, seed=0)
        found = ridge(Fold(rows, truth[:80], held, inner_of(truth[:80], "value"), "value", fine))
        scores.append([np.corrcoef(one[:, 0], truth[80:])[0, 1] for one in (found.test, *found.candidates)])
    chosen, *candidates = np.mean(scores, axis=0)
    assert chosen > max(candidates) - 0.02
    assert chosen > candidates[-1] + (0.3 if columns == 80 else 0.0)
