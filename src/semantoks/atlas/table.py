"""Atlas tables on disk: tabs, commas or semicolons, one row per ROI, read with every complaint on its line."""

import codecs
import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.visible import one_line

UNKNOWN = "n/a"
HEMISPHERES = ("L", "R", UNKNOWN)
AXES = ("x", "y", "z")
NUMBER = "network_number"
SPELLINGS = {"label": ("name",), "network": ("network_label",)}
"""What BIDS (``dseg.tsv``) and XCP-D call columns that are lacking here."""
PART = "atlas_name"
"""XCP-D's column of the part of a joint atlas: the network of ROIs that have none, outside of the cortex."""
OUTSIDE = ("background", "unknown")
"""Labels of index 0, which is no ROI."""


class RoiColumns(NamedTuple):
    """What a table says of each ROI; centroids [roi, 3] in mm, NaN where unknown; networks by number, if it has any."""

    labels: tuple[str, ...]
    networks: tuple[str, ...]
    hemisphere: tuple[str, ...]
    centroids: Float[ndarray, "roi 3"]
    network_order: tuple[str, ...]


def read_columns(path: Path) -> RoiColumns:
    """Read ``label`` and ``network``, and ``hemisphere``, ``x``, ``y``, ``z``, ``network_number`` where it has them.

    Every cell is text: ``1`` and ``NA`` are labels. ``n/a`` or an empty cell means unknown, which a label and a network
    cannot be. A ``dseg.tsv`` of BIDS or XCP-D is understood: ``name`` is the label, ``network_label`` the network, and,
    where that is unknown, ``atlas_name``. Other columns are left aside; the order of the rows is that of the ROIs.

    Raises
    ------
    DataError
        When the file is missing or not such a table; the message names the lines (the header is line 1).
    """
    header, rows, lines = _read_rows(path)
    if doubled := [name for name in ("label", "network", "hemisphere", *AXES, NUMBER) if header.count(name) > 1]:
        raise DataError(f"atlas table {path} has more than one column {' and '.join(doubled)}; leave one of each.")
    lacking = [name for name in ("label", "network") if name not in header]
    if lacking:
        raise DataError(
            f"atlas table {path} needs the columns label and network, but lacks "
            f"{' and '.join(lacking)}; its header is {header}. Name the columns so in the first line."
        )

    def where(i: int) -> str:
        return f"line {lines[i]}"

    labels, networks = (tuple(row.get(name, "") for row in rows) for name in ("label", "network"))
    check_names(labels, networks, owner=f"atlas table {path}", where=where)
    hemisphere = tuple(row.get("hemisphere", "") or UNKNOWN for row in rows)
    for i, side in enumerate(hemisphere):
        if side not in HEMISPHERES:
            raise DataError(f"atlas table {path}, {where(i)}: hemisphere has to be L, R or n/a, not {side!r}.")
    centroids = np.full((len(rows), 3), np.nan)
    for i, row in enumerate(rows):
        for k, axis in enumerate(AXES):
            centroids[i, k] = _millimetres(row.get(axis, UNKNOWN), f"atlas table {path}, {where(i)}: {axis}")
    numbers = tuple(row.get(NUMBER, "") for row in rows) if NUMBER in header else ()
    return RoiColumns(labels, networks, hemisphere, centroids, _in_order(networks, numbers, path))


def _in_order(networks: Sequence[str], numbers: Sequence[str], path: Path) -> tuple[str, ...]:
    """Give the networks in the order of their numbers, which must be 0, 1, ..., one per network; () without any."""
    pairs = set(zip(numbers, networks, strict=False))
    counted = {str(number) for number in range(len(set(networks)))}
    if pairs and (len(pairs) != len(counted) or {number for number, _ in pairs} != counted):
        raise DataError(
            f"atlas table {path}: {NUMBER} has to number the {len(counted)} networks 0 to {len(counted) - 1}, each by "
            "one number. Correct it, or remove the column."
        )
    return tuple(network for _, network in sorted(pairs, key=lambda pair: int(pair[0])))


def check_names(labels: Sequence[str], networks: Sequence[str], *, owner: str, where: Callable[[int], str]) -> None:
    """Refuse empty, unknown or padded names and labels that occur twice.

    ``where(i)`` says where ROI ``i`` stands, for the message of the DataError.
    """
    problems = []
    first: dict[str, int] = {}
    for i, (label, network) in enumerate(zip(labels, networks, strict=True)):
        for kind, name in (("label", label), ("network", network)):
            if name in ("", UNKNOWN):
                problems.append(f"{where(i)}: the {kind} is {name or 'empty'}")
            elif name != name.strip() or name != one_line(name):
                problems.append(
                    f"{where(i)}: the {kind} {name!r} has blanks at an end, or a tab, line break or control character"
                )
        if label in first:
            problems.append(f"{where(i)}: the label {label!r} occurs already at {where(first[label])}")
        first.setdefault(label, i)
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(
            f"{owner}: every ROI needs a label of its own and the name of a network (such as Subcortical for ROIs "
            f"outside cortex), but {'; '.join(problems[:5])}{more}."
        )


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]], list[int]]:
    rows, lines = [], []
    try:
        text = path.read_bytes()
        utf16 = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        content = text.decode("utf-16" if utf16 else "utf-8-sig")
        first = content.partition("\n")[0]
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=max("\t,;", key=first.count), strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_row(header, cells, f"atlas table {path}, line {reader.line_num}"))
                lines.append(reader.line_num)
    except FileNotFoundError:
        raise DataError(f"there is no atlas table {path}.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"atlas table {path} cannot be read as a table in UTF-8: {error}.") from error
    known = {own: next((name for name in names if name in header), own) for own, names in SPELLINGS.items()}
    renamed = {name: own for own, name in known.items() if own not in header}
    header = [renamed.get(name, name) for name in header]
    rows = [{renamed.get(name, name): cell for name, cell in row.items()} for row in rows]
    for row in rows:
        if row.get("network", "") in ("", UNKNOWN) and row.get(PART, "") not in ("", UNKNOWN):
            row["network"] = row[PART]
    inside = [i for i, row in enumerate(rows) if row.get("index") != "0" or row.get("label", "").lower() not in OUTSIDE]
    rows, lines = [rows[i] for i in inside], [lines[i] for i in inside]
    if "label" in header and not rows:
        raise DataError(f"atlas table {path} has no rows below its header; it needs one for each ROI.")
    return header, rows, lines


def _row(header: list[str], cells: list[str], where: str) -> dict[str, str]:
    if len(cells) > len(header):
        raise DataError(f"{where}: {len(cells)} cells, but the header names {len(header)} columns.")
    return dict(zip(header, (cell.strip() for cell in cells), strict=False))


def _millimetres(cell: str, where: str) -> float:
    if cell in ("", UNKNOWN):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise DataError(f"{where} has to be a number of millimetres or n/a, not {cell!r}.")
    return value
