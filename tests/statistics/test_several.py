"""Holm's adjustment by hand."""

import numpy as np
import pytest

from semantoks.statistics.several import holm


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
