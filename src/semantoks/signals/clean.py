"""From a raw parcel series to what the model reads: censored frames, band-pass, one sampling rate, z-score; pure."""

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from semantoks.config import check_fields
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.signals.recording import MAX_TR, MIN_TR, refuse_holes, refuse_spikes
from semantoks.types import RoiMask, Series

FrameMask = Bool[ndarray, " frame"]
"""True = a good frame."""
RANGES = re.compile(r"([0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*)?")


def bridge(series: Series, good: FrameMask) -> Series:
    """Replace the frames that are not good by monotone cubic interpolation; at the ends, by the nearest good one.

    At least one frame has to be good.
    """
    if good.all():
        return series
    from scipy.interpolate import PchipInterpolator

    place = np.flatnonzero(good)
    asked = np.clip(np.arange(len(series)), place[0], place[-1])
    if len(place) == 1:
        return np.repeat(series[place], len(series), axis=0)
    bridged: Series = PchipInterpolator(place, series[place], axis=0)(asked)
    bridged[place] = series[place]
    return bridged


def resampled_mask(good: FrameMask, tr: float, target_tr: float, frames: int) -> Bool[ndarray, " new_frame"]:
    """Say which of ``frames`` frames at ``target_tr`` (s) lie between two good frames at ``tr`` (s)."""
    place = np.minimum(np.arange(frames) * target_tr / tr, len(good) - 1)
    both: Bool[ndarray, " new_frame"] = (
        good[np.floor(place + 1e-6).astype(int)] & good[np.ceil(place - 1e-6).astype(int)]
    )
    return both


def long_gaps(good: FrameMask, longest: int) -> FrameMask:
    """Mark the frames of runs of more than ``longest`` frames that are not good: too long to be bridged."""
    marked = np.zeros_like(good)
    for begin, end in gaps(good):
        if end - begin > longest:
            marked[begin:end] = True
    return marked


def gaps(good: FrameMask) -> list[tuple[int, int]]:
    """List the runs of frames that are not good as (first, one past the last)."""
    changes = np.flatnonzero(np.diff(~good, prepend=False, append=False))
    return [(int(begin), int(end)) for begin, end in changes.reshape(-1, 2)]


def gaps_text(good: FrameMask) -> str:
    """Write the frames that are not good as text, counted from 0: ``3,17-29``; empty when all are good."""
    return ",".join(f"{begin}" if end - begin == 1 else f"{begin}-{end - 1}" for begin, end in gaps(good))


def mask_from_text(text: str, frames: int) -> FrameMask:
    """Read what `gaps_text` wrote of a recording of ``frames`` frames; ValueError if it did not write it."""
    good = np.ones(frames, dtype=bool)
    if not RANGES.fullmatch(text):
        raise ValueError(f"{text!r} is no list of frames")
    for part in filter(None, text.split(",")):
        begin, _, last = part.partition("-")
        first, end = int(begin), int(last or begin) + 1
        if not first < end <= frames:
            raise ValueError(f"frames {part} are not within the {frames} of the recording")
        good[first:end] = False
    return good


Resampled = Float[ndarray, "new_frame roi"]

