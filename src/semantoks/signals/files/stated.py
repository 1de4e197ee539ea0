"""Numbers that stand in sidecars, and repetition times that several files of one recording state."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.cifti2.cifti2_axes import SeriesAxis

from semantoks.errors import DataError
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


Band = tuple[float | None, float | None]
LOW_PASS, HIGH_PASS = re.compile(r"low[ _-]?pass", re.IGNORECASE), re.compile(r"high[ _-]?pass", re.IGNORECASE)
NUMBER = re.compile(r"\d*\.?\d+(?:[eE]-?\d+)?")


def stated_band(sidecar: Mapping[str, Any]) -> Band | None:
    """Read ``SoftwareFilters`` of a BIDS sidecar: (lower, upper) corner in Hz, None for an open end.

    None without filters. Filters whose numbers cannot be told apart give (None, None): filtered, nobody knows how.
    """
    filters = sidecar.get("SoftwareFilters")
    if not filters or filters in ("n/a", "none", "None"):
        return None
    low = high = None
    for where, value in _leaves(filters):
        if re.search(r"order", where.rpartition("/")[2], re.IGNORECASE):
            continue
        last = where.rpartition("/")[2]
        name = last if LOW_PASS.search(last) or HIGH_PASS.search(last) else where
        if LOW_PASS.search(name):
            high = value
        elif HIGH_PASS.search(name):
            low = value
    return (low, high)


def _leaves(plain: Any, where: str = "") -> Iterator[tuple[str, float]]:
    """Yield path and number of everything that is one, or begins with one ("0.01 Hz")."""
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


SECONDS = {"SECOND": 1.0, "SEC": 1.0, "MSEC": 1e-3, "MILLISECOND": 1e-3, "USEC": 1e-6, "MICROSECOND": 1e-6}


def ptseries_tr(path: Path) -> float | None:
    """Read the step of the time axis of a CIFTI file in seconds; None where it has no time axis or another unit."""
    try:
        image = nib.load(path)
        axes = [image.header.get_axis(i) for i in range(image.ndim)]  # type: ignore[attr-defined]
    except Exception as error:  # whatever nibabel stumbles over, the file is at fault
        raise DataError(f"{path} cannot be read as CIFTI: {type(error).__name__}: {error}.") from error
    series = next((axis for axis in axes if isinstance(axis, SeriesAxis)), None)
    if series is None or series.unit not in SECONDS:
        return None
    return float(series.step) * SECONDS[series.unit]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; DataError when it is none."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(plain, dict):
        raise DataError(f"{path} has to hold a JSON object, not {type(plain).__name__}.")
    return plain


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
