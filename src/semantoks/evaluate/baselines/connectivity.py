"""Functional connectivity: correlation and partial correlation of all pairs of ROIs."""

import numpy as np
from jaxtyping import Float, Float32
from joblib import Parallel, delayed
from nilearn.connectome import ConnectivityMeasure
from numpy import ndarray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from semantoks.evaluate.study.shown import Run, Shown

_LARGEST = 0.9999

Edges = Float32[ndarray, "recording edge"]


def functional_connectivity(shown: Shown) -> Edges:
    """Return Fisher-z Pearson correlations of all pairs of ROIs over the shown frames.

    A pair with a missing ROI is 0. Edges in the order of ``numpy.triu_indices(n_rois, 1)``; correlations beyond
    0.9999 count as that.
    """
    n_rois = shown.cohort.atlas.n_rois
    rows = shown.empty(n_rois * (n_rois - 1) // 2, "fc")
    for index, row in enumerate(rows):
        row[:] = edges_of(shown.series(index))
    return rows


def edges_of(series: Run) -> Float32[ndarray, " edge"]:
    """Return the edges of one recording, whose ROIs are z-scored."""
    found: Float32[ndarray, " edge"] = fisher_z((series.T @ series / len(series))[np.triu_indices(series.shape[1], 1)])
    return found


def partial_correlation(shown: Shown) -> Edges:
    """Return Fisher-z partial correlations of all pairs of ROIs given all others, from Ledoit-Wolf covariances.

    nilearn's ``ConnectivityMeasure(kind="partial correlation")`` on the ROIs that a recording has: a missing ROI has
    edges of 0 and does not change the others. Edges as in ``functional_connectivity``.
    """
    n_rois, call = shown.cohort.atlas.n_rois, delayed(_partial_edges)
    rows = shown.empty(n_rois * (n_rois - 1) // 2, "fc_partial")
    with threadpool_limits(1):
        found = Parallel(n_jobs=shown.n_jobs, prefer="threads", return_as="generator")(
            call(shown.series(i)) for i in range(len(shown))
        )
        for index, row in enumerate(found):
            rows[index] = row
    return rows


def fisher_z(correlation: Float[ndarray, " edge"]) -> Float[ndarray, " edge"]:
    """Return arctanh of correlations, which count as at most 0.9999 either way."""
    z: ndarray = np.arctanh(np.clip(correlation, -_LARGEST, _LARGEST))
    return z


def _partial_edges(series: Run) -> Float32[ndarray, " edge"]:
    present = np.flatnonzero(series.any(axis=0))
    edges = np.zeros((series.shape[1], series.shape[1]), dtype=np.float32)
    if len(present):
        measure = ConnectivityMeasure(kind="partial correlation")
        edges[np.ix_(present, present)] = measure.fit_transform([series[:, present].astype(np.float64)])[0]
    return fisher_z(edges[np.triu_indices(len(edges), 1)])
