"""One array out of a .npy, .npz or .mat file, never by unpickling."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from jaxtyping import Num, Shaped
from numpy import ndarray

from semantoks.errors import DataError

KEYS = ("bold", "timeseries")
DAMAGE = (
    *(ValueError, OSError, EOFError, TypeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, scipy.io.matlab.MatReadError),
)


def read_array_file(path: Path) -> Num[ndarray, "row column"]:
    """Read the 2-D array of numbers in a file of arrays.

    A file with several variables gives the one called ``bold`` or ``timeseries``, else its only 2-D one. ``.mat`` is
    read in versions 4 to 7.3.

    Raises
    ------
    DataError
        If the file is damaged, holds Python objects, or no or more than one array that could be meant.
    """
    try:
        if path.suffix == ".npy":
            arrays = {path.name: np.load(path, allow_pickle=False)}
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        else:
            arrays = _read_mat(path)
    except DAMAGE as error:
        raise DataError(f"{path} cannot be read as {path.suffix}: {error}.") from error
    return _the_array(arrays, path)


def _read_mat(path: Path) -> dict[str, Shaped[ndarray, "..."]]:
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            return {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}
    return {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}


def _the_array(arrays: Mapping[str, Shaped[ndarray, "..."]], path: Path) -> Num[ndarray, "row column"]:
    fitting = [name for name, array in arrays.items() if _is_table(array)]
    chosen = [name for name in KEYS if name in fitting] or fitting
    if len(chosen) == 1 or (chosen and chosen[0] in KEYS):
        return arrays[chosen[0]]
    found = ", ".join(f"{name} {list(array.shape)} {array.dtype}" for name, array in arrays.items()) or "nothing"
    raise DataError(
        f"{path} has to hold one 2-D array of real numbers, or one called bold or timeseries; it holds {found}."
    )


def _is_table(array: Shaped[ndarray, "..."]) -> bool:
    return array.ndim == 2 and min(array.shape) > 1 and array.dtype.kind in "fiu"
