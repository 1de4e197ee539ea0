"""CONN toolbox: denoised series of ROIs in ``results/preprocessing/ROI_Subject###_Condition###.mat``."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Num, Shaped
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.spelling import shown
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels, pick
from semantoks.signals.files.names import BidsFile, chosen_runs
from semantoks.signals.files.series_file import read_cells, read_field
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import by_run, run_items, the_only
from semantoks.signals.sources.source import FactTable, Item
from semantoks.types import RoiIndex

NAME = re.compile(r"ROI_Subject(\d+)_Condition(\d+)\.mat")
PLACES = ("", "results/preprocessing/", "*/results/preprocessing/")
"""Where the files are, from their own folder, a project, or the folder of a project."""
ALL = "000"
"""The condition that is the whole recording."""
TISSUES = ("grey matter", "gray matter", "white matter", "csf")


class ConnSource:
    """One recording a subject: condition 000, which is all of its frames, sessions end to end, else the only one.

    A condition is what is a task elsewhere, and ``task_label`` chooses it. The participant is CONN's number of the
    subject. ROIs are found by name, without the name of their ROI file in front (``atlas.``); of an ROI with several
    dimensions, the first is its mean. The repetition time is ``Setup.RT`` of the project's own file, where that
    lies beside its folder. The files do not say whether they were band-passed.

    Raises
    ------
    ConfigError
        When there are several conditions without 000, several projects, or no repetition time can be known.
    DataError
        When there is no such file.
    """

    kind = "CONN"

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
        self._atlas, self._table, self._reading = atlas, participants, reading
        files = _find(path)
        if not files:
            raise DataError(
                f"{path} has no series of CONN: looked for results/preprocessing/ROI_Subject..._Condition....mat."
            )
        chosen = chosen_runs(files, reading, path)
        kept = chosen if reading.task_label else _whole_recordings(chosen, path)
        self._left_out = len({one.path for one in chosen} - {one.path for one in kept})
        self._items = run_items([found[0] for found in by_run(kept, path).values()])
        self._project, self._seconds = _project_tr(self._items[0].path)
        self._facts = FactTable(participants, tr, files_say=bool(self._seconds))
        if not self._seconds:
            self._facts.require_any_tr(self._items)

    def items(self) -> list[Item]:
        """One item a subject, or a subject and condition where several are asked for."""
        return list(self._items)

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say who the participants are, what is not known, and what is left out."""
        found = [
            "participants are CONN's numbers of subjects: the participants table has to call them 001, 002, ...",
            "CONN's files do not say whether they were band-passed: if so, pass --already-filtered",
        ]
        if self._left_out:
            found.append(f"{self._left_out} files of other conditions left out: their frames are in condition {ALL}")
        return found

    def read(self, item: Item) -> Recording:
        """Read one file; DataError when it has no ROI of the atlas or its repetition time is unknown."""
        facts = self._facts.of(item, self._stated_tr(item))
        where = str(item.path)
        if not item.path.exists():
            raise DataError(f"{where} is not there, although other conditions of this subject are.")
        data, texts = read_cells(item.path, "data", "names")
        names = [str(text.item()) if text.dtype.kind == "U" and text.size == 1 else "" for text in texts]
        if len(names) != len(data):
            raise DataError(f"{where} has {len(data)} series, but {len(names)} names.")
        names = ["" if i < 3 and name.lower() in TISSUES else name for i, name in enumerate(names)]
        positions = _match(names, self._atlas, where, reorder=self._reading.reorder)
        return facts.recording(item, pick(_columns(data, where), positions), source=where)

    def _stated_tr(self, item: Item) -> StatedTR:
        """Take the project's one repetition time, or the subject's."""
        where = f"Setup.RT of {self._project}"
        number = int(item.participant) - 1
        if len(self._seconds) == 1:
            return StatedTR(seconds=self._seconds[0], where=where)
        if number < len(self._seconds):
            return StatedTR(seconds=self._seconds[number], where=f"{where}, subject {item.participant}")
        return StatedTR(seconds=None, where=f"{where} has none of subject {item.participant}")


