"""HDF5 files with one recording per row: an array ``bold`` with ids, or the reference implementation's layout."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Float, Float32
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels, pick
from semantoks.signals.files.counters import only_counts
from semantoks.signals.files.hdf5_parts import contents, dataset, open_hdf5, read_lengths, read_texts
from semantoks.signals.files.left_over import left_over
from semantoks.signals.files.names import identify
from semantoks.signals.files.series_file import refuse_elsewhere
from semantoks.signals.files.stated import StatedTR, plausible
from semantoks.signals.phenotypes import without_prefix
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_rows
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.storage.apart import read_apart
from semantoks.types import RoiIndex, Series

SERIES, LENGTH, PARTICIPANT, SCAN, SESSION, NAMES = (
    *("bold", "length", "participant_id", "scan_id", "session_id", "roi_name"),
)
"""Arrays of a file with one array ``bold``."""
OTHER_NAMES = ("roi_names", "roi_label", "roi_labels", "labels", "label")
"""What else the labels of the ROIs may be called, where they are texts and as many as the ROIs."""
SECONDS = ("tr", "TR", "RepetitionTime", "repetition_time")
"""What the repetition time, of all rows or of each, may be called."""
COLUMNS = {"sub": (PARTICIPANT,), "ses": (SESSION,), "task": ("task", "task_id"), "run": ("run", "run_id")}
"""What a row of such a file says about whose it is, and what the array may be called."""
GROUP, GROUP_IDS, GROUP_LENGTH, LABELS = "timeseries", "long_subject_id", "ts_len", "labels"
"""Arrays of the reference implementation's layout."""


def open_hdf5_source(request: Request, *, looked_for: str) -> OpenedSource:
    """Open an HDF5 file in whichever of the two layouts it is; DataError, with what was looked for, in neither."""
    opened: OpenedSource = read_apart(request.path, _open_any, request, looked_for)
    return opened


def _open_any(request: Request, looked_for: str) -> OpenedSource:
    with open_hdf5(request.path) as file:
        reference = isinstance(file.get(GROUP), h5py.Group)
        array = isinstance(file.get(SERIES), h5py.Dataset)
        found = contents(file)
    if reference:
        return _open_reference(request)
    if array:
        return _open_array(request)
    raise DataError(f"{request.path} is HDF5 of an unknown layout: it contains {found}. Looked for: {looked_for}.")


def open_array_hdf5(request: Request) -> OpenedSource:
    """Open an array ``bold`` [n, roi, frame], one recording per row, known by ``participant_id`` or ``scan_id``.

    A ``scan_id`` is looked up in the participants table's own ``scan_id`` column, else read like a file name
    (``sub-001_ses-1``). ``roi_name`` labels (or ``labels``) decide on the ROIs: what the array lacks is NaN; without
    them the number of ROIs has to be the atlas's. ``tr`` are seconds, of all rows or of each. A participant and session
    that is repeated has run 1, 2, ...

    Raises
    ------
    DataError
        If ids are absent, or shapes or labels do not fit the atlas or each other.
    ConfigError
        If no repetition time can be known.
    """
    opened: OpenedSource = read_apart(request.path, _open_array, request)
    return opened


def _open_array(request: Request) -> OpenedSource:
    path = request.path
    with open_hdf5(path) as file:
        rows = dataset(file, SERIES, 3).shape[0]
        whose = _identities(file, request.participants, path)
        lengths = read_lengths(file, LENGTH) if LENGTH in file else None
        for name, listed in ((LENGTH, lengths), ("ids", whose)):
            if listed is not None and len(listed) != rows:
                raise DataError(f"{path}: {SERIES} has {rows} rows, but there are {len(listed)} {name}.")
        positions = _positions(file, request.atlas, path, request.reading.reorder)
        called, names = _labels_of(file)
        seconds = _seconds(file, rows, path)
    items, notes = chosen_rows(path, whose, request.reading)
    notes += left_over(called, names or [], request.atlas, reorder=request.reading.reorder)
    facts = request.facts(files_say=seconds is not None)
    read = partial(_read_array, lengths=lengths, seconds=seconds, facts=facts, positions=positions)
    return OpenedSource(request, kind="HDF5 array", items=items, facts=facts, read=read, notes=notes)


