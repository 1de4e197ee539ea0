"""How much to shrink correlations, without labels: under which share of the identity are other frames likeliest?"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

SHRINKAGES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of the identity among which the shrinkage is chosen."""


def correlations(series: Float[ndarray, "roi frame"]) -> tuple[Float[ndarray, "roi roi"], Bool[ndarray, " roi"]]:
    """Return correlations, 0 for an ROI that does not change, and which ROIs do change."""
    centred = series - series.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1)
    unit = centred / np.where(norm > 0, norm, 1)[:, None]
    return unit @ unit.T, norm > 0


def likelihoods(early: Float[ndarray, "roi early"], late: Float[ndarray, "roi late"]) -> Float[ndarray, " shrinkage"]:
    """Return how likely late frames are given the correlations of early ones, under each of ``SHRINKAGES``.

    A normal distribution with the shrunk correlations S of the early frames, asked for its log-likelihood per frame and
    ROI of the late ones, whose correlations are C: -(log det S + tr(S^-1 C)) / R, but for a constant. ROIs that do not
    change in both parts take no part; without any, all are 0.
    """
    (before, one), (after, other) = correlations(early), correlations(late)
    both = np.ix_(one & other, one & other)
    if not len(both[0]):
        return np.zeros(len(SHRINKAGES))
    values, vectors = np.linalg.eigh(before[both])
    seen = np.einsum("ik,ij,jk->k", vectors, after[both], vectors, optimize=True)
    spreads = [(1 - share) * values + share for share in SHRINKAGES]
    return np.array([-(np.log(spread) + seen / spread).mean() for spread in spreads])
