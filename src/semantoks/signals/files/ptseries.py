"""The repetition time in a CIFTI header: one of the few places where it can be trusted."""

from pathlib import Path

import nibabel as nib
from nibabel.cifti2.cifti2_axes import SeriesAxis

from semantoks.errors import DataError

SECONDS = {"SECOND": 1.0, "SEC": 1.0, "MSEC": 1e-3, "MILLISECOND": 1e-3, "USEC": 1e-6, "MICROSECOND": 1e-6}


def ptseries_tr(path: Path) -> float | None:
    """Read the step of the time axis of a CIFTI file in seconds; None where it has no time axis or another unit."""
    try:
        image = nib.load(path)
        axes = [image.header.get_axis(i) for i in range(image.ndim)]  # type: ignore[attr-defined]
    except Exception as error:  # whatever nibabel stumbles over, the file is at fault
        raise DataError(f"{path} cannot be read as CIFTI: {type(error).__name__}: {error}.") from error
    series = next((axis for axis in axes if isinstance(axis, SeriesAxis)), None)
    if series is None or series.unit not in SECONDS:
        return None
    return float(series.step) * SECONDS[series.unit]
