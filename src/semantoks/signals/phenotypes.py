"""The participants table: one row per person, or per person and session, read with ids that stay strings."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from semantoks.errors import DataError
from semantoks.signals.typed_columns import MISSING, POINTED_THOUSANDS, typed_column
from semantoks.storage.tables import decoded

ID_COLUMNS = (
    *("participant_id", "file_id", "subject_id", "subject", "sub_id", "eid", "subjectkey", "src_subject_id", "ptid"),
    *(
        "rid",
        "participant",
        "participantid",
        "subjectid",
        "subject_key",
        "subj_id",
        "subid",
        "subj",
        "sub",
        "record_id",
    ),
)
SESSION_COLUMNS = ("session_id", "session")
VISIT_COLUMNS = ("ses", "ses_id", "visit", "visit_id", "eventname", "viscode", "viscode2", "timepoint", "wave")
"""Columns that tell the rows of a person apart where there is no session; elsewhere they are phenotypes."""
FILE_COLUMNS = ("filename", "file")
RUN_COLUMNS = ("run_id", "run")
NOTES = "notes"
"""Key of a table's ``attrs``: notes on how it was read, one line each."""
UNKNOWN = "unknown"
"""Key of a table's ``attrs``: for each column with codes that were taken as missing, how often each occurs."""
SHOWN = 5
"""Columns that a note names."""
MOST_COLUMNS = 10_000
"""Columns of a table: it takes seconds to tell what those are about."""


def find_column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """Name of the first column called one of ``names`` (lower case, best first), in any case; a blank is ``_``."""
    lower = {str(column).strip().lower().replace(" ", "_"): str(column) for column in reversed(table.columns)}
    return next((lower[name] for name in names if name in lower), None)


def without_prefix(entity: str, value: str) -> str:
    """Strip one leading ``sub-`` or ``ses-`` (``entity`` and a hyphen): table and file names then agree."""
    return value.removeprefix(f"{entity}-")


def read_participants(path: Path, declared: Mapping[str, Collection[str]] | None = None) -> pd.DataFrame:
    """Read a participants table, one row per participant, or per participant and session.

    Separated by tabs, commas, semicolons or blanks; with or without R's row names; UTF-8, or UTF-16 with its mark. The
    id column (the first of ``ID_COLUMNS``) becomes ``participant_id``, a string without ``sub-``; ``session`` becomes
    ``session_id``, without ``ses-``. Columns of numbers become numbers unless they are codes with leading zeros
    (``typed_column``); an id keeps its text: a participant may be called NA. What was taken as missing, left out or
    understood in some way is noted in ``attrs`` (``NOTES``, ``UNKNOWN``).

    Parameters
    ----------
    declared
        Codes of each column that a description explains; they are never taken as missing.

    Raises
    ------
    DataError
        If there is no such file, it is not text, its rows differ in length, it has no id column, lacks an id, or
        repeats a participant.
    """
    try:
        text = decoded(path, "a participants table")
    except FileNotFoundError:
        raise DataError(f"there is no participants table {path}.") from None
    first, _, below = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) <= len("sep=;"):  # a line for Excel alone
        text, first = below, below.partition("\n")[0]
    separator = max("\t,;|", key=first.count)
    separator = separator if separator in first or len(first.split()) < 2 else " "
    try:
        header, *rows = _rows(text, separator, path)
    except (csv.Error, IndexError) as error:
        raise DataError(f"{path} is not a table: {error if str(error) else 'it is empty'}.") from error
    if len(header) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(header):,} columns, and at most {MOST_COLUMNS:,} are read: keep those that are needed."
        )
    header = _distinct(header)
    whose = find_column(pd.DataFrame(columns=header), ID_COLUMNS)
    kept = [name == whose for name in header]
    cells = [
        [cell if id_ or cell.strip() not in MISSING else None for cell, id_ in zip(row, kept, strict=True)]
        for row in rows
    ]
    table = pd.DataFrame(cells, columns=header, dtype=object)
    if separator == ";":
        _refuse_pointed_thousands(table.drop(columns=[whose] if whose else []), path)
    return tidy_participants(table, where=str(path), declared=declared, semicolons=separator == ";")


