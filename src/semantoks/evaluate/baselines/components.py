"""Spatial principal components of the training people: how strong and how slow each one is in a person."""

from dataclasses import dataclass

import numpy as np
from einops import rearrange
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy.linalg import eigh

from semantoks.evaluate.study.shown import Shown
from semantoks.storage.arrays import OnDisk, kept, zeros
from semantoks.types import Features

COMPONENTS = 50
_LEAST = 1e-6
_AT_ONCE = 256

Matrices = Float32[ndarray, "everybody roi roi"]


@dataclass(frozen=True)
class Components:
    """Log variance and lag-1 autocorrelation of each component's series, the components from the training people.

    Attributes
    ----------
    instant, lagged
        Of each person: correlations of ROIs in the same frame, and of ROIs one frame apart, symmetrised. They hold all
        that the features need of the series, whatever the components are.
    """

    instant: Matrices | OnDisk
    lagged: Matrices | OnDisk

    def components(self, train: Int[ndarray, " train"]) -> Float[ndarray, "roi component"]:
        """Return the leading eigenvectors, at most ``COMPONENTS``, of the training people's mean correlations."""
        n_rois = self.instant.shape[1]
        mean = sum(self.instant[some].sum(axis=0, dtype=np.float64) for some in _parts(train)) / len(train)
        vectors: ndarray = eigh(mean, subset_by_index=[max(0, n_rois - COMPONENTS), n_rois - 1])[1]
        return vectors[:, ::-1]

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return log variances, then autocorrelations (-1 to 1), of the components of ``train`` in ``people``."""
        vectors = self.components(train).astype(np.float32)
        variance, product = (
            np.concatenate([np.einsum("prc,rc->pc", matrices[some] @ vectors, vectors) for some in _parts(people)])
            for matrices in (self.instant, self.lagged)
        )
        variance = np.maximum(variance, _LEAST)
        return np.hstack([np.log(variance), product / variance])


def principal_components(shown: Shown) -> Components:
    """Return the component features of everybody, from matrices averaged over each person's recordings.

    Series are z-scored over the shown frames; a missing ROI is 0 and takes no part. Memory: 8 bytes x people x ROIs².
    """
    people, n_rois = shown.people, shown.cohort.atlas.n_rois
    size = (len(people), n_rois, n_rois)
    instant, lagged = (zeros(size, shown.folder, f"{name}-{shown.cohort.band}") for name in ("instant", "lagged"))
    share = 1 / np.bincount(people.owner, minlength=len(people))
    for index, person in enumerate(people.owner):
        runs = shown.runs(index)
        frames = sum(map(len, runs))
        for run in runs:
            product = run[:-1].T @ run[1:]
            instant[person] += share[person] / frames * (run.T @ run)
            lagged[person] += share[person] / frames * (product + rearrange(product, "a b -> b a")) / 2
    return Components(kept(instant), kept(lagged))


def _parts(people: Int[ndarray, " person"]) -> list[Int[ndarray, " _"]]:
    return np.split(people, range(_AT_ONCE, len(people), _AT_ONCE))
