"""Which band a sidecar says that the data were filtered to."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

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
