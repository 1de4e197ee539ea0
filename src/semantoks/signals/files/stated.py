"""What headers and sidecars state: repetition times, numbers, filters and the tools that made a folder."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semantoks.errors import DataError
from semantoks.signals.files.intact import refuse_unfetched
from semantoks.signals.recording import MAX_TR, MIN_TR
from semantoks.signals.typed_columns import MISSING
from semantoks.storage import text

FilterBand = tuple[float | None, float | None]
"""Lower and upper corner in Hz, None for an open end."""
LOW_PASS, HIGH_PASS = re.compile(r"low[ _-]?pass", re.IGNORECASE), re.compile(r"high[ _-]?pass", re.IGNORECASE)
UNTRUSTED = "and is not trusted)"
PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
LONGEST_NUMBER, LONGEST_QUOTE = 300, 40
"""Characters of what may be a number, and of a value that a message quotes."""
NUMBER = re.compile(r"\d*\.?\d+(?:[eE]-?\d+)?")


@dataclass(frozen=True, kw_only=True)
class StatedTR:
    """What a recording's own files say about its repetition time.

    ``seconds`` is None when none of them states it; ``where`` is the file that does, or, in a sentence, where it was
    looked for. With ``wrong``, a sidecar states something that can be none, which ``where`` quotes: nothing else counts
    until it is corrected. One of the seconds in ``either`` has to be it, but nothing says which.
    """

    seconds: float | None
    where: str
    wrong: bool = False
    either: tuple[float, ...] = ()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; DataError when it is none."""
    try:
        return text.read_json(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} cannot be read as JSON: it is not there.") from error


def generated_by(root: Path) -> list[tuple[str, str]]:
    """List name and version of the tools that made a derivative, the last one first; empty where it does not say."""
    path = root / "dataset_description.json"
    if not path.is_file():
        return []
    try:
        plain = read_json(path)
    except DataError:
        return []
    tools = plain.get("GeneratedBy") or plain.get("PipelineDescription") or []
    tools = tools if isinstance(tools, list) else [tools]
    return [(str(one.get("Name", "")), str(one.get("Version", ""))) for one in tools if isinstance(one, dict)]


def stated_number(path: Path, field: str) -> float | None:
    """Read the number in a field of a sidecar; None without such a file or field, or where it is no number.

    Text that is plainly a number, and a list of one, are that number: R's jsonlite writes ``[2]`` for 2.

    Raises
    ------
    DataError
        When the file exists and is no JSON object, or is a link to one that was not fetched.
    """
    return _number(_value(path, field))


def lacking(path: Path, field: str) -> str:
    """Say that a sidecar has no number in a field, and what it has there, if anything."""
    value = _value(path, field)
    there = "" if _is_unknown(value) else f" that is a number (it is {_quoted(value)})"
    return f"no {field} in {path.name}{there}"


def stated_tr(path: Path, where: str, field: str = "RepetitionTime") -> StatedTR | None:
    """Read the repetition time in a field of a sidecar, seconds; None without such a file or field.

    What is no number, or cannot be one (0.3 to 6 s), is ``wrong``. ``where`` is what the field is called in messages.
    """
    value = _value(path, field)
    seconds = _number(value)
    if seconds is not None and MIN_TR <= seconds <= MAX_TR:
        return StatedTR(seconds=seconds, where=where)
    if seconds is None:
        return None if _is_unknown(value) else StatedTR(seconds=None, where=lacking(path, field), wrong=True)
    said = f"{field} of {path.name} is {_quoted(value)}, not {MIN_TR:g} to {MAX_TR:g} s"
    return StatedTR(seconds=None, where=said, wrong=True)


def _value(path: Path, field: str) -> Any:
    if path.is_file():
        return read_json(path).get(field)
    refuse_unfetched(path)
    return None


def _number(value: Any) -> float | None:
    """Give the number that a value of JSON is, or is plainly meant to be."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(one, str) and len(one) < LONGEST_NUMBER and PLAIN_NUMBER.fullmatch(one.strip()):
        one = float(one)
    if isinstance(one, bool) or not isinstance(one, int | float) or not abs(one) < 2**53:
        return None
    return float(one)


def _is_unknown(value: Any) -> bool:
    """Tell whether a value of JSON says that nothing is known, as BIDS, R and Python write it."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    return one is None or one == [] or one != one or (isinstance(one, str) and one.strip() in MISSING)


