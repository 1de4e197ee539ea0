import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.signal import butter, sosfiltfilt

from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import (
    CleaningConfig,
    band_pass,
    bridge,
    clean,
    gaps,
    gaps_text,
    long_gaps,
    low_pass_for,
    mask_from_text,
    missing_rois,
    resample,
    resampled_frames,
    resampled_mask,
    zscore,
)

BAND = (0.01, 0.1)
CONFIG = CleaningConfig()
AS_IT_IS = CleaningConfig(band=None, target_tr=None)


def tone(hz, tr, frames):
    return np.sin(2 * np.pi * hz * tr * np.arange(frames))[:, None]


def amplitude(series, margin=0.2):
    edge = int(margin * len(series))
    return np.sqrt(2) * series[edge:-edge].std()


def noise(seed, frames=180, rois=5):
    return 100 + np.random.default_rng(seed).standard_normal((frames, rois))


@pytest.mark.parametrize(
    ("hz", "low", "high"), [(0.05, 0.98, 1.02), (0.1, 0.47, 0.53), (0.3, 0, 0.07), (0.45, 0, 0.07)]
)
def test_tones_at_tr_0735_keep_the_measured_gain_when_filtered_and_then_interpolated(hz, low, high):
    raw = tone(hz, 0.735, 490)
    assert low <= amplitude(resample(band_pass(raw, 0.735, BAND), 0.735, 2.0)) <= high


def test_cleaning_filters_before_it_resamples_so_that_a_fast_tone_does_not_fold_into_the_band():
    frames = 1200
    slow, fast = tone(0.05, 0.735, frames), tone(0.45, 0.735, frames)
    wanted = clean(slow, 0.735, CONFIG).series
    both = clean(slow + fast, 0.735, CONFIG).series
    inside = slice(60, -60)
    assert np.corrcoef(both[inside, 0], wanted[inside, 0])[0, 1] > 0.998
    folded = band_pass(
        resample(slow + fast, 0.735, 2.0), 2.0, BAND
    )  # the wrong order, to show that the test can see it
    assert np.corrcoef(folded[inside, 0], wanted[inside, 0])[0, 1] < 0.95


def test_cleaning_equals_a_loop_over_rois_in_float64():
    raw = noise(0, 300, 3).astype(np.float32)
    cleaned = clean(raw, 1.5, CONFIG).series
    for roi in range(3):
        x = raw[:, roi].astype(np.float64)
        x = sosfiltfilt(butter(5, [0.01 * 3, 0.1 * 3], btype="band", output="sos"), x - x.mean())
        x = CubicSpline(np.arange(300) * 1.5, x)(np.arange(225) * 2.0)
        x = (x - sum(x) / 225) / np.sqrt(sum((x - sum(x) / 225) ** 2) / 225)
        np.testing.assert_allclose(cleaned[:, roi], x, atol=1e-5)


@pytest.mark.parametrize(
    ("frames", "tr", "target", "expected"),
    [
        (490, 0.735, 2.0, 180),
        (116, 3.0, 2.0, 174),
        (90, 1.4, 2.0, 63),  # 62.99999999999999 in floating point
        (24, 0.6, 1.8, 8),
        (120, 1.5, 2.0, 90),
        (121, 1.5, 2.0, 90),
        (77, 2.0, 2.0, 77),
        (77, 2.0000009, 2.0, 77),
    ],
)
def test_the_new_length_is_the_floor_of_the_duration_over_the_new_interval(frames, tr, target, expected):
    assert resampled_frames(frames, tr, target) == expected
    assert len(resample(tone(0.01, tr, frames), tr, target)) == expected


def test_upsampling_follows_a_slow_wave_and_holds_the_last_frame_where_nothing_follows():
    fine = resample(tone(0.02, 3.0, 116), 3.0, 2.0)
    np.testing.assert_allclose(fine[5:-5], tone(0.02, 2.0, 174)[5:-5], atol=2e-3)
    assert fine[-1, 0] == pytest.approx(tone(0.02, 3.0, 116)[-1, 0], abs=1e-12)


