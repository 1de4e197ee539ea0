"""The participants table: read it with ids that stay strings, and take a target (class or value) from it."""

import csv
import dataclasses
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from semantoks.errors import DataError

ID_COLUMNS = ("participant_id", "file_id", "subject_id", "subject", "sub_id")
SESSION_COLUMNS = ("session_id", "session")
FILE_COLUMNS = ("filename", "file")
RUN_COLUMNS = ("run_id", "run")
NOTES = "notes"
"""Key of a table's ``attrs``: notes on how it was read, one line each."""
MISSING = ("", "n/a", "N/A", "NA", "NaN", "nan", "NAN")
MAX_INTEGER_CLASSES = 2
NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be predicted: one value per participant; participants without a value are left out.

    ``values`` is indexed by ``participant_id``; strings for a class, float64 for a value. ``classes`` is sorted, and
    None for a value. ``missing`` counts the participants without a value.
    """

    name: str
    kind: Literal["class", "value"]
    values: pd.Series
    classes: tuple[str, ...] | None
    missing: int


def find_column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """Name of the first column called one of ``names``, whatever its case; ``names`` are lower case, best first."""
    lower = {str(column).strip().lower(): str(column) for column in reversed(table.columns)}
    return next((lower[name] for name in names if name in lower), None)


def without_prefix(entity: str, value: str) -> str:
    """Strip one leading ``sub-`` or ``ses-`` (``entity`` and a hyphen): table and file names then agree."""
    return value.removeprefix(f"{entity}-")


def read_participants(path: Path) -> pd.DataFrame:
    """Read a participants table, tab or comma separated, one row per participant, or per participant and session.

    The id column (``participant_id``, ``FILE_ID``, ``subject_id``, ``subject`` or ``SUB_ID``, in that order) becomes
    ``participant_id``, a string without ``sub-``; ``session`` becomes ``session_id``, without ``ses-``. Columns of
    numbers become numbers unless they are codes with leading zeros; ``n/a``, ``NA``, ``NaN`` and empty are missing,
    but an id keeps its text: a participant may be called NA.

    Raises
    ------
    DataError
        If there is no such file, it is not text in UTF-8, its rows differ in length, it has no id column, lacks an
        id, or repeats a participant.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no participants table {path}.") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise DataError(
            f"{path} has to be a table as text in UTF-8 (.tsv or .csv), and is not: {error}. Save it so."
        ) from error
    header = text.partition("\n")[0]
    separator = max("\t,;", key=header.count)
    try:
        width = _common_width(text, separator, path)
        table = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False, usecols=range(width)
        )
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is not a table: {error}.") from error
    table = table.rename(columns=lambda name: str(name).strip())
    missing = table.isin(MISSING)
    missing[find_column(table, ID_COLUMNS) or []] = False
    return tidy_participants(table.mask(missing), where=str(path))


def _common_width(text: str, separator: str, path: Path) -> int:
    """Count the cells of the header; refuse a row with more or fewer, but for an empty one after a last delimiter."""
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    width = 0
    for cells in rows:
        width = width or len(cells)
        if any(map(str.strip, cells)) and len(cells) != width and (len(cells) != width + 1 or cells[-1]):
            raise DataError(
                f"{path} has to be a table with the same number of cells in each row, but line {rows.line_num} has "
                f"{len(cells)} and the header {width}. Correct that line, or put quotes around text with a delimiter."
            )
    return width


def tidy_participants(table: pd.DataFrame, *, where: str) -> pd.DataFrame:
    """Give a participants table its ``participant_id`` (and ``session_id``) columns, and columns of text their types.

    Rows whose ``FILE_ID`` is ``no_filename`` have no recording (ABIDE's own table) and are left out. ``where`` names
    the table in errors. See `read_participants` for the rules and the errors.
    """
    id_column = find_column(table, ID_COLUMNS)
    if id_column is None:
        raise DataError(
            f"{where} has no column of participant ids. Expected one of participant_id, FILE_ID, subject_id, subject, "
            f"SUB_ID; found {', '.join(map(str, table.columns))}. Rename the column with the ids to participant_id."
        )
    if id_column.lower() == "file_id":
        table = table[table[id_column] != "no_filename"]
    ids = table[id_column].astype(str).str.strip().map(lambda value: without_prefix("sub", value))
    if (lacking := int((table[id_column].isna() | (ids == "")).sum())) > 0:
        raise DataError(f"{where} has {lacking} rows without {id_column}: give each row its id, or remove it.")
    columns: dict[str, pd.Series] = {"participant_id": ids}
    session_column = find_column(table, SESSION_COLUMNS)
    if session_column is not None:
        sessions = table[session_column].fillna("").astype(str).str.strip()
        columns["session_id"] = sessions.map(lambda value: without_prefix("ses", value))
    names_kept = (*FILE_COLUMNS, *RUN_COLUMNS, "scan_id")
    for name in map(str, table.columns):
        if name not in (id_column, session_column):
            columns[name] = table[name] if name.lower() in names_kept else _typed(table[name])
    tidy = pd.DataFrame(columns).reset_index(drop=True)
    tidy.attrs = dict(table.attrs)
    _refuse_repeats(tidy, where)
    return tidy


