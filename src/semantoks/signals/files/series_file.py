"""The time series of one recording out of one file, whatever its format, in the order of the atlas."""

import os
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.array_file import read_array_file
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.names import SUFFIXES
from semantoks.signals.files.text_table import read_text_table
from semantoks.signals.layout import plain
from semantoks.types import Series

TEXT_SUFFIXES = (".tsv", ".csv", ".txt", ".1d")


def read_series(path: Path, atlas: Atlas, *, reorder: bool = False) -> Series:
    """Read a .tsv, .csv, .txt, .1D, .npy, .npz or .mat file [frame, roi]; ROIs that it lacks by label are NaN.

    See ``in_atlas_order`` for how orientation and order are known, and for ``reorder``.

    Raises
    ------
    DataError
        If the file has another suffix, is damaged, or is no recording in this atlas.
    """
    where, suffix = plain(str(path)), path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{where} is no file of an array: those are called {' '.join(SUFFIXES)}. Save it as one.")
    if suffix not in TEXT_SUFFIXES:
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


def refuse_unfetched(path: Path) -> None:
    """Raise DataError for a link to a file that is not here, as DataLad leaves it."""
    if os.path.islink(path) and not os.path.exists(path):
        raise DataError(f"{path} is a link to a file that is not here (datalad get, git annex get).")
