"""Frames that are not to be trusted (motion, dropped volumes): bridged for filtering, never counted as data."""

import re

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy.interpolate import PchipInterpolator

from semantoks.types import Series

FrameMask = Bool[ndarray, " frame"]
"""True = a good frame."""
RANGES = re.compile(r"([0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*)?")


def bridge(series: Series, good: FrameMask) -> Series:
    """Replace the frames that are not good by monotone cubic interpolation; at the ends, by the nearest good one.

    At least one frame has to be good.
    """
    if good.all():
        return series
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
    """Read what `gaps_text` wrote of a recording of ``frames`` frames; ValueError when it is nothing of the kind."""
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