def _typed(column: pd.Series) -> pd.Series:
    """Numbers where all cells are numbers and none is a code like 007; booleans where all are True or False."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column) or not column.notna().any():
        return column
    text = column.dropna().astype(str).str.strip()
    if text.str.fullmatch(r"-?0\d+").any():
        return column
    if not column.isna().any() and text.str.lower().isin(["true", "false"]).all():
        return text.str.lower() == "true"
    numbers = pd.to_numeric(text, errors="coerce")
    return column if numbers.isna().any() else numbers.reindex(column.index)


def _refuse_repeats(table: pd.DataFrame, where: str) -> None:
    found = [find_column(table, names) for names in (("session_id",), FILE_COLUMNS, RUN_COLUMNS, ("scan_id",))]
    key = ["participant_id", *[column for column in found if column is not None]]
    repeated = table.loc[table.duplicated(key), key].drop_duplicates()
    if len(repeated):
        examples = "; ".join(" ".join(map(str, row)) for row in repeated.head(3).to_numpy())
        raise DataError(
            f"{where} has {len(repeated)} entries of {' + '.join(key)} more than once, for example {examples}. "
            "Keep one row per participant, or tell the rows apart with a session_id column."
        )


def target(participants: pd.DataFrame, name: str, kind: Literal["auto", "class", "value"] = "auto") -> Target:
    """Take the column ``name`` of a participants table as a target.

    ``auto``: text and booleans are classes; numbers are a class if they are whole and take two different values, and
    a value otherwise. Participants without a value are left out and counted in ``missing``.

    Raises
    ------
    DataError
        If there is no such column (the nearest names are given), it varies within a participant, is the same for
        everyone, differs for everyone although it is text, or is to be a value and has cells that are not numbers.
    """
    if name not in participants.columns or name in ("participant_id", "session_id"):
        usable = [str(column) for column in participants.columns if column not in ("participant_id", "session_id")]
        near = difflib.get_close_matches(name, usable, n=3) or [c for c in usable if c.lower() == name.lower()]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(usable) or 'none'}."
        raise DataError(f"the participants table has no target {name!r}. {hint}")
    values = _one_a_participant(participants, name)
    if values.nunique() < 2:
        raise DataError(f"{name} cannot be predicted: {len(values)} participants have it, all with the same value.")
    chosen = _kind(values) if kind == "auto" else kind
    missing = participants["participant_id"].nunique() - len(values)
    if chosen == "value":
        return Target(name=name, kind="value", values=_numbers(values, name), classes=None, missing=missing)
    order = sorted(values.unique().tolist()) if _is_number(values) else sorted(map(str, values.unique()))
    labels = values.map(_class_name)
    if len(order) == len(values) > 2:
        raise DataError(
            f"{name} is different for each of its {len(values)} participants, so it is no class. Is it a name or an id?"
        )
    return Target(name=name, kind="class", values=labels, classes=tuple(map(_class_name, order)), missing=missing)


def _one_a_participant(participants: pd.DataFrame, name: str) -> pd.Series:
    known = participants.loc[participants[name].notna(), ["participant_id", name]].drop_duplicates()
    varying = known.loc[known["participant_id"].duplicated(), "participant_id"]
    if len(varying):
        example = varying.iloc[0]
        seen = known.loc[known["participant_id"] == example, name].tolist()
        raise DataError(
            f"{name} varies within {varying.nunique()} participants, for example {example}: "
            f"{', '.join(map(str, seen[:4]))}. A target has one value per participant: choose or "
            "average it in the table."
        )
    return known.set_index("participant_id")[name]


def _is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)


def _kind(values: pd.Series) -> Literal["class", "value"]:
    if not _is_number(values):
        return "class"
    numbers = values.to_numpy(dtype=np.float64)
    whole = bool(np.all(numbers == np.round(numbers)))
    return "class" if whole and len(np.unique(numbers)) <= MAX_INTEGER_CLASSES else "value"


def _class_name(value: object) -> str:
    """Spell a class the same whether missing cells made its column float or not: 1.0 is ``1``."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        raise DataError(
            f"{name} is to be a value, but {int(wrong.sum())} participants have something else, for example "
            f"{values[wrong].iloc[0]!r}. Make it a class, or make those cells n/a."
        )
    return numbers


def without_codes(participants: pd.DataFrame, codes: Sequence[str]) -> pd.DataFrame:
    """Make cells that hold one of ``codes`` (as text or as a number: ``-9999``) missing, but for the ids."""
    if not codes:
        return participants
    meant = {*codes, *(float(code) for code in codes if NUMBER.fullmatch(code))}
    columns = [name for name in participants.columns if name not in ("participant_id", "session_id")]
    return participants.assign(**{name: participants[name].mask(participants[name].isin(meant)) for name in columns})


def binned(aim: Target, bins: int) -> Target:
    """Cut a value into ``bins`` classes of about equal size, ordered; equal values are never parted.

    Raises
    ------
    DataError
        If there are not that many different values.
    """
    codes, edges = pd.qcut(aim.values, bins, labels=False, retbins=True, duplicates="drop")
    if codes.nunique() < bins:
        raise DataError(f"{aim.name} cannot be cut into {bins} classes of equal size: it takes too few values.")
    names = tuple(f"{k + 1} ({edges[k]:.4g} to {edges[k + 1]:.4g})" for k in range(bins))
    values = codes.map(lambda code: names[int(code)])
    return dataclasses.replace(aim, kind="class", values=values, classes=names)