def _labels_of(file: Any) -> tuple[str, list[str] | None]:
    """Give what the labels of the ROIs are called, and the labels; None without any."""
    if NAMES in file:
        return NAMES, read_texts(file, NAMES)
    for name in OTHER_NAMES:
        item = file.get(name)
        if isinstance(item, h5py.Dataset) and item.shape == file[SERIES].shape[1:2] and item.dtype.kind in "SOU":
            return name, read_texts(file, name)
    return NAMES, None


def _seconds(file: Any, rows: int, path: Path) -> list[StatedTR] | None:
    """Give the repetition time that a file states for each row; None where it does not."""
    name = _first_in(file, SECONDS)
    item = file.get(name) if name else None
    if not isinstance(item, h5py.Dataset) or item.shape not in ((), (1,), (rows,)) or item.dtype.kind not in "fiu":
        return None
    refuse_elsewhere(item, path)
    values = np.broadcast_to(np.asarray(item[()], dtype=np.float64), (rows,)).tolist()
    return [plausible(value, f"{name} of {path.name}") for value in values]


def _read_array(
    item: Item,
    *,
    lengths: Sequence[int] | None,
    seconds: Sequence[StatedTR] | None,
    facts: FactTable,
    positions: RoiIndex,
) -> Recording:
    """Read one row; DataError if it has no data or its repetition time is unknown."""
    assert item.row is not None
    where = f"{item.path} row {item.row}"
    known = facts.of(item, None if seconds is None else seconds[item.row])
    (row,) = _rows(item.path, [SERIES], item.row)
    series = pick(row.T, positions)
    length = None if lengths is None else lengths[item.row]
    return known.recording(item, without_padding(series, length, where), source=where)


def _identities(file: Any, participants: pd.DataFrame | None, path: Path) -> list[dict[str, str]]:
    """Give the BIDS entities of each row, ``sub`` among them."""
    if PARTICIPANT in file:
        columns = {entity: name for entity, names in COLUMNS.items() if (name := _first_in(file, names))}
        texts = {entity: read_texts(file, name) for entity, name in columns.items()}
        for entity, column in texts.items():
            if len(column) != len(texts["sub"]):
                raise DataError(
                    f"{path}: there are {len(texts['sub'])} {PARTICIPANT}, but {len(column)} {columns[entity]}."
                )
        return [
            {entity: without_prefix(entity, column[row]) for entity, column in texts.items() if column[row]}
            | {"sub": without_prefix("sub", name)}
            for row, name in enumerate(texts["sub"])
        ]
    if SCAN not in file:
        raise DataError(
            f"{path} has no {PARTICIPANT} and no {SCAN} (n,): whose are its rows? It contains {contents(file)}."
        )
    listed: dict[str, tuple[str, str]] = {}
    if participants is not None and SCAN in participants:
        visits = participants["session_id"] if "session_id" in participants else [""] * len(participants)
        pairs = zip(participants["participant_id"], visits, strict=True)
        listed = dict(zip(participants[SCAN].astype(str), pairs, strict=True))
    return [_scan_entities(scan, listed.get(scan)) for scan in read_texts(file, SCAN)]


def _first_in(file: Any, names: Sequence[str]) -> str:
    return next((name for name in names if name in file), "")


def _scan_entities(scan: str, listed: tuple[str, str] | None) -> dict[str, str]:
    """Read the entities of a scan's name; the table has the say in whose it is."""
    found = identify(scan)
    if listed is not None:
        found = replace(found, participant=listed[0], session=listed[1])
    return found.labels


def _positions(file: Any, atlas: Atlas, path: Path, reorder: bool) -> RoiIndex:
    """Row of the array for each ROI of the atlas, -1 where it has none."""
    n = file[SERIES].shape[1]
    called, names = _labels_of(file)
    if names is not None and len(names) != n:
        raise DataError(f"{path}: {SERIES} has {n} ROIs, but there are {len(names)} in {called}.")
    if names is not None and not only_counts(names, bare=True):
        positions = match_labels(names, atlas, where=str(path), reorder=reorder)
        if positions is not None:
            return positions
        if not only_counts(names):
            raise DataError(
                f"{path}: none of its labels in {called} (for example {names[0]!r}) is a label of the atlas "
                f"{atlas.name} (for example {atlas.labels[0]!r}). Choose the atlas that it was made with."
            )
    if n != atlas.n_rois:
        shape = list(file[SERIES].shape)
        hint = " Its last axis is as long as the atlas: swap the last two axes." if shape[2] == atlas.n_rois else ""
        raise DataError(
            f"{path}: wrong number of ROIs. {SERIES} is {shape} and has to be [n, roi, frame]; the atlas {atlas.name} "
            f"has {atlas.n_rois} ROIs.{hint}"
        )
    return np.arange(n)


