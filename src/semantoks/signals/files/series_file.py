"""The time series of one recording out of one file: text, .npy, .npz or .mat, the latter never by unpickling."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from jaxtyping import Num, Shaped
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.connectivity import is_connectivity
from semantoks.signals.files.beside_array import labels_beside, tr_beside
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.counters import seconds_between
from semantoks.signals.files.intact import readable
from semantoks.signals.files.mat5 import read_mat5
from semantoks.signals.files.names import SHOWN_SUFFIXES, TEXT_SUFFIXES, array_suffix
from semantoks.signals.files.stated import StatedTR, plausible
from semantoks.signals.files.text_table import names_times, read_text_table
from semantoks.storage.apart import read_apart
from semantoks.storage.tables import plain
from semantoks.types import Series

NAMED = ("bold", "timeseries")
"""Variables that go before others."""
MOST_NAMED = 12
"""Arrays that a message names."""
Arrays = Mapping[str, Shaped[ndarray, "..."]]


def read_series(path: Path, atlas: Atlas, *, reorder: bool = False, variable: str = "") -> Series:
    """Read a .tsv, .csv, .txt, .1D, .npy, .npz or .mat file [frame, roi]; ROIs that it lacks by label are NaN.

    Labels are a header or names of rows, or a list of texts beside an array (``labels_beside``).

    See ``in_atlas_order`` for how orientation and order are known, and for ``reorder``. ``variable`` names one of the
    recordings of a file that has several (``recordings_in``).

    Raises
    ------
    DataError
        If the file has another suffix, is damaged, or is no recording in this atlas.
    """
    where, suffix = plain(str(path)), array_suffix(path.name)
    if not suffix:
        raise DataError(f"{where} is no file of an array: expected one of {SHOWN_SUFFIXES}. Save it as one.")
    if variable or not suffix.startswith(TEXT_SUFFIXES):
        array = read_nested(path)[variable] if variable else read_array_file(path, n_rois=atlas.n_rois)
        labels, axis = labels_beside(_with_cells(path, array.shape), array.shape, atlas)
        row_names, column_names = (None, labels) if axis else (labels, None)
        return in_atlas_order(
            array,
            atlas,
            column_names=column_names,
            row_names=row_names,
            where=f"{where} {variable}".rstrip(),
            reorder=reorder,
        )
    table = read_text_table(path)
    return in_atlas_order(
        table.values,
        atlas,
        column_names=table.column_names,
        row_names=table.row_names,
        index=table.index,
        where=where,
        reorder=reorder,
    )


def read_array_file(path: Path, *, n_rois: int | None = None) -> Num[ndarray, "row column"]:
    """Read the 2-D array of numbers in a file of arrays.

    A file with several variables gives the one called ``bold`` or ``timeseries``, else its only 2-D one that is no
    connectivity matrix, else the only one of these with an axis of ``n_rois``. Where there is no 2-D array, cells and
    structures are looked into. ``.mat`` is read in versions 4 to 7.3.

    Raises
    ------
    DataError
        If the file is damaged, encrypted or larger than memory, contains Python objects, or no or more than one array
        that could be meant.
    """
    arrays = read_arrays(path)
    tables = {name: array for name, array in arrays.items() if _is_table(array)}
    if not tables and path.suffix.lower() == ".mat":
        arrays = read_nested(path)
        tables = {name: array for name, array in arrays.items() if _is_table(array)}
    if called := [name for named in NAMED for name in tables if name.rpartition(".")[2].lower() == named]:
        tables = {name: tables[name] for name in called}
    series = {name: array for name, array in tables.items() if not is_connectivity(array)} or tables
    fitting = {name: array for name, array in series.items() if n_rois in array.shape} or series
    for several in (series, fitting):
        if len(several) == 1:
            return next(iter(several.values()))
    hint = ""
    if len(fitting) > 1:
        hint = (
            " If they are several recordings, save each in a file of its own (sub-01_run-1.npy, sub-01_run-2.npy); if "
            "one of them is meant, save that alone."
        )
        if any("{" in name or "(" in name for name in fitting) and "sub-" not in str(path):
            hint += " If these cells are runs of one person, sub- in the file's name says so."
    elif any(array.ndim == 3 and array.dtype.kind in "fiu" for array in arrays.values()):
        hint = (
            " Several recordings in one array [n, frame, roi] go through semantoks.recordings_from_arrays, in Python."
        )
    raise DataError(
        f"{path} has to contain one 2-D array of real numbers, or one called bold or timeseries; it contains "
        f"{_listed(arrays)}.{hint}"
    )


def _with_cells(path: Path, shape: tuple[int, ...]) -> Arrays:
    """Read the arrays of a file, and what is in its cells where one of these has as many as an axis of ``shape``."""
    arrays = read_arrays(path)
    cells = [array for array in arrays.values() if array.dtype.kind == "V" and array.size == max((0, *array.shape))]
    held = any(array.size in (1, *shape) for array in cells)
    return read_nested(path) if held and path.suffix.lower() == ".mat" else arrays


def read_nested(path: Path) -> Arrays:
    """Read all arrays of a .mat file, with those inside of cells (``tc{1,2}``) and structures (``s.ts``)."""
    return _read_nested(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)  # the recordings of a file are read one after the other
def _read_nested(path: Path, changed: int) -> Arrays:  # noqa: ARG001
    return read_arrays(path, ["*"])


def read_variable(path: Path, name: str) -> Num[ndarray, "row column"]:
    """Read the 2-D array of numbers that a file of several calls ``name``; see ``read_array_file``."""
    arrays = read_arrays(path)
    if name not in arrays or not _is_table(arrays[name]):
        raise DataError(f"{path} has to contain a 2-D array of real numbers {name}; it contains {_listed(arrays)}.")
    return arrays[name]


def stated_inside(path: Path) -> StatedTR:
    """Find the repetition time that a file itself states: ``tr`` beside its array, or a column of times in seconds.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    suffix, nothing = array_suffix(path.name), StatedTR(seconds=None, where="")
    if suffix in (".npz", ".mat"):
        arrays = read_arrays(path)
        held = any(array.dtype.kind == "V" and array.size == 1 for array in arrays.values())
        return tr_beside(read_nested(path) if held else arrays, path.name)
    if not suffix.startswith(TEXT_SUFFIXES) or suffix.startswith(".1D") or not names_times(path):
        return nothing
    table = read_text_table(path)
    for i, name in enumerate(table.column_names or ()):
        if (seconds := seconds_between(name, table.values[:, i])) is not None:
            return plausible(seconds, f"the column {name!r} of {path.name}")
    return nothing


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

    It is read by a process of its own with limits. Whatever the reader of the format raises is the file's fault:
    DataError.
    """
    return _read_once(path, path.stat().st_mtime_ns if path.exists() else 0, tuple(cells))


@lru_cache(maxsize=1)  # what a file says beside its series is asked for first
def _read_once(path: Path, changed: int, cells: tuple[str, ...]) -> Arrays:  # noqa: ARG001
    found: dict[str, Shaped[ndarray, ...]] = read_apart(path, _arrays_in, path, cells)
    return found


def _arrays_in(path: Path, cells: Sequence[str]) -> dict[str, Shaped[ndarray, "..."]]:
    """Read the arrays of a file; of what is no numbers or text (objects, references) only the shape."""
    found = _read_arrays(path, cells)
    return {
        name if isinstance(name, str) else repr(name): np.zeros(one.shape, dtype="V1") if one.dtype.hasobject else one
        for name, one in found.items()
    }


def _read_arrays(path: Path, cells: Sequence[str]) -> Arrays:
    suffix = path.suffix.lower()
    with readable(f"{path} cannot be read as {suffix}, is it damaged?"), _no_pickles(path):
        if suffix == ".npy":
            return {path.name: np.load(path, allow_pickle=False)}
        if suffix == ".npz":
            # numpy leaves a damaged one open
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        return _read_mat(path, cells)


@contextmanager
def _no_pickles(path: Path) -> Iterator[None]:
    """Say of a file with Python objects that it is one: numpy's words are about its own options."""
    try:
        yield
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path} contains Python objects (a pickle), which can run any program and are never loaded. Save its "
            "array as numbers, np.savez(FILE, bold=ARRAY), one file for each recording; or give a dictionary of arrays "
            "to semantoks.recordings_from_mapping in Python."
        ) from error


