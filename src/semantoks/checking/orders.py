"""The orders that columns are met in beside their atlas's own, and which of them fits recordings better."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas, list_atlases, seven_network_labels
from semantoks.checking.evidence import Correlations, Evidence, evidence, sides_of
from semantoks.types import RoiIndex

MARGIN, FACTOR = 0.05, 1.25
"""Another order is better when its evidence is more by both of these."""
SCHAEFER = re.compile(r"(schaefer\d+)(-17)?")
ROWS = "pass --atlas FILE.tsv, a table with the atlas's rows in the order of the columns"
RELABELLED = "the labels are wrong: correct them, or take them out, for without them the columns are in order"
SHIFTED = "look for a column too many before the first ROI, or for a ROI that is lacking, and correct the files"


@dataclass(frozen=True, kw_only=True)
class Order:
    """Another order of the same ROIs: its name, what to do, and the ROI of the atlas that each column then is."""

    name: str
    remedy: str
    columns: RoiIndex


def with_structure(atlas: Atlas) -> Atlas:
    """Give the atlas that still knows its networks: ``cc200:one`` is ``cc200`` with all ROIs in one."""
    name, colon, suffix = atlas.name.rpartition(":")
    if colon and suffix in ("one", "each") and all(part in list_atlases() for part in name.split("+")):
        return get_atlas(name)
    return atlas


def other_orders(atlas: Atlas) -> list[Order]:
    """List the orders that recordings of such ROIs are met in, but for the atlas's own."""
    own = np.arange(atlas.n_rois)
    deep = np.isin(atlas.networks, ("Subcortical", "Cerebellar"))
    name, networks = _other_networks(atlas)
    twin = _twin_name(atlas)
    choose = f"choose --atlas {twin}" if twin else ROWS
    found = [
        (name, f"{choose}; labels that say otherwise are wrong", networks),
        (
            "left and right swapped",
            f"put the columns of the left hemisphere first, or {ROWS}",
            _right_first(atlas, deep),
        ),
        (
            "subcortex before cortex",
            f"put the columns of the cortex first, or {ROWS}",
            np.argsort(~deep, kind="stable"),
        ),
        (
            "cortex before subcortex",
            f"put the columns of the subcortex first, or {ROWS}",
            np.argsort(deep, kind="stable"),
        ),
        (f"subcortex before cortex, which is in {name}", ROWS, networks[np.argsort(~deep[networks], kind="stable")]),
        (f"its own order, reordered as if it were in {name}", RELABELLED, np.argsort(networks)),
        ("left and right in turn", ROWS, _in_turn(atlas)),
        ("the left side before the right", ROWS, np.concatenate([*sides_of(atlas), _no_side(atlas)])),
        ("network by network", ROWS, np.argsort(atlas.network_index, kind="stable")),
        ("the alphabet's order of the labels", ROWS, np.argsort(np.array(atlas.labels), kind="stable")),
        ("the atlas's order, one column too early", SHIFTED, np.roll(own, -1)),
        ("the atlas's order, one column too late", SHIFTED, np.roll(own, 1)),
        ("the atlas's order from back to front", ROWS, own[::-1]),
    ]
    seen, others = [own], []
    for words, remedy, columns in found:
        if not any(np.array_equal(columns, known) for known in seen):
            seen.append(columns)
            others.append(Order(name=words, remedy=remedy, columns=columns))
    return others


def _no_side(atlas: Atlas) -> RoiIndex:
    return np.flatnonzero(~np.isin(atlas.hemisphere, ("L", "R")))


def _in_turn(atlas: Atlas) -> RoiIndex:
    """Give the order L R L R ..., ROIs of no side at the end; the atlas's own where its sides are not of equal size."""
    left, right = sides_of(atlas)
    if len(left) != len(right):
        return np.arange(atlas.n_rois)
    return np.concatenate([np.stack([left, right], axis=1).ravel(), _no_side(atlas)])


def _twin_name(atlas: Atlas) -> str:
    """Name the same atlas with Schaefer's other order of networks; empty where there is none of that name."""
    parts = [SCHAEFER.fullmatch(part) for part in atlas.name.split("+")]
    names = [
        f"{found[1]}{'' if found[2] else '-17'}" if found else part
        for found, part in zip(parts, atlas.name.split("+"), strict=True)
    ]
    return "+".join(names) if any(parts) else ""


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
