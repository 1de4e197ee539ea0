"""Do columns follow the order of their atlas, and are rows time? What correlates with what answers both.

In any resting-state recording, ROIs of one network correlate with each other, and an ROI with its mirror image on the
other side (homotopic correlation). Both correlations are far smaller when the columns are in another order.
Neighbours in time are more alike than neighbouring ROIs.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas, homotopic_pairs
from semantoks.atlas.catalog import get_atlas, list_atlases, seven_network_labels
from semantoks.types import RoiIndex, Series

TIME_MARGIN = 0.2


def autocorrelation(values: Float[ndarray, "row column"], axis: int) -> float:
    """Return the lag-1 autocorrelation along an axis, the mean over the lines that vary."""
    lines = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    lines = lines[:, np.isfinite(lines).all(axis=0)]
    centred = lines - lines.mean(axis=0)
    power = np.square(centred).sum(axis=0)
    varying = power > 0
    if not varying.any():
        return float("nan")
    return float(((centred[1:] * centred[:-1]).sum(axis=0)[varying] / power[varying]).mean())


def time_axis(values: Float[ndarray, "row column"]) -> int | None:
    """Tell which axis is time, along which neighbours are most alike; None where that is not clear."""
    rows, columns = autocorrelation(values, 0), autocorrelation(values, 1)
    if not abs(rows - columns) > TIME_MARGIN:
        return None
    return 0 if rows > columns else 1


def turned(series: Iterable[Float[ndarray, "row column"]]) -> bool:
    """Tell whether in most of the recordings, of those in which it is clear or not, columns are time."""
    axes = Counter(time_axis(np.nan_to_num(one)) for one in series)
    return axes.most_common(1)[0][0] == 1


LEAST_ROIS = 20
MARGIN, FACTOR = 0.05, 1.25
"""Another order is better when its evidence is more by both of these."""
LEAST_WITHIN, LEAST_HOMOTOPIC = 0.03, 0.05
"""Evidence below both of these fits no order; real recordings have about 0.15 and 0.35 (docs/embedding.md)."""
Correlations = Float[ndarray, "roi roi"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How much more ROIs correlate within networks than between, and homotopic ROIs than others of both sides.

    Differences of mean correlations; NaN where the atlas does not say networks or centres.
    """

    within: float
    homotopic: float

    @property
    def total(self) -> float:
        """The sum of what is known."""
        return float(np.nansum([self.within, self.homotopic]))

    def __str__(self) -> str:
        """Both numbers in words."""
        parts = {"within networks": self.within, "homotopic": self.homotopic}
        return ", ".join(f"{name} {value:+.2f}" for name, value in parts.items() if not np.isnan(value))


@dataclass(frozen=True, kw_only=True)
class Order:
    """Another order of the same ROIs: its name, what to do, and the ROI of the atlas that each column then is."""

    name: str
    remedy: str
    columns: RoiIndex


def mean_correlations(recordings: Iterable[Series]) -> Correlations:
    """Average the correlation matrices of recordings [frame, roi]; NaN where no recording has both ROIs."""
    total: ndarray | float = 0.0
    count: ndarray | float = 0
    for series in recordings:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.corrcoef(np.asarray(series, dtype=np.float64), rowvar=False)
        total, count = total + np.nan_to_num(found), count + np.isfinite(found)
    mean: Correlations = np.where(np.asarray(count) > 0, total / np.maximum(count, 1), np.nan)
    return mean


def with_structure(atlas: Atlas) -> Atlas:
    """Give the atlas that still knows its networks: ``cc200:one`` is ``cc200`` with all ROIs in one."""
    name, colon, suffix = atlas.name.rpartition(":")
    if colon and suffix in ("one", "each") and all(part in list_atlases() for part in name.split("+")):
        return get_atlas(name)
    return atlas


