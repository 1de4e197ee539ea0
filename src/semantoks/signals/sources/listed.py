"""Recordings in files that a table of the user's own lists: path, participant_id, and what else is known of each."""

import codecs
import csv
import io
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from semantoks.errors import DataError
from semantoks.signals.files.intact import refuse_unfetched
from semantoks.signals.files.left_over import left_over_in
from semantoks.signals.files.names import BidsFile
from semantoks.signals.files.series_file import read_series
from semantoks.signals.files.sidecars import any_states_tr, band_beside, stated_beside
from semantoks.signals.files.stated import StatedTR, agreed
from semantoks.signals.phenotypes import find_column, without_prefix
from semantoks.signals.recording import Recording
from semantoks.signals.sources.fact_rows import MOTION_COLUMNS, SITE_COLUMNS, TR_COLUMNS
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import run_key
from semantoks.signals.typed_columns import DECIMAL_COMMA, MISSING, THOUSANDS
from semantoks.storage.tables import decoded, plain
from semantoks.storage.text import check_extent

ENTITIES = {"participant": "sub", "session": "ses", "task": "task", "run": "run"}
COLUMNS = {
    "path": ("path",),
    "participant": ("participant_id",),
    "session": ("session_id", "session"),
    "task": ("task", "task_id"),
    "run": ("run", "run_id"),
    "tr": TR_COLUMNS,
    "site": SITE_COLUMNS,
    "mean_fd": MOTION_COLUMNS,
}
"""What a list says about a recording, and what its column may be called, in any case."""
LONGEST_HEADER = 2**16


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A line of the list: the file with its entities, and the cells of the columns in ``COLUMNS``, empty if missing.

    With ``semicolons`` between cells, commas in numbers are decimal.
    """

    line: int
    file: BidsFile
    cells: Mapping[str, str]
    semicolons: bool

    def number(self, what: str, where: str) -> float | None:
        """Read a cell of a number that is not negative; None if it is missing, DataError if it is something else."""
        if not self.cells[what]:
            return None
        cell = self.cells[what]
        if DECIMAL_COMMA.fullmatch(cell) and (self.semicolons or not THOUSANDS.fullmatch(cell)):
            cell = cell.replace(",", ".")
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise DataError(f"{where}: {what} has to be a number, at least 0, not {plain(self.cells[what])!r}; or n/a.")
        return number


def open_listed(request: Request) -> OpenedSource:
    """Open the files of a list, one per row; separated by tabs, commas or semicolons.

    Columns: ``path`` and ``participant_id``. Optional:
    ``session_id`` (or ``session``), ``task``, ``run``, ``tr`` (seconds), ``site``, ``mean_fd`` (mm); what is
    missing is taken from JSON sidecars and the participants table. Files are those of ``read_series``; one that does
    not exist is listed, too, and reading it says so. Other columns are named in ``notes``.

    A path is absolute, or relative to the list's folder, and may lead out of it: the user wrote the list and names it
    on the command line, so it reaches no file that could not be given there. A ``participants.tsv`` comes along with a
    folder from elsewhere and is found without being asked for, so its paths are not trusted. Here, too, a path is only
    ever opened for reading as numbers: it is not expanded (no ``~``, ``$HOME``, ``*``), executed, or given to a shell,
    and only a regular file is opened.

    Raises
    ------
    DataError
        If the list is no such table, lacks a column, a path or an id, or names a file or a recording twice.
    ConfigError
        If what was asked for is not in it, or no repetition time can be known.
    """
    rows, unknown = _read_list(request.path)
    _refuse_repeats(rows, request.path)
    kept, notes = chosen_runs([row.file for row in rows], request.reading, request.path)
    row_of = {row.file.path: row for row in rows}
    items = run_items(kept)
    listed = {item.key: row_of[item.path] for item in items}
    stated = any(row.cells["tr"] for row in listed.values())
    facts = request.facts(files_say=stated or any_states_tr((item.path for item in items), request.path.parent))
    if unknown:
        notes.insert(0, f"columns not used: {plain(', '.join(unknown))}")
    notes += left_over_in(
        [item.path for item in items[:1]], request.path.parent, request.atlas, reorder=request.reading.reorder
    )
    read = partial(_read, rows=listed, facts=facts, request=request)
    return OpenedSource(request, kind="list of files", items=items, facts=facts, read=read, notes=notes)


def _read(item: Item, *, rows: Mapping[str, _Row], facts: FactTable, request: Request) -> Recording:
    """Read one file; DataError if it does not exist, is no recording in this atlas, or of unknown repetition time."""
    row = rows[item.key]
    where = f"{request.path.name} line {row.line}"
    refuse_unfetched(item.path)
    if not os.path.isfile(item.path):
        raise DataError(
            f"there is no file {plain(str(item.path))} ({where}). Relative paths begin at the list's folder; "
            "~, $NAME and * are not expanded."
        )
    tr, motion = row.number("tr", where), row.number("mean_fd", where)
    root = request.path.parent if request.path.parent in item.path.parents else item.path.parent
    own = StatedTR(seconds=tr, where=f"{where} has no `tr`" if tr is None else where)
    known = facts.of(item, agreed([own, stated_beside(item.path, root)]))
    return known.recording(
        item,
        read_series(item.path, request.atlas, reorder=request.reading.reorder),
        site=row.cells["site"] or known.site,
        mean_fd=known.mean_fd if motion is None else motion,
        band=band_beside(item.path, root),
        source=plain(str(item.path)),
    )


def is_listed(path: Path) -> bool:
    """Recognise a list of files: text whose first line has the column ``path``; opening it says what else it lacks."""
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_HEADER)
        utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = start[: len(start) // 2 * 2].decode("utf-16") if utf16 else start.partition(b"\n")[0].decode("utf-8-sig")
        header = text.partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return False
    names = {name.strip().strip('"').lower() for name in header.split(_separator(header))}
    return "path" in names


def _separator(header: str) -> str:
    return max("\t,;", key=header.count)


def _read_list(path: Path) -> tuple[list[_Row], list[str]]:
    """Read the rows of a list, and the names of its columns that have no meaning here."""
    try:
        text = decoded(path, "a list of files")
        separator = _separator(text.partition("\n")[0])
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        table = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines if any(map(str.strip, cells))]
        if separator == "\t" and (
            torn := [line for line, cells in table if any({"\n", "\t"} <= set(cell) for cell in cells)]
        ):
            raise csv.Error(f"a cell that ends in line {torn[0]} has a line break in it, as if a quote was not closed")
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table, apart by tabs, commas or semicolons: {error}.") from error
    if not table:
        raise DataError(f"{path} is empty. Expected a header with path and participant_id, and a line for each file.")
    header = table[0][1]
    check_extent(path, cells=len(header))
    if twice := sorted(name for name, count in Counter(header).items() if count > 1):
        raise DataError(f"{path} has the column {twice[0]!r} more than once: which one counts?")
    bare = pd.DataFrame(columns=header)
    columns = {what: find_column(bare, names) for what, names in COLUMNS.items()}
    if lacking := [COLUMNS[what][0] for what in ("path", "participant") if columns[what] is None]:
        raise DataError(
            f"{path} has no column {' and no column '.join(lacking)}. Expected path and participant_id, and, where "
            f"known, session_id, task, run, tr, site, mean_fd; found {plain(', '.join(header))}."
        )
    rows = [replace(_row(line, cells, header, columns, path), semicolons=separator == ";") for line, cells in table[1:]]
    if not rows:
        raise DataError(f"{path} lists no file: it has a header and nothing below.")
    return rows, [name for name in header if name and name not in columns.values()]


def _row(line: int, cells: list[str], header: list[str], columns: Mapping[str, str | None], path: Path) -> _Row:
    if len(cells) != len(header) and (len(cells) != len(header) + 1 or cells[-1]):
        raise DataError(
            f"{path} line {line} has {len(cells)} cells, the header has {len(header)}. Correct that line, or put "
            "quotes around text with a delimiter."
        )
    given = dict(zip(header, cells, strict=False))
    known = {what: "" if column is None else given[column] for what, column in columns.items()}
    # A participant may be called NA; any other cell that says so is missing.
    known = {what: "" if cell in MISSING and what != "participant" else cell for what, cell in known.items()}
    entities = {entity: without_prefix(entity, known[what]) for what, entity in ENTITIES.items()}
    for what, cell in (("path", known["path"]), ("participant_id", entities["sub"])):
        if not cell:
            raise DataError(f"{path} line {line} has no {what}: fill it in, or remove the line.")
    file = path.parent / known["path"].replace("\\", "/")
    named = {entity: label for entity, label in entities.items() if label}
    return _Row(line=line, file=BidsFile(path=file, entities=named), cells=known, semicolons=False)


def _refuse_repeats(rows: list[_Row], path: Path) -> None:
    """Refuse a file, and a recording (participant, session, task and run), that two lines name."""
    files: dict[str, _Row] = {}
    recordings: dict[str, _Row] = {}
    for row in rows:
        first = files.setdefault(os.path.abspath(row.file.path), row)
        if first is not row:
            raise DataError(
                f"{path}: lines {first.line} and {row.line} name the same file {plain(str(row.file.path))}. Remove one."
            )
        first = recordings.setdefault(run_key(row.file), row)
        if first is not row:
            raise DataError(
                f"{path}: lines {first.line} and {row.line} are both called {plain(run_key(row.file))}. Tell them "
                "apart by the columns session_id, task or run, or remove one."
            )
