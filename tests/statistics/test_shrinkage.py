"""The likelihood of other frames against a normal density written out, and where it has to choose what."""

import numpy as np
import pytest

from semantoks.statistics.shrinkage import SHRINKAGES, correlations, likelihoods


def test_correlations_are_numpys_and_a_constant_roi_goes_with_nothing():
    series = np.random.default_rng(0).normal(size=(5, 40))
    found, changes = correlations(series)
    np.testing.assert_allclose(found, np.corrcoef(series), atol=1e-12)
    series[2] = 7
    found, changes = correlations(series)
    assert changes.tolist() == [True, True, False, True, True]
    assert not found[2].any()


def test_likelihoods_are_those_of_a_normal_density():
    early, late = np.random.default_rng(1).normal(size=(2, 6, 30))
    expected = []
    for share in SHRINKAGES:
        model = (1 - share) * np.corrcoef(early) + share * np.eye(6)
        expected.append(-(np.linalg.slogdet(model)[1] + np.trace(np.linalg.solve(model, np.corrcoef(late)))) / 6)
    np.testing.assert_allclose(likelihoods(early, late), expected, atol=1e-10)


def test_rois_that_are_missing_in_one_part_take_no_part():
    early, late = np.random.default_rng(2).normal(size=(2, 6, 30))
    expected = likelihoods(early[:4], late[:4])
    early[4], late[5] = 0, 3
    np.testing.assert_allclose(likelihoods(early, late), expected, atol=1e-12)
    assert likelihoods(0 * early, late).tolist() == [0] * len(SHRINKAGES)


@pytest.mark.parametrize(("frames", "low", "high"), [(10, 0.4, 0.8), (4000, 0.05, 0.1)])
def test_few_frames_ask_for_much_shrinkage_and_many_for_little(frames, low, high):
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(30, 30)) / 5 + np.eye(30)
    early, late = mixing @ rng.normal(size=(30, frames)), mixing @ rng.normal(size=(30, 4000))
    assert low <= SHRINKAGES[int(likelihoods(early, late).argmax())] <= high
