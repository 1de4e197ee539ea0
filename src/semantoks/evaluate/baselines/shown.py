"""Which frames of a recording a method is shown: all of them, a span, or what the encoder's crops cover."""

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.cohort import Cohort
from semantoks.views.crops import even_starts

Spans = Int[ndarray, "recording *span 2"]
"""(first frame, frames) of each recording, or several of them, which count as their union; past the end is nothing."""
Part = Float32[ndarray, "_ roi"]


def crop_spans(cohort: Cohort, window: int, crops: int) -> Int[ndarray, "recording crop 2"]:
    """Return the frames that an encoder is shown of each recording: ``crops`` even windows of ``window`` frames."""
    starts = np.stack([even_starts(int(frames), window, crops) for frames in cohort.recordings["frames"]])
    return np.stack([starts, np.full_like(starts, window)], axis=-1)


def shown_parts(cohort: Cohort, index: int, spans: Spans | None) -> list[Part]:
    """Return the good frames of recording ``index`` within ``spans`` (None = all), one array a run without a gap.

    Raises
    ------
    DataError
        If the spans hold no frame of the recording.
    """
    series = np.asarray(cohort.series(index), dtype=np.float32)
    first_of_all = int(cohort.first_frames[index])
    good = cohort.good[first_of_all : first_of_all + len(series)]
    if spans is None and good.all():
        return [series]
    shown = np.zeros(len(series), dtype=bool)
    for first, frames in [(0, len(series))] if spans is None else spans[index].reshape(-1, 2):
        shown[first : first + frames] = True
    shown &= good
    if not shown.any():
        name = cohort.recordings["recording_id"][index]
        span = "it" if spans is None else spans[index].tolist()
        raise DataError(f"recording {name} has {len(series)} frames, and no good one lies in {span}.")
    changes = np.flatnonzero(np.diff(shown, prepend=False, append=False))
    return [series[begin:end] for begin, end in changes.reshape(-1, 2)]


def standardised(parts: list[Part]) -> list[Part]:
    """Give every ROI mean 0 and population sd 1 over all parts together; an ROI that does not change becomes 0."""
    together = np.concatenate(parts).astype(np.float64)
    mean, spread = together.mean(axis=0), together.std(axis=0)
    scale = np.where(spread > 0, spread, np.inf)
    return [((part - mean) / scale).astype(np.float32) for part in parts]