def _rows(text: str, separator: str, path: Path) -> list[list[str]]:
    """Split a table into rows of cells, as many as the header has; refuse a row with more or fewer.

    An empty cell after the last delimiter, and the name that R writes before every row, are no cells.
    """
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=separator == " ")
    ends, lines = 0, []
    for cells in reader:
        broken = [cell for cell in cells if "\n" in cell]
        if broken and (text.count('"') % 2 or (separator == "\t" and any("\t" in cell for cell in broken))):
            raise DataError(
                f"{path} line {ends + 1} has a quote that is not closed in that line, so that the lines below would be "
                "part of its cell. Close the quote, or remove it."
            )
        ends = reader.line_num
        if any(map(str.strip, cells)):
            lines.append((ends, cells))
    if not lines:
        raise IndexError
    width, below = len(lines[0][1]), lines[1:]
    if len(below) > 1 and all(
        len(cells) == width + 1 and cells[0] == str(place) for place, (_, cells) in enumerate(below, start=1)
    ):
        return [lines[0][1], *(cells[1:] for _, cells in below)]
    for number, cells in below:
        if len(cells) != width and (len(cells) != width + 1 or cells[-1]):
            raise DataError(
                f"{path} has to be a table with the same number of cells in each row, but line {number} has "
                f"{len(cells)} and the header {width}. Correct that line, or put quotes around text with a delimiter."
            )
    return [cells[:width] for _, cells in lines]


