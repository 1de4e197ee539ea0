"""Tables of numbers in text files: of any delimiter and header, and those of derivative pipelines, read fast."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.files.columns import only_counts
from semantoks.signals.files.intact import check_line_ends
from semantoks.signals.typed_columns import MISSING

ABSENT = (*MISSING, "-nan")
EMPTY_CELLS = ["n/a", "", "NaN", "nan", "NA"]
"""What derivative pipelines write for a number that is missing."""
HASH = re.compile(r"_hash-[^_]+$")
LONGEST_HEADER = 2**22


def read_header(path: Path) -> list[str]:
    """Read the labels in the first line of a tab-separated table, without XCP-D's ``_hash-...``."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline(LONGEST_HEADER)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text in UTF-8: {error}.") from error
    if not line.strip():
        raise DataError(f"{path} is empty.")
    return [HASH.sub("", cell.strip()) for cell in line.rstrip("\r\n").split("\t")]


def read_labelled(path: Path) -> tuple[list[str], Float[ndarray, "frame column"]]:
    """Read labels and numbers [frame, column] of a tab-separated table; ``n/a`` and empty cells are NaN.

    Raises
    ------
    DataError
        When it is no such table: no text, lines of different lengths, a cell that is no number.
    """
    labels = read_header(path)
    frame = parse_rectangle(path.read_bytes(), str(path), "\t", len(labels), dtype=np.float64)
    values: Float[ndarray, "frame column"] = frame.to_numpy()
    return labels, values


def parse_rectangle(content: bytes, where: str, separator: str, width: int, *, dtype: Any) -> pd.DataFrame:
    """Parse a table of numbers below a header of ``width`` cells; DataError where a line has another number of cells.

    ``dtype`` is the type of the cells, or of those of each column.
    """
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            sep=separator,
            na_values=EMPTY_CELLS,
            keep_default_na=False,
            dtype=dtype,
            index_col=False,
        )
    except (ValueError, OverflowError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{where} is not a table of numbers below a header of labels: {reason}.") from error
    check_line_ends(content, where)
    # pandas fills short lines with NaN: the delimiters count the cells.
    if content.count(separator.encode()) != (width - 1) * (len(frame) + 1) or not len(frame):
        raise DataError(f"{where}: not all of its {len(frame)} lines have {width} cells. Is it cut off?")
    return frame


def read_column(path: Path, name: str) -> Float[ndarray, " frame"]:
    """Read one column of a tab-separated table; DataError when it has none, or not of numbers."""
    labels, content = read_header(path), path.read_bytes()
    if name not in labels:
        raise DataError(f"{path} has to have a column {name}.")
    check_line_ends(content, path)
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            sep="\t",
            usecols=[labels.index(name)],
            na_values=EMPTY_CELLS,
            keep_default_na=False,
            dtype=np.float64,
        )
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: the column {name} is not of numbers: {' '.join(str(error).split())}.") from error
    column: Float[ndarray, " frame"] = frame.iloc[:, 0].to_numpy()
    return column


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """The numbers of a file, NaN where ``n/a`` or empty, and the names beside them, if any."""

    values: Float[ndarray, "row column"]
    column_names: tuple[str, ...] | None
    row_names: tuple[str, ...] | None