def is_conn(path: Path) -> bool:
    """Tell a project of CONN, its folder of preprocessed series, or the folder that it is in."""
    return bool(_find(path))


def _find(root: Path) -> list[BidsFile]:
    """List the files, with subject and condition as entities; nothing is opened."""
    paths = [path for place in PLACES for path in sorted(root.glob(f"{place}ROI_Subject*_Condition*.mat"))]
    told = [(path, found) for path in paths if (found := NAME.fullmatch(path.name))]
    return [
        BidsFile(path=path, entities={"sub": found[1], "task": found[2]}, suffix="", extension=".mat")
        for path, found in told
    ]


def _project_tr(series: Path) -> tuple[str, tuple[float, ...]]:
    """Read the repetition times in the project's own file, ``<project>.mat`` beside its folder; none without it."""
    folder = series.absolute().parent.parent.parent
    project = folder.with_name(f"{folder.name}.mat")
    if not project.is_file():
        return project.name, ()
    stated = read_field(project, "CONN_x.Setup.RT")
    return project.name, () if stated is None else tuple(float(one) for one in stated.ravel())


def _whole_recordings(files: list[BidsFile], root: Path) -> list[BidsFile]:
    """Keep condition 000, or else the only one; where a subject lacks 000, it is listed all the same."""
    if not any(one.entities["task"] == ALL for one in files):
        remedy = "Choose one with --task-label."
        the_only((one.entities["task"] for one in files), what="conditions", root=root, remedy=remedy)
        return files
    whole = {}
    for one in files:
        path = one.path.with_name(f"ROI_Subject{one.entities['sub']}_Condition{ALL}.mat")
        whole[path] = replace(one, path=path, entities={**one.entities, "task": ALL})
    return list(whole.values())


def _columns(data: Sequence[Shaped[ndarray, "..."]], where: str) -> Num[ndarray, "frame roi"]:
    """Take the first dimension of each ROI, [frame, dimension]; an ROI that is empty is NaN."""
    lengths = sorted({len(one) for one in data if one.size})
    if len(lengths) != 1 or not all(one.ndim == 2 and one.dtype.kind in "fiu" for one in data):
        raise DataError(
            f"{where}: its data have to be arrays of numbers [frame, dimension] of one length, but their lengths are "
            f"{', '.join(map(str, lengths)) or 'not known'}, or some are no such arrays."
        )
    return np.stack([one[:, 0] if one.size else np.full(lengths[0], np.nan) for one in data], axis=1)


def _match(names: Sequence[str], atlas: Atlas, where: str, *, reorder: bool) -> RoiIndex:
    """Position among ``names`` of each ROI of the atlas, -1 where it is absent.

    The names of each ROI file are matched by themselves, because those of two scales of an atlas are equal; the file
    that has most goes first, and others fill in what it lacks.
    """
    groups: dict[str, dict[int, str]] = defaultdict(dict, {"": dict(enumerate(names))})
    for i, name in enumerate(names):
        file, point, label = name.partition(".")
        if point:
            groups[file][i] = label
    found, refusals = [], []
    for columns in groups.values():
        try:
            positions = match_labels(list(columns.values()), atlas, where=where, reorder=reorder)
        except DataError as error:
            refusals.append(error)
            continue
        if positions is not None:
            found.append(np.where(positions >= 0, np.array(list(columns))[positions], -1))
    if not found and refusals:
        raise refusals[0]
    if not found:
        raise DataError(
            f"{where}: none of its {len(names)} ROIs is one of the atlas {atlas.name}: it has "
            f"{shown(filter(None, names), 3)}, the atlas {shown(atlas.labels, 3)}. Give CONN the atlas as an ROI file "
            "with these labels, or choose an atlas from a table (FILE.tsv) with CONN's names."
        )
    found.sort(key=lambda positions: -int((positions >= 0).sum()))
    filled = found[0]
    for positions in found[1:]:
        filled = np.where(filled >= 0, filled, positions)
    return filled