@dataclass(frozen=True, kw_only=True)
class _AtlasPart:
    """A dataset and, for each of its ROIs, its column in the joined atlas (-1: not in it)."""

    dataset: str
    columns: RoiIndex


def open_reference_hdf5(request: Request) -> OpenedSource:
    """Open ``timeseries/<atlas part>`` [n, roi, frame], one recording per row, of the people in ``long_subject_id``.

    A participant that is repeated has run 1, 2, ... The file does not state the repetition time. The parts of a joined
    atlas are found by name (``tian-s3`` is ``tian3``); the ROIs of a part that the file lacks are NaN. Labels of length
    n, at the root or under ``labels/``, make a participants table if none is given.

    Raises
    ------
    DataError
        If no dataset belongs to the atlas, or shapes do not agree with it or with each other.
    ConfigError
        If no repetition time can be known.
    """
    opened: OpenedSource = read_apart(request.path, _open_reference, request)
    return opened


def _open_reference(request: Request) -> OpenedSource:
    path = request.path
    with open_hdf5(path) as file:
        refuse_elsewhere(file[GROUP], path)
        if GROUP_IDS not in file:
            raise DataError(f"{path} has {GROUP}/ but no {GROUP_IDS} (n,). It contains {contents(file)}.")
        ids = [without_prefix("sub", name) for name in read_texts(file, GROUP_IDS)]
        number: dict[str, Iterator[int]] = defaultdict(lambda: count(1))
        runs = [str(next(number[participant])) for participant in ids]
        parts = _find_parts(file[GROUP], request.atlas, len(ids), path)
        idle = _idle_parts(file[GROUP], parts, request.atlas)
        lengths = read_lengths(file, GROUP_LENGTH) if GROUP_LENGTH in file else None
        table = request.participants if request.participants is not None else _labels(file, ids, runs)
    facts = FactTable(table, request.tr)
    rows = [{"sub": participant, "run": run} for participant, run in zip(ids, runs, strict=True)]
    items, notes = chosen_rows(path, rows, request.reading)
    return OpenedSource(
        request,
        kind="reference HDF5",
        items=items,
        facts=facts,
        read=partial(_read_reference, parts=parts, lengths=lengths, facts=facts, n_rois=request.atlas.n_rois),
        notes=[*notes, *idle],
        table=table,
    )


def _read_reference(
    item: Item, *, parts: Sequence[_AtlasPart], lengths: Sequence[int] | None, facts: FactTable, n_rois: int
) -> Recording:
    """Read one row; DataError if it has no data or its repetition time is unknown."""
    assert item.row is not None
    where = f"{item.path} row {item.row}"
    known = facts.of(item)
    rows = _rows(item.path, [f"{GROUP}/{part.dataset}" for part in parts], item.row)
    series = np.full((rows[0].shape[1], n_rois), np.nan, dtype=np.float32)
    for part, row in zip(parts, rows, strict=True):
        there = part.columns >= 0
        series[:, part.columns[there]] = row.T[:, there]
    length = None if lengths is None else lengths[item.row]
    return known.recording(item, without_padding(series, length, where), source=where)


