"""Tables of numbers in text files: of any delimiter and header, and those of derivative pipelines, read fast."""

import io
import re
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.files.bad_cells import LONGEST_WORD, Cells, line_of, not_numbers, refuse_thousands
from semantoks.signals.files.counters import Counter, is_time, only_counts, says_whose, several_recordings
from semantoks.signals.files.dialect import ABSENT, Dialect, find_dialect, plain_numbers
from semantoks.signals.files.intact import check_line_ends, readable
from semantoks.storage.text import check_extent, read_content, read_text

EMPTY_CELLS = ["n/a", "", "NaN", "nan", "NA"]
"""What derivative pipelines write for a number that is missing."""
HASH = re.compile(r"_hash-[^_]+$")
LONGEST_HEADER = 2**22
LONGEST_REASON = 100
"""Characters of a reason that quotes a file."""
BY_CHANCE = 1e-6
"""Likelihood below which a line of whole numbers above numbers with decimals is no frame, but names ROIs."""
LEAST_NAMES = 3
"""Cells of a first line below which it may be a title."""
LARGEST_ROI = 100_000
"""Largest number of an ROI: those of FreeSurfer have five digits."""
NAMED_TWICE = re.compile(r"(\d+)\.[1-9]")
"""What pandas makes of a name that is there already."""