SAME_TR = 1e-6
ZSCORE_EPS = 1e-8
ROUNDING = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True, kw_only=True)
class CleaningConfig:
    """How recordings are cleaned.

    Parameters
    ----------
    band
        Pass band in Hz (low, high); None leaves the spectrum alone.
    target_tr
        Sampling interval of the result in seconds (0.3 to 6); None keeps the recording's own.
    order
        Order of the Butterworth filter (1 to 10), run forwards and backwards.
    already_filtered
        The input is already band-passed and is never filtered again, whatever ``band`` says.
    full_band
        Also keep the series without the band-pass, beside those with it (`full_band`).
    bridge
        Longest gap of censored frames, in seconds, that is bridged by interpolation; longer gaps become 0.
    min_frames
        Shortest result that is kept, in frames (one patch of the published model is 20).

    Raises
    ------
    ConfigError
        If a value is out of range, or the band does not fit below half the sampling rate of ``target_tr``.
    """

    band: tuple[float, float] | None = (0.01, 0.1)
    target_tr: float | None = 2.0
    order: int = 5
    already_filtered: bool = False
    full_band: bool = True
    bridge: float = 10.0
    min_frames: int = 20

    def __post_init__(self) -> None:
        """Check the ranges and that band and sampling rate fit together."""
        check_fields(self)
        if self.target_tr is not None and not MIN_TR <= self.target_tr <= MAX_TR:
            raise ConfigError(f"target_tr must be {MIN_TR:g} to {MAX_TR:g} s, not {self.target_tr:g} s.")
        if not 1 <= self.order <= 10:
            raise ConfigError(f"the filter's order must be 1 to 10, not {self.order}.")
        if self.min_frames < 1 or self.bridge < 0:
            raise ConfigError(
                f"min_frames must be at least 1 and bridge at least 0, not {self.min_frames}, {self.bridge}."
            )
        if self.band is None:
            return
        low, high = self.band
        if not 0 < low < high:
            raise ConfigError(f"band must be two rising frequencies above 0 Hz, not {low:g} to {high:g} Hz.")
        if self.target_tr is not None and high >= 0.5 / self.target_tr:
            raise ConfigError(
                f"band ends at {high:g} Hz, but a target_tr of {self.target_tr:g} s holds only frequencies below "
                f"{0.5 / self.target_tr:g} Hz: lower the band's end or the target_tr."
            )

    @property
    def filter_band(self) -> tuple[float, float] | None:
        """The band that is really applied, in Hz: None for input that was filtered before."""
        return None if self.already_filtered else self.band

    @property
    def keeps_full_band(self) -> bool:
        """Whether there is a band-pass, and the series without it are kept, too."""
        return self.full_band and self.filter_band is not None


def missing_rois(series: Series) -> RoiMask:
    """Mark the ROIs without signal: no finite value at all, or no variance beyond float32 rounding."""
    finite = np.isfinite(series)
    with np.errstate(invalid="ignore"):
        spread = series.max(axis=0).astype(np.float64) - series.min(axis=0)
        flat = spread <= ROUNDING * np.abs(series).max(axis=0)
    missing: RoiMask = ~finite.any(axis=0) | (finite.all(axis=0) & flat)
    return missing


def band_pass(series: Series, tr: float, band: tuple[float, float], order: int = 5) -> Series:
    """Remove the mean and keep ``band`` (Hz) with a zero-phase Butterworth filter at the recording's own rate.

    Forwards and backwards doubles the attenuation: the gain at both corners is 0.5, not 0.71. ``tr`` is in seconds.

    Raises
    ------
    DataError
        If the band does not lie below the Nyquist frequency: a filter that was moved silently is another filter.
    """
    nyquist = 0.5 / tr
    if band[1] >= nyquist:
        raise DataError(
            f"the band {band[0]:g} to {band[1]:g} Hz does not fit a repetition time of {tr:g} s, which holds only "
            f"frequencies below {nyquist:g} Hz. Check the repetition time, or lower the band's end."
        )
    centred = series - series.mean(axis=0, dtype=np.float64)
    return _both_ways(_butterworth(order, band, tr), centred)


@functools.lru_cache(maxsize=64)
def _butterworth(order: int, band: tuple[float, float], tr: float) -> Float[ndarray, "section 6"]:
    """Design the filter, once for all recordings of a repetition time; nobody may write to it."""
    from scipy.signal import butter

    sections: ndarray = butter(order, band, btype="bandpass", fs=1 / tr, output="sos")
    return sections


def resampled_frames(frames: int, tr: float, target_tr: float) -> int:
    """Count the frames of ``target_tr`` (s) in a recording of ``frames`` at ``tr`` (s): floor, safe from rounding."""
    if abs(tr - target_tr) <= SAME_TR:
        return frames
    return math.floor(frames * tr / target_tr + SAME_TR)


