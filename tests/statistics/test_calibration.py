"""Calibration against a loop over bins and predictions."""

import numpy as np
import pytest

from semantoks.statistics.calibration import expected_calibration_error, reliability_curve
from semantoks.statistics.scores import class_scores


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
