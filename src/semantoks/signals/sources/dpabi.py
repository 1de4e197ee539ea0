"""DPABI and REST-meta-MDD: series of ROIs in ``ROISignals_<ID>.mat`` and ``.txt``, time x ROI."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import from_time_by_roi
from semantoks.signals.files.names import BidsFile, chosen_runs
from semantoks.signals.files.series_file import read_variable
from semantoks.signals.files.text_table import read_text_table
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import by_run, run_items, the_only
from semantoks.signals.sources.source import FactTable, Item

NAME = re.compile(r"ROISignals_(?P<sub>.+)(?P<extension>\.mat|\.txt)")
STEPS = re.compile(r"(?:S\d+_)?(?:ROISignals_)?(FunImg\w*)")
"""A folder that says how its recordings were processed: in ``FunImgARCWF``, F is the band-pass filter."""
SESSION = re.compile(r"S(\d+)_(?:Results|ROISignals_.*|FunImg.*)")
META_MDD = 1833
"""Columns of REST-meta-MDD, several atlases side by side."""
DEPTH = 4
"""Folders below the one given in which the first file of ours has to be, so that it is recognised quickly."""


class DpabiSource:
    """One recording a file ``ROISignals_<ID>``; where an ID has a .mat and a .txt file, the .mat file is read.

    Folders called ``S2_...`` are the second session, and then the others are the first. The files say neither their
    labels nor their repetition time: they have to have as many columns as the atlas has ROIs.

    Raises
    ------
    ConfigError
        When a folder holds several ways of processing or a recording twice, what is asked for is not there, or no
        repetition time can be known.
    DataError
        When there is no such file.
    """

    kind = "DPABI"

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
        self._atlas, self._table = atlas, participants
        self._facts = FactTable(participants, tr)
        files, self._texts = _recordings(path)
        if not files:
            raise DataError(
                f"{path} has no series of DPABI: looked in all its folders for ROISignals_<ID>.mat and .txt."
            )
        chosen = chosen_runs(files, reading, path)
        self._steps = the_only(
            (_steps(one) for one in chosen),
            what="ways of processing",
            root=path,
            remedy="Give the folder of one of them.",
        )
        self._items = run_items([found[0] for found in by_run(chosen, path).values()])
        self._facts.require_any_tr(self._items)

    def items(self) -> list[Item]:
        """One item a recording."""
        return list(self._items)

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say how the recordings were processed, and what is left out."""
        found = [f"processing {self._steps}"] if self._steps else []
        if self._texts:
            found.append(f"{self._texts} .txt files left out: the same recordings are there as .mat")
        return found

    def read(self, item: Item) -> Recording:
        """Read one file; DataError when it is not of this atlas or its repetition time is unknown."""
        facts = self._facts.of(item)
        as_text = item.path.suffix == ".txt"
        values = read_text_table(item.path).values if as_text else read_variable(item.path, "ROISignals")
        hint = (
            f"{META_MDD} columns are the atlases of REST-meta-MDD side by side, and the file does not say which are "
            "whose: save the columns of your atlas alone, or make an atlas of all of them from a table (FILE.tsv)."
        )
        return facts.recording(
            item,
            from_time_by_roi(
                values, self._atlas, where=str(item.path), hint=hint if values.shape[1] == META_MDD else ""
            ),
            band=(None, None) if "F" in self._steps.removeprefix("FunImg") else None,
            source=str(item.path),
        )


def is_dpabi(path: Path) -> bool:
    """Tell a folder with files ``ROISignals_<ID>.mat`` or ``.txt``, a few folders deep."""
    return next(_scan(path, DEPTH), None) is not None


def _scan(root: Path, depth: int | None = None) -> Iterator[BidsFile]:
    """Yield the files, with participant and, where a folder says it, session as entities; nothing is opened."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if depth is not None and len(Path(folder).relative_to(root).parts) >= depth - 1:
            folders.clear()
        session = next(filter(None, map(SESSION.fullmatch, Path(folder).absolute().parts)), None)
        for name in sorted(names):
            if found := NAME.fullmatch(name):
                entities = {"sub": found["sub"].removeprefix("sub-")} | ({"ses": session[1]} if session else {})
                yield BidsFile(path=Path(folder, name), entities=entities, suffix="", extension=found["extension"])


def _recordings(root: Path) -> tuple[list[BidsFile], int]:
    """List the files, and count the .txt files that were left out because the same is there as .mat."""
    files = list(_scan(root))
    if any("ses" in one.entities for one in files):
        files = [replace(one, entities={"ses": "1"} | dict(one.entities)) for one in files]
    as_mat = {one.path.with_suffix("") for one in files if one.extension == ".mat"}
    kept = [one for one in files if one.extension == ".mat" or one.path.with_suffix("") not in as_mat]
    return kept, len(files) - len(kept)


def _steps(one: BidsFile) -> str:
    """Name the steps that a file went through, as its folder does: ``FunImgARCWF``; empty where none says so."""
    found = next(filter(None, map(STEPS.fullmatch, one.path.absolute().parts)), None)
    return "" if found is None else found[1]
