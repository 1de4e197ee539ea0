"""Spectra against closed forms."""

import numpy as np
import pytest

from semantoks.signals.power import GRID, spectrum


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


def test_the_density_has_its_peak_at_the_tone_and_integrates_to_one():
    series = np.sin(2 * np.pi * 0.05 * np.arange(600) * 2.0)[:, None] + 0.01 * np.random.default_rng(0).normal(
        size=(600, 3)
    )
    density = spectrum(series, 2.0).density
    assert GRID[density.argmax()] == pytest.approx(0.05, abs=0.003)
    assert (density * (GRID[1] - GRID[0])).sum() == pytest.approx(1, abs=0.2)  # as well as the grid can tell
    assert np.isnan(spectrum(series, 3.0).density[GRID > 1 / 6]).all()
