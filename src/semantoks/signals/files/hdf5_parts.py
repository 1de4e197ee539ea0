"""The parts of an HDF5 file: arrays, columns of text and of lengths, each checked and read without following links."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from semantoks.errors import DataError
from semantoks.signals.files.intact import readable
from semantoks.signals.files.series_file import refuse_elsewhere

FAULTS = (LookupError, OSError, OverflowError, RuntimeError, TypeError, ValueError)
"""What h5py raises over damaged parts of a file."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; DataError if it is none, or for whatever HDF5 raises while it is open."""
    with readable(f"{path} cannot be read as HDF5, is it damaged?", faults=FAULTS), h5py.File(path, "r") as file:
        yield file


def dataset(group: Any, name: str, ndim: int) -> Any:
    """Take the array ``name`` of a group; DataError if it is a group or a link to nothing, or not ``ndim``-D."""
    found = group.get(name)
    if not isinstance(found, h5py.Dataset) or found.shape is None or len(found.shape) != ndim:
        what = "a group or a broken link" if not isinstance(found, h5py.Dataset) else f"of shape {found.shape}"
        raise DataError(f"{group.file.filename}: {name} has to be a {ndim}-D array, and is {what}.")
    refuse_elsewhere(found, group.file.filename)
    return found


def read_texts(group: Any, name: str) -> list[str]:
    """Read a column of bytes (UTF-8), text or whole numbers as strings without the blanks around them."""
    column = dataset(group, name, 1)
    if column.dtype.kind not in "SOUiu":
        raise DataError(f"{group.file.filename}: {name} has to be text or whole numbers, not {column.dtype}.")
    try:
        return [(v.decode("utf-8") if isinstance(v, bytes) else str(v)).strip() for v in column[()].tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{group.file.filename}: {name} is not text in UTF-8: {error}.") from error


def read_lengths(group: Any, name: str) -> list[int]:
    """Read a column of lengths in frames; DataError if one is no whole number."""
    lengths = np.asarray(dataset(group, name, 1)[()])
    if lengths.dtype.kind not in "iuf" or not np.array_equal(lengths, np.round(lengths)):
        raise DataError(f"{group.file.filename}: {name} has to be whole numbers of frames, one per row.")
    return [int(length) for length in lengths]


def contents(group: Any) -> str:
    """List what is in an HDF5 group, for messages: names, and shapes of arrays."""
    items = [
        f"{name} {list(item.shape or ())}" if hasattr(item, "shape") else f"{name}/" for name, item in group.items()
    ]
    return ", ".join(items) or "nothing"
