"""Censored frames: bridged for the filter, left out of the z-score, zero where the gap is long, never counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from semantoks.errors import DataError
from semantoks.signals.censor import bridge, gaps, gaps_text, long_gaps, mask_from_text, resampled_mask
from semantoks.signals.clean import CleaningConfig, clean, zscore

RAW = CleaningConfig(band=None, target_tr=None)


def mask(text):
    """Read ``11011`` as frames of which the third is bad."""
    return np.array([letter == "1" for letter in text])


def smooth(frames, rois=3, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0)


def test_a_bridge_is_the_cubic_through_the_good_frames_and_level_at_the_ends():
    series, good = smooth(12), mask("001111001110")
    found = bridge(series, good)
    place = np.flatnonzero(good)
    np.testing.assert_array_equal(found[good], series[good])
    np.testing.assert_allclose(found[6:8], PchipInterpolator(place, series[good])([6, 7]))
    np.testing.assert_allclose(found[:2], series[[2, 2]], rtol=1e-12)
    np.testing.assert_allclose(found[11], series[10], rtol=1e-12)
    assert bridge(series, np.ones(12, dtype=bool)) is series
    np.testing.assert_array_equal(bridge(series, mask("000010000000")), np.repeat(series[[4]], 12, axis=0))


def test_what_stands_in_bad_frames_has_no_influence():
    series, good = smooth(120), np.ones(120, dtype=bool)
    good[[0, 30, 31, 32, 119]] = False
    config = CleaningConfig()
    wild = series.copy()
    wild[~good] = 1e6
    holes = series.copy()
    holes[~good] = np.nan
    expected = clean(series, 1.5, config, good=good)
    for other in (wild, holes):
        found = clean(other, 1.5, config, good=good)
        np.testing.assert_array_equal(found.series, expected.series)
    assert not np.allclose(clean(series, 1.5, config).series, expected.series, atol=0.05)


def test_the_z_score_is_that_of_the_good_frames():
    series, good = smooth(50), np.ones(50, dtype=bool)
    good[10:20] = False
    found = zscore(series, good)
    np.testing.assert_allclose(found[good].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found[good].std(axis=0), 1, atol=1e-6)
    cleaned = clean(series, 2.0, RAW, good=good)
    np.testing.assert_allclose(cleaned.series[good], found[good], rtol=1e-6)
    np.testing.assert_allclose(cleaned.sd, series[good].std(axis=0))


@pytest.mark.parametrize(("bridged", "zero"), [(10.0, False), (4.0, True), (0.0, True)])
def test_gaps_longer_than_the_bridge_become_zero(bridged, zero):
    good = np.ones(40, dtype=bool)
    good[10:15] = False  # 10 s
    found = clean(smooth(40), 2.0, CleaningConfig(band=None, target_tr=None, bridge=bridged), good=good)
    assert (found.series[10:15] == 0).all() == zero
    assert found.good.tolist() == good.tolist()


def test_a_new_frame_is_good_where_both_its_neighbours_are():
    good = mask("1111011111")
    # 1.5 s -> 2 s: frames at 0, 1.33, 2.67, 4, 5.33, 6.67, 8 of the old
    assert resampled_mask(good, 1.5, 2.0, 7).tolist() == [True, True, True, False, True, True, True]
    assert resampled_mask(mask("1110111111"), 1.5, 2.0, 7).tolist() == [True, True, False, True, True, True, True]
    assert resampled_mask(good, 1.0, 2.0, 5).tolist() == [True, True, False, True, True]


def test_nothing_good_is_refused():
    with pytest.raises(DataError, match="none of its 30 frames is good"):
        clean(smooth(30), 2.0, RAW, good=np.zeros(30, dtype=bool))
    single = np.arange(60) % 2 == 0
    with pytest.raises(DataError, match="its 30 good frames are all single ones"):
        clean(smooth(60), 0.9, CleaningConfig(band=None), good=np.roll(single, 1))
    holes = smooth(30)
    holes[5, 1] = np.nan
    good = np.ones(30, dtype=bool)
    good[6] = False
    with pytest.raises(DataError, match="not finite: ROI 1 is nan at frame 5"):
        clean(holes, 2.0, RAW, good=good)


def test_an_roi_that_has_signal_in_bad_frames_alone_is_missing():
    series, good = smooth(40), np.ones(40, dtype=bool)
    good[20:] = False
    series[:20, 1] = np.nan
    assert clean(series, 2.0, RAW, good=good).missing.tolist() == [False, True, False]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_the_text_of_a_mask_reads_back(bits):
    good = np.array(bits)
    assert mask_from_text(gaps_text(good), len(bits)).tolist() == bits
    assert sum(end - begin for begin, end in gaps(good)) == (~good).sum()
    for longest in (0, 2, 5):
        marked = long_gaps(good, longest)
        assert marked.sum() == sum(end - begin for begin, end in gaps(good) if end - begin > longest)


def test_masks_are_written_as_ranges_and_nonsense_is_refused():
    assert gaps_text(mask("1101100011")) == "2,5-7"
    for text in ("a", "3-1", "10", "2,,3", "-4", "1-99"):
        with pytest.raises(ValueError, match="frames"):
            mask_from_text(text, 10)
