"""Atlases by name, from packaged tables: ``schaefer400+tian-s3+buckner7``, ``cc200:one``, or a table of your own."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from semantoks.atlas import spelling
from semantoks.atlas.atlas import Atlas, join
from semantoks.errors import DataError

_TABLES = Path(__file__).with_name("tables")
_OWN_TABLE = "An atlas of your own is a tab-separated FILE.tsv with the columns label and network, one row per ROI."


def get_atlas(name_or_path: str | Path | Atlas) -> Atlas:
    """Give an atlas by name or from a table; an Atlas is passed through.

    Parameters
    ----------
    name_or_path
        A name of ``list_atlases`` in any case, a ``FILE.tsv``, or several of these joined by ``+``. The suffix ``:one``
        puts all ROIs into one network, ``:each`` makes each ROI its own network; it comes last and applies to all.

    Raises
    ------
    DataError
        When there is no such atlas (with the nearest names), or the table or the joined atlases are at odds.
    """
    if isinstance(name_or_path, Atlas):
        return name_or_path
    if isinstance(name_or_path, Path):
        return Atlas.from_tsv(name_or_path)
    text, colon, suffix = name_or_path.rpartition(":")
    if colon and suffix.lower() == "one":
        return get_atlas(text).one_network()
    if colon and suffix.lower() == "each":
        return get_atlas(text).each_roi_its_own_network()
    # A "+" joins names, but may also stand in the name of a file.
    if "+" not in name_or_path or Path(name_or_path).is_file():
        return _one(name_or_path)
    parts = [_one(part.strip()) for part in name_or_path.split("+")]
    return join("+".join(part.name for part in parts), *parts)


def list_atlases() -> list[str]:
    """List the names of the packaged atlases, numbers in order of size."""
    names = [path.stem for path in _TABLES.glob("*.tsv")]
    return sorted(names, key=lambda name: [int(n) if n.isdigit() else n for n in re.split(r"(\d+)", name)])


def seven_network_labels(parcels: int) -> tuple[str, ...]:
    """Give the 7-network label of each Schaefer parcel in 17-network order; both orders hold the same parcels.

    Parameters
    ----------
    parcels
        100, 200, ... 1000.
    """
    with (_TABLES / f"schaefer{parcels}-17.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(row["label_7network"] for row in csv.DictReader(file, delimiter="\t"))


def schaefer_twins(labels: Sequence[str]) -> list[str] | None:
    """Give labels with a whole Schaefer atlas among them those of the same parcels in the other order of networks.

    Other labels stay as they are. None when there is no whole atlas.
    """
    bare = [label.removeprefix("7Networks_").removeprefix("17Networks_") for label in labels]
    for parcels in range(1000, 99, -100):
        if parcels > len(bare):
            continue
        mixed, seventeen = seven_network_labels(parcels), get_atlas(f"schaefer{parcels}-17").labels
        for twin in (dict(zip(mixed, seventeen, strict=True)), dict(zip(seventeen, mixed, strict=True))):
            if len(twin.keys() & set(bare)) == parcels:
                return [twin.get(label, label) for label in bare]
    return None


def _one(name: str) -> Atlas:
    if name.lower().endswith((".tsv", ".csv")):
        return Atlas.from_tsv(name)
    known = list_atlases()
    if name.lower() in known:
        return _packaged(name.lower())
    raise DataError(
        f"there is no atlas {name!r}.{spelling.nearest(name.lower(), known)} Known: {', '.join(known)}; join them "
        f"with +, end with :one (all ROIs in one network) or :each (each ROI a network). {_OWN_TABLE}"
    )


@cache
def _packaged(name: str) -> Atlas:
    """Read a packaged table once: looking for the atlas that fits some labels asks for all of them."""
    return replace(Atlas.from_tsv(_TABLES / f"{name}.tsv"), name=name)


@cache
def brainmarks_spaces() -> dict[str, tuple[str, ...]]:
    """Give the labels of each space in the order of its columns; all differ in their number.

    Their CIFTI spaces average by labels in 17-network order, Tian's first; the volume one is the published 457.
    """
    cortex, tian = seven_network_labels(400), get_atlas("tian-s3").labels
    return {
        "schaefer400": cortex,
        "schaefer400_tians3": (*tian, *cortex),
        "schaefer400_tians3_buckner7": get_atlas("schaefer400+tian-s3+buckner7").labels,
    }