def read_text_table(path: Path) -> TextTable:
    """Read numbers separated by tabs, commas or spaces.

    Lines before and after the numbers that begin with ``#`` are comments, and the last before them is the header if it
    has as many words as there are columns. A first line with words, or of rising whole numbers, is a header too. Words
    in the first cell of every line are row names. A first column whose header is empty is a running index and is left
    out.

    Raises
    ------
    DataError
        If the file cannot be read as UTF-8 text, is empty, has lines of different length or a cell that is no number,
        has comments between its numbers, or does not end with a line break, as when it is cut off.
    """
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} cannot be read as text in UTF-8: {error}.") from error
    data = [line for line in lines if line.strip() and not _is_comment(line)]
    if not data:
        raise DataError(f"{path} has no numbers in it.")
    check_line_ends(content, path)
    separator = next((mark for mark in ("\t", ",") if mark in data[-1]), None)
    names: list[str] | None = None
    if _is_header(first := _cells(data[0], separator)):
        names, data = first, data[1:]
    if not data:
        raise DataError(f"{path} has a header and no numbers.")
    _refuse_comments_between(data, lines, path)
    width = _same_width(data, separator, path)
    if names is None:
        names = _commented_header(lines, separator, width)
    named_rows = not _is_number(_cells(data[0], separator)[0])
    cells = _parse(data, separator, width, named_rows, path)
    row_names = tuple(cells.iloc[:, 0].astype(str).str.strip()) if named_rows else None
    values = cells.iloc[:, int(named_rows) :].to_numpy(dtype=np.float64)
    return _named(values, names, row_names, path)


def _named(
    values: Float[ndarray, "row column"], names: list[str] | None, row_names: tuple[str, ...] | None, path: Path
) -> TextTable:
    if names is None:
        return TextTable(values=values, column_names=None, row_names=row_names)
    width = values.shape[1]
    if row_names is not None and len(names) == width + 1:
        names = names[1:]
    elif len(names) == width and names[0] in ("", "Unnamed: 0"):
        names, values = names[1:], values[:, 1:]
    if names and names[-1] == "" and len(names) == values.shape[1]:
        names, values = names[:-1], values[:, :-1]
    if len(names) != values.shape[1]:
        raise DataError(f"{path}: its header has {len(names)} names, its lines have {values.shape[1]} numbers.")
    return TextTable(values=values, column_names=tuple(names), row_names=row_names)


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell in ABSENT
    return True


def _is_header(cells: list[str]) -> bool:
    words = [cell for cell in cells if not _is_number(cell)]
    beyond_first = any(not _is_number(cell) for cell in cells[1:]) or (len(cells) == 1 and bool(words))
    numbers = cells[1:] if words or cells[0] == "" else cells
    counted = len(numbers) > 1 and all(re.fullmatch(r"\d+", cell) for cell in numbers) and only_counts(numbers)
    return beyond_first or counted


def _commented_header(lines: list[str], separator: str | None, width: int) -> list[str] | None:
    comments = [line for line in lines if _is_comment(line)]
    if not comments:
        return None
    words = [word.lstrip("#").strip() for word in _cells(comments[-1].strip().lstrip("#"), separator)]
    return words if len(words) == width else None


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _refuse_comments_between(data: list[str], lines: list[str], path: Path) -> None:
    """Refuse a ``#`` among the numbers: a frame that is taken out this way would move all frames after it."""
    after = lines[lines.index(data[0]) :]
    within = [line for line in after if line.strip()][: len(data)]
    if comment := next(filter(_is_comment, within), None):
        raise DataError(
            f"{path}: the line {comment[:40]!r} is a comment between its numbers. Remove the line, or its #."
        )


def _same_width(data: list[str], separator: str | None, path: Path) -> int:
    widths = [len(line.split(separator)) for line in data]
    for number, width in enumerate(widths, start=1):
        if width != widths[0]:
            raise DataError(
                f"{path}: line {number} of its numbers has {width} cells, the first has {widths[0]}. Is it cut off?"
            )
    return widths[0]


def _parse(data: list[str], separator: str | None, width: int, named_rows: bool, path: Path) -> pd.DataFrame:
    types = {column: np.float64 if column or not named_rows else str for column in range(width)}
    try:
        return pd.read_csv(
            io.StringIO("\n".join(data)),
            sep=r"\s+" if separator is None else separator,
            header=None,
            dtype=types,
            keep_default_na=False,
            na_values=list(ABSENT),
            skipinitialspace=True,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: a cell is not a number ({error}). Missing cells are n/a or empty.") from error
