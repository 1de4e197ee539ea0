"""Network spectra: how much each functional network fluctuates at which frequency."""

import math

import numpy as np
from jaxtyping import Bool, Float, Float32
from joblib import Parallel, delayed
from numpy import ndarray
from scipy.signal import welch

from semantoks.evaluate.study.shown import Run, Shown
from semantoks.signals.cohort import Cohort

BANDS = 8
LOWEST = 0.01
"""Hz; where the bands begin in a cohort that was not band-passed."""
_BINS_PER_BAND = 2
_LEAST = 1e-12


def band_edges(cohort: Cohort) -> Float[ndarray, " edge"]:
    """Return the ends (Hz) of ``BANDS`` equal bands that fill the cohort's band, or 0.01 Hz to Nyquist."""
    low, high = cohort.description["Band"] or (LOWEST, 0.5 / cohort.tr)
    return np.linspace(low, high, BANDS + 1)


def network_spectra(shown: Shown) -> Float32[ndarray, "recording feature"]:
    """Return the log power of each network in each band of ``band_edges``: network by network, low bands first.

    The power spectral density (Welch 1967, Hann windows that overlap by half) of each ROI's z-scored series over
    the shown frames, averaged over the ROIs that a network has and over the frequencies of a band; NaN for a
    network without any. Windows last two periods of a band's width (178 s for the published band): shorter
    recordings, and gaps between spans, give shorter windows, padded with zeros to the same frequencies.
    """
    cohort, edges = shown.cohort, band_edges(shown.cohort)
    segment = math.ceil(_BINS_PER_BAND / ((edges[1] - edges[0]) * cohort.tr))
    frequency = np.fft.rfftfreq(segment, cohort.tr)
    which = np.searchsorted(edges[1:-1], frequency, side="right")
    inside = (frequency >= edges[0]) & (frequency <= edges[-1])
    band = inside * (which == np.arange(BANDS)[:, None])
    band = band / band.sum(axis=1, keepdims=True)
    network = cohort.atlas.network_index == np.arange(cohort.atlas.n_networks)[:, None]

    def features(index: int) -> Float[ndarray, " feature"]:
        density = _density(shown.runs(index), 1 / cohort.tr, segment)
        return _log_power(band @ density, network & (density > 0).any(axis=0))

    rows = Parallel(n_jobs=shown.n_jobs, prefer="threads")(delayed(features)(index) for index in range(len(shown)))
    return np.stack(rows).astype(np.float32)


def _density(runs: list[Run], rate: float, segment: int) -> Float[ndarray, "frequency roi"]:
    """Average the spectra of the runs, each weighted by its length; a single frame has none."""
    long = [run for run in runs if len(run) > 1] or runs
    spectra = [welch(run, rate, nperseg=min(segment, len(run)), nfft=segment, axis=0)[1] for run in long]
    density: ndarray = np.average(spectra, axis=0, weights=[len(run) for run in long])
    return density


def _log_power(power: Float[ndarray, "band roi"], member: Bool[ndarray, "network roi"]) -> Float[ndarray, " feature"]:
    with np.errstate(invalid="ignore"):
        mean = member @ power.T / member.sum(axis=1, keepdims=True)
    features: ndarray = np.log(np.maximum(mean, _LEAST)).ravel()
    return features
