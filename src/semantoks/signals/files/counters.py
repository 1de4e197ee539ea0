"""Columns and rows that only count, of frames, seconds or ROIs, beside the numbers of a recording: found, left out."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from semantoks.errors import DataError

NUMBERED = re.compile(r"(.*?)(\d{1,18})(\D*)")  # more digits count nothing
COUNTING = re.compile(
    r"(?:(?:row|frame|volume|vol|scan|sample|roi|region|parcel|label|node|time|tr|image|dynamic)s?)?"
    r"(?:index|idx|number|num|no|nr|id|names?)?"
    r"|i|n|x|s|t|ts|trs?|(?:acq|acquisition|frame|scan|elapsed)?times?(?:in)?(?:s|secs?|seconds|ms|points?|stamps?|steps?)?"
    r"|tp|secs?|seconds?|ms|msec|elapsed|onset|subbrick|unnamed0*|level0"
)
"""What columns that count are called, less blanks and punctuation, in lower case; an empty name is one, too."""
WHOSE = re.compile(r"(?:subj?|subject|participant|ses|session|run)(?:id)?|eid|site")
"""What columns that say whose the recording is are called, likewise."""
LEAST = 5
"""Numbers below which an even rise can be chance, where no name says that they count."""
ROUNDING = 0.02
"""Largest distance from an even rise, as a share of its step: times are rounded."""


class Labelled(NamedTuple):
    """Numbers, and the names of columns and rows where there are any."""

    values: Num[ndarray, "row column"]
    column_names: Sequence[str] | None
    row_names: Sequence[str] | None


def only_counts(names: Sequence[str], *, bare: bool = False) -> bool:
    """True if names are the same but for a rising number, so that they name nothing; ``bare``: nothing but numbers."""
    found = [NUMBERED.fullmatch(name.strip()) for name in names]
    stems = {(match[1], match[3]) for match in found if match is not None}
    if None in found or len(stems) != 1 or (bare and stems != {("", "")}):
        return False
    numbers = [int(match[2]) for match in found if match is not None]
    return all(a < b for a, b in pairwise(numbers))


def without_counters(table: Labelled, where: str) -> Labelled:
    """Leave out columns and rows that count frames, seconds or ROIs, or say whose the recording is.

    A column is known by its name (``time``, ``Unnamed: 0``, ``frame``) if its numbers rise, too; where names say
    nothing, the first by its numbers: an even rise from 0 or a whole number of steps. Rows likewise.

    Raises
    ------
    DataError
        If a column says that the table has several recordings.
    """
    values, column_names = _without(table.values, table.column_names, where)
    turned, row_names = _without(values.T, table.row_names, where)
    return Labelled(turned.T, column_names, row_names)


def _without(
    values: Num[ndarray, "row column"], names: Sequence[str] | None, where: str
) -> tuple[Num[ndarray, "row left"], Sequence[str] | None]:
    """Leave out the columns that count."""
    if names is not None:
        left_out = [_is_aside(name, values[:, i], where) for i, name in enumerate(names)]
        values = values[:, ~np.array(left_out, dtype=bool)]
        names = [name for name, gone in zip(names, left_out, strict=True) if not gone]
    while values.shape[1] > 1 and (names is None or only_counts(names)):
        if not _counts(values[:, 0]) or _counts(values[:, -1]):  # where all of them count, they are what is recorded
            break
        values, names = values[:, 1:], None if names is None else names[1:]
    return values, names


def _is_aside(name: str, numbers: Num[ndarray, " row"], where: str) -> bool:
    """Tell by its name whether a column is none of the recording."""
    word = "" if name.strip() == "...1" else _word(name)  # "...1" is readr's
    known = np.isfinite(numbers).any()
    if WHOSE.fullmatch(word) and known and (several := len(np.unique(numbers))) > 1:
        raise several_recordings(where, name, several)
    with np.errstate(invalid="ignore"):  # of two that are infinite
        rising = bool((np.diff(numbers.astype(np.float64)) > 0).all())
    return bool(WHOSE.fullmatch(word) or (COUNTING.fullmatch(word) and (rising or not known)))


def says_whose(name: str) -> bool:
    """Tell whether a column is called as one that says whose the recording is."""
    return WHOSE.fullmatch(_word(name)) is not None


def several_recordings(where: Path | str, name: str, several: int) -> DataError:
    """Make the error of a table with the recordings of several people, sessions or runs."""
    return DataError(
        f"{where}: its column {name!r} has {several} different values, so it has several recordings. Save each in "
        "a file of its own."
    )


def _word(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _counts(numbers: Num[ndarray, " row"]) -> bool:
    """Recognise an even rise from 0 or a few steps (the first frames may have been cut): no signal rises so."""
    if len(numbers) < LEAST or not np.isfinite(numbers).all():
        return False
    first, last = float(numbers[0]), float(numbers[-1])
    step = (last - first) / (len(numbers) - 1)
    steps = first / step if step > 0 else -1.0
    if not -ROUNDING <= steps <= len(numbers) or abs(steps - round(steps)) > ROUNDING:
        return False
    return bool((np.abs(numbers - (first + step * np.arange(len(numbers)))) <= ROUNDING * step).all())
