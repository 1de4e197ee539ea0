"""The reference implementation's HDF5 layout: ``timeseries/<atlas part>`` [n, roi, frame] and ``long_subject_id``."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.files.hdf5_rows import (
    contents,
    dataset,
    open_hdf5,
    read_lengths,
    read_row,
    read_texts,
    without_padding,
)
from semantoks.signals.phenotypes import without_prefix
from semantoks.signals.recording import Recording
from semantoks.signals.sources.facts import FactTable
from semantoks.signals.sources.source import Item, row_item
from semantoks.types import RoiIndex

IDS, LENGTH, SERIES, LABELS = "long_subject_id", "ts_len", "timeseries", "labels"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A dataset and, for each of its ROIs, its column in the joined atlas (-1: not in it)."""

    dataset: str
    columns: RoiIndex


class ReferenceHdf5Source:
    """One recording a row; a participant that comes again has run 1, 2, ... The file says nothing about the TR.

    The parts of a joined atlas are found by name (``tian-s3`` is ``tian3``); the ROIs of a part that the file lacks
    are NaN. Labels of length n, at the root or under ``labels/``, make a participants table if none is given.

    Raises
    ------
    DataError
        If no dataset belongs to the atlas, or shapes do not agree with it or with each other.
    ConfigError
        If no repetition time can be known.
    """

    kind = "reference HDF5"

    def __init__(self, path: Path, *, atlas: Atlas, tr: float | None, participants: pd.DataFrame | None) -> None:
        self.path = path
        self._n_rois = atlas.n_rois
        with open_hdf5(path) as file:
            if IDS not in file:
                raise DataError(f"{path} has {SERIES}/ but no {IDS} (n,). It holds {contents(file)}.")
            self._ids = [without_prefix("sub", name) for name in read_texts(file, IDS)]
            self._runs = _count_runs(self._ids)
            self._parts = _find_parts(file[SERIES], atlas, len(self._ids), path)
            self._lengths = read_lengths(file, LENGTH) if LENGTH in file else None
            self._table = participants if participants is not None else _labels(file, self._ids, self._runs)
        self._facts = FactTable(self._table, tr)
        self._facts.require_any_tr(self.items())

    def items(self) -> list[Item]:
        """One recording a row of the file."""
        return [
            row_item(self.path, row, participant=participant, session="", run=run)
            for row, (participant, run) in enumerate(zip(self._ids, self._runs, strict=True))
        ]

    def participants(self) -> pd.DataFrame | None:
        """The table that was given, else the labels in the file, else None."""
        return self._table

    def read(self, item: Item) -> Recording:
        """Read one row; DataError if it has no data or its repetition time is unknown."""
        assert item.row is not None
        where = f"{self.path} row {item.row}"
        facts = self._facts.of(item)
        with open_hdf5(self.path) as file:
            group = file[SERIES]
            series = np.full((group[self._parts[0].dataset].shape[2], self._n_rois), np.nan, dtype=np.float32)
            for part in self._parts:
                known = part.columns >= 0
                series[:, part.columns[known]] = read_row(group[part.dataset], item.row, where).T[:, known]
        length = None if self._lengths is None else self._lengths[item.row]
        return facts.recording(item, without_padding(series, length, where), source=where)


def _count_runs(ids: list[str]) -> list[str]:
    """Number the recordings of each participant from 1."""
    seen: Counter[str] = Counter()
    runs = []
    for participant in ids:
        seen[participant] += 1
        runs.append(str(seen[participant]))
    return runs


def _find_parts(group: Any, atlas: Atlas, n: int, path: Path) -> list[_Part]:
    parts = []
    names = [part.partition(":")[0] for part in atlas.name.split("+")]
    for name in names:
        held = next((d for d in (name, name.replace("-s", "")) if d in group), None)
        if held is not None and len(names) == 1:
            parts.append(_Part(dataset=held, columns=np.arange(atlas.n_rois)))
        elif held is not None:
            column = {label: index for index, label in enumerate(atlas.labels)}
            labels = get_atlas(name).labels
            parts.append(_Part(dataset=held, columns=np.array([column.get(label, -1) for label in labels])))
    only = next(iter(group)) if len(group) == 1 else None
    if not parts and only is not None and dataset(group, only, 3).shape[1] == atlas.n_rois:
        parts.append(_Part(dataset=only, columns=np.arange(atlas.n_rois)))
    if not parts:
        raise DataError(
            f"{path}: no part of the atlas {atlas.name} ({atlas.n_rois} ROIs) is under {SERIES}/, which holds "
            f"{contents(group)}. Expected {' or '.join(names)} [n, roi, frame]."
        )
    shapes = [dataset(group, part.dataset, 3).shape for part in parts]
    for part, shape in zip(parts, shapes, strict=True):
        expected = (n, len(part.columns), shapes[0][-1])
        if shape != expected:
            raise DataError(
                f"{path}: {SERIES}/{part.dataset} has to be [n, roi, frame] = {list(expected)}, and is {list(shape)}."
            )
    return parts


def _labels(file: Any, ids: list[str], runs: list[str]) -> pd.DataFrame | None:
    """Labels as a table of one row a participant, or one a run if they vary within a participant."""
    columns: dict[str, Any] = {}
    for group in (file, file.get(LABELS)):
        for name, item in group.items() if isinstance(group, h5py.Group) else ():
            if name not in (IDS, LENGTH) and getattr(item, "shape", None) == (len(ids),):
                columns[name] = item[()] if item.dtype.kind in "biuf" else read_texts(group, name)
    if not columns:
        return None
    table = pd.DataFrame({"participant_id": ids, **columns})
    people = table.drop_duplicates(ignore_index=True)
    if people["participant_id"].is_unique:
        return people
    return pd.DataFrame({"participant_id": ids, "run_id": runs, **columns})
