"""What is wrong with a table that is none of numbers: which cell of which line, and what to do about it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semantoks.errors import DataError
from semantoks.signals.files.dialect import ABSENT, COMMAS, POINTS, Dialect

LONGEST_WORD = 40
"""Characters of a word that a message quotes."""
THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")
WHOLE = re.compile(r"[-+]?\d+")
LEAST_WHOLE = 3
"""Digits of a number beside which ``1,003`` may be a thousand."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells below the header of a file, the first ``words`` of each row words; ``line_of`` numbers a row's line."""

    path: Path | str
    rows: Sequence[Sequence[str]]
    names: Sequence[str] | None
    words: int
    dialect: Dialect
    line_of: Callable[[int], int]

    def numbers(self) -> Iterator[tuple[int, int, str]]:
        """Yield row, column and text of each cell that has to be a number."""
        for row, cells in enumerate(self.rows):
            for column in range(self.words, len(cells)):
                yield row, column, cells[column]

    def place(self, row: int, column: int) -> str:
        """Say where a cell is."""
        named = self.names is not None and len(self.names) == len(self.rows[row])
        name = f", {self.names[column][:LONGEST_WORD]!r}" if named and self.names else ""
        return f"line {self.line_of(row)}, column {column + 1}{name}"


def line_of(row: int, *, data: Sequence[str], lines: Sequence[str], headed: bool) -> int:
    """Number the line of a file, from 1, that a row came from, or its header as row -1.

    ``data`` are those of ``lines`` that are the header, if there is one, or a row.
    """
    place = -1
    for line in data[: row + headed + 1]:
        place = lines.index(line, place + 1)
    return place + 1


def not_numbers(cells: Cells, reason: str) -> DataError:
    """Make the error of a table with a cell that is no number; ``reason`` is the parser's, if none can be found."""
    is_number, commas = cells.dialect.is_number, cells.dialect.decimal == ","
    wrong = (one for one in cells.numbers() if not is_number(one[2]) or (commas and POINTS.fullmatch(one[2])))
    row, column, cell = next(wrong, (0, 0, ""))
    first = cells.rows[0]
    if not cell:
        return DataError(f"{cells.path}: a cell is not a number ({reason}). Missing cells are n/a or empty.")
    if commas and POINTS.fullmatch(cell):
        return _two_decimals(cells)
    if cells.names is not None and list(cells.rows[row]) == list(cells.names):
        return DataError(
            f"{cells.path}: its header comes again in line {cells.line_of(row)}. Is it several recordings? Save each "
            "in a file of its own; else remove that line."
        )
    if row == 0 and len(first) > 1 and 2 * sum(not is_number(word) for word in first) > len(first):
        return _two_headers(cells)
    return DataError(
        f"{cells.path}: a cell is not a number ({cells.place(row, column)}: {cell[:LONGEST_WORD]!r}). "
        "Missing cells are n/a or empty."
    )


def _two_decimals(cells: Cells) -> DataError:
    """Blame the rarer of decimal points and decimal commas."""
    points = [one for one in cells.numbers() if POINTS.fullmatch(one[2])]
    commas = [one for one in cells.numbers() if COMMAS.fullmatch(one[2])]
    (rare, mark), (usual, other) = sorted([(points, "point"), (commas, "comma")], key=lambda one: len(one[0]))
    row, column, cell = rare[0] if rare else usual[0]
    return DataError(
        f"{cells.path}: a cell is not a number like the others ({cells.place(row, column)}: {cell[:LONGEST_WORD]!r}): "
        f"{len(rare)} {'has' if len(rare) == 1 else 'have'} a decimal {mark}, {len(usual)} a decimal {other}. "
        "Write all of them with the same."
    )


def _two_headers(cells: Cells) -> DataError:
    """Name the line above the numbers that is not understood: a title, or another line of names."""
    title = cells.names is not None and len(cells.names) != len(cells.rows[0])
    line = cells.line_of(-1) if title else cells.line_of(0)
    beginning = cells.names[0] if title and cells.names else cells.rows[0][0]
    what = "is a title, above the names" if title else "is of words, too"
    return DataError(
        f"{cells.path}: line {line} ({beginning[:LONGEST_WORD]!r} ...) {what}; one line of names is read before the "
        "numbers. Remove that line, or put # before it."
    )


def refuse_thousands(cells: Cells) -> None:
    """Raise DataError where commas may be decimal or mark thousands: ``1,003`` beside ``987``, and no other decimals.

    A number with another count of digits after its comma, with 0 before it, or with a sign, tells that it is decimal.
    """
    if cells.dialect.decimal != ",":
        return
    comma: tuple[int, int, str] | None = None
    whole: tuple[int, int, str] | None = None
    for one in cells.numbers():
        cell = one[2]
        if THOUSANDS.fullmatch(cell):
            comma = comma or one
        elif WHOLE.fullmatch(cell):
            whole = whole or (one if len(cell.lstrip("+-")) >= LEAST_WHOLE else None)
        elif cell not in ABSENT:
            return
    if comma and whole:
        raise DataError(
            f"{cells.path}: its commas may be decimal or mark thousands ({cells.place(*comma[:2])}: {comma[2]!r}; "
            f"{cells.place(*whole[:2])}: {whole[2]!r}). Write {comma[2].replace(',', '')} if it is a thousand, or "
            f"{comma[2].replace(',', '.')} if it is a decimal, in all cells."
        )
