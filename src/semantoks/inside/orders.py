"""The structure of recordings, by order: moments and spectra of ROIs, what pairs share, what triples share.

The orders are those of cumulants: the first of a single ROI, the second of pairs (FC, tangent FC, lagged covariance),
the third of triples (co-skewness), which no correlation can show.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.baselines.recorded import roi_moments
from semantoks.evaluate.baselines.spectra import network_spectra
from semantoks.evaluate.baselines.tangent import tangent_space
from semantoks.evaluate.study.shown import Build, Shown

TANGENT, LAGGED, COSKEWNESS = "tangent FC", "lagged covariance", "co-skewness"
LAG_SECONDS = 4.0
"""By which one ROI may lead another."""
FEW, MANY, COMPONENTS = 4, 20, 12
"""Networks of which triples are made; with fewer or more, components of the group's correlations take their place."""
_LEAST = 1e-12

Edges = Callable[[int], tuple[Int[ndarray, " edge"], Int[ndarray, " edge"]]]


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One kind of structure.

    Attributes
    ----------
    order
        1, 2 or 3.
    build
        Recordings to features, like a baseline of the probe; None without data.
    edges
        Number of ROIs -> the two ROIs of every feature, where features are pairs of ROIs.
    """

    order: int
    words: str
    build: Build
    edges: Edges | None = None


def raw_means(shown: Shown) -> Float[ndarray, "recording roi"] | None:
    """Return the mean of each ROI in raw units; None where moments are not kept."""
    found = roi_moments(shown)
    return None if found is None else found[:, : found.shape[1] // 2]


def raw_spreads(shown: Shown) -> Float[ndarray, "recording roi"] | None:
    """Return the logarithm of the standard deviation of each ROI in raw units; None where moments are not kept."""
    found = roi_moments(shown)
    return None if found is None else np.log(np.maximum(found[:, found.shape[1] // 2 :], _LEAST))


def lagged_covariance(shown: Shown) -> Float32[ndarray, "recording edge"]:
    """Return who leads: the antisymmetric part of correlations 4 s apart, one number per pair of ROIs.

    (E[x_i(t + lag) x_j(t)] - E[x_j(t + lag) x_i(t)]) / 2 of z-scored ROIs, over frames without a gap between them. The
    symmetric part is left out: it repeats zero-lag correlations.
    """
    lag = max(1, round(LAG_SECONDS / shown.cohort.tr))
    edges = np.triu_indices(shown.cohort.atlas.n_rois, 1)
    rows = np.zeros((len(shown), len(edges[0])), dtype=np.float32)
    for index, row in enumerate(rows):
        runs = [run for run in shown.runs(index) if len(run) > lag]
        if count := sum(len(run) - lag for run in runs):
            later = sum(run[lag:].T @ run[:-lag] for run in runs) / count
            row[:] = ((later - later.T) / 2)[edges]
    return rows


def co_skewness(shown: Shown) -> Float32[ndarray, "recording triple"]:
    """Return E[x_i x_j x_k] of all triples i <= j <= k of z-scored network means (or components, see ``mixing``)."""
    mix = mixing(shown)
    triples = np.array(list(itertools.combinations_with_replacement(range(len(mix)), 3)))
    first, second, third = triples.T
    rows = np.empty((len(shown), len(triples)), dtype=np.float32)
    for index, row in enumerate(rows):
        mixed = shown.series(index) @ mix.T
        spread = mixed.std(axis=0)
        unit = (mixed - mixed.mean(axis=0)) / np.where(spread > _LEAST, spread, np.inf)
        row[:] = (unit[:, first] * unit[:, second] * unit[:, third]).mean(axis=0)
    return rows


def mixing(shown: Shown) -> Float32[ndarray, "component roi"]:
    """Return what makes a few series of all ROIs: means of 4 to 20 networks, else the group's first 12 components."""
    atlas = shown.cohort.atlas
    if FEW <= atlas.n_networks <= MANY:
        return network_means(atlas).astype(np.float32)
    mean = np.zeros((atlas.n_rois, atlas.n_rois))
    for index in range(len(shown)):
        series = shown.series(index)
        mean += series.T @ series / len(series)
    vectors = np.linalg.eigh(mean)[1][:, ::-1][:, :COMPONENTS]
    return vectors.T.astype(np.float32)


def network_means(atlas: Atlas) -> Float[ndarray, "network roi"]:
    """Return what makes the mean series of each network of those of its ROIs."""
    member = atlas.network_index == np.arange(atlas.n_networks)[:, None]
    found: ndarray = member / member.sum(axis=1, keepdims=True)
    return found


def _pairs(rois: int) -> tuple[Int[ndarray, " edge"], Int[ndarray, " edge"]]:
    return np.triu_indices(rois, 1)


def _pairs_and_selves(rois: int) -> tuple[Int[ndarray, " edge"], Int[ndarray, " edge"]]:
    return np.triu_indices(rois)


STRUCTURES: Mapping[str, Structure] = {
    "ROI means": Structure(order=1, words="mean of each ROI in raw units, lost to the z-score", build=raw_means),
    "ROI variances": Structure(
        order=1, words="log standard deviation of each ROI in raw units, lost to the z-score", build=raw_spreads
    ),
    "spectra": Structure(order=1, words="log power of each network in eight bands", build=network_spectra),
    "FC": Structure(
        order=2, words="Fisher-z correlations of all pairs of ROIs", build=functional_connectivity, edges=_pairs
    ),
    TANGENT: Structure(
        order=2,
        words="correlations in the tangent space of the mean of these people",
        build=tangent_space,
        edges=_pairs_and_selves,
    ),
    LAGGED: Structure(
        order=2, words="who leads: antisymmetric correlations 4 s apart", build=lagged_covariance, edges=_pairs
    ),
    COSKEWNESS: Structure(order=3, words="products of three networks, averaged over time", build=co_skewness),
}
