"""What correlates with what in a cohort: the mean correlation matrix, within and between networks, left with right."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.report.cohort.folder import CohortFolder

MOST = 500
"""Recordings that the mean is taken over; of more, as many are taken evenly from the table."""
LEAST_FRAMES = 20
FARTHEST_TWIN = 12.0
"""Largest distance in mm of an ROI's mirror image from its homotopic ROI."""
Correlations = Float[ndarray, "roi roi"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Connectivity:
    """Functional connectivity of a group.

    Attributes
    ----------
    mean
        Mean Pearson correlation over recordings (by way of Fisher's z, good frames alone); NaN where no recording has
        both ROIs, and on the diagonal.
    recordings
        How many recordings it is the mean of.
    within, between
        Mean of ``mean`` over pairs of ROIs of the same and of different networks; NaN where there are no such pairs.
    by_network
        (name, ROIs, within, to all other networks) of each network.
    homotopic, across
        Mean over the ``pairs`` of homotopic ROIs, and over all other pairs of a left and a right one; NaN without any.
    """

    mean: Correlations
    recordings: int
    within: float
    between: float
    by_network: tuple[tuple[str, int, float, float], ...]
    homotopic: float
    across: float
    pairs: int


def connectivity(cohort: CohortFolder) -> Connectivity | None:
    """Measure the connectivity of a cohort; None where no recording can be read."""
    chosen = np.flatnonzero(cohort.readable & (cohort.recordings["good_frames"] >= LEAST_FRAMES).to_numpy())
    if not len(chosen):
        return None
    if len(chosen) > MOST:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST).round().astype(int)]
    total = np.zeros((cohort.atlas.n_rois, cohort.atlas.n_rois))
    count = np.zeros(total.shape, dtype=np.int64)
    for index in chosen.tolist():
        z = fisher(cohort.series(index)[cohort.good(index)], cohort.missing[index])
        total += np.nan_to_num(z)
        count += np.isfinite(z)
    mean = np.tanh(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    np.fill_diagonal(mean, np.nan)
    return _measured(mean, cohort.atlas, len(chosen))


def fisher(series: Float[ndarray, "frame roi"], missing: Bool[ndarray, " roi"]) -> Correlations:
    """Correlate ROIs and take Fisher's z; NaN for missing ROIs, large and finite for ROIs that are equal."""
    whole = np.full((missing.size, missing.size), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.corrcoef(series[:, ~missing], rowvar=False)
    whole[np.ix_(~missing, ~missing)] = np.arctanh(np.clip(found, -0.999999, 0.999999))
    return whole


def homotopic_pairs(atlas: Atlas) -> Int[ndarray, "pair 2"]:
    """Find left and right ROIs that are each other's nearest mirror image, at most 12 mm off."""
    known, sides = np.isfinite(atlas.centroids).all(axis=1), np.array(atlas.hemisphere)
    left, right = np.flatnonzero(known & (sides == "L")), np.flatnonzero(known & (sides == "R"))
    if not len(left) or not len(right):
        return np.empty((0, 2), dtype=np.int64)
    mirrored = atlas.centroids[left] * [-1, 1, 1]
    distance = np.linalg.norm(mirrored[:, None] - atlas.centroids[right], axis=2)
    nearest, back, row = distance.argmin(axis=1), distance.argmin(axis=0), np.arange(len(left))
    mutual = (back[nearest] == row) & (distance[row, nearest] <= FARTHEST_TWIN)
    return np.stack([left[mutual], right[nearest[mutual]]], axis=1)


def _measured(mean: Correlations, atlas: Atlas, recordings: int) -> Connectivity:
    index, sides = atlas.network_index, np.array(atlas.hemisphere)
    same = index[:, None] == index
    pairs = homotopic_pairs(atlas)
    twins = np.zeros(mean.shape, dtype=bool)
    twins[pairs[:, 0], pairs[:, 1]] = True
    across = (sides == "L")[:, None] & (sides == "R") & ~twins
    rows = []
    for number, name in enumerate(atlas.network_names):
        own = index == number
        inside, outside = mean[np.ix_(own, own)], mean[np.ix_(own, ~own)]
        rows.append((name, int(own.sum()), _mean_of(inside), _mean_of(outside)))
    return Connectivity(
        mean=mean,
        recordings=recordings,
        within=_mean_of(mean[same]),
        between=_mean_of(mean[~same]),
        by_network=tuple(rows),
        homotopic=_mean_of(mean[twins]),
        across=_mean_of(mean[across]) if len(pairs) else float("nan"),
        pairs=int(np.isfinite(mean[twins]).sum()),
    )


def _mean_of(values: ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