def evidence(correlations: Correlations, atlas: Atlas) -> Evidence:
    """Measure both kinds of evidence that columns stand in the order of ``atlas``."""
    index, pairs = atlas.network_index, homotopic_pairs(atlas)
    same, other = index[:, None] == index, ~np.eye(atlas.n_rois, dtype=bool)
    within = homotopic = float("nan")
    if (same & other).any() and not same.all():
        within = float(np.nanmean(correlations[same & other]) - np.nanmean(correlations[~same]))
    if len(pairs):
        sides = np.array(atlas.hemisphere)
        across = correlations[np.ix_(sides == "L", sides == "R")]
        homotopic = float(np.nanmean(correlations[pairs[:, 0], pairs[:, 1]]) - np.nanmean(across))
    return Evidence(within=within, homotopic=homotopic)


def other_orders(atlas: Atlas) -> list[Order]:
    """List the orders that recordings of such ROIs are met in, but for the atlas's own."""
    own = np.arange(atlas.n_rois)
    deep = np.isin(atlas.networks, ("Subcortical", "Cerebellar"))
    name, networks = _other_networks(atlas)
    found = [
        Order(name=name, remedy=f"choose the atlas in {name}, or reorder the columns by label", columns=networks),
        Order(
            name="left and right swapped",
            remedy="put the columns of the left hemisphere first",
            columns=_right_first(atlas, deep),
        ),
        Order(
            name="subcortex before cortex",
            remedy="put the columns of the cortex first",
            columns=np.argsort(~deep, kind="stable"),
        ),
        Order(
            name="cortex before subcortex",
            remedy="put the columns of the subcortex first",
            columns=np.argsort(deep, kind="stable"),
        ),
        Order(
            name=f"subcortex before cortex, which is in {name}",
            remedy="reorder the columns by label",
            columns=networks[np.argsort(~deep[networks], kind="stable")],
        ),
    ]
    seen, others = [own], []
    for order in found:
        if not any(np.array_equal(order.columns, columns) for columns in seen):
            seen.append(order.columns)
            others.append(order)
    return others


def _right_first(atlas: Atlas, deep: Bool[ndarray, " roi"]) -> RoiIndex:
    """Give the order with the cortex's right side before its left one, where the left is all before the right."""
    sides, columns = np.array(atlas.hemisphere), np.arange(atlas.n_rois)
    left, right = np.flatnonzero((sides == "L") & ~deep), np.flatnonzero((sides == "R") & ~deep)
    if len(left) and len(right) and left.max() < right.min():
        columns[np.concatenate([left, right])] = np.concatenate([right, left])
    return columns


def _other_networks(atlas: Atlas) -> tuple[str, RoiIndex]:
    """Give the order with a whole Schaefer cortex in 17- instead of 7-network order, or the other way round."""
    place = {label: roi for roi, label in enumerate(atlas.labels)}
    for size in range(1000, 99, -100):
        if size > atlas.n_rois:
            continue
        mixed, seventeen = seven_network_labels(size), get_atlas(f"schaefer{size}-17").labels
        twin = dict(zip(mixed, seventeen, strict=True))
        ordered = [twin[label] for label in get_atlas(f"schaefer{size}").labels]
        for name, labels in (("17-network order", mixed), ("7-network order", ordered)):
            if len({place.get(label) for label in labels} - {None}) == size:
                columns = np.arange(atlas.n_rois)
                found = [place[label] for label in labels]
                columns[np.sort(found)] = found
                return name, columns
    return "17-network order", np.arange(atlas.n_rois)


def better_order(correlations: Correlations, atlas: Atlas) -> tuple[Evidence, Order | None, Evidence | None]:
    """Compare the atlas's order with all others that it is met in.

    Parameters
    ----------
    correlations
        Mean correlations of the columns as they stand.

    Returns
    -------
    own, order, its
        Evidence for the columns as they stand; another order that has clearly more, or None, and its evidence.
    """
    own = evidence(correlations, atlas)
    best, most = None, own
    for order in other_orders(atlas):
        place = np.argsort(order.columns)
        found = evidence(correlations[np.ix_(place, place)], atlas)
        if found.total > max(most.total, own.total + MARGIN, FACTOR * own.total):
            best, most = order, found
    return own, best, None if best is None else most
