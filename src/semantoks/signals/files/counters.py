"""Columns and rows that only count, of frames, seconds or ROIs, beside the numbers of a recording: found, left out."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Num
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


OF_ROIS = re.compile(r"(?:roi|region|parcel|label|node)s?(?:index|idx|number|num|no|nr|id|names?)?")
"""What columns that number ROIs are called, likewise."""
TIMES = re.compile(
    r"(?:acq|acquisition|frame|scan|elapsed)?times?(?:in)?(?:s|secs?|seconds|ms|stamps?)?|t|secs?|seconds?|ms|msec|elapsed|onset"
)
"""What columns of times are called, likewise."""
PRECISE = 2e-4
"""Largest error of a repetition time from times that are rounded, as a share of it."""
UNEVEN = 0.2
"""Largest distance of a frame from its place, as a share of the step between frames: clocks are not quite even."""


class Counter(NamedTuple):
    """A column (or row) that was set aside, since it counts."""

    name: str
    numbers: Num[ndarray, " row"]


class Labelled(NamedTuple):
    """Numbers, the names of columns and rows where there are any, and what counts the rows and the columns."""

    values: Num[ndarray, "row column"]
    column_names: Sequence[str] | None
    row_names: Sequence[str] | None
    of_rows: tuple[Counter, ...] = ()
    of_columns: tuple[Counter, ...] = ()


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
    kept = _without(table.values, table.column_names, where)
    of_rows = (*table.of_rows, *_set_aside(table.values, table.column_names, kept))
    values = table.values[:, kept]
    left = _without(values.T, table.row_names, where)
    of_columns = (*table.of_columns, *_set_aside(values.T, table.row_names, left))
    return Labelled(
        values[left],
        _named(table.column_names, kept),
        _named(table.row_names, left),
        tuple(Counter(name, numbers[left]) for name, numbers in of_rows),
        of_columns,
    )


def _named(names: Sequence[str] | None, kept: Int[ndarray, " kept"]) -> list[str] | None:
    return None if names is None else [names[i] for i in kept.tolist()]


def _set_aside(
    values: Num[ndarray, "row column"], names: Sequence[str] | None, kept: Int[ndarray, " kept"]
) -> Iterator[Counter]:
    """Yield the columns with a name that are not kept and count something else than ROIs."""
    for i, name in enumerate(names or ()):
        if i not in kept and not any(kind.fullmatch(_word(name)) for kind in (WHOSE, OF_ROIS)):
            yield Counter(name, values[:, i])


def _without(values: Num[ndarray, "row column"], names: Sequence[str] | None, where: str) -> Int[ndarray, " kept"]:
    """Find the columns that do not count."""
    kept = np.arange(values.shape[1])
    if names is not None:
        kept = kept[[not _is_aside(name, values[:, i], where) for i, name in enumerate(names)]]
        names = _named(names, kept)
    while len(kept) > 1 and (names is None or only_counts(names)):
        # where all of them count, they are what is recorded
        if not _counts(values[:, kept[0]]) or _counts(values[:, kept[-1]]):
            break
        kept, names = kept[1:], None if names is None else names[1:]
    return kept


def with_missing_frames(
    series: Num[ndarray, "frame roi"], counters: Sequence[Counter], names: Sequence[str] | None, where: str
) -> Num[ndarray, "all roi"]:
    """Put frames that are missing by their own numbers or times back, as NaN.

    Parameters
    ----------
    names
        Those of the frames, if any; where they only count (``frame_0``), they number frames, too.

    Raises
    ------
    DataError
        If a counter does not rise by whole steps, two disagree, or it says that most frames are missing.
    """
    if names is not None and len(names) and only_counts(names):
        numbers = [int(match[2]) for name in names if (match := NUMBERED.fullmatch(name.strip()))]
        counters = [*counters, Counter(names[0], np.array(numbers))]
    found = [(name, places) for name, numbers in counters if (places := _places(name, numbers, where)) is not None]
    if not found:
        return series
    (name, places), *others = found
    for other, differing in others:
        if not np.array_equal(places, differing):
            raise DataError(
                f"{where}: its columns {name!r} and {other!r} disagree on which frames are missing. Remove the wrong "
                "one."
            )
    if (missing := int(places[-1]) + 1 - len(places)) > len(places):
        raise DataError(
            f"{where}: by its {_called(name)}, {missing} frames are missing and {len(places)} are there. If it does "
            "not count frames, remove it; else put the missing frames back, as rows of n/a."
        )
    whole = np.full((len(places) + missing, series.shape[1]), np.nan, dtype=series.dtype)
    whole[places] = series
    return whole


def _places(name: str, numbers: Num[ndarray, " frame"], where: str) -> Int[ndarray, " frame"] | None:
    """Number frames from 0 by their counter or times; None where none is missing."""
    steps = np.diff(numbers.astype(np.float64))
    if not len(steps) or not np.isfinite(steps).all() or steps.min() <= 0:
        return None
    step = steps[steps < 1.5 * steps.min()].mean()
    passed = np.round(steps / step)
    if (passed == 1).all():
        return None
    if (uneven := np.abs(steps - passed * step) > UNEVEN * step).any():
        i = int(np.flatnonzero(uneven)[0])
        raise DataError(
            f"{where}: its {_called(name)} goes from {numbers[i]:g} to {numbers[i + 1]:g}, and its steps are of "
            f"{step:g}: is a frame missing? Correct it, or remove it if no frame is missing."
        )
    places: Int[ndarray, " frame"] = np.r_[0, passed.cumsum()].astype(np.int64)
    return places


def counts_rows(name: str) -> bool:
    """Tell whether a column is called as one that counts, or has no name, as an index has none."""
    return COUNTING.fullmatch(_word(name)) is not None


def is_time(name: str) -> bool:
    """Tell whether a column is called as one of times."""
    return TIMES.fullmatch(_word(name)) is not None


def seconds_between(name: str, numbers: Num[ndarray, " frame"]) -> float | None:
    """Give the time between frames in a column of times; None where it is none, counts frames or is too coarse."""
    if not is_time(name) or len(numbers) < LEAST or not np.isfinite(numbers).all():
        return None
    steps = np.diff(numbers.astype(np.float64))
    if steps.min() <= 0:
        return None
    passed = np.r_[0, np.round(steps / steps[steps < 1.5 * steps.min()].mean()).cumsum()]
    step = float(numbers[-1] - numbers[0]) / passed[-1]
    error = np.abs(numbers - numbers[0] - step * passed).max() / passed[-1] / step
    if step == 1 or error > PRECISE:
        return None
    return float(step / 1000 if _word(name).endswith(("ms", "msec")) else step)


def _called(name: str) -> str:
    return f"column {name!r}" if name else "first column, which has no name"


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