def test_a_recording_at_the_target_tr_is_not_interpolated():
    raw = noise(1)
    np.testing.assert_array_equal(resample(raw, 2.0000005, 2.0), raw)


def test_input_that_was_filtered_before_is_never_filtered_again():
    raw = noise(2)
    cleaned = clean(raw, 2.0, CleaningConfig(already_filtered=True)).series
    np.testing.assert_allclose(cleaned, zscore(raw), atol=1e-6)
    filtered = clean(raw, 2.0, CONFIG).series
    assert np.abs(cleaned - filtered).max() > 0.5


@pytest.mark.parametrize("config", [CleaningConfig(already_filtered=True), CleaningConfig(band=None)])
def test_without_a_band_pass_downsampling_removes_what_would_fold_back(config):
    slow, fast = tone(0.05, 0.735, 600), tone(0.45, 0.735, 600)
    wanted = clean(slow, 0.735, config).series
    both = clean(slow + fast, 0.735, config).series
    np.testing.assert_allclose(both[30:-30], wanted[30:-30], atol=0.02)


def test_the_low_pass_keeps_the_mean_and_slow_waves_and_stops_fast_ones():
    assert amplitude(low_pass_for(tone(0.05, 0.735, 600), 0.735, 2.0)) == pytest.approx(1, abs=0.02)
    assert amplitude(low_pass_for(tone(0.18, 0.735, 600), 0.735, 2.0)) == pytest.approx(1, abs=0.03)
    assert amplitude(low_pass_for(tone(0.3, 0.735, 600), 0.735, 2.0)) < 1e-3
    np.testing.assert_allclose(low_pass_for(np.full((100, 2), 7.0), 0.735, 2.0), 7.0)


def test_upsampling_without_a_band_pass_leaves_the_spectrum_alone():
    raw = tone(0.1, 3.0, 200)
    cleaned = clean(raw, 3.0, CleaningConfig(band=None)).series
    np.testing.assert_allclose(cleaned, zscore(resample(raw, 3.0, 2.0)), atol=1e-6)


@pytest.mark.parametrize(
    ("tr", "band"), [(5.0, (0.01, 0.1)), (6.0, (0.01, 0.1)), (3.0, (0.17, 0.2)), (2.0, (0.01, 0.25))]
)
def test_a_band_at_or_above_the_nyquist_frequency_is_an_error_and_not_moved(tr, band):
    with pytest.raises(DataError, match=f"does not fit a repetition time of {tr:g} s"):
        band_pass(noise(3), tr, band)


def test_a_long_recording_is_filtered_with_the_padding_of_scipy():
    raw = noise(4, 60)
    expected = sosfiltfilt(butter(5, BAND, btype="band", fs=0.5, output="sos"), raw - raw.mean(axis=0), axis=0)
    np.testing.assert_allclose(band_pass(raw, 2.0, BAND), expected, atol=1e-12)


