"""DPABI and REST-meta-MDD: series of ROIs in ``ROISignals_<ID>.mat`` and ``.txt``, time x ROI."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.files.columns import from_time_by_roi
from semantoks.signals.files.names import BidsFile, walk
from semantoks.signals.files.series_file import read_variable
from semantoks.signals.files.sidecars import any_states_tr, band_beside, stated_beside
from semantoks.signals.files.text_table import read_text_table
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import CHOOSE, one_per_run, the_only

NAME = re.compile(r"ROISignals_(?P<sub>.+)(?P<extension>\.mat|\.txt)")
STEPS = re.compile(r"(?:S\d+_)?(?:ROISignals_)?(FunImg\w*)")
"""A folder that says how its recordings were processed: in ``FunImgARCWF``, F is the band-pass filter."""
SESSION = re.compile(r"S(\d+)_(?:Results|ROISignals_.*|FunImg.*)")
META_MDD = 1833
"""Columns of REST-meta-MDD, several atlases side by side."""
META_MDD_HINT = (
    f"{META_MDD} columns are the atlases of REST-meta-MDD side by side, and the file does not say which columns are of "
    "which atlas: save the columns of your atlas alone, or make an atlas of all of them from a table (FILE.tsv)."
)
DEPTH = 4
"""Levels of folders within which the first file has to be, so that recognising it is quick."""


def open_dpabi(request: Request) -> OpenedSource:
    """Open files ``ROISignals_<ID>``, one recording each; where an ID has a .mat and a .txt file, the .mat is read.

    Folders called ``S2_...`` are the second session, and then the others are the first. The files state neither their
    labels nor their repetition time: they have to have as many columns as the atlas has ROIs.

    Raises
    ------
    ConfigError
        When a folder has several ways of processing or a recording twice, what was asked for does not exist, or no
        repetition time can be known.
    DataError
        When there is no such file.
    """
    path = request.path
    files, texts = _recordings(path)
    if not files:
        raise DataError(f"{path} has no series of DPABI: looked in all its folders for ROISignals_<ID>.mat and .txt.")
    chosen, left_out = chosen_runs(files, request.reading, path, words_of=lambda one: _steps(one).split())
    steps = the_only(map(_steps, chosen), what="ways of processing", root=path, remedy=CHOOSE)
    notes = [*([f"processing {steps}"] if steps else []), *left_out]
    if texts:
        notes.append(f"{plural(texts, '.txt file')} left out: the same recordings are there as .mat")
    items = run_items(one_per_run(chosen, path).values())
    facts = request.facts(files_say=any_states_tr((item.path for item in items), path))
    return OpenedSource(
        request,
        kind="DPABI",
        items=items,
        facts=facts,
        read=partial(_read, root=path, facts=facts, atlas=request.atlas, filtered="F" in steps.removeprefix("FunImg")),
        notes=notes,
    )


def _read(item: Item, *, root: Path, facts: FactTable, atlas: Atlas, filtered: bool) -> Recording:
    """Read one file; DataError when it is not of this atlas or its repetition time is unknown."""
    known = facts.of(item, stated_beside(item.path, root))
    as_text = item.path.suffix == ".txt"
    values = read_text_table(item.path).values if as_text else read_variable(item.path, "ROISignals")
    hint = META_MDD_HINT if values.shape[1] == META_MDD else ""
    series = from_time_by_roi(values, atlas, where=str(item.path), hint=hint)
    band = (None, None) if filtered else band_beside(item.path, root)
    return known.recording(item, series, band=band, source=str(item.path))


def is_dpabi(path: Path) -> bool:
    """Recognise a folder with files ``ROISignals_<ID>.mat`` or ``.txt``, a few levels deep."""
    return next(_scan(path, DEPTH), None) is not None


def _scan(root: Path, depth: int | None = None) -> Iterator[BidsFile]:
    """Yield the files, with participant and, where a folder says it, session as entities; nothing is opened."""
    for folder, name in walk(root, depth=depth):
        if found := NAME.fullmatch(name):
            session = next(filter(None, map(SESSION.fullmatch, Path(folder).absolute().parts)), None)
            entities = {"sub": found["sub"].removeprefix("sub-")} | ({"ses": session[1]} if session else {})
            yield BidsFile(path=Path(folder, name), entities=entities, extension=found["extension"])


def _recordings(root: Path) -> tuple[list[BidsFile], int]:
    """List the files, and count the .txt files left out because the same recording is there as .mat."""
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
