"""One array out of a .npy, .npz or .mat file, never by unpickling."""

import io
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from jaxtyping import Num, Shaped
from numpy import ndarray

from semantoks.errors import DataError

KEYS = ("bold", "timeseries")
MAT_CHILD = Path(__file__).with_name("mat_child.py")
Arrays = Mapping[str, Shaped[ndarray, "..."]]


def read_array_file(path: Path) -> Num[ndarray, "row column"]:
    """Read the 2-D array of numbers in a file of arrays.

    A file with several variables gives the one called ``bold`` or ``timeseries``, else its only 2-D one. ``.mat`` is
    read in versions 4 to 7.3.

    Raises
    ------
    DataError
        If the file is damaged, encrypted or larger than memory, holds Python objects, or no or more than one array
        that could be meant.
    """
    return _the_array(_read_arrays(path), path)


def _read_arrays(path: Path) -> Arrays:
    """Let the reader of the format loose on the file; whatever it raises is the file's fault."""
    read = {".npy": _read_npy, ".npz": _read_npz}.get(path.suffix.lower(), _read_mat)
    try:
        return read(path)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} cannot be read as {path.suffix.lower()}, is it damaged? ({reason})") from error


def _read_npy(path: Path) -> Arrays:
    return {path.name: np.load(path, allow_pickle=False)}


def _read_npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_mat(path: Path) -> Arrays:
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            return {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}
    if scipy.io.matlab.matfile_version(path)[0] == 1:
        return _read_mat5(path)
    return {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}


def _read_mat5(path: Path) -> Arrays:
    """Read version 5 in a process of its own: a damaged file can kill scipy's reader, and the process with it."""
    child = subprocess.run([sys.executable, "-P", MAT_CHILD, path], capture_output=True, check=False)
    if child.returncode != 0:
        last = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(last or f"its reader died with status {child.returncode}")
    held = io.BytesIO(child.stdout)
    return {str(name): np.load(held, allow_pickle=False) for name in np.load(held, allow_pickle=False)}


def _the_array(arrays: Arrays, path: Path) -> Num[ndarray, "row column"]:
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
