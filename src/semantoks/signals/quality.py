"""How good a recording is: motion, usable minutes, signal to noise, coverage, spectrum; and the gates to pass."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.config import check_fields
from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import Cleaned
from semantoks.signals.recording import Recording
from semantoks.types import RoiMask, Series

BAND = (0.01, 0.1)
GRID = np.linspace(0, 0.25, 64)
"""Frequencies in Hz at which spectra are kept."""
SECONDS = 400.0
"""Length of the pieces whose spectra are averaged."""

NO_FULL_BAND = "band-passed: it came filtered, and the full band, which is asked for, cannot come back."
FILTERED_SHARE = 0.03
"""Less power than this above the band means that it was low-passed; unfiltered recordings have a sixth and more."""


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
    from scipy.signal import welch

    length = min(len(series), max(32, round(SECONDS / tr)))
    frequency, power = welch(_near_one(np.asarray(series, dtype=np.float32)), fs=1 / tr, nperseg=length, axis=0)
    shares = (power / np.maximum(power.sum(axis=0), np.finfo(np.float32).tiny)).mean(axis=1).astype(np.float64)
    below, above = (float(shares[part].sum()) for part in (frequency < BAND[0], frequency > BAND[1]))
    density = np.interp(GRID, frequency, shares / (frequency[1] - frequency[0]), right=np.nan)
    shown = frequency[-1] > 1.5 * BAND[1]
    return Spectrum(below=below, inside=1 - below - above, above=above if shown else float("nan"), density=density)


def _near_one(series: Float[ndarray, "frame present"]) -> Float[ndarray, "frame present"]:
    """Scale each ROI by a power of two, which changes no digit: squares of very large values would be infinite."""
    _, exponent = np.frexp(np.abs(series).max(axis=0, initial=0))
    scaled: Float[ndarray, "frame present"] = np.ldexp(series, -exponent)
    return scaled


TRAIN_SECONDS = 240.0
"""Good data that a recording needs to be trained on (XCP-D's min_time)."""
WINDOW_FRAMES = 100
"""Frames of the published encoder's window: a recording that does not fill it is embedded with empty patches."""


MOST_NETWORKS = 20
"""Networks up to which each has a column of its own."""


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What a recording must be like to be kept.

    Parameters
    ----------
    max_fd
        Largest mean framewise displacement (mm) of a recording that is kept; None keeps all. Recordings whose FD is not
        known pass. Relative RMS (UK Biobank, HCP) is smaller than FD: it needs a smaller limit.
    warn_fd
        Mean FD (mm) above which a recording is flagged.
    full_band
        Keep only recordings that were not band-passed before.

    Raises
    ------
    ConfigError
        If a number is not above 0.
    """

    max_fd: float | None = 0.5
    warn_fd: float = 0.3
    full_band: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if (self.max_fd is not None and self.max_fd <= 0) or self.warn_fd <= 0:
            raise ConfigError(f"max_fd and warn_fd must be above 0 mm, not {self.max_fd} and {self.warn_fd}.")

    def check(self, recording: Recording) -> None:
        """Raise DataError if there is too much motion, or the full band is asked for and gone."""
        if self.max_fd is not None and recording.mean_fd > self.max_fd:
            raise DataError(
                f"motion: mean framewise displacement is {recording.mean_fd:.2f} mm, above {self.max_fd:g} (--max-fd)."
            )
        if self.full_band and recording.low_passed:
            raise DataError(NO_FULL_BAND)


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What a report draws of a recording: FD (mm) of each source frame, and power densities before and after."""

    fd: Float[ndarray, " frame"]
    spectra: Float[ndarray, "2 bin"]


def measure(
    recording: Recording, cleaned: Cleaned, tr: float, atlas: Atlas, gates: GateConfig
) -> tuple[dict[str, Any], Traces]:
    """Measure one recording that was cleaned to ``tr`` seconds.

    Returns
    -------
    row, traces
        The row of quality.tsv: ``seconds`` and ``good_seconds`` at ``tr``; ``mean_fd`` and ``max_fd`` (mm);
        ``dvars`` (root mean square over ROIs of frame-to-frame changes, in units of each ROI's sd; mean over frames);
        ``tsnr`` (mean over sd, the median over ROIs; NaN for series without their mean); ``in_band_before``,
        ``in_band_after`` and ``above_band_before`` (shares of power in and above 0.01 to 0.1 Hz); ``tr_from``;
        ``coverage`` and ``coverage_<network>`` (share of ROIs with signal); ``flags``.
    """
    good = slice(None) if recording.good is None else recording.good
    raw = _near_one(np.asarray(recording.series[good][:, ~cleaned.missing], dtype=np.float32))
    before, after = spectrum(raw, recording.tr), spectrum(cleaned.series[:, ~cleaned.missing], tr)
    known = np.array([]) if recording.fd is None else np.asarray(recording.fd, dtype=np.float64)
    seconds, good_seconds = len(cleaned.series) * tr, int(cleaned.good.sum()) * tr
    row = {
        "seconds": round(seconds, 2),
        "good_seconds": round(good_seconds, 2),
        "mean_fd": recording.mean_fd,
        "max_fd": float(np.nanmax(known)) if np.isfinite(known).any() else np.nan,
        "dvars": _dvars(raw),
        "tsnr": _tsnr(raw),
        "in_band_before": round(before.inside, 4),
        "above_band_before": round(before.above, 4),
        "in_band_after": round(after.inside, 4),
        "fd_frames": len(known),
        "tr_from": recording.tr_from,
        **_coverage(atlas, cleaned.missing),
        "flags": "; ".join(_flags(recording, good_seconds, len(cleaned.series), gates)),
    }
    return row, Traces(fd=known, spectra=np.stack([before.density, after.density]))


def _flags(recording: Recording, good_seconds: float, frames: int, gates: GateConfig) -> list[str]:
    flags = []
    if recording.mean_fd > gates.warn_fd:
        flags.append(f"mean FD above {gates.warn_fd:g} mm")
    if good_seconds < TRAIN_SECONDS:
        flags.append(f"less than {TRAIN_SECONDS:g} s of good data")
    if frames < WINDOW_FRAMES:
        flags.append(f"less than a window of {WINDOW_FRAMES} frames")
    return flags


def _dvars(raw: Float[ndarray, "frame present"]) -> float:
    change = np.diff(raw, axis=0) / np.maximum(raw.std(axis=0), np.finfo(np.float32).tiny)
    return round(float(np.sqrt(np.square(change).mean(axis=1)).mean()), 4) if len(change) else float("nan")


def _tsnr(raw: Float[ndarray, "frame present"]) -> float:
    """Median over ROIs of mean / sd; NaN where means were taken out, as a ratio below 1 tells."""
    ratio = float(np.median(np.abs(raw.mean(axis=0)) / np.maximum(raw.std(axis=0), np.finfo(np.float32).tiny)))
    return round(ratio, 2) if ratio > 1 else float("nan")


def _coverage(atlas: Atlas, missing: RoiMask) -> dict[str, float]:
    """Share of ROIs with signal, of all and, where they are few, of each network."""
    index, there = atlas.network_index, ~missing
    found = {"coverage": round(float(there.mean()), 3)}
    if atlas.n_networks <= MOST_NETWORKS:
        for network, name in enumerate(atlas.network_names):
            found[f"coverage_{name}"] = round(float(there[index == network].mean()), 3)
    return found


def missing_networks(
    missing_rois: Bool[ndarray, "recording roi"], network_index: Int[ndarray, " roi"]
) -> Bool[ndarray, "recording network"]:
    """Mark the networks that lack more than half of their ROIs: they are hidden from the encoder."""
    members = np.eye(int(network_index.max()) + 1)[network_index]
    missing: ndarray = (missing_rois @ members) / members.sum(axis=0) > 0.5
    return missing
