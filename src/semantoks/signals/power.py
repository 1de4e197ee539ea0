"""Where the power of a recording lies: its mean spectrum on a fixed grid, and the shares in and above a band."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.signal import welch

from semantoks.types import Series

BAND = (0.01, 0.1)
GRID = np.linspace(0, 0.25, 64)
"""Frequencies in Hz at which spectra are kept."""
SECONDS = 400.0
"""Length of the pieces whose spectra are averaged."""


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Shares of power (0 to 1) below, in and above 0.01 to 0.1 Hz; ``above`` is NaN where the TR cannot show it.

    ``density`` is the share of power a Hz at the frequencies of ``GRID``, NaN above the Nyquist frequency.
    """

    below: float
    inside: float
    above: float
    density: Float[ndarray, " bin"]


def spectrum(series: Series, tr: float) -> Spectrum:
    """Measure the power of a series [frame, roi] with signal, the mean over ROIs; ``tr`` in seconds (Welch 1967)."""
    length = min(len(series), max(32, round(SECONDS / tr)))
    frequency, power = welch(np.asarray(series, dtype=np.float32), fs=1 / tr, nperseg=length, axis=0)
    shares = (power / np.maximum(power.sum(axis=0), np.finfo(np.float32).tiny)).mean(axis=1).astype(np.float64)
    below, above = (float(shares[part].sum()) for part in (frequency < BAND[0], frequency > BAND[1]))
    density = np.interp(GRID, frequency, shares / (frequency[1] - frequency[0]), right=np.nan)
    shown = frequency[-1] > 1.5 * BAND[1]
    return Spectrum(below=below, inside=1 - below - above, above=above if shown else float("nan"), density=density)