def _find_parts(group: Any, atlas: Atlas, n: int, path: Path) -> list[_AtlasPart]:
    parts = []
    names = [name.partition(":")[0] for name in atlas.name.split("+")]
    for name in names:
        found = next((d for d in (name, name.replace("-s", "")) if d in group), None)
        if found is not None and len(names) == 1:
            parts.append(_AtlasPart(dataset=found, columns=np.arange(atlas.n_rois)))
        elif found is not None:
            column = {label: index for index, label in enumerate(atlas.labels)}
            labels = get_atlas(name).labels
            parts.append(_AtlasPart(dataset=found, columns=np.array([column.get(label, -1) for label in labels])))
    only = next(iter(group)) if len(group) == 1 else None
    if not parts and only is not None and dataset(group, only, 3).shape[1] == atlas.n_rois:
        parts.append(_AtlasPart(dataset=only, columns=np.arange(atlas.n_rois)))
    if not parts:
        raise DataError(
            f"{path}: no part of the atlas {atlas.name} ({atlas.n_rois} ROIs) is under {GROUP}/, which contains "
            f"{contents(group)}. Expected {' or '.join(names)} [n, roi, frame]."
        )
    shapes = [dataset(group, part.dataset, 3).shape for part in parts]
    for part, shape in zip(parts, shapes, strict=True):
        expected = (n, len(part.columns), shapes[0][-1])
        if shape != expected:
            raise DataError(
                f"{path}: {GROUP}/{part.dataset} has to be [n, roi, frame] = {list(expected)}, and is {list(shape)}."
            )
    return parts


def _idle_parts(group: Any, parts: Sequence[_AtlasPart], atlas: Atlas) -> list[str]:
    """Say which datasets are no part of the atlas, and which atlas would take them."""
    used = {part.dataset for part in parts}
    idle = [name for name, item in group.items() if name not in used and isinstance(item, h5py.Dataset)]
    ours = {short: name for name in list_atlases() for short in (name.replace("-s", ""), name)}
    wider = "+".join([atlas.name, *(ours[name] for name in idle if name in ours)])
    remedy = f"; --atlas {wider} takes them" if ":" not in atlas.name and all(name in ours for name in idle) else ""
    return [f"left out, no part of {atlas.name}: {GROUP}/{f', {GROUP}/'.join(idle)}{remedy}"] if idle else []


def _labels(file: Any, ids: list[str], runs: list[str]) -> pd.DataFrame | None:
    """Labels as a table of one row per participant, or per run if they vary within a participant."""
    columns: dict[str, Any] = {}
    for group in (file, file.get(LABELS)):
        for name, item in group.items() if isinstance(group, h5py.Group) else ():
            if name not in (GROUP_IDS, GROUP_LENGTH) and getattr(item, "shape", None) == (len(ids),):
                refuse_elsewhere(item, file.filename)
                columns[name] = item[()] if item.dtype.kind in "biuf" else read_texts(group, name)
    if not columns:
        return None
    table = pd.DataFrame({"participant_id": ids, **columns})
    people = table.drop_duplicates(ignore_index=True)
    if people["participant_id"].is_unique:
        return people
    return pd.DataFrame({"participant_id": ids, "run_id": runs, **columns})


def _rows(path: Path, names: Sequence[str], row: int) -> list[Float32[ndarray, "roi frame"]]:
    """Read one recording [roi, frame] from each of some arrays; DataError if that part of the file is damaged."""
    found: list[Float32[ndarray, "roi frame"]] = read_apart(path, _read_rows, path, list(names), row)
    return found


def _read_rows(path: Path, names: Sequence[str], row: int) -> list[Float32[ndarray, "roi frame"]]:
    with open_hdf5(path) as file:
        found = []
        for name in names:
            refuse_elsewhere(file[name], path)
            try:
                found.append(np.asarray(file[name][row], dtype=np.float32))
            except OSError as error:
                where = f"{path} row {row}: it cannot be read from {file[name].name}"
                raise DataError(f"{where}, the file is damaged: {error}.") from error
        return found


def without_padding(series: Series, length: int | None, where: str) -> Float[ndarray, "kept roi"]:
    """Cut a recording to its stated ``length`` in frames, then cut the frames at the end in which every ROI is NaN.

    Raises
    ------
    DataError
        If ``length`` is not between 0 and the number of frames, or no frame is left.
    """
    if length is not None and not 0 <= length <= series.shape[0]:
        raise DataError(f"{where}: its stated length is {length} frames, but there is room for {series.shape[0]}.")
    series = series[:length]
    filled = np.flatnonzero(~np.isnan(series).all(axis=1))
    if len(filled) == 0:
        raise DataError(f"{where}: it has no frame with data.")
    return series[: filled[-1] + 1]
