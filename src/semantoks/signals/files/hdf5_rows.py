"""What HDF5 files with one recording a row have in common: opening, text, and padding at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.types import Series

FAULTS = (LookupError, MemoryError, OSError, OverflowError, RuntimeError, TypeError, ValueError)
"""What h5py raises over damaged parts of a file."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; DataError if it is none, or for whatever HDF5 stumbles over while it is open."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except FAULTS as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as HDF5, is it damaged? ({type(error).__name__}: {reason})") from error


def dataset(group: Any, name: str, ndim: int) -> Any:
    """Take the array ``name`` of a group; DataError if it is a group or a link to nothing, or not ``ndim``-D."""
    found = group.get(name)
    if not isinstance(found, h5py.Dataset) or found.shape is None or len(found.shape) != ndim:
        what = "a group or a broken link" if not isinstance(found, h5py.Dataset) else f"of shape {found.shape}"
        raise DataError(f"{group.file.filename}: {name} has to be a {ndim}-D array, and is {what}.")
    return found


def read_texts(group: Any, name: str) -> list[str]:
    """Read a column of bytes (UTF-8), text or whole numbers as strings without the blanks around them."""
    column = dataset(group, name, 1)
    if column.dtype.kind not in "SOUiu":
        raise DataError(f"{group.file.filename}: {name} has to hold text or whole numbers, not {column.dtype}.")
    try:
        return [(v.decode("utf-8") if isinstance(v, bytes) else str(v)).strip() for v in column[()].tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{group.file.filename}: {name} is not text in UTF-8: {error}.") from error


def read_lengths(group: Any, name: str) -> list[int]:
    """Read a column of lengths in frames; DataError if one is no whole number."""
    lengths = np.asarray(dataset(group, name, 1)[()])
    if lengths.dtype.kind not in "iuf" or not np.array_equal(lengths, np.round(lengths)):
        raise DataError(f"{group.file.filename}: {name} has to hold whole numbers of frames, one a row.")
    return [int(length) for length in lengths]


def read_row(dataset: Any, row: int, where: str) -> Float[ndarray, "roi frame"]:
    """Read one recording [roi, frame] as float32; DataError if that part of the file is damaged."""
    try:
        return np.asarray(dataset[row], dtype=np.float32)
    except OSError as error:
        raise DataError(f"{where}: it cannot be read from {dataset.name}, the file is damaged: {error}.") from error


def contents(group: Any) -> str:
    """List what an HDF5 group holds, for messages: names, and shapes of arrays."""
    items = [
        f"{name} {list(item.shape or ())}" if hasattr(item, "shape") else f"{name}/" for name, item in group.items()
    ]
    return ", ".join(items) or "nothing"


def without_padding(series: Series, length: int | None, where: str) -> Float[ndarray, "kept roi"]:
    """Cut a recording to its stated ``length`` in frames, then cut the frames at the end in which every ROI is NaN.

    Raises
    ------
    DataError
        If ``length`` is not between 0 and the number of frames, or no frame is left.
    """
    if length is not None and not 0 <= length <= series.shape[0]:
        raise DataError(f"{where}: its stated length is {length} frames, but there is room for {series.shape[0]}.")
    series = series[:length]
    filled = np.flatnonzero(~np.isnan(series).all(axis=1))
    if len(filled) == 0:
        raise DataError(f"{where}: it has no frame with data.")
    return series[: filled[-1] + 1]
