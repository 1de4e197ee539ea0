"""Functional connectivity: correlation, partial correlation, and tangent space with its reference from the fold."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from joblib import Parallel, delayed
from nilearn.connectome import ConnectivityMeasure
from numpy import ndarray
from sklearn.base import BaseEstimator
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from semantoks.evaluate.study.shown import Run, Shown
from semantoks.types import Features

REFERENCE_PEOPLE = 30
"""Most training people from whom the reference of the tangent space is estimated."""
_LARGEST = 0.9999
_AT_ONCE = 64

Edges = Float32[ndarray, "recording edge"]
Covariances = Float32[ndarray, "everybody roi roi"]


def functional_connectivity(shown: Shown) -> Edges:
    """Return Fisher-z Pearson correlations of all pairs of ROIs over the shown frames.

    A pair with a missing ROI is 0. Edges in the order of ``numpy.triu_indices(n_rois, 1)``; correlations beyond
    0.9999 count as that.
    """
    upper = np.triu_indices(shown.cohort.atlas.n_rois, 1)
    rows = np.empty((len(shown), len(upper[0])), dtype=np.float32)
    for index, row in enumerate(rows):
        unit = shown.series(index)
        row[:] = fisher_z((unit.T @ unit / len(unit))[upper])
    return rows


def partial_correlation(shown: Shown) -> Edges:
    """Return Fisher-z partial correlations of all pairs of ROIs given all others, from Ledoit-Wolf covariances.

    nilearn's ``ConnectivityMeasure(kind="partial correlation")`` on the ROIs that a recording has: a missing ROI has
    edges of 0 and does not change the others. Edges as in ``functional_connectivity``.
    """
    call = delayed(_partial_edges)
    with threadpool_limits(1):
        rows = Parallel(n_jobs=shown.n_jobs, prefer="threads")(call(shown.series(i)) for i in range(len(shown)))
    return np.stack(rows)


@dataclass(frozen=True)
class Tangent:
    """Covariances in the tangent space of their training people's geometric mean (Varoquaux et al. 2010), nilearn's.

    Attributes
    ----------
    covariances
        One per person, positive definite: see ``tangent_space``.
    seed
        Decides which training people, at most ``REFERENCE_PEOPLE``, give the reference. The mean of more hardly
        differs, and is most of the time: it takes several rounds of eigenvalues of all of its matrices.
    """

    covariances: Covariances
    seed: int = 0

    def reference(self, train: Int[ndarray, " train"]) -> ConnectivityMeasure:
        """Fit nilearn's measure on some of the training people, in double precision."""
        count = min(REFERENCE_PEOPLE, len(train))
        drawn = np.random.default_rng(self.seed).choice(np.sort(train), count, replace=False)
        measure = ConnectivityMeasure(cov_estimator=Precomputed(), kind="tangent", vectorize=True)
        return measure.fit(list(self.covariances[drawn].astype(np.float64)))

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return log(G^-1/2 C G^-1/2) of ``people``, lower triangles, where G is the reference of ``train``."""
        measure = self.reference(train)
        # Single precision halves the time; nilearn's eigenvalues follow the type of what they are given.
        measure.whitening_ = measure.whitening_.astype(np.float32)
        some = np.array_split(people, max(1, len(people) // _AT_ONCE))
        return np.concatenate([measure.transform(list(self.covariances[part])).astype(np.float32) for part in some])


def tangent_space(shown: Shown) -> Tangent:
    """Return the tangent-space features of everybody, from Ledoit-Wolf covariances averaged over their recordings.

    A missing ROI counts as one of variance 1 (as all of them have) that goes with no other. Memory: 4 bytes x people x
    ROIs².
    """
    n_rois, owner = shown.cohort.atlas.n_rois, shown.people.owner
    total = np.zeros((len(shown.people), n_rois, n_rois), dtype=np.float32)
    share = 1 / np.bincount(owner, minlength=len(total))
    parallel = Parallel(n_jobs=shown.n_jobs, prefer="threads", return_as="generator")
    with threadpool_limits(1):
        found = parallel(delayed(_shrunk_covariance)(shown.series(i)) for i in range(len(shown)))
        for person, covariance in zip(owner, found, strict=True):
            total[person] += share[person] * covariance
    return Tangent(total, shown.seed)


class Precomputed(BaseEstimator):  # type: ignore[misc]
    """Hands nilearn covariances that are known already, so that they are estimated once and not in every fold."""

    def fit(self, covariance: Float[ndarray, "roi roi"]) -> "Precomputed":
        """Take the covariance as it is."""
        self.covariance_ = covariance
        return self


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


def _shrunk_covariance(series: Run) -> Float[ndarray, "roi roi"]:
    present = np.flatnonzero(series.any(axis=0))
    covariance = np.eye(series.shape[1])
    if len(present):
        estimate = LedoitWolf(store_precision=False).fit(series[:, present].astype(np.float64))
        covariance[np.ix_(present, present)] = estimate.covariance_
    return covariance
