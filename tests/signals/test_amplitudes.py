"""Recordings of any amplitude are cleaned alike; one frame that would leave nothing of the others is refused."""

import re

import numpy as np
import pytest

from semantoks.errors import DataError
from semantoks.signals.clean import CleaningConfig, clean

CONFIG = CleaningConfig()
AS_IT_IS = CleaningConfig(band=None, target_tr=None)


@pytest.mark.parametrize("scale", [2.0**-40, 1e-9, 1e-12, 1e-20, 1e-36, 1e30])
@pytest.mark.parametrize("config", [CONFIG, AS_IT_IS])
def test_a_recording_of_any_amplitude_is_cleaned_like_one_of_a_usual_size(config, scale):
    raw = np.random.default_rng(3).normal(size=(120, 4)).astype(np.float32)
    usual, found = clean(raw, 2.0, config), clean((raw * scale).astype(np.float32), 2.0, config)
    np.testing.assert_allclose(found.series, usual.series, atol=2e-5)
    np.testing.assert_allclose(found.sd, usual.sd * scale, rtol=1e-4)
    assert not found.missing.any()
    assert found.full is None or np.abs(found.full - clean(raw, 2.0, config).full).max() < 2e-5


def test_denormal_numbers_are_cleaned_as_far_as_they_have_digits():
    raw = np.random.default_rng(3).normal(size=(120, 4)).astype(np.float32)
    found = clean((raw * 1e-41).astype(np.float32), 2.0, CONFIG)
    np.testing.assert_allclose(found.series, clean(raw, 2.0, CONFIG).series, atol=0.01)


@pytest.mark.parametrize("frames", [(7,), (7, 8), (0, 40, 80)])
@pytest.mark.parametrize("value", [1e20, -1e30, 1e6])
def test_a_spike_that_would_leave_nothing_of_a_recording_is_refused_and_its_remedies_work(value, frames):
    raw = np.random.default_rng(3).normal(size=(120, 4)).astype(np.float32)
    raw[list(frames), 2] = value
    with pytest.raises(
        DataError, match=rf"^spike: ROI 2 is {re.escape(f'{value:g}')} at frame {frames[0]} .*Censor that frame"
    ):
        clean(raw, 2.0, CONFIG)
    good = np.ones(120, dtype=bool)
    good[list(frames)] = False
    assert clean(raw, 2.0, CONFIG, good=good).good.sum() == 120 - len(frames)
    raw[:, 2] = np.nan
    assert clean(raw, 2.0, CONFIG).missing.tolist() == [False, False, True, False]


def test_an_roi_that_hardly_varies_but_for_a_few_frames_of_usual_size_is_no_reason_to_refuse():
    raw = np.random.default_rng(3).normal(size=(120, 4)).astype(np.float32)
    raw[:, 1] = 1e-7 * raw[:, 1]
    raw[10:13, 1] = 1.5
    assert clean(raw, 2.0, CONFIG).good.all()
    raw[:, 1] = 7.0
    raw[10, 1] = 1e20
    with pytest.raises(DataError, match=r"^spike: ROI 1 is "):
        clean(raw, 2.0, CONFIG)


def test_a_large_first_frame_and_jumps_by_motion_are_no_spikes():
    raw = 10_000 + 30 * np.random.default_rng(3).normal(size=(120, 4)).astype(np.float32)
    raw[0] += 8_000
    raw[60:63] += 2_000
    assert clean(raw, 2.0, CONFIG).good.all()
