"""Recordings that are in memory already: as a source, and out of arrays of neurocaps and nilearn's maskers."""

import dataclasses
import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Num
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import either_axis, in_atlas_order
from semantoks.signals.files.counters import only_counts
from semantoks.signals.files.dialect import bare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import row_items
from semantoks.signals.sources.source import Item
from semantoks.types import Series

RUN = re.compile(r"^run[-_]")
BACKGROUND = "background"
"""What nilearn's lists of labels have first, for the voxels outside of all ROIs."""


class MemorySource:
    """Recordings of your own, in the order given; their series are in the order of the atlas.

    A participant, session and run that is repeated gets the runs 1, 2, ...

    Raises
    ------
    DataError
        When there is none.
    """

    kind = "recordings in memory"

    def __init__(self, recordings: Sequence[Recording], *, atlas: Atlas | Path | str) -> None:
        if not recordings:
            raise DataError("there are no recordings: the list is empty.")
        self.path = Path("memory")
        self._recordings, self._n_rois = list(recordings), get_atlas(atlas).n_rois

    def items(self) -> list[Item]:
        """One item per recording."""
        return row_items(self.path, [(one.participant, one.session, one.run) for one in self._recordings])

    def participants(self) -> pd.DataFrame | None:
        """None: recordings say nothing else about people."""
        return None

    def read(self, item: Item) -> Recording:
        """Hand one over; DataError when it does not have the atlas's number of ROIs."""
        assert item.row is not None
        recording = self._recordings[item.row]
        frames, rois = np.shape(recording.series)
        if rois != self._n_rois:
            hint = " Is it transposed?" if frames == self._n_rois else ""
            raise DataError(
                f"{recording.source}: wrong number of ROIs. The atlas has {self._n_rois}, the series is [frame, roi] = "
                f"[{frames}, {rois}].{hint}"
            )
        return dataclasses.replace(recording, run=item.run)


def recordings_from_mapping(
    timeseries: Any,
    *,
    tr: float | None,
    labels: Sequence[str | bytes] | ndarray | None = None,
    atlas: Atlas | Path | str,
    reorder: bool = False,
) -> list[Recording]:
    """Make recordings of participant -> run -> array, as ``subject_timeseries`` of neurocaps has them.

    Parameters
    ----------
    timeseries
        A mapping of mappings. Each array is [frame, roi], or a DataFrame whose columns are labels; runs are called
        ``run-1``, ``run_1`` or 1.
    tr
        Repetition time of all of them, seconds. None, as a masker without ``t_r`` has it, is refused.
    labels
        What the columns are, for all arrays; without them their number has to be the atlas's.
    atlas
        The recordings get its order; ROIs that are lacking by label are NaN.
    reorder
        Take labels of Schaefer's other order of networks (7 or 17) for the same parcels of the atlas.

    Raises
    ------
    DataError
        If it is no such mapping, two runs of a participant have the same name, or an array does not fit the atlas.
    """
    if not isinstance(timeseries, Mapping) or not timeseries:
        raise DataError(
            f"time series have to be participant -> run -> array, not {_shown(timeseries)}. For a list of arrays, use "
            "recordings_from_arrays."
        )
    seconds = _seconds(tr)
    columns = _ArrayColumns(atlas=get_atlas(atlas), labels=labels, reorder=reorder)
    recordings: dict[tuple[str, str], Recording] = {}
    for participant, runs in timeseries.items():
        if not isinstance(runs, Mapping) or not runs:
            raise DataError(f"participant {participant}: expected a mapping of run -> array, not {_shown(runs)}.")
        for run, values in runs.items():
            where = f"participant {participant} run {run}"
            series = columns.series(values, where)
            made = Recording(
                series=series, tr=seconds, participant=str(participant), run=RUN.sub("", str(run)), source=where
            )
            if (made.participant, made.run) in recordings:
                raise DataError(f"{where}: this participant has another run {made.run!r}. Give it another name.")
            recordings[made.participant, made.run] = made
    return list(recordings.values())


