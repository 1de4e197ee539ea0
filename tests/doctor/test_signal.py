"""Spectra and autocorrelations against closed forms."""

import numpy as np
import pytest

from semantoks.doctor.signal import autocorrelation, spectrum, time_axis


def test_a_tone_has_its_power_where_its_frequency_is():
    time = np.arange(400) * 2.0
    for hertz, part in ((0.05, "inside"), (0.2, "above"), (0.004, "below")):
        shares = spectrum(np.sin(2 * np.pi * hertz * time)[:, None], 2.0)
        assert getattr(shares, part) > 0.9
        assert shares.below + shares.inside + shares.above == pytest.approx(1)


def test_white_noise_is_spread_evenly_and_a_long_tr_cannot_show_what_is_above():
    noise = np.random.default_rng(0).normal(size=(4000, 20))
    assert spectrum(noise, 2.0).above == pytest.approx(0.15 / 0.25, abs=0.02)
    assert np.isnan(spectrum(noise, 4.0).above)


def test_autocorrelation_is_a_loop_over_lines_and_finds_time():
    rng = np.random.default_rng(1)
    walk = rng.normal(size=(200, 5))
    for frame in range(1, 200):
        walk[frame] += 0.8 * walk[frame - 1]
    walk += np.arange(5) * 10.0
    lines = []
    for roi in range(5):
        x = walk[:, roi] - walk[:, roi].mean()
        lines.append(sum(x[i] * x[i + 1] for i in range(199)) / sum(x**2))
    assert autocorrelation(walk, 0) == pytest.approx(np.mean(lines))
    assert time_axis(walk - walk.mean(axis=0)) == 0
    assert time_axis((walk - walk.mean(axis=0)).T) == 1
    assert time_axis(rng.normal(size=(50, 50))) is None
    assert time_axis(np.ones((5, 5))) is None
