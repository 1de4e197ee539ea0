"""A CIFTI-2 file: what its axes are, and its numbers, read in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float32
from nibabel.cifti2.cifti2_axes import SeriesAxis
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.files.ptseries import SECONDS
from semantoks.signals.files.series_file import refuse_unfetched
from semantoks.signals.files.sidecar import StatedTR

PIECE = 100
"""Frames at a time: 100 of HCP's dense series are 37 MB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CiftiFile:
    """An opened file of two axes: nibabel's ``rows`` and ``columns``; its numbers are still on disk."""

    path: Path
    rows: Any
    columns: Any
    numbers: Any

    def pieces(self) -> Iterator[Float32[ndarray, "row column"]]:
        """Read the numbers, some rows at a time; DataError when the file ends before them."""
        for start in range(0, len(self.rows), PIECE):
            try:
                piece = np.asarray(self.numbers[start : start + PIECE], dtype=np.float32)
            except Exception as error:  # whatever nibabel stumbles over, the file is at fault
                raise _unreadable(self.path, error) from error
            yield piece

    def stated_tr(self) -> StatedTR:
        """Take the repetition time from the axis of time, which tools write in seconds."""
        if self.rows.unit in SECONDS and self.rows.step:
            return StatedTR(seconds=float(self.rows.step) * SECONDS[self.rows.unit], where=self.path.name)
        unit = str(self.rows.unit).lower()
        return StatedTR(seconds=None, where=f"{self.path.name} has steps of {self.rows.step:g} {unit}")


def open_cifti(path: Path) -> CiftiFile:
    """Open a CIFTI-2 file of two axes.

    Raises
    ------
    DataError
        When it is none, or a link to a file that is not here.
    """
    refuse_unfetched(path)
    try:
        image: Any = nib.load(path, mmap=False)
        header = image.header if isinstance(image, nib.Cifti2Image) else None
        axes = [] if header is None else [header.get_axis(i) for i in range(2)]  # type: ignore[no-untyped-call]
    except Exception as error:
        raise _unreadable(path, error) from error
    if not axes:
        raise DataError(f"{path} has to be CIFTI-2, but is {type(image).__name__}: its header has no axes.")
    if tuple(len(axis) for axis in axes) != image.shape:
        raise DataError(f"{path}: its axes are of {[len(axis) for axis in axes]}, its numbers of {list(image.shape)}.")
    return CiftiFile(path=path, rows=axes[0], columns=axes[1], numbers=image.dataobj)


def open_series(path: Path, columns: type) -> CiftiFile:
    """Open a series: time along its rows, ``columns`` (nibabel's axis of parcels or grayordinates) across.

    Raises
    ------
    DataError
        When it is no such file.
    """
    file = open_cifti(path)
    if not isinstance(file.rows, SeriesAxis) or not isinstance(file.columns, columns):
        raise DataError(
            f"{path} has to hold {SeriesAxis.__name__} x {columns.__name__}, frames x places, but holds "
            f"{type(file.rows).__name__} x {type(file.columns).__name__}."
        )
    return file


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{path} cannot be read as CIFTI, is it cut off? ({type(error).__name__}: {reason})")
