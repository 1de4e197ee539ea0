"""What HDF5 files with one recording a row have in common: opening, text, and padding at the end."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.types import Series


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file for reading; DataError if it is none or damaged."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} cannot be opened as HDF5: {error}.") from error


def read_texts(dataset: Any) -> list[str]:
    """Read a column of bytes (UTF-8), text or whole numbers as strings without the blanks around them."""
    try:
        return [(v.decode("utf-8") if isinstance(v, bytes) else str(v)).strip() for v in dataset[()].tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{dataset.file.filename}: {dataset.name} is not text in UTF-8: {error}.") from error


def read_lengths(dataset: Any) -> list[int]:
    """Read a column of lengths in frames; DataError if one is no whole number."""
    lengths = np.asarray(dataset[()])
    if lengths.ndim != 1 or not np.array_equal(lengths, np.round(lengths)):
        raise DataError(f"{dataset.file.filename}: {dataset.name} has to hold whole numbers of frames, one a row.")
    return [int(length) for length in lengths]


def read_row(dataset: Any, row: int, where: str) -> Float[ndarray, "roi frame"]:
    """Read one recording [roi, frame] as float32; DataError if that part of the file is damaged."""
    try:
        return np.asarray(dataset[row], dtype=np.float32)
    except OSError as error:
        raise DataError(f"{where}: it cannot be read from {dataset.name}, the file is damaged: {error}.") from error


def contents(group: Any) -> str:
    """List what an HDF5 group holds, for messages: names, and shapes of arrays."""
    items = [f"{name} {list(item.shape)}" if hasattr(item, "shape") else f"{name}/" for name, item in group.items()]
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