def recordings_from_arrays(
    arrays: Any,
    *,
    tr: float | Sequence[float | None] | ndarray | None,
    participants: Sequence[str | int] | None = None,
    sessions: Sequence[str | int] | None = None,
    runs: Sequence[str | int] | None = None,
    labels: Sequence[str | bytes] | ndarray | None = None,
    atlas: Atlas | Path | str,
    reorder: bool = False,
) -> list[Recording]:
    """Make recordings of what nilearn's maskers give: a list of arrays [frame, roi], or one [n, frame, roi].

    Parameters
    ----------
    arrays
        An element may be a DataFrame whose columns are labels, as ``set_output(transform="pandas")`` makes it.
    tr
        Repetition time of all of them in seconds, or one for each.
    participants, sessions, runs
        One for each array; without ``participants`` every array is somebody else, called 1, 2, ...
    labels
        What the columns are, for all arrays; without them, and without columns of a DataFrame, their number has to be
        the atlas's. Maskers leave out ROIs that are not in the image unless ``keep_masked_labels``: give labels then.
        nilearn's atlases have labels as bytes, or with "Background" first: that is no column.
    atlas, reorder
        See ``recordings_from_mapping``.

    Raises
    ------
    DataError
        If it is no such list, lengths differ, or an array does not fit the atlas.
    """
    listed = _listed(arrays)
    columns = _ArrayColumns(atlas=get_atlas(atlas), labels=labels, reorder=reorder)
    one_each: dict[str, list[Any]] = {
        "tr": [_seconds(one) for one in ([tr] * len(listed) if np.ndim(tr) == 0 else list(tr))],  # type: ignore[arg-type]
        "participants": list(range(1, len(listed) + 1) if participants is None else participants),
        "sessions": list([""] * len(listed) if sessions is None else sessions),
        "runs": list([""] * len(listed) if runs is None else runs),
    }
    for name, given in one_each.items():
        if len(given) != len(listed):
            raise DataError(f"there are {len(listed)} arrays, but {len(given)} {name}: give one for each.")
    recordings = []
    for index, (values, seconds, *who) in enumerate(zip(listed, *one_each.values(), strict=True)):
        participant, session, run = map(str, who)
        where = f"array {index} (participant {participant})"
        series = columns.series(values, where)
        recordings.append(
            Recording(series=series, tr=seconds, participant=participant, session=session, run=run, source=where)
        )
    return recordings


@dataclass(frozen=True, kw_only=True)
class _ArrayColumns:
    """What the columns of arrays are: labels for all of them, if any, and the atlas whose order they get."""

    atlas: Atlas
    labels: Sequence[str | bytes] | ndarray | None
    reorder: bool

    def series(self, values: Any, where: str) -> Series:
        """Bring one array, or DataFrame, into the order of the atlas."""
        array, names = _array(values, where), self._names(values, where)
        rows, columns = array.shape
        if names is not None and len(names) - 1 in (rows, columns) and names[0].lower() == BACKGROUND:
            names = names[1:]
        if names is not None and len(names) not in (rows, columns):
            raise DataError(
                f"{where}: there are {len(names)} labels, but the array is {rows} x {columns}: give each column one. "
                "nilearn's maskers leave out ROIs that are not in the image; their region_names_ say which are left."
            )
        if names is None and rows == columns == self.atlas.n_rois:
            raise either_axis(rows, self.atlas, where, "Say what the columns are with labels=.")
        in_columns = names is None or len(names) == columns
        return in_atlas_order(
            array,
            self.atlas,
            column_names=names if in_columns else None,
            row_names=None if in_columns else names,
            where=where,
            reorder=self.reorder,
        )

    def _names(self, values: Any, where: str) -> list[str] | None:
        """Take the labels that were given, else a DataFrame's columns unless they only count."""
        columns = getattr(values, "columns", None)
        own = None if columns is None else [_label(name) for name in columns]
        own = None if own is None or only_counts(own, bare=True) else own
        given = None if self.labels is None else [_label(label) for label in self.labels]
        if own is not None and given is not None and own != given:
            raise DataError(f"{where}: its columns have other names than the labels that were given. Leave those out.")
        return given if given is not None else own


def _label(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else bare(str(name))


def _seconds(tr: Any) -> float:
    """Check that a repetition time is a number; whether it can be one, the recording checks."""
    try:
        return float(tr)
    except (TypeError, ValueError):
        raise DataError(
            f"tr has to be the repetition time in seconds, or one for each array, not {tr!r}. It is never guessed: "
            "it is the t_r of the masker, or RepetitionTime in the image's sidecar."
        ) from None


def _listed(arrays: Any) -> list[Any]:
    """Take a list, or the first axis of one array, apart."""
    if isinstance(arrays, ndarray) and arrays.ndim == 1 and arrays.dtype.kind in "fiu":
        _array(arrays, "the array")  # says what it is
    several = getattr(arrays, "ndim", 1) in (1, 3) and not isinstance(arrays, str | bytes | Mapping)
    if not several or not isinstance(arrays, Sized) or not len(arrays):
        raise DataError(
            f"expected a list of arrays [frame, roi], or one [n, frame, roi], not {_shown(arrays)}. One recording is a "
            "list of one: [array]."
        )
    return list(arrays)  # type: ignore[call-overload,no-any-return]


def _array(values: Any, where: str) -> Num[ndarray, "frame column"]:
    """Check that it is a 2-D array of real numbers."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{where}: it is no array [frame, roi]: {error}.") from error
    if array.ndim == 1:
        raise DataError(
            f"{where}: it is 1-D, {len(array)} values. That is what a masker of nilearn (0.12 and later) makes of one "
            "volume, a 3-D image: transform the 4-D image of the whole run."
        )
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(f"{where}: expected an array [frame, roi] of real numbers, not {_shown(array)}.")
    return array


def _shown(values: Any) -> str:
    name = type(values).__name__
    if (shape := getattr(values, "shape", None)) is not None:
        return f"{name} {list(shape)} of {getattr(values, 'dtype', 'columns')}"
    return f"an empty {name}" if isinstance(values, Sized) and not len(values) else name
