"""CONN toolbox: denoised series of ROIs in ``results/preprocessing/ROI_Subject###_Condition###.mat``."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Num, Shaped
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.spelling import shown
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.files.columns import find_fitting, match_labels, pick
from semantoks.signals.files.names import BidsFile
from semantoks.signals.files.series_file import read_cells, read_field
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import one_per_run, the_only
from semantoks.types import RoiIndex

NAME = re.compile(r"ROI_Subject(\d+)_Condition(\d+)\.mat")
FOLDERS = ("", "results/preprocessing/", "*/results/preprocessing/")
"""Where the files are, from their own folder, a project, or the folder of a project."""
ALL = "000"
"""The condition that is the whole recording."""
TISSUES = ("grey matter", "gray matter", "white matter", "csf")


def open_conn(request: Request) -> OpenedSource:
    """Open a project, one recording per subject: condition 000 (all frames, sessions end to end), else the only one.

    A condition is what other tools call a task, and ``task_label`` chooses it. The participant is CONN's number of the
    subject. ROIs are found by name, without the name of their ROI file in front (``atlas.``); of an ROI with several
    dimensions, the first is its mean. The repetition time is ``Setup.RT`` of the project's own file, where that is
    beside its folder. The files do not say whether they were band-passed.

    Raises
    ------
    ConfigError
        When there are several conditions without 000, several projects, or no repetition time can be known.
    DataError
        When there is no such file.
    """
    path, reading = request.path, request.reading
    files = _find(path)
    if not files:
        raise DataError(
            f"{path} has no series of CONN: looked for results/preprocessing/ROI_Subject..._Condition....mat."
        )
    meant = files if reading.task_label else _whole_recordings(files, path)
    kept, left_out = chosen_runs(meant, reading, path)
    items = run_items(one_per_run(kept, path).values())
    project = _read_project(items[0].path)
    facts = request.facts(files_say=bool(project.seconds))
    notes = [
        "participants are CONN's numbers of subjects: the participants table has to call them 001, 002, ...",
        "CONN's files do not say whether they were band-passed: if so, pass --already-filtered",
        *left_out,
    ]
    if parts := len({one.path for one in files} - {one.path for one in meant}):
        notes.append(f"{plural(parts, 'file')} of other conditions left out: their frames are in condition {ALL}")
    return OpenedSource(
        request,
        kind="CONN",
        items=items,
        facts=facts,
        read=partial(_read, project=project, facts=facts, atlas=request.atlas, reorder=reading.reorder),
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class _Project:
    """The project's own file and the repetition times in it, seconds: one for all subjects, or one for each."""

    name: str
    seconds: tuple[float, ...]

    def stated_tr(self, subject: str) -> StatedTR:
        """Take the project's one repetition time, or the subject's."""
        where = f"Setup.RT of {self.name}"
        number = int(subject) - 1
        one = len(self.seconds) == 1
        if not one and number >= len(self.seconds):
            return StatedTR(seconds=None, where=f"{where} has none for subject {subject}")
        seconds, where = (self.seconds[0], where) if one else (self.seconds[number], f"{where}, subject {subject}")
        if math.isnan(seconds):
            return StatedTR(seconds=None, where=f"{where}: NaN")
        return StatedTR(seconds=seconds, where=where)


def _read(item: Item, *, project: _Project, facts: FactTable, atlas: Atlas, reorder: bool) -> Recording:
    """Read one file; DataError when it has no ROI of the atlas or its repetition time is unknown."""
    known = facts.of(item, project.stated_tr(item.participant))
    where = str(item.path)
    if not item.path.exists():
        raise DataError(f"{where} does not exist, although other conditions of this subject do.")
    data, texts = read_cells(item.path, "data", "names")
    names = [str(text.item()) if text.dtype.kind == "U" and text.size == 1 else "" for text in texts]
    if len(names) != len(data):
        raise DataError(f"{where} has {len(data)} series, but {len(names)} names.")
    names = ["" if i < 3 and name.lower() in TISSUES else name for i, name in enumerate(names)]
    positions = _match(names, atlas, where, reorder=reorder)
    return known.recording(item, pick(_columns(data, where), positions), source=where)


def is_conn(path: Path) -> bool:
    """Recognise a project of CONN, its folder of preprocessed series, or the folder that it is in."""
    return bool(_find(path))


def _find(root: Path) -> list[BidsFile]:
    """List the files, with subject and condition as entities; nothing is opened."""
    paths = [path for folder in FOLDERS for path in sorted(root.glob(f"{folder}ROI_Subject*_Condition*.mat"))]
    named = [(path, found) for path in paths if (found := NAME.fullmatch(path.name))]
    return [
        BidsFile(path=path, entities={"sub": found[1], "task": found[2]}, extension=".mat") for path, found in named
    ]


def _read_project(series: Path) -> _Project:
    """Read the repetition times in the project's own file, ``<project>.mat`` beside its folder; none without it."""
    folder = series.absolute().parent.parent.parent
    path = folder.with_name(f"{folder.name}.mat")
    stated = read_field(path, "CONN_x.Setup.RT") if path.is_file() else None
    return _Project(name=path.name, seconds=() if stated is None else tuple(float(one) for one in stated.ravel()))


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
    labels_of: dict[str, dict[int, str]] = defaultdict(dict, {"": dict(enumerate(names))})
    for i, name in enumerate(names):
        file, point, label = name.partition(".")
        if point:
            labels_of[file][i] = label

    def positions_of(file: str) -> RoiIndex | None:
        labels = labels_of[file]
        positions = match_labels(list(labels.values()), atlas, where=where, reorder=reorder)
        return None if positions is None else np.where(positions >= 0, np.array(list(labels))[positions], -1)

    fitting = find_fitting(labels_of, positions_of)
    if not fitting.positions:
        foreign = (
            f"{where}: none of its {len(names)} ROIs is one of the atlas {atlas.name}: it has "
            f"{shown(filter(None, names), 3)}, the atlas {shown(atlas.labels, 3)}. Give CONN the atlas as an ROI file "
            "with these labels, or choose an atlas from a table (FILE.tsv) with CONN's names."
        )
        raise DataError(next(filter(None, fitting.refusals.values()), foreign))
    filled, *others = fitting.positions.values()
    for positions in others:
        filled = np.where(filled >= 0, filled, positions)
    return filled