def _refuse_pointed_thousands(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table with decimal commas and a column of numbers such as 1.200: twelve hundred, or one and a fifth."""
    texts = {str(name): column.dropna().str.strip() for name, column in table.items()}
    if not any(column.str.fullmatch(r"[+-]?\d+,\d+").any() for column in texts.values()):
        return
    for name, column in texts.items():
        pointed = column[column.str.contains(".", regex=False)]
        if len(pointed) and pointed.str.fullmatch(POINTED_THOUSANDS.pattern).all():
            raise DataError(
                f"{path}: the point of {pointed.iloc[0]} in the column {name} may be a decimal one or of thousands, "
                "and other numbers have a decimal comma. Write the numbers of that column without it."
            )


def _distinct(names: list[str]) -> list[str]:
    """Number the columns after the first of a name: age, age.1."""
    found, distinct = Counter[str](), []
    for name in map(str.strip, names):
        distinct.append(f"{name}.{found[name]}" if name and found[name] else name)
        found[name] += 1
    return distinct


def tidy_participants(
    table: pd.DataFrame,
    *,
    where: str,
    declared: Mapping[str, Collection[str]] | None = None,
    semicolons: bool = False,
) -> pd.DataFrame:
    """Give a participants table its ``participant_id`` (and ``session_id``) columns, and columns of text their types.

    Blank rows, rows that repeat another one whole, columns without a name, and rows whose ``FILE_ID`` is
    ``no_filename`` (ABIDE's, without a recording) are left out. ``where`` names the table in errors. See
    `read_participants` for the rules and the errors.
    """
    table, notes = _without_blanks(table)
    id_column = find_column(table, ID_COLUMNS)
    if id_column is None:
        raise DataError(
            f"{where} has no column of participant ids. Expected participant_id (or FILE_ID, subject_id, SUB_ID, eid, "
            f"subjectkey ...); found {_some(list(map(str, table.columns)))}. Rename the column with the ids to "
            "participant_id."
        )
    if id_column.lower() == "file_id":
        table = table[table[id_column] != "no_filename"]
    words = table[id_column].astype(str).str.count(" ") > 1
    if words.sum() == 1 and words.iloc[0]:
        notes.append("the row below the header describes the columns: left out")
        table = table.iloc[1:]
    ids, as_text = _ids(table[id_column])
    if (lacking := int((table[id_column].isna() | (ids == "")).sum())) > 0:
        raise DataError(f"{where} has {_rows_of(lacking)} without {id_column}: give each row its id, or remove it.")
    columns: dict[str, pd.Series] = {"participant_id": ids}
    session_column = find_column(table, SESSION_COLUMNS) or _visits(table, ids)
    if session_column is not None:
        sessions = _ids(table[session_column].astype(object).where(table[session_column].notna(), ""))[0]
        columns["session_id"] = sessions.map(lambda value: without_prefix("ses", value))
    names_kept, unknown = (*FILE_COLUMNS, *RUN_COLUMNS, "scan_id"), dict(table.attrs.get(UNKNOWN, {}))
    for name in map(str, table.columns):
        if name in (id_column, session_column):
            continue
        if name.lower() in names_kept:
            columns[name] = table[name]
            continue
        found = typed_column(table[name], declared=(declared or {}).get(name, ()), semicolons=semicolons)
        columns[name] = found.values
        notes += found.notes
        if found.unknown:
            unknown[name] = {**unknown.get(name, {}), **found.unknown}
    tidy = pd.DataFrame(columns).reset_index(drop=True)
    again = tidy.duplicated()
    if again.any():
        verb = "repeats" if again.sum() == 1 else "repeat"
        notes.append(f"{_rows_of(int(again.sum()))} of the participants table {verb} another one whole: left out")
        tidy = tidy[~again].reset_index(drop=True)
    notes += [as_text] if as_text else []
    if session_column is not None and session_column.lower() not in SESSION_COLUMNS:
        notes.append(f"the column {session_column} tells the rows of a person apart: taken as sessions")
    tidy.attrs = {**table.attrs, NOTES: list(dict.fromkeys([*table.attrs.get(NOTES, ()), *notes])), UNKNOWN: unknown}
    _refuse_repeats(tidy, where)
    return tidy


def _without_blanks(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows and nameless columns of a spreadsheet without any cell, and a nameless index; note the rest."""
    if str(table.index.name).lower() in ID_COLUMNS and find_column(table, ID_COLUMNS) is None:
        table = table.reset_index()
    attrs, notes = table.attrs, list[str]()
    blank = table.isna() | (table == "")
    nameless = [str(name).strip() == "" or str(name).startswith("Unnamed:") for name in table.columns]
    dropped = table.loc[~blank.all(axis=1), nameless]
    if lost := sum(1 for _, column in dropped.items() if not _is_index(column)):
        which = "1 column without a name is left out: give it one to use it"
        notes.append(which if lost == 1 else f"{lost} columns without a name are left out: give each one to use it")
    kept = table.loc[~blank.all(axis=1), [not one for one in nameless]]
    kept.attrs = attrs
    return kept, notes


def _is_index(column: pd.Series) -> bool:
    """Tell whether a column is empty or counts the rows, as R and pandas write them before a table."""
    numbers = pd.to_numeric(column, errors="coerce").dropna()
    return bool(
        column.replace("", None).isna().all() or (len(numbers) == len(column) and numbers.diff()[1:].eq(1).all())
    )


def _ids(column: pd.Series) -> tuple[pd.Series, str]:
    """Spell ids as text without ``sub-``; whole numbers lose the ``.0`` that a spreadsheet gave them, with a note."""
    ids = column.astype(str).str.strip().map(lambda value: without_prefix("sub", value))
    pointed = ids.str.fullmatch(r"\d+\.0+")
    if not pointed.any() or not (pointed | ids.str.fullmatch(r"\d*")).all():
        return ids, ""
    if pd.api.types.is_float_dtype(column):  # a table in memory: an empty row made its whole numbers floats
        return ids.str.replace(r"\.0+$", "", regex=True), ""
    note = f"{int(pointed.sum())} ids such as {ids[pointed].iloc[0]} are whole numbers: read without the point"
    return ids.str.replace(r"\.0+$", "", regex=True), note


def _visits(table: pd.DataFrame, ids: pd.Series) -> str | None:
    """Find a column that tells apart the rows of people with several."""
    if not ids.duplicated().any():
        return None
    there = [find_column(table, (name,)) for name in VISIT_COLUMNS]
    return next(
        (name for name in there if name and not pd.DataFrame({0: ids, 1: table[name]}).duplicated().any()), None
    )


def _refuse_repeats(table: pd.DataFrame, where: str) -> None:
    found = [find_column(table, names) for names in (("session_id",), FILE_COLUMNS, RUN_COLUMNS, ("scan_id",))]
    key = ["participant_id", *[column for column in found if column is not None]]
    repeated = table.loc[table.duplicated(key), key].drop_duplicates()
    if len(repeated):
        examples = "; ".join(" ".join(map(str, row)) for row in repeated.head(3).to_numpy())
        raise DataError(
            f"{where} has {len(repeated)} {'entry' if len(repeated) == 1 else 'entries'} of {' + '.join(key)} more "
            f"than once, for example {examples}. Keep one row per participant, or tell the rows apart with a "
            "session_id column."
        )


def unknown_note(table: pd.DataFrame, columns: Collection[str] = ()) -> list[str]:
    """Say which codes were taken as missing, in which of ``columns`` (all if there are none) and how often."""
    counts: Mapping[str, Mapping[str, int]] = table.attrs.get(UNKNOWN, {})
    found = [
        f"{name} ({', '.join(f'{count} x {code}' for code, count in codes.items())})"
        for name, codes in counts.items()
        if not columns or name in columns
    ]
    return [f"taken as missing: {_some(found)}"] if found else []


def _rows_of(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _some(words: list[str]) -> str:
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")