def _quoted(value: Any) -> str:
    return repr(value)[:LONGEST_QUOTE]


def agreed(stated: Iterable[StatedTR]) -> StatedTR:
    """Give the repetition time that files of one recording agree on, else what they say about its absence.

    Raises
    ------
    DataError
        When two of them state different ones.
    """
    several = list(stated)
    if wrong := [one for one in several if one.wrong]:
        return wrong[0]
    first, seconds = None, math.nan
    for one in several:
        if one.seconds is None:
            continue
        if first is None:
            first, seconds = one, one.seconds
        elif not math.isclose(one.seconds, seconds, rel_tol=1e-3):
            raise DataError(
                f"{first.where} says a repetition time of {seconds:g} s, but {one.where} says {one.seconds:g} s: "
                "correct the wrong one."
            )
    either = next((one.either for one in several if one.either), ())
    return first or StatedTR(seconds=None, where="; ".join(one.where for one in several), either=either)


def over_headers(sidecar: StatedTR, headers: Sequence[StatedTR]) -> StatedTR:
    """Take the repetition time of a sidecar, which headers may only contradict by a factor of exactly 1000.

    fMRIPrep before 21.0.2 wrote such headers: milliseconds that are called seconds, or the other way round. Without a
    time in the sidecar, headers count that can be one (0.3 to 6 s).

    Raises
    ------
    DataError
        When a header says something else.
    """
    if sidecar.wrong:
        return sidecar
    if sidecar.seconds is None:
        return agreed([*map(_plausible_header, headers), sidecar])
    if not MIN_TR <= sidecar.seconds <= MAX_TR:
        return agreed([sidecar, *headers])
    wrong = [one for one in headers if one.seconds and _is_thousandfold(one.seconds, sidecar.seconds)]
    taken = agreed([sidecar, *(one for one in headers if one not in wrong)])
    if not wrong:
        return taken
    much = "1000 times as much" if (wrong[0].seconds or 0) > sidecar.seconds else "a thousandth of it"
    return StatedTR(seconds=taken.seconds, where=f"{taken.where} ({wrong[0].where} says {much} {UNTRUSTED}")


def _plausible_header(one: StatedTR) -> StatedTR:
    if one.seconds is None or MIN_TR <= one.seconds <= MAX_TR:
        return one
    return plausible(one.seconds, f"the repetition time in {one.where}")


def _is_thousandfold(one: float, other: float) -> bool:
    return any(math.isclose(one, factor * other, rel_tol=1e-3) for factor in (1e3, 1e-3))


def plausible(seconds: float, where: str) -> StatedTR:
    """Take seconds from a field that sometimes means something else, if they can be a repetition time (0.3 to 6 s)."""
    if MIN_TR <= seconds <= MAX_TR:
        return StatedTR(seconds=seconds, where=where)
    return StatedTR(seconds=None, where=f"{where} is {seconds:g} s, not {MIN_TR:g} to {MAX_TR:g} s")


def stated_band(sidecar: Mapping[str, Any]) -> FilterBand | None:
    """Read ``SoftwareFilters`` of a BIDS sidecar; None without filters.

    Filters whose numbers cannot be told apart give (None, None): filtered, but nobody knows how.
    """
    filters = sidecar.get("SoftwareFilters")
    if not filters or filters in ("n/a", "none", "None"):
        return None
    low = high = None
    for where, value in _leaves(filters):
        last = where.rpartition("/")[2]
        if re.search(r"order", last, re.IGNORECASE):
            continue
        name = last if LOW_PASS.search(last) or HIGH_PASS.search(last) else where
        if LOW_PASS.search(name):
            high = value
        elif HIGH_PASS.search(name):
            low = value
    return (low, high)


def _leaves(plain: Any, where: str = "") -> Iterator[tuple[str, float]]:
    """Yield path and number of everything that is a number, or begins with one ("0.01 Hz")."""
    if isinstance(plain, Mapping):
        for key, value in plain.items():
            yield from _leaves(value, f"{where}/{key}")
    elif isinstance(plain, list):
        for value in plain:
            yield from _leaves(value, where)
    elif isinstance(plain, int | float) and not isinstance(plain, bool) and abs(plain) < 2**53:
        yield where, float(plain)
    elif isinstance(plain, str) and (found := NUMBER.match(plain.strip())):
        yield where, float(found[0])
