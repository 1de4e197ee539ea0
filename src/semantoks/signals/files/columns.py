"""Which axis of a 2-D array is the ROIs, and which ROI of the atlas each entry is: labels decide, then counts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import schaefer_twins
from semantoks.errors import DataError
from semantoks.signals.connectivity import LEAVE_OUT, refuse_connectivity
from semantoks.signals.files.counters import Counter, Labelled, only_counts, with_missing_frames, without_counters
from semantoks.types import RoiIndex, Series

FileColumns = tuple[Path, Num[ndarray, "frame column"], RoiIndex | None]
"""A file, its numbers, and the position among its columns of each ROI of the atlas; None where it has none of them."""
CHOOSE = "Choose the atlas that it was made with"


def in_atlas_order(
    values: Num[ndarray, "row column"],
    atlas: Atlas,
    *,
    column_names: Sequence[str] | None = None,
    row_names: Sequence[str] | None = None,
    where: str,
    reorder: bool = False,
    index: Counter | None = None,
) -> Series:
    """Bring an array to [frame, roi] in the atlas's order, float32; ROIs that it lacks by label become NaN.

    Names that match the atlas's labels decide on orientation and order, and what does not match is left out. Names
    that only count (``0 1 2``, ``#1 #2``, ``timepoint_0``) say nothing, and the axis as long as the atlas is the ROIs.
    Columns and rows that count frames, seconds or ROIs are left out (``without_counters``), as ``index`` was, which
    counts the rows; frames that are missing by them are put back as NaN. ``reorder``: see ``match_labels``.

    Raises
    ------
    DataError
        If it is a connectivity matrix; if names match no label, or are of another version or order of the atlas; if
        there are none and no axis is as long as the atlas, or both are.
    """
    named = Labelled(values, column_names, row_names, () if index is None else (index,))
    table = without_counters(named, where)
    values, column_names, row_names, of_rows, of_columns = table
    if not values.size:
        raise DataError(f"{where}: its numbers only count. If it is a list of ids, move it to another folder.")
    refuse_connectivity(values, where)
    if column_names and row_names and list(column_names) == list(row_names):
        raise DataError(f"{where}: its rows and columns have the same labels: it is a connectivity matrix. {LEAVE_OUT}")
    foreign = None
    sides = ((column_names, values, of_rows, row_names), (row_names, values.T, of_columns, column_names))
    for names, oriented, counters, of_frames in sides:
        if names is None or only_counts(names, bare=True):
            continue
        positions = match_labels(names, atlas, where=where, reorder=reorder)
        if positions is not None:
            return with_missing_frames(pick(oriented, positions), counters, of_frames, where)
        foreign = foreign if only_counts(names) else names
    if foreign is not None:
        raise no_label(foreign, atlas, where, f"{CHOOSE}, or remove the labels if the order is the atlas's.")
    oriented = single(_oriented(values, atlas, where))
    _, _, counters, of_frames = sides[len(oriented) != len(values)]
    return with_missing_frames(oriented, counters, of_frames, where)


def from_time_by_roi(
    values: Num[ndarray, "frame column"],
    atlas: Atlas,
    *,
    names: Sequence[str] | None = None,
    where: str,
    reorder: bool = False,
    hint: str = "",
) -> Series:
    """Bring [frame, column] of a tool that never transposes to the atlas's order, float32; lacking ROIs become NaN.

    Where the rows are as many as the ROIs of the atlas, they are still frames: that happens by chance. ``names`` that
    only count say nothing, unless they skip some and the atlas's labels are numbers, too: then they are labels. An
    empty last column, as a delimiter at the end of each line leaves it, is no ROI. ``hint`` ends the refusal of another
    number of columns; ``reorder``: see ``match_labels``.

    Raises
    ------
    DataError
        If names match no label of the atlas, or there are none and the columns are not as many as its ROIs.
    """
    if names is not None and (not only_counts(names, bare=True) or _skips_numbers(names, atlas)):
        positions = match_labels(names, atlas, where=where, reorder=reorder)
        if positions is not None:
            return pick(values, positions)
        if not only_counts(names):
            raise no_label(names, atlas, where)
    if values.shape[1] == atlas.n_rois + 1 and np.isnan(values[:, -1]).all():
        values = values[:, :-1]
    if values.shape[1] != atlas.n_rois:
        raise DataError(
            f"{where}: wrong number of ROIs. It is time x ROI, {values.shape[0]} x {values.shape[1]}, and the atlas "
            f"{atlas.name} has {atlas.n_rois}. {hint or f'{CHOOSE}.'}"
        )
    return single(values)


def match_labels(names: Sequence[str], atlas: Atlas, *, where: str, reorder: bool = False) -> RoiIndex | None:
    """Position within ``names`` of each ROI of the atlas, -1 where it is absent; None if no name is one of its labels.

    With ``reorder``, names of Schaefer's other order of networks (7 or 17) are taken for the same parcels of the atlas.

    Raises
    ------
    DataError
        If a label comes twice, or the names are of another version, order or resolution of the atlas.
    """
    refusal = None
    try:
        positions = atlas.match(list(names))
        if np.any(positions >= 0):
            return positions
    except DataError as error:
        refusal = error
    found = _in_other_order(names, atlas)
    if found is not None:
        if reorder:
            return found
        raise DataError(
            f"{where}: its labels are those of Schaefer's other order of networks than {atlas.name}'s (first: "
            f"{names[0]!r}). They are the same parcels: --reorder brings them into the atlas's order by label."
        ) from refusal
    if refusal is not None:
        raise DataError(f"{where}: {refusal}") from refusal
    return None


def no_label(names: Sequence[str], atlas: Atlas, where: str, remedy: str = f"{CHOOSE}.") -> DataError:
    """Make the error of names none of which is a label of the atlas."""
    return DataError(
        f"{where}: none of its {len(names)} labels is a label of the atlas {atlas.name}: it has {names[0]!r}, the "
        f"atlas {atlas.labels[0]!r}. {remedy}"
    )


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """``positions`` of the names that have ROIs of the atlas, those with more first; why the others have none."""

    positions: dict[str, RoiIndex]
    refusals: dict[str, str]


def find_fitting(names: Iterable[str], positions_of: Callable[[str], RoiIndex | None]) -> Fitting:
    """Find out which of several parcellations have ROIs of the atlas.

    Parameters
    ----------
    positions_of
        The position of each ROI of the atlas in the parcellation of a name; None (or a DataError, whose text is kept as
        the refusal) where it has none.
    """
    found, refusals = {}, {}
    for name in names:
        try:
            positions = positions_of(name)
        except DataError as error:
            refusals[name] = str(error)
            continue
        if positions is None or not (positions >= 0).any():
            refusals[name] = ""
        else:
            found[name] = positions
    ranked = sorted(found, key=lambda name: -int((found[name] >= 0).sum()))
    return Fitting(positions={name: found[name] for name in ranked}, refusals=refusals)


def pick(series: Num[ndarray, "frame column"], positions: RoiIndex) -> Series:
    """Take the columns at ``positions``; a position of -1 gives a column of NaN."""
    picked = np.full((series.shape[0], len(positions)), np.nan, dtype=np.float32)
    present = positions >= 0
    picked[:, present] = single(series[:, positions[present]])
    return picked


def single(values: Num[ndarray, "frame column"]) -> Series:
    """Store numbers as float32; one that is too large is infinite, which is refused later."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def fill(files: Iterable[FileColumns], n_rois: int) -> Series:
    """Fill the columns of an atlas from the files of one run (at least one); earlier files go before later ones.

    Raises
    ------
    DataError
        When a file has no ROI of the atlas (None), or another number of frames than the first.
    """
    whole: Series | None = None
    filled = np.zeros(n_rois, dtype=bool)
    for path, values, positions in files:
        if positions is None:
            raise DataError(
                f"{path} has none of the labels that other runs have: it was made with another atlas. Remove it, or "
                "make it again."
            )
        if whole is None:
            whole = np.full((len(values), n_rois), np.nan, dtype=np.float32)
        if len(values) != len(whole):
            raise DataError(
                f"{path} has {len(values)} frames, but another file of this run has {len(whole)}. Make both again from "
                "the same images."
            )
        fresh = (positions >= 0) & ~filled
        whole[:, fresh] = pick(values, positions)[:, fresh]
        filled |= fresh
    assert whole is not None  # a run is one because it has a file
    return whole


def _in_other_order(names: Sequence[str], atlas: Atlas) -> RoiIndex | None:
    """Match names as those of the same parcels in Schaefer's other order of networks; None where they are not."""
    twins = schaefer_twins(names)
    try:
        positions = None if twins is None else atlas.match(twins)
    except DataError:
        return None
    return positions if positions is not None and np.any(positions >= 0) else None


def _oriented(values: Num[ndarray, "row column"], atlas: Atlas, where: str) -> Num[ndarray, "frame roi"]:
    rows, columns = values.shape
    if columns == atlas.n_rois + 1 and rows != atlas.n_rois and np.isnan(values[:, -1]).all():
        return values[:, :-1]  # each line ends with a delimiter, as MATLAB's fprintf leaves it
    if rows == columns == atlas.n_rois:
        raise either_axis(rows, atlas, where, "Save it as .tsv with the atlas's labels as its first line.")
    if columns == atlas.n_rois:
        return values
    if rows == atlas.n_rois:
        return values.T
    pairs = {atlas.n_rois * (atlas.n_rois + one) // 2 for one in (-1, 1)} & {rows, columns}
    remedy = f"{CHOOSE}." if not pairs else f"These are as many numbers as there are pairs: connectivity? {LEAVE_OUT}"
    raise DataError(
        f"{where}: wrong number of ROIs. The atlas {atlas.name} has {atlas.n_rois}, so one axis has to be that long; "
        f"the array is {rows} x {columns}. {remedy}"
    )


def either_axis(n: int, atlas: Atlas, where: str, remedy: str) -> DataError:
    """Make the error of a square array without labels."""
    return DataError(
        f"{where}: it is {n} x {n} and the atlas {atlas.name} has {n} ROIs, so either axis could be time. {remedy}"
    )


def _skips_numbers(names: Sequence[str], atlas: Atlas) -> bool:
    """Tell numbers that are values of a label image, one of which is lacking, from those that count columns."""
    if not all(label.isdecimal() for label in atlas.labels):
        return False
    numbers = [int(name) for name in names]
    return numbers[-1] - numbers[0] >= len(numbers)
