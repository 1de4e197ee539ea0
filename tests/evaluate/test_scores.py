"""Scores against scikit-learn, SciPy and hand-made cases."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, r2_score, roc_auc_score

from semantoks.evaluate.scores import class_scores, value_scores


def guesses(truth, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.random((len(truth), n_classes))
    return probability / probability.sum(axis=1, keepdims=True)


def test_scores_of_three_classes_equal_scikit_learns():
    classes = np.array(["a", "b", "c"])
    truth = np.random.default_rng(1).choice(classes, 50, p=[0.6, 0.3, 0.1])
    probability = guesses(truth, 3)
    found = class_scores(truth, probability, classes)
    assert found["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(truth, classes[probability.argmax(axis=1)])
    )
    assert found["auroc"] == pytest.approx(
        roc_auc_score(truth, probability, multi_class="ovr", average="macro", labels=classes)
    )


def test_two_classes_are_ranked_by_the_probability_of_the_second():
    classes, truth = np.array(["F", "M"]), np.array(["F", "M", "F", "M", "M"])
    probability = guesses(truth, 2)
    found = class_scores(truth, probability, classes)
    assert found["auroc"] == pytest.approx(roc_auc_score(truth == "M", probability[:, 1]))
    perfect = np.column_stack([truth == "F", truth == "M"]).astype(float)
    assert class_scores(truth, perfect, classes) == {"balanced_accuracy": 1.0, "auroc": 1.0}
    assert class_scores(truth, 1 - perfect, classes) == {"balanced_accuracy": 0.0, "auroc": 0.0}


def test_a_class_that_nobody_in_the_fold_has_counts_for_nothing():
    classes, truth = np.array(["a", "b", "c"]), np.array(["a", "a", "b", "b"])
    probability = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    found = class_scores(truth, probability, classes)
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    by_hand = np.mean([roc_auc_score(truth == name, probability[:, i]) for i, name in enumerate("ab")])
    assert found["auroc"] == pytest.approx(by_hand)


def test_a_fold_of_one_class_has_no_auroc():
    found = class_scores(np.array(["a", "a"]), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array(["a", "b"]))
    assert found["balanced_accuracy"] == 0.5
    assert np.isnan(found["auroc"])


def test_scores_of_values_equal_scipys_and_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40)
    predicted = 0.5 * truth + rng.normal(size=40) + 1
    found = value_scores(truth, predicted)
    assert found["r"] == pytest.approx(pearsonr(truth, predicted).statistic)
    assert found["r2"] == pytest.approx(r2_score(truth, predicted))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, predicted))


def test_a_constant_prediction_has_no_correlation_and_a_constant_truth_no_scores_of_it():
    truth = np.array([1.0, 2.0, 3.0])
    assert value_scores(truth, np.full(3, 2.0)) == pytest.approx({"r": 0.0, "r2": 0.0, "mae": 2 / 3})
    found = value_scores(np.ones(3), truth)
    assert np.isnan(found["r"])
    assert np.isnan(found["r2"])
    assert found["mae"] == 1.0
