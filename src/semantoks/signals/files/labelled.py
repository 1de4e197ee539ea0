"""Tables with a header of labels and a row a frame, as derivative pipelines write them: read fast, checked."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError

ABSENT = ["n/a", "", "NaN", "nan", "NA"]
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
        When it is no such table: no text, lines of other lengths, a cell that is no number.
    """
    labels, held = read_header(path), path.read_bytes()
    try:
        frame = pd.read_csv(
            io.BytesIO(held), sep="\t", na_values=ABSENT, keep_default_na=False, dtype=np.float64, index_col=False
        )
    except (ValueError, OverflowError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a table of numbers below a header of labels: {reason}.") from error
    check_line_ends(held, path)
    # pandas fills short lines up with NaN: the delimiters tell.
    if held.count(b"\t") != (len(labels) - 1) * (len(frame) + 1) or not len(frame):
        raise DataError(f"{path}: its {len(frame)} lines have not all {len(labels)} cells. Is it cut off?")
    values: Float[ndarray, "frame column"] = frame.to_numpy()
    return labels, values


def check_line_ends(held: bytes, path: Path | str) -> None:
    """Raise DataError for a table without a line break at its end, whose last number may have lost digits, or with
    carriage returns among its line feeds, over which pandas moves cells.
    """
    if not held.endswith((b"\n", b"\r")):
        raise DataError(
            f"{path} does not end with a line break, so that its last line may be cut off. Copy it again; or, if it is "
            "whole, add one."
        )
    if held.count(b"\n") > 0 and held.count(b"\r") > held.count(b"\r\n"):
        raise DataError(f"{path} mixes ends of lines, carriage returns and line feeds: save it with one of them.")


def read_column(path: Path, name: str) -> Float[ndarray, " frame"]:
    """Read one column of a tab-separated table; DataError when it has none, or not of numbers."""
    labels, held = read_header(path), path.read_bytes()
    if name not in labels:
        raise DataError(f"{path} has to have a column {name}.")
    check_line_ends(held, path)
    try:
        frame = pd.read_csv(
            io.BytesIO(held),
            sep="\t",
            usecols=[labels.index(name)],
            na_values=ABSENT,
            keep_default_na=False,
            dtype=np.float64,
        )
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: the column {name} is not of numbers: {' '.join(str(error).split())}.") from error
    column: Float[ndarray, " frame"] = frame.iloc[:, 0].to_numpy()
    return column
