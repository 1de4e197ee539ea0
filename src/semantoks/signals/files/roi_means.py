"""ROI means over the vertices and voxels that have signal; an ROI with less than half of its own is missing."""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray
from scipy.sparse import csr_array

from semantoks.types import Series

MIN_COVERAGE = 0.5
"""Share of an ROI's vertices and voxels that need signal, as in XCP-D."""
PIECE = 100
"""Frames at a time: 100 of HCP's dense series are 37 MB."""
NO_ROI = -1
Pieces = Callable[[], Iterable[Float32[ndarray, "frame place"]]]
"""Reads a series from its start, some frames at a time."""


def roi_means(pieces: Pieces, roi: Int[ndarray, " place"], sizes: Int[ndarray, " roi"]) -> Series:
    """Average a series over the places (vertices, voxels) of each ROI.

    A place that is 0 or not finite in all frames has no signal and counts in no mean; a value that is not finite does
    not count in its frame. An ROI with signal in less than half of its places is NaN.

    Parameters
    ----------
    pieces
        The series; it is read twice.
    roi
        The ROI of each place of the series, -1 for none.
    sizes
        Places that each ROI has in the parcellation, in the series or not.
    """
    signal = np.zeros(len(roi), dtype=bool)
    for piece in pieces():
        signal |= (np.isfinite(piece) & (piece != 0)).any(axis=0)
    there = np.flatnonzero(signal & (roi != NO_ROI))
    members = csr_array((np.ones(len(there)), (roi[there], np.arange(len(there)))), shape=(len(sizes), len(there)))
    every = members.sum(axis=1)
    means = []
    for piece in pieces():
        values = piece[:, there]
        counts, finite = every[:, None], np.isfinite(values)
        if not finite.all():
            counts, values = members @ finite.T, np.where(finite, values, 0)
        with np.errstate(invalid="ignore"):  # none of nothing: NaN
            means.append((members @ values.T / counts).T)
    series: Series = np.concatenate(means).astype(np.float32)
    series[:, (every < MIN_COVERAGE * sizes) | (every == 0)] = np.nan
    return series