def resample(series: Series, tr: float, target_tr: float) -> Resampled:
    """Interpolate by a cubic spline from ``tr`` to ``target_tr`` (s); frame 0 stays at time 0.

    This step has no low-pass of its own: what lies above the new Nyquist frequency folds back (``low_pass_for`` first).
    Times after the last frame, which upsampling can ask for, take the last frame's value.
    """
    if abs(tr - target_tr) <= SAME_TR:
        return series
    from scipy.interpolate import CubicSpline

    known = np.arange(len(series)) * tr
    wanted = np.arange(resampled_frames(len(series), tr, target_tr)) * target_tr
    result: Resampled = CubicSpline(known, series, axis=0)(np.minimum(wanted, known[-1]))
    return result


def low_pass_for(series: Series, tr: float, target_tr: float) -> Series:
    """Remove, zero-phase, what a series at ``tr`` holds that the longer ``target_tr`` (s) cannot: it could fold back.

    Chebyshev type I of order 8 with 0.05 dB ripple at 0.8 of the new Nyquist frequency, as scipy.signal.decimate.
    """
    from scipy.signal import cheby1

    mean = series.mean(axis=0, dtype=np.float64)
    smooth: Series = mean + _both_ways(cheby1(8, 0.05, 0.8 * tr / target_tr, output="sos"), series - mean)
    return smooth


def detrend(series: Series, good: FrameMask) -> Series:
    """Remove the straight line that fits the good frames of each ROI best."""
    time = np.arange(len(series)) - np.flatnonzero(good).mean()
    centred = series - series[good].mean(axis=0, dtype=np.float64)
    slope = time[good] @ centred[good] / max(np.square(time[good]).sum(), 1.0)
    flat: Series = centred - time[:, None] * slope
    return flat


def full_band(series: Series, tr: float, target_tr: float, good: FrameMask) -> Resampled:
    """Bring a series from ``tr`` to ``target_tr`` (s) with all of its frequencies but the linear trend.

    Nothing folds back: before the TR gets longer, frequencies near and above the new Nyquist frequency are removed. And
    nothing is made up: after the TR got shorter, what the spline leaves near and above the recording's own Nyquist
    frequency is removed (``low_pass_for``, so the band ends at 0.8 of the lower one). A TR that stays keeps everything.
    """
    flat = detrend(series, good)
    if target_tr > tr + SAME_TR:
        flat = low_pass_for(flat, tr, target_tr)
    found = resample(flat, tr, target_tr)
    return low_pass_for(found, target_tr, tr) if target_tr < tr - SAME_TR else found


