"""Scores against scikit-learn, SciPy and hand-made cases."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)

from semantoks.statistics.scores import class_scores, expected_calibration_error, reliability_curve, value_scores


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
    assert found["auprc"] == pytest.approx(
        average_precision_score(truth[:, None] == classes, probability, average="macro")
    )
    assert found["brier"] == pytest.approx(brier_score_loss(truth, probability, labels=classes))


def test_two_classes_are_ranked_by_the_probability_of_the_second():
    classes, truth = np.array(["F", "M"]), np.array(["F", "M", "F", "M", "M"])
    probability = guesses(truth, 2)
    found = class_scores(truth, probability, classes)
    assert found["auroc"] == pytest.approx(roc_auc_score(truth == "M", probability[:, 1]))
    assert found["auprc"] == pytest.approx(average_precision_score(truth == "M", probability[:, 1]))
    assert found["brier"] == pytest.approx(np.mean(((truth == "M") - probability[:, 1]) ** 2))


def test_a_perfect_method_has_the_best_of_every_score_and_its_opposite_the_worst():
    classes, truth = np.array(["F", "M"]), np.array(["F", "M", "F", "M", "M"])
    perfect = np.column_stack([truth == "F", truth == "M"]).astype(float)
    best = {"balanced_accuracy": 1.0, "auroc": 1.0, "auprc": 1.0, "brier": 0.0, "ece": 0.0}
    assert class_scores(truth, perfect, classes) == best
    # All three of class M rank behind everybody: precision 0.6 once they are all found.
    worst = {"balanced_accuracy": 0.0, "auroc": 0.0, "auprc": 0.6, "brier": 1.0, "ece": 1.0}
    assert class_scores(truth, 1 - perfect, classes) == pytest.approx(worst)


def test_a_class_that_nobody_in_the_fold_has_counts_for_nothing():
    classes, truth = np.array(["a", "b", "c"]), np.array(["a", "a", "b", "b"])
    probability = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    found = class_scores(truth, probability, classes)
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    for score, function in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
        by_hand = np.mean([function(truth == name, probability[:, i]) for i, name in enumerate("ab")])
        assert found[score] == pytest.approx(by_hand)


def test_a_class_without_a_column_has_probability_zero_in_the_brier_score():
    classes, truth = np.array(["a", "b", "c"]), np.array(["a", "z"])
    probability = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    by_hand = (0.5**2 + 0.3**2 + 0.2**2 + 0.2**2 + 0.2**2 + 0.6**2 + 1**2) / 2
    assert class_scores(truth, probability, classes)["brier"] == pytest.approx(by_hand)


def test_a_fold_of_one_class_ranks_nobody():
    found = class_scores(np.array(["a", "a"]), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array(["a", "b"]))
    assert found["balanced_accuracy"] == 0.5
    assert np.isnan(found["auroc"])
    assert np.isnan(found["auprc"])
    assert found["brier"] == pytest.approx((0.1**2 + 0.8**2) / 2)


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


def test_the_reliability_curve_and_its_error_equal_a_loop_over_bins():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 200)
    right = rng.random(200) < confidence**2
    curve = reliability_curve(right, confidence)
    error, bins = 0.0, []
    for b in range(10):
        inside = [i for i in range(200) if b / 10 < confidence[i] <= (b + 1) / 10]
        if inside:
            bins.append(b)
            row = curve[curve["bin"] == b].iloc[0]
            assert row["n"] == len(inside)
            assert row["confidence"] == pytest.approx(np.mean([confidence[i] for i in inside]))
            assert row["accuracy"] == pytest.approx(np.mean([right[i] for i in inside]))
            error += abs(row["accuracy"] - row["confidence"]) * len(inside) / 200
    assert list(curve["bin"]) == bins
    assert expected_calibration_error(curve) == pytest.approx(error)


def test_a_confidence_on_an_edge_belongs_to_the_lower_bin_and_none_is_lost():
    curve = reliability_curve(np.ones(4, bool), np.array([0.0, 0.1, 0.5, 1.0]))
    assert dict(zip(curve["bin"], curve["n"], strict=True)) == {0: 2, 4: 1, 9: 1}


def test_a_method_that_is_as_often_right_as_it_says_has_no_calibration_error():
    right = np.repeat([True, False, True, False], [8, 2, 6, 4])
    curve = reliability_curve(right, np.repeat([0.8, 0.6], 10))
    assert expected_calibration_error(curve) == pytest.approx(0)


def test_the_score_is_the_error_of_the_confidence_in_the_predicted_class():
    probability = np.array([[0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    found = class_scores(np.array(["a", "a", "b"]), probability, np.array(["a", "b"]))
    assert found["ece"] == pytest.approx((0.8 + 0.3 + 0.4) / 3)
