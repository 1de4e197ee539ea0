"""The time series of one recording out of one file: text, .npy, .npz or .mat, the latter never by unpickling."""

import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from jaxtyping import Num, Shaped
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.intact import readable
from semantoks.signals.files.names import SHOWN_SUFFIXES, TEXT_SUFFIXES, array_suffix
from semantoks.signals.files.text_table import read_text_table
from semantoks.storage.tables import plain
from semantoks.types import Series

NAMED = ("bold", "timeseries")
"""Variables that go before others."""
MOST_NAMED = 12
"""Arrays that a message names."""
MAT_CHILD = Path(__file__).with_name("mat_child.py")
Arrays = Mapping[str, Shaped[ndarray, "..."]]


def read_series(path: Path, atlas: Atlas, *, reorder: bool = False) -> Series:
    """Read a .tsv, .csv, .txt, .1D, .npy, .npz or .mat file [frame, roi]; ROIs that it lacks by label are NaN.

    See ``in_atlas_order`` for how orientation and order are known, and for ``reorder``.

    Raises
    ------
    DataError
        If the file has another suffix, is damaged, or is no recording in this atlas.
    """
    where, suffix = plain(str(path)), array_suffix(path.name)
    if not suffix:
        raise DataError(f"{where} is no file of an array: expected one of {SHOWN_SUFFIXES}. Save it as one.")
    if not suffix.startswith(TEXT_SUFFIXES):
        return in_atlas_order(read_array_file(path), atlas, where=where)
    table = read_text_table(path)
    return in_atlas_order(
        table.values,
        atlas,
        column_names=table.column_names,
        row_names=table.row_names,
        where=where,
        reorder=reorder,
    )


def read_array_file(path: Path) -> Num[ndarray, "row column"]:
    """Read the 2-D array of numbers in a file of arrays.

    A file with several variables gives the one called ``bold`` or ``timeseries``, else its only 2-D one. ``.mat`` is
    read in versions 4 to 7.3.

    Raises
    ------
    DataError
        If the file is damaged, encrypted or larger than memory, contains Python objects, or no or more than one array
        that could be meant.
    """
    arrays = read_arrays(path)
    fitting = [name for name, array in arrays.items() if _is_table(array)]
    chosen = [name for name in NAMED if name in fitting] or fitting
    if len(chosen) == 1 or (chosen and chosen[0] in NAMED):
        return arrays[chosen[0]]
    raise DataError(
        f"{path} has to contain one 2-D array of real numbers, or one called bold or timeseries; it contains "
        f"{_listed(arrays)}."
    )


def read_variable(path: Path, name: str) -> Num[ndarray, "row column"]:
    """Read the 2-D array of numbers that a file of several calls ``name``; see ``read_array_file``."""
    arrays = read_arrays(path)
    if name not in arrays or not _is_table(arrays[name]):
        raise DataError(f"{path} has to contain a 2-D array of real numbers {name}; it contains {_listed(arrays)}.")
    return arrays[name]


def read_cells(path: Path, *names: str) -> list[list[Shaped[ndarray, "..."]]]:
    """Read cell arrays of a .mat file of version 5 (MATLAB's -v6 and -v7): their elements, column after column.

    Numbers and text are read; of an element that is neither (a structure, a cell) only the shape is, with type void.

    Raises
    ------
    DataError
        If the file is damaged, is of another version, or lacks a cell array.
    """
    if h5py.is_hdf5(path):
        raise DataError(f"{path} is of version 7.3, whose cells are not read: load it and save it with -v7 in MATLAB.")
    arrays = read_arrays(path, cells=names)
    if lacking := [name for name in names if f"{name}{{1}}" not in arrays]:
        raise DataError(f"{path} has to contain a cell array {' and '.join(lacking)}; it contains {_listed(arrays)}.")
    return [[array for key, array in arrays.items() if key.startswith(f"{name}{{")] for name in names]


def read_field(path: Path, name: str) -> Num[ndarray, "..."] | None:
    """Read numbers in a field of structures (``CONN_x.Setup.RT``) of a .mat file of version 5; None if there are none.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    if h5py.is_hdf5(path):
        return None
    values = read_arrays(path, cells=[name]).get(name)
    return values if values is not None and values.dtype.kind in "fiu" else None


def read_arrays(path: Path, cells: Sequence[str] = ()) -> Arrays:
    """Read all arrays of a file by name; the elements of its ``cells`` are ``data{1}``, ``data{2}``, ...

    Whatever the reader of the format raises is the file's fault: DataError.
    """
    suffix = path.suffix.lower()
    with readable(f"{path} cannot be read as {suffix}, is it damaged?"):
        if suffix == ".npy":
            return {path.name: np.load(path, allow_pickle=False)}
        if suffix == ".npz":
            # numpy leaves a damaged one open
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        return _read_mat(path, cells)


def _read_mat(path: Path, cells: Sequence[str]) -> Arrays:
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            return {name: _as_in_matlab(item) for name, item in file.items() if isinstance(item, h5py.Dataset)}
    if scipy.io.matlab.matfile_version(path)[0] == 1:
        return _read_mat5(path, cells)
    return {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}


def _as_in_matlab(item: h5py.Dataset) -> Shaped[ndarray, "..."]:
    """MATLAB writes its arrays into HDF5 with the axes reversed, and marks them as its own."""
    values = np.asarray(item[()])
    return values.T if "MATLAB_class" in item.attrs else values


def _read_mat5(path: Path, cells: Sequence[str]) -> Arrays:
    """Read version 5 in a process of its own: a damaged file can kill scipy's reader, and the process with it."""
    child = subprocess.run([sys.executable, "-P", MAT_CHILD, path, *cells], capture_output=True, check=False)
    if child.returncode != 0:
        last = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(last or f"its reader died with status {child.returncode}")
    output = io.BytesIO(child.stdout)
    return {str(name): np.load(output, allow_pickle=False) for name in np.load(output, allow_pickle=False)}


def _listed(arrays: Arrays) -> str:
    described = [f"{name} {list(array.shape)} {array.dtype}" for name, array in arrays.items()]
    more = f" and {len(described) - MOST_NAMED} more" if len(described) > MOST_NAMED else ""
    return ", ".join(described[:MOST_NAMED]) + more or "nothing"


def _is_table(array: Shaped[ndarray, "..."]) -> bool:
    return array.ndim == 2 and min(array.shape) > 1 and array.dtype.kind in "fiu"
