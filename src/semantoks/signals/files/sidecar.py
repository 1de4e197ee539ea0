"""Numbers that stand in sidecars, and repetition times that several files of one recording state."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from semantoks.errors import DataError
from semantoks.signals.files.bids import read_json
from semantoks.signals.recording import MAX_TR, MIN_TR


@dataclass(frozen=True, kw_only=True)
class StatedTR:
    """What a recording's own files say of its repetition time.

    ``seconds`` is None when none says it; ``where`` is the file that does, or, in a sentence, where it was looked for.
    """

    seconds: float | None
    where: str


def stated_number(path: Path, field: str) -> float | None:
    """Read the number in a field of a sidecar; None where there is no such file or field, or it holds no number.

    Raises
    ------
    DataError
        When the file is there and no JSON object.
    """
    value = read_json(path).get(field) if path.is_file() else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return float(value)


def agreed(said: Iterable[StatedTR]) -> StatedTR:
    """Give the repetition time that files of one recording agree on, else what they say of its absence.

    Raises
    ------
    DataError
        When two of them state different ones.
    """
    several = list(said)
    known = [one for one in several if one.seconds is not None]
    for one in known[1:]:
        assert one.seconds is not None
        assert known[0].seconds is not None
        if not math.isclose(one.seconds, known[0].seconds, rel_tol=1e-3):
            raise DataError(
                f"{known[0].where} says a repetition time of {known[0].seconds:g} s, but {one.where} says "
                f"{one.seconds:g} s: correct what is wrong."
            )
    return known[0] if known else StatedTR(seconds=None, where="; ".join(one.where for one in several))


def plausible(seconds: float, where: str) -> StatedTR:
    """Take seconds from a field that holds something else at times, if they can be a repetition time (0.3 to 6 s)."""
    if MIN_TR <= seconds <= MAX_TR:
        return StatedTR(seconds=seconds, where=where)
    return StatedTR(seconds=None, where=f"{where}, is {seconds:g} s, not {MIN_TR:g} to {MAX_TR:g} s")
