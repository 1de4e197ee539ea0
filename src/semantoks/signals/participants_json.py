"""What BIDS' participants.json says of the columns of participants.tsv: their codes in words, units, descriptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.errors import DataError
from semantoks.signals.files.stated import read_json
from semantoks.signals.phenotypes import ID_COLUMNS, NOTES, SESSION_COLUMNS, read_participants
from semantoks.signals.typed_columns import MISSING, UNKNOWN_WORDS, typed_column

WORD_KEYS = ("Description", "description", "Label")
"""Where the word of a level is when BIDS has an object there and no text (since 1.9)."""
SHOWN = 3
"""Codes that a note names."""


@dataclass(frozen=True, kw_only=True)
class ColumnWords:
    """What is known of a column: the word of each code in ``levels`` (may be empty), units and description (may be)."""

    levels: Mapping[str, str]
    units: str
    description: str


def read_participants_in_words(path: Path) -> pd.DataFrame:
    """Read a participants table (see ``read_participants``), its codes in the words of the JSON file beside it, if any.

    ``attrs["notes"]`` says which columns those are, and which keep their codes.

    Raises
    ------
    DataError
        If one of the two files is not what it has to be.
    """
    words = path.with_suffix(".json")
    if not words.is_file():
        return read_participants(path)
    columns = read_column_words(words)
    table = read_participants(path, {name: set(column.levels) for name, column in columns.items()})
    worded, notes = in_words(table, columns)
    changed = [name for name in worded.columns if not worded[name].equals(table[name])]
    if changed:
        notes = [f"{', '.join(changed)} in the words of {words.name}", *notes]
    worded.attrs = {**table.attrs, NOTES: [*table.attrs.get(NOTES, ()), *notes]}
    return worded


def read_column_words(path: Path) -> dict[str, ColumnWords]:
    """Read a participants.json: {column: what it says of it}; columns of which it says none of the three are left out.

    Raises
    ------
    DataError
        If the file is not a JSON object, or a column's Levels, Units or Description are not as BIDS has them.
    """
    columns = {name.strip(): _column(entry, f"{path}: {name}") for name, entry in read_json(path).items()}
    return {name: column for name, column in columns.items() if column.levels or column.units or column.description}


def in_words(table: pd.DataFrame, columns: Mapping[str, ColumnWords]) -> tuple[pd.DataFrame, list[str]]:
    """Turn codes into words in the columns whose every value is a level; ids and sessions stay as they are.

    Parameters
    ----------
    table
        Participants, as ``read_participants`` gives them: a code may have become a number (1 and 1.0 are ``"1"``).

    Returns
    -------
    The table with those columns replaced, cells that are missing or whose word is ``n/a`` missing; and a note for each
    column with levels that stays as it is, because a value is not a level or two of its codes have the same word.
    """
    notes = []
    words: dict[str, pd.Series] = {}
    for name, column in columns.items():
        if name not in table.columns or not column.levels or name.lower() in (*ID_COLUMNS, *SESSION_COLUMNS):
            continue
        codes = table[name].map(_code, na_action="ignore")
        unknown = codes.isin([code for code, word in column.levels.items() if _is_unknown(word)])
        if said := sorted({column.levels[code] for code in codes[unknown]} - {*MISSING}):
            notes.append(f"{name}: {int(unknown.sum())} x {', '.join(said)}, taken as missing")
        codes = codes.mask(unknown)
        used = sorted(set(codes.dropna()))
        if not set(used) & set(column.levels):  # its levels say only what stands for missing
            words[name] = typed_column(table[name].mask(unknown)).values
            if all(_is_unknown(word) for word in column.levels.values()):
                continue
        if strange := [code for code in used if code not in column.levels]:
            notes.append(
                f"{name} keeps its codes: {_some(strange)} are none of its levels in participants.json "
                f"({_some(list(column.levels))})."
            )
            continue
        meant = [column.levels[code] for code in used]
        if len(set(meant)) < len(meant):
            notes.append(f"{name} keeps its codes: two of its levels in participants.json have the same word.")
        elif used:
            words[name] = codes.map(column.levels, na_action="ignore")
    return table.assign(**words), notes


def _is_unknown(word: str) -> bool:
    return word in MISSING or word.lower() in UNKNOWN_WORDS


def _column(entry: Any, where: str) -> ColumnWords:
    if not isinstance(entry, dict):
        return ColumnWords(levels={}, units="", description="")  # members that describe the table, not a column
    levels = entry.get("Levels") or {}
    if not isinstance(levels, dict):
        raise DataError(f"{where}: Levels has to be an object of code: word, not {type(levels).__name__}.")
    return ColumnWords(
        levels={code.strip(): _word(word, f"{where}: level {code}") for code, word in levels.items()},
        units=_text(entry, "Units", where),
        description=_text(entry, "Description", where),
    )


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key) or ""
    if not isinstance(value, str):
        raise DataError(f"{where}: {key} has to be text, not {type(value).__name__}.")
    return value.strip()


def _word(word: Any, where: str) -> str:
    if isinstance(word, dict):
        word = next((word[key] for key in WORD_KEYS if key in word), None)
    if not isinstance(word, str) or not word.strip():
        raise DataError(f"{where} has to have a word, or an object with a Description, not {type(word).__name__}.")
    return word.strip()


def _code(value: object) -> str:
    """Spell a code the same whether reading made it a number or not: 1.0 is ``1``."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _some(codes: Sequence[str]) -> str:
    return ", ".join(codes[:SHOWN]) + (f" and {len(codes) - SHOWN} more" if len(codes) > SHOWN else "")
