"""Several recordings in one .mat file: the cells of an array, or the structures of one, each [roi, frame]."""

import re
import struct
import zlib
from collections import defaultdict
from functools import lru_cache
from math import prod
from pathlib import Path

import h5py
import numpy as np

from semantoks.errors import DataError
from semantoks.signals.connectivity import is_connectivity
from semantoks.signals.files.intact import readable
from semantoks.signals.files.series_file import NAMED, read_nested
from semantoks.storage.apart import read_apart

HEADER, TAG, FLAGS = 128, 8, 16
COMPRESSED, CELL, STRUCTURE = 15, 1, 2
"""Numbers of the format (MAT-File Level 5): a compressed element, and two classes of arrays."""
PLACE = re.compile(r"[{(](\d+)(?:,(\d+))?[)}]")


def recordings_in(path: Path) -> dict[str, tuple[str, str]]:
    """List the recordings in a .mat file of several: name -> row and column of the cell; empty for other files.

    Only files with an array of cells or structures are opened.
    """
    return _recordings_in(path, path.stat().st_mtime_ns) if path.suffix.lower() == ".mat" and path.is_file() else {}


@lru_cache(maxsize=4096)
def _recordings_in(path: Path, changed: int) -> dict[str, tuple[str, str]]:  # noqa: ARG001
    try:
        if not read_apart(path, _has_cells, path):
            return {}
        arrays = read_nested(path)
    except DataError:
        return {}  # reading it says what is wrong
    tables = [
        name
        for name, array in arrays.items()
        if array.ndim == 2 and min(array.shape) > 1 and array.dtype.kind in "fiu" and not is_connectivity(array)
    ]
    groups: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for name in tables:
        if (found := PLACE.search(name)) is not None:
            groups[PLACE.sub("", name)][name] = (found[1], found[2] or "")
    groups = {name: places for name, places in groups.items() if len(places) > 1}
    alone = [name for name in tables if name.lower() in NAMED]
    return next(iter(groups.values())) if len(groups) == 1 and not alone else {}


def _has_cells(path: Path) -> bool:
    """Tell from the heads of its variables whether a file has an array of more than one cell or structure."""
    with readable(f"{path} cannot be read as .mat, is it damaged?"):
        if not h5py.is_hdf5(path):
            return _mat5_has_cells(path)
        with h5py.File(path, "r") as file:
            kinds = [(item.dtype.kind, item.size) for item in file.values() if isinstance(item, h5py.Dataset)]
            groups = [name for name, item in file.items() if isinstance(item, h5py.Group) and name[0] != "#"]
        return bool(groups) or any(kind == "O" and size > 1 for kind, size in kinds)


def _mat5_has_cells(path: Path) -> bool:
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(HEADER)[126:128])
        while order and len(tag := file.read(TAG)) == TAG:
            kind, size = struct.unpack(f"{order}II", tag)
            start = file.tell()
            content = file.read(min(size, 512))
            head = zlib.decompressobj().decompress(content, 256) if kind == COMPRESSED else tag + content
            (array_class,) = struct.unpack_from(f"{order}I", head, 2 * TAG)
            (length,) = struct.unpack_from(f"{order}I", head, TAG + FLAGS + 4)
            shape = np.frombuffer(head, f"{order}i4", length // 4, TAG + FLAGS + TAG)
            if array_class & 0xFF in (CELL, STRUCTURE) and prod(map(int, shape)) > 1:
                return True
            file.seek(start + size)
    return False