def test_zscore_has_mean_zero_and_population_variance_one_and_constants_become_exactly_zero():
    raw = noise(5)
    raw[:, 2] = 0.1
    scaled = zscore(raw)
    np.testing.assert_array_equal(scaled[:, 2], 0)
    kept = [0, 1, 3, 4]
    np.testing.assert_allclose(scaled[:, kept].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((scaled[:, kept] ** 2).mean(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(zscore(np.array([[1.0], [3.0]])), [[-1], [1]], atol=1e-7)


def test_cleaning_does_not_depend_on_offset_and_scale_of_an_roi():
    raw = noise(6)
    np.testing.assert_allclose(clean(raw, 2.0, CONFIG).series, clean(raw * 30 - 1000, 2.0, CONFIG).series, atol=1e-4)


@pytest.mark.parametrize("empty", [np.nan, np.inf, 0.0, 0.1, -1e4])
def test_an_roi_without_signal_is_missing_zero_throughout_and_leaves_the_others_alone(empty):
    raw = noise(7).astype(np.float32)
    found = clean(np.delete(raw, 3, axis=1), 1.5, CONFIG)
    expected, nothing = found.series, found.missing
    raw[:, 3] = empty
    found = clean(raw, 1.5, CONFIG)
    cleaned, missing = found.series, found.missing
    assert missing.tolist() == [False, False, False, True, False]
    assert not nothing.any()
    np.testing.assert_array_equal(cleaned[:, 3], 0)
    np.testing.assert_array_equal(np.delete(cleaned, 3, axis=1), expected)


def test_a_constant_with_rounding_noise_is_missing_and_a_small_signal_is_not():
    raw = np.full((50, 2), 1000.0, dtype=np.float32)
    raw[::2, 0] = np.nextafter(np.float32(1000), np.float32(2000))
    raw[::2, 1] += 0.1
    assert missing_rois(raw).tolist() == [True, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_frame_is_an_error_that_names_it_and_never_spreads(value):
    raw = noise(8)
    raw[:, 1] = np.nan
    raw[33, 4] = value
    with pytest.raises(DataError, match=f"not finite: ROI 4 is {value} at frame 33"):
        clean(raw, 2.0, CONFIG)


def test_a_recording_of_one_patch_is_kept_and_a_shorter_one_says_what_it_needs():
    assert clean(noise(9, 20), 2.0, CONFIG).series.shape == (20, 5)
    with pytest.raises(DataError, match="19 frames of 2 s, but at least 20 "):
        clean(noise(9, 19), 2.0, CONFIG)
    assert clean(noise(9, 55), 0.735, CONFIG).series.shape == (20, 5)
    with pytest.raises(DataError, match=r"54 frames of 0\.735 s, but at least 55 \(20 frames of 2 s\)"):
        clean(noise(9, 54), 0.735, CONFIG)
    assert clean(noise(9, 7), 2.0, CleaningConfig(min_frames=7)).series.shape == (7, 5)


@pytest.mark.parametrize("value", [np.nan, 3.0])
def test_a_recording_without_any_signal_is_flat(value):
    with pytest.raises(DataError, match="flat: all 5 ROIs"):
        clean(np.full((100, 5), value), 2.0, CONFIG)


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_a_recording_of_infinite_values_is_infinite_and_not_flat(value):
    with np.errstate(over="ignore"):
        series = np.full((100, 5), value).astype(np.float32)
    with pytest.raises(DataError, match=r"infinite: .* beyond float32"):
        clean(series, 2.0, CONFIG)


def test_without_a_target_the_recording_keeps_its_own_interval():
    assert clean(noise(10, 100), 0.8, AS_IT_IS).series.shape == (100, 5)


def test_the_order_of_the_filter_changes_the_slope():
    raw = tone(0.15, 1.0, 400)
    assert amplitude(band_pass(raw, 1.0, BAND, 1)) > 0.1 > 0.05 > amplitude(band_pass(raw, 1.0, BAND, 5))


def test_cleaning_gives_float32_and_leaves_its_input_as_it_was():
    raw = noise(11)
    before = raw.copy()
    found = clean(raw, 1.5, CONFIG)
    cleaned, missing = found.series, found.missing
    assert (cleaned.dtype, missing.dtype) == (np.float32, bool)
    np.testing.assert_array_equal(raw, before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"band": (0.1, 0.01)}, "rising"),
        ({"band": (0.0, 0.1)}, "above 0 Hz"),
        ({"band": (0.01, 0.25)}, r"below 0\.25 Hz"),
        ({"target_tr": 0.2}, "target_tr"),
        ({"target_tr": 2000.0}, "target_tr"),
        ({"order": 0}, "order"),
        ({"order": 11}, "order"),
        ({"min_frames": 0}, "min_frames"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(CONFIG, **wrong)


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
