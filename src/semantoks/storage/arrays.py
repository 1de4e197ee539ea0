"""Arrays that may be larger than memory: in a file, read as they are needed, and passed on to workers by name."""

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

LARGE, LARGE_SCRATCH = 1 << 24, 1 << 30
"""Bytes from which on an array goes to a file: one that stays, and one that is needed for a moment."""


@dataclass(frozen=True)
class OnDisk:
    """An array in an .npy file. A process that gets it gets the file's path, and reads what it asks for."""

    path: Path

    @cached_property
    def array(self) -> ndarray:
        """The file as an array; the system's cache holds what was read."""
        found: ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its cells."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that it would take in memory."""
        return self.array.nbytes

    def __getitem__(self, index: Any) -> ndarray:
        """Read a part into memory."""
        return np.asarray(self.array[index])

    def __len__(self) -> int:
        """Return the length of its first axis."""
        return len(self.array)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was opened."""
        return {"path": self.path}


@dataclass(frozen=True)
class Chosen:
    """Some rows of an array, of which a block of columns is read at a time: ``chosen[:, first:last]``."""

    array: "ndarray | OnDisk"
    rows: Int[ndarray, " row"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), self.array.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its cells."""
        return self.array.dtype

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, index: tuple[slice, slice]) -> ndarray:
        """Read a block of columns of all rows."""
        every, columns = index
        assert every == slice(None)
        found: ndarray = self.array[self.rows, columns]
        return found


def empty(shape: tuple[int, ...], folder: Path | None, name: str) -> Float32[ndarray, "..."]:
    """Make an array to fill: in memory, or, a large one where there is a ``folder``, in its file NAME.npy."""
    if folder is None or not _is_large(shape):
        return np.empty(shape, dtype=np.float32)
    path = folder / f"{name}.npy"
    path.touch(exist_ok=False)  # two tables of one name would be one
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def zeros(shape: tuple[int, ...], folder: Path | None, name: str) -> Float32[ndarray, "..."]:
    """Make an array of zeros as `empty` does; what is never written of a file takes no room."""
    if folder is None or not _is_large(shape):
        return np.zeros(shape, dtype=np.float32)
    return empty(shape, folder, name)


def kept(array: ndarray) -> "ndarray | OnDisk":
    """Return what `empty` made, now that it is filled: an array, or one in a file."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return array
    array.flush()
    return OnDisk(Path(array.filename))


def scratch(shape: tuple[int, ...], folder: Path | None) -> Float32[ndarray, "..."]:
    """Make an array to fill whose file, that of a large one in ``folder``, is gone with it."""
    if folder is None or 4 * math.prod(shape) < LARGE_SCRATCH:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def remembered(path: Path, make: Callable[[], ndarray]) -> ndarray:
    """Read an array from its .npy file; where there is none yet, make the array, and write it there."""
    if path.exists():
        found: ndarray = np.load(path, allow_pickle=False)
        return found
    found = make()
    unfinished = path.with_name(f"{path.stem}-{os.getpid()}.npy")
    np.save(unfinished, found)
    unfinished.replace(path)
    return found


def _is_large(shape: tuple[int, ...]) -> bool:
    return math.prod(shape) * 4 >= LARGE