def read_header(path: Path) -> list[str]:
    """Read the labels in the first line of a tab-separated table, without XCP-D's ``_hash-...``."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline(LONGEST_HEADER)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text in UTF-8: {error}.") from error
    if not line.strip():
        raise DataError(f"{path} is empty.")
    cells = line.rstrip("\r\n").split("\t")
    check_extent(path, cells=len(cells))
    return [HASH.sub("", cell.strip()) for cell in cells]


def read_labelled(path: Path) -> tuple[list[str], Float[ndarray, "frame column"]]:
    """Read labels and numbers [frame, column] of a tab-separated table; ``n/a`` and empty cells are NaN.

    Raises
    ------
    DataError
        When it is no such table: no text, lines of different lengths, a cell that is no number.
    """
    labels = read_header(path)
    frame = parse_rectangle(read_content(path), str(path), "\t", len(labels), dtype=np.float64)
    values: Float[ndarray, "frame column"] = frame.to_numpy()
    return labels, values


def parse_rectangle(content: bytes, where: str, separator: str, width: int, *, dtype: Any) -> pd.DataFrame:
    """Parse a table of numbers below a header of ``width`` cells; DataError where a line has another number of cells.

    ``dtype`` is the type of the cells, or of those of each column.
    """
    check_extent(where, cells=width, lines=content.count(b"\n"))
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
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        if dtype is np.float64:
            reason = _bad_cell(content, where, separator) or reason
        raise DataError(f"{where} is not a table of numbers below a header of labels: {reason}.") from error
    check_line_ends(content, where)
    if not len(frame):
        raise DataError(
            f"{where} has a header and no frames. If it was censored, no frame was left: this recording cannot be used."
        )
    # pandas fills short lines with NaN: the delimiters count the cells.
    if content.count(separator.encode()) != (width - 1) * (len(frame) + 1):
        raise DataError(f"{where}: not all of its {len(frame)} lines have {width} cells. Is it cut off?")
    return frame


def _bad_cell(content: bytes, where: str, separator: str) -> str:
    """Name the first cell below a header that is no number; empty where there is none."""
    rows = [line.split(separator) for line in content.decode(errors="replace").splitlines()]
    dialect = Dialect(separator=separator, decimal=".", quoted=False)
    cells = Cells(path=where, rows=rows[1:], names=rows[0], words=0, dialect=dialect, line_of=lambda row: row + 2)
    found = next((one for one in cells.numbers() if not dialect.is_number(one[2])), None)
    return "" if found is None else f"{cells.place(*found[:2])}, has {found[2][:LONGEST_WORD]!r}"


def read_column(path: Path, name: str) -> Float[ndarray, " frame"]:
    """Read one column of a tab-separated table; DataError when it has none, or not of numbers."""
    labels, content = read_header(path), read_content(path)
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
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        raise DataError(f"{path}: the column {name} is not of numbers: {reason}.") from error
    column: Float[ndarray, " frame"] = frame.iloc[:, 0].to_numpy()
    return column


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """The numbers of a file, NaN where ``n/a`` or empty, the names beside them, if any, and a left out ``index``."""

    values: Float[ndarray, "row column"]
    column_names: tuple[str, ...] | None
    row_names: tuple[str, ...] | None
    index: Counter | None = None


def read_text_table(path: Path) -> TextTable:
    """Read numbers apart by tabs, commas, semicolons, bars or blanks, decimals with point or comma, compressed or not.

    Lines before and after the numbers that begin with ``#`` or ``%`` are comments, and the last before them is the
    header if it has as many words as there are columns. A first line with words, or of rising whole numbers, is a
    header too. Words in the first cells of every line are row names, unless they are all the same. A first column whose
    header is empty is a running index and is left out, as is one that the header has no name for (R).

    Raises
    ------
    DataError
        If the file cannot be read as text, is empty, has lines of different length or a cell that is no number, has
        comments between its numbers, or does not end with a line break, as when it is cut off.
    """
    with readable(f"{path} cannot be read as a table of numbers"):
        return _text_table(read_text(path), path)


def names_times(path: Path) -> bool:
    """Tell from its first line whether a table has a column that is called as one of times."""
    start = read_text(path, start=LONGEST_HEADER).partition("\n")[0]
    words = re.split(r"[\t,;|]" if re.search(r"[\t,;|]", start) else r"\s+", start)
    return any(is_time(word) for word in words)


def _text_table(text: str, path: Path) -> TextTable:
    check_extent(path, lines=text.count("\n"))
    lines = plain_numbers(text).splitlines()
    if lines and re.fullmatch(r"sep=.", lines[0].strip(), re.IGNORECASE):  # Excel's
        lines[0] = ""
    data = [line for line in lines if line.strip() and not _is_comment(line)]
    filled = [line for line in data if line.strip("\t,; ")]
    if not filled:
        raise DataError(f"{path} has no numbers in it.")
    check_line_ends(text.encode(), path)
    dialect = find_dialect(filled)
    headed = _is_header(dialect.cells(data[0]), data[1:], dialect)
    data = _with_empty_rows(data, lines, dialect, headed=headed)
    names: list[str] | None = None
    if not (first := dialect.cells(data[0])):
        raise DataError(f"{path} has no numbers in it: its first line is {data[0][:LONGEST_WORD]!r}.")
    check_extent(path, cells=len(first))
    whole = data
    if headed:
        names, data = first, data[1:]
    if not data:
        raise DataError(f"{path} has a header and no numbers.")
    before = _comments_before(data, lines, dialect, path)
    rows = [dialect.cells(line) for line in data]
    width = _same_width(rows, path)
    if names is None:
        names = _commented_header(before, dialect, width)
    words = _leading_words(rows, dialect)
    if words == width:
        raise DataError(
            f"{path} has no numbers in it: its {len(rows)} lines are words (the first: {rows[0][0][:LONGEST_WORD]!r}). "
            "If it is a list of ids or names, move it to another folder."
        )
    number = partial(line_of, data=whole, lines=lines, headed=headed)
    cells = Cells(path=path, rows=rows, names=names, words=words, dialect=dialect, line_of=number)
    refuse_thousands(cells)
    values = _parse(data, cells)
    beside = [[row[i] for row in rows] for i in range(words)]
    return _named(values, names, beside, path)


def _with_empty_rows(data: list[str], lines: list[str], dialect: Dialect, *, headed: bool) -> list[str]:
    """Keep lines of nothing but delimiters, as many as the first has: frames without a number, which are censored ones.

    Tabs alone are put back among the others; fewer delimiters at the end are no frame.
    """
    mark = dialect.separator
    if mark is None or not (marks := len(dialect.cells(data[0])) - 1):
        return data
    if mark == "\t":
        first = lines.index(data[0]) if headed else 0
        within = (line for line in lines[first:] if not _is_comment(line))
        return [line for line in within if line.strip() or line.count("\t") == marks]
    end = next(number for number in range(len(data), 0, -1) if data[number - 1].strip("\t,; "))
    return data[:end] + [line for line in data[end:] if line.count(mark) == marks]


def _leading_words(rows: list[list[str]], dialect: Dialect) -> int:
    """Count the columns of words before the numbers; a running index may come before them, and is one of them.

    No cell of a column of words is a number, and few are missing: a word among numbers is a cell that is wrong.
    """

    def worded(column: int) -> bool:
        cells = [row[column] for row in rows]
        if any(dialect.is_number(cell) and cell not in ABSENT for cell in cells):
            return False
        return 2 * sum(cell in ABSENT for cell in cells) < len(cells)

    width = len(rows[0])
    indexed = width > 2 and not worded(0) and worded(1) and only_counts([row[0] for row in rows], bare=True)
    first = int(indexed)
    return next((i for i in range(first, width) if not worded(i)), width)


def _named(
    values: Float[ndarray, "row column"], names: list[str] | None, beside: list[list[str]], path: Path
) -> TextTable:
    """Put names to numbers; ``beside`` are the columns of words that come before them."""
    width = values.shape[1]
    called = [""] * len(beside)
    index: Counter | None = None
    if names is not None:
        if len(names) == width + len(beside):
            called, names = names[: len(beside)], names[len(beside) :]
        elif len(names) == width - 1 and only_counts([f"{number:g}" for number in values[:, 0]], bare=True):
            index, values = Counter("", values[:, 0]), values[:, 1:]  # R names no column of row numbers
        if names and len(names) == values.shape[1] and not beside and names[0] in ("", "Unnamed: 0"):
            index, names, values = Counter(names[0], values[:, 0]), names[1:], values[:, 1:]
        if names and names[-1] == "" and len(names) == values.shape[1]:
            names, values = names[:-1], values[:, :-1]
        if len(names) != values.shape[1]:
            raise DataError(
                f"{path}: its header has {len(names)} names, its lines have {values.shape[1]} numbers. "
                f"{_remedy(len(names), values)}"
            )
    row_names = _row_names(beside, called, path)
    column_names = None if names is None else tuple(names)
    return TextTable(values=values, column_names=column_names, row_names=row_names, index=index)


def _remedy(names: int, values: Float[ndarray, "row column"]) -> str:
    """Say what to do about a header of another length than the lines below."""
    if values.shape[1] == 2 * names and np.array_equal(values, np.round(values), equal_nan=True):
        return "If commas are decimals, too, put quotes around each cell, or tabs or semicolons between them."
    if names < LEAST_NAMES:
        return "If its first line is a title, remove it, or put # before it."
    return "Give each column of numbers one name."


def _row_names(beside: list[list[str]], called: list[str], path: Path) -> tuple[str, ...] | None:
    """Choose the column of words that names the rows: the first without repeats; none where words are all the same."""
    telling = []
    for name, words in zip(called, beside, strict=True):
        different = len(set(words))
        if 1 < different < len(words) and says_whose(name):
            raise several_recordings(path, name, different)
        if (different > 1 or len(words) == 1) and not only_counts(words, bare=True):
            telling.append(words)
    return next(
        (tuple(words) for words in telling if len(set(words)) == len(words)), tuple(telling[0]) if telling else None
    )


def _is_header(cells: list[str], below: list[str], dialect: Dialect) -> bool:
    """Tell whether a first line names columns: in words, most of them, or in whole numbers that are no frame."""
    words = sum(not dialect.is_number(cell) for cell in cells)
    if words > (len(cells) > 1 and not dialect.is_number(cells[0])):
        decimals = sum(cell not in ABSENT and dialect.is_number(cell) and not cell.isdecimal() for cell in cells)
        return words > decimals
    numbers = cells[1:] if words or cells[:1] == [""] else cells
    if len(numbers) < 2:
        return False
    if all(cell.isdecimal() for cell in numbers) and only_counts(numbers):
        return True
    return _number_rois(numbers, below, dialect)


def _number_rois(cells: list[str], below: list[str], dialect: Dialect) -> bool:
    """Tell whether whole numbers are those of ROIs, in any order: each once, or counted again from the first (1 to 100,
    1 to 16), above lines of which so many numbers have decimals that this line has none by no chance.
    """
    known = set(cells)
    once = [cell for cell in cells if not ((twice := NAMED_TWICE.fullmatch(cell)) and twice[1] in known)]
    if not all(_is_whole(cell, dialect) for cell in once):
        return False
    numbers = [float(cell.replace(",", ".")) for cell in once]
    if not 0 <= min(numbers) <= max(numbers) <= LARGEST_ROI:
        return False
    again = all(a < b or (b in (0, 1) and a > 1) for a, b in pairwise(numbers))
    if len(set(numbers)) < len(numbers) and not again:
        return False
    found = [cell for line in below for cell in dialect.cells(line) if cell not in ABSENT]
    whole = sum(_is_whole(cell, dialect) for cell in found)
    return bool(found) and (whole / len(found)) ** len(cells) < BY_CHANCE


def _is_whole(cell: str, dialect: Dialect) -> bool:
    return cell not in ABSENT and dialect.is_number(cell) and float(cell.replace(",", ".")).is_integer()


def _commented_header(comments: list[str], dialect: Dialect, width: int) -> list[str] | None:
    if not comments:
        return None
    words = [word.lstrip("#").strip() for word in dialect.cells(comments[-1].strip().lstrip("#%").strip())]
    return words if len(words) == width else None


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "%"))


def _comments_before(data: list[str], lines: list[str], dialect: Dialect, path: Path) -> list[str]:
    """Give the comments before the numbers, and refuse one among them: a frame taken out so would move all others.

    Comments in words before each line of numbers (AFNI's ``3dROIstats -1Dformat``) take none out.
    """
    start, empty = lines.index(data[0]), {line for line in data if not line.strip()}
    within = [line for line in lines[start:] if line.strip() or line in empty]
    comments = [number for number, line in enumerate(within) if _is_comment(line)]
    worded = all(any(not dialect.is_number(cell) for cell in dialect.cells(within[i].lstrip("#% "))) for i in comments)
    each = worded and comments == list(range(1, 2 * len(data) - 1, 2))
    if not each and (among := [i for i in comments if i < len(data)]):
        raise DataError(
            f"{path}: the line {within[among[0]][:40]!r} is a comment between its numbers. Remove it, or its mark."
        )
    return [line for line in lines[:start] if _is_comment(line)]


def _same_width(rows: list[list[str]], path: Path) -> int:
    width = len(rows[0])
    for number, cells in enumerate(rows, start=1):
        if len(cells) != width:
            raise DataError(
                f"{path}: line {number} of its numbers has {len(cells)} cells, the first has {width}. Is it cut off?"
            )
    return width


def _parse(data: list[str], cells: Cells) -> Float[ndarray, "row column"]:
    """Parse the numbers, which come after columns of words."""
    dialect, words = cells.dialect, cells.words
    try:
        frame = pd.read_csv(
            io.StringIO("\n".join(data)),
            sep=r"\s+" if dialect.separator is None else dialect.separator,
            decimal=dialect.decimal,
            header=None,
            dtype={column: str if column < words else np.float64 for column in range(len(cells.rows[0]))},
            keep_default_na=False,
            na_values=list(ABSENT),
            skipinitialspace=True,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise not_numbers(cells, " ".join(str(error).split())[:LONGEST_REASON]) from error
    values: Float[ndarray, "row column"] = frame.iloc[:, words:].to_numpy(dtype=np.float64)
    return values
