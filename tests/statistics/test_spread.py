import numpy as np
import pytest

from semantoks.statistics.spread import differ


def test_conditions_that_differ_by_noise_alone_are_told_apart_in_few_cases() -> None:
    rng = np.random.default_rng(0)
    alarms = [differ(rng.normal(size=(10, 7)) + rng.normal(size=(10, 1)), 80.0, 20.0) for _ in range(400)]
    assert np.mean([bool(alarm) for alarm in alarms]) <= 0.05


def test_the_threshold_is_that_of_tukey_s_range() -> None:
    scores = np.array([[0.0, 1.0], [0.0, 3.0]])  # means 0 and 2; residuals +-0.5; error sqrt(1 * (1/2 + 1/4)) = 0.866
    assert differ(scores, 40.0, 10.0) is False  # q(.95, 2, 1) = 17.97: 15.6 would be needed
    assert differ(scores + np.array([0.0, 15.0]), 40.0, 10.0) is True
    assert differ(scores + np.array([0.0, 13.0]), 40.0, 10.0) is False


@pytest.mark.parametrize("scores", [np.zeros((1, 7)), np.zeros((5, 1)), np.full((5, 3), np.nan)])
def test_too_little_to_tell_is_said(scores: np.ndarray) -> None:
    assert differ(scores, 80.0, 20.0) is None