def _read_mat(path: Path, cells: Sequence[str]) -> Arrays:
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            if cells:
                items = {name: item for name, item in file.items() if not name.startswith("#")}
                return {inner: a for name, item in items.items() for inner, a in _inside(name, item, file).items()}
            return {name: _as_in_matlab(item, file) for name, item in file.items() if isinstance(item, h5py.Dataset)}
    if scipy.io.matlab.matfile_version(path)[0] == 1:
        return read_mat5(path, cells)
    return {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}


def _inside(name: str, item: Any, file: h5py.File) -> dict[str, Shaped[ndarray, "..."]]:
    """Give what is inside cells and structures of version 7.3, called as ``nested`` calls it."""
    if isinstance(item, h5py.Group):
        return {key: a for part, inner in item.items() for key, a in _inside(f"{name}.{part}", inner, file).items()}
    values = _as_in_matlab(item, file)
    if values.dtype.kind != "O":
        return {name: values}
    found: dict[str, Shaped[ndarray, ...]] = {}
    for place in np.ndindex(values.shape):
        counted = [str(index + 1) for index, length in zip(place, values.shape, strict=True) if length > 1]
        found |= _inside(f"{name}{{{','.join(counted) or 1}}}", file[values[place]], file)
    return found


def _as_in_matlab(item: h5py.Dataset, file: h5py.File) -> Shaped[ndarray, "..."]:
    """MATLAB writes its arrays into HDF5 with the axes reversed, and marks them as its own."""
    refuse_elsewhere(item, file.filename)
    values = np.asarray(item[()])
    if item.attrs.get("MATLAB_class") == b"char" and values.dtype.kind in "iu":
        return np.array(["".join(map(chr, row)) for row in np.atleast_2d(values.T).tolist()])
    return values.T if "MATLAB_class" in item.attrs else values


def refuse_elsewhere(item: Any, path: Path | str) -> None:
    """Raise DataError for what an HDF5 file has in another file, whichever that is: it may be one of the reader's."""
    if str(item.file.filename) != str(path) or (isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)):
        raise DataError(
            f"{path}: {item.name} is in another file, which is not read. Copy it into this one (h5repack, h5py)."
        )


def _listed(arrays: Arrays) -> str:
    described = [f"{name} {list(array.shape)} {array.dtype}" for name, array in arrays.items()]
    more = f" and {len(described) - MOST_NAMED} more" if len(described) > MOST_NAMED else ""
    return ", ".join(described[:MOST_NAMED]) + more or "nothing"


def _is_table(array: Shaped[ndarray, "..."]) -> bool:
    return array.ndim == 2 and min(array.shape) > 1 and array.dtype.kind in "fiu"