def zscore(series: Series, good: FrameMask | None = None) -> Series:
    """Give every ROI mean 0 and population sd 1 over the (good) frames; a constant ROI becomes exactly 0."""
    known = slice(None) if good is None or good.all() else good
    centred = series - series[known].mean(axis=0, dtype=np.float64)
    scaled: Series = centred / (centred[known].std(axis=0) + ZSCORE_EPS)
    scaled[:, missing_rois(series[known])] = 0.0
    return scaled


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A cleaned recording.

    Attributes
    ----------
    series
        float32 time x ROI at the target TR, z-scored over good frames; 0 in ROIs without signal and in long gaps.
    missing
        The ROIs without signal.
    good
        The frames that are data; the others were censored, and bridged where the gap is short.
    sd
        Of each ROI after filtering and resampling, before the z-score, over good frames; NaN where missing.
    full
        As ``series``, but of the `full_band`; None where it is not kept, or the recording came filtered.
    """

    series: Resampled
    missing: RoiMask
    good: Bool[ndarray, " new_frame"]
    sd: Float[ndarray, " roi"]
    full: Resampled | None = None


def clean(
    series: Series,
    tr: float,
    config: CleaningConfig,
    *,
    good: FrameMask | None = None,
    filtered: bool = False,
    labels: Sequence[str] | None = None,
) -> Cleaned:
    """Clean one recording: bridge censored frames, band-pass at its own rate, resample, z-score over good frames.

    The order matters: interpolating 0.735 s to 2 s before the filter folds 0.4 to 0.6 Hz into the band that is kept; a
    censored frame that is filtered spreads over its neighbours.

    Parameters
    ----------
    series
        Time x ROI, raw.
    tr
        Repetition time of ``series`` in seconds.
    config
        What to do.
    good
        Frames to trust; None = all. The others may be NaN, and their values are not looked at.
    filtered
        This recording was band-passed before, whatever ``config`` says.
    labels
        What messages call the ROIs; None = their numbers alone.

    Raises
    ------
    DataError
        If the recording is too short, has no ROI with signal or no good frame, has a single good frame that is not
        finite in an ROI with signal, or cannot hold the band.
    """
    good = np.ones(len(series), dtype=bool) if good is None else good
    target_tr, frames = _length(len(series), tr, config)
    if not good.any():
        raise DataError(f"censored: none of its {len(series)} frames is good.")
    missing = missing_rois(series if good.all() else series[good])
    if missing.all():
        if np.isinf(series[good]).any():
            raise DataError("infinite: it has no values that vary, and some are infinite or beyond float32 (1e38).")
        raise DataError(f"flat: all {missing.size} ROIs are constant or empty.")
    refuse_holes(series, good, missing, labels)
    refuse_spikes(series, good, missing, labels)
    bridged, exponent = _not_tiny(bridge(series[:, ~missing].astype(np.float64), good))
    present, full = bridged, None
    if config.filter_band is not None and not filtered:
        present = band_pass(bridged, tr, config.filter_band, config.order)
        full = full_band(bridged, tr, target_tr, good) if config.keeps_full_band else None
    elif target_tr > tr + SAME_TR:
        present = low_pass_for(bridged, tr, target_tr)
    present = resample(present, tr, target_tr)
    kept = good if len(present) == len(good) else resampled_mask(good, tr, target_tr, frames)
    if not kept.any():
        raise DataError(
            f"censored: its {int(good.sum())} good frames are all single ones, between which nothing is left."
        )
    gap = long_gaps(kept, math.floor(config.bridge / target_tr + SAME_TR))

    def finished(values: Float[ndarray, "new_frame present"]) -> Resampled:
        whole = np.zeros((frames, missing.size), dtype=np.float32)
        whole[:, ~missing] = zscore(values, kept)
        whole[gap] = 0
        return whole

    sd = np.full(missing.size, np.nan)
    sd[~missing] = np.ldexp(present[kept].std(axis=0), exponent)
    return Cleaned(
        series=finished(present),
        missing=missing,
        good=kept,
        sd=sd,
        full=None if full is None else finished(full),
    )


def _length(frames: int, tr: float, config: CleaningConfig) -> tuple[float, int]:
    """Give the new TR and number of frames; DataError when a recording is too short."""
    target_tr = config.target_tr or tr
    after = resampled_frames(frames, tr, target_tr)
    if after < config.min_frames:
        needed = math.ceil(config.min_frames * target_tr / tr - SAME_TR)
        raise DataError(
            f"too short: {plural(frames, 'frame')} of {tr:g} s, but at least {needed} "
            f"({plural(config.min_frames, 'frame')} of {target_tr:g} s) are needed."
        )
    return target_tr, after


def _not_tiny(
    present: Float[ndarray, "frame present"],
) -> tuple[Float[ndarray, "frame present"], Int[ndarray, " present"]]:
    """Scale ROIs that vary by less than 1 by a power of two, which changes no digit; return that and the exponents.

    The z-score's constant (``ZSCORE_EPS``) is for series of a usual size: of amplitudes like 1e-9 it would make others.
    """
    exponent = np.minimum(np.frexp(np.ptp(present, axis=0))[1], 0)
    return np.ldexp(present, -exponent), exponent


def _both_ways(sos: ndarray, series: Series) -> Series:
    """Filter forwards and backwards; scipy's own padding, or all that a recording shorter than it can give."""
    from scipy.signal import sosfiltfilt

    trailing = min(int((sos[:, 2] == 0).sum()), int((sos[:, 5] == 0).sum()))
    padding = min(3 * (2 * len(sos) + 1 - trailing), len(series) - 1)
    filtered: Series = sosfiltfilt(sos, series, axis=0, padlen=padding)
    return filtered
