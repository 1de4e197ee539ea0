"""One HDF5 array ``bold`` [n, roi, frame] with ``length`` and the ids of its rows beside it."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels, only_counts, pick
from semantoks.signals.files.hdf5_rows import (
    contents,
    dataset,
    open_hdf5,
    read_lengths,
    read_row,
    read_texts,
    without_padding,
)
from semantoks.signals.files.names import identify
from semantoks.signals.phenotypes import without_prefix
from semantoks.signals.reading import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.facts import FactTable
from semantoks.signals.sources.source import Item, row_item
from semantoks.types import RoiIndex

SERIES, LENGTH, PARTICIPANT, SCAN, SESSION, NAMES = (
    *("bold", "length", "participant_id", "scan_id", "session_id", "roi_name"),
)


class ArrayHdf5Source:
    """One recording a row, known by ``participant_id`` or ``scan_id``.

    A ``scan_id`` is looked up in the participants table's own ``scan_id`` column, else read like a file name
    (``sub-001_ses-1``). ``roi_name`` labels decide on the ROIs: what the array lacks is NaN; without them the number
    of ROIs has to be the atlas's. A participant and session that comes again has run 1, 2, ...

    Raises
    ------
    DataError
        If ids are absent, or shapes or labels do not fit the atlas or each other.
    ConfigError
        If no repetition time can be known.
    """

    kind = "HDF5 array"

    def __init__(
        self,
        path: Path,
        *,
        atlas: Atlas,
        tr: float | None,
        participants: pd.DataFrame | None,
        reading: ReadingConfig = EVERYTHING,
    ) -> None:
        self.path = path
        self._table = participants
        with open_hdf5(path) as file:
            shape = dataset(file, SERIES, 3).shape
            self._who = _identities(file, participants, path)
            self._lengths = read_lengths(file, LENGTH) if LENGTH in file else None
            for name, count in ((LENGTH, self._lengths), ("ids", self._who)):
                if count is not None and len(count) != shape[0]:
                    raise DataError(f"{path}: {SERIES} has {shape[0]} rows, but there are {len(count)} {name}.")
            self._positions = _positions(file, atlas, path, reading.reorder)
        self._facts = FactTable(participants, tr)
        self._facts.require_any_tr(self.items())

    def items(self) -> list[Item]:
        """One recording a row of the array."""
        total, seen = Counter(self._who), Counter[tuple[str, str]]()
        items = []
        for row, (participant, session) in enumerate(self._who):
            seen[participant, session] += 1
            run = str(seen[participant, session]) if total[participant, session] > 1 else ""
            items.append(row_item(self.path, row, participant=participant, session=session, run=run))
        return items

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def read(self, item: Item) -> Recording:
        """Read one row; DataError if it has no data or its repetition time is unknown."""
        assert item.row is not None
        where = f"{self.path} row {item.row}"
        facts = self._facts.of(item)
        with open_hdf5(self.path) as file:
            series = pick(read_row(file[SERIES], item.row, where).T, self._positions)
        length = None if self._lengths is None else self._lengths[item.row]
        return facts.recording(item, without_padding(series, length, where), source=where)


def _identities(file: Any, participants: pd.DataFrame | None, path: Path) -> list[tuple[str, str]]:
    """Participant and session of each row."""
    if PARTICIPANT in file:
        people = [without_prefix("sub", name) for name in read_texts(file, PARTICIPANT)]
        sessions = read_texts(file, SESSION) if SESSION in file else [""] * len(people)
        return [(who, without_prefix("ses", session)) for who, session in zip(people, sessions, strict=True)]
    if SCAN not in file:
        raise DataError(
            f"{path} has no {PARTICIPANT} and no {SCAN} (n,): whose are its rows? It holds {contents(file)}."
        )
    known: dict[str, tuple[str, str]] = {}
    if participants is not None and SCAN in participants:
        visits = participants["session_id"] if "session_id" in participants else [""] * len(participants)
        pairs = zip(participants["participant_id"], visits, strict=True)
        known = dict(zip(participants[SCAN].astype(str), pairs, strict=True))
    scans = read_texts(file, SCAN)
    names = {scan: identify(scan) for scan in scans}
    return [known.get(scan, (names[scan].participant, names[scan].session)) for scan in scans]


def _positions(file: Any, atlas: Atlas, path: Path, reorder: bool) -> RoiIndex:
    """Row of the array for each ROI of the atlas, -1 where it has none."""
    n = file[SERIES].shape[1]
    names = read_texts(file, NAMES) if NAMES in file else None
    if names is not None and len(names) != n:
        raise DataError(f"{path}: {SERIES} has {n} ROIs, but there are {len(names)} in {NAMES}.")
    if names is not None and not only_counts(names, bare=True):
        positions = match_labels(names, atlas, where=str(path), reorder=reorder)
        if positions is not None:
            return positions
        if not only_counts(names):
            raise DataError(
                f"{path}: none of its labels in {NAMES} (for example {names[0]!r}) is a label of the atlas "
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
