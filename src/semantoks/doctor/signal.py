"""What one recording's series tell of themselves: which axis is time, and whether they were filtered before."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.signal import welch

from semantoks.types import Series

BAND = (0.01, 0.1)
FILTERED_SHARE = 0.03
"""Less power than this above the band means that it was low-passed; unfiltered recordings have a quarter and more."""
TIME_MARGIN = 0.2


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Shares of power below, in and above 0.01 to 0.1 Hz; ``above`` is NaN where the TR cannot show it."""

    below: float
    inside: float
    above: float


def spectrum(series: Series, tr: float) -> Spectrum:
    """Measure where the power of a series [frame, roi] with signal lies, the mean over ROIs; ``tr`` in seconds."""
    length = min(len(series), max(32, round(400 / tr)))
    frequency, power = welch(np.asarray(series, dtype=np.float64), fs=1 / tr, nperseg=length, axis=0)
    shares = power / np.maximum(power.sum(axis=0), np.finfo(float).tiny)
    low, high = frequency < BAND[0], frequency > BAND[1]
    below, above = (float(shares[part].sum(axis=0).mean()) for part in (low, high))
    return Spectrum(
        below=below, inside=1 - below - above, above=above if frequency[-1] > 1.5 * BAND[1] else float("nan")
    )


def autocorrelation(values: Float[ndarray, "row column"], axis: int) -> float:
    """Return the lag-1 autocorrelation along an axis, the mean over the lines that vary."""
    lines = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    lines = lines[:, np.isfinite(lines).all(axis=0)]
    centred = lines - lines.mean(axis=0)
    power = np.square(centred).sum(axis=0)
    varying = power > 0
    if not varying.any():
        return float("nan")
    return float(((centred[1:] * centred[:-1]).sum(axis=0)[varying] / power[varying]).mean())


def time_axis(values: Float[ndarray, "row column"]) -> int | None:
    """Tell which axis is time, along which neighbours are most alike; None where that is not clear."""
    rows, columns = autocorrelation(values, 0), autocorrelation(values, 1)
    if not abs(rows - columns) > TIME_MARGIN:
        return None
    return 0 if rows > columns else 1
