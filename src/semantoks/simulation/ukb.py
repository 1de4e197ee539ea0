"""Recordings as UK Biobank hands out bulk fields of parcel time series: one folder or archive per person and field."""

import gzip
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.signals.recording import Recording
from semantoks.signals.sources.ukb import PROTOCOL, packaged_atlas, wanted_files
from semantoks.simulation.derivatives import number_lines
from semantoks.types import Series

CORTEX, SUBCORTEX = 31018, 31019
"""Fields of Schaefer's parcels and of Tian's."""


def write_ukb(recordings: Iterable[Recording], out: Path, atlas: Atlas, *, zipped: bool = False) -> None:
    """Write recordings into ``out`` as ``<eid>_<field>_<instance>_<array>/fMRI.*.csv.gz``, or ``zipped`` as archives.

    Parameters
    ----------
    recordings
        Series in the order of ``atlas``, whose ROIs of Schaefer and of Tian are written; those that a file has and the
        atlas lacks are NaN, as without a voxel. The session is the instance (2 where it is empty), the run the array.

    Raises
    ------
    ConfigError
        When the atlas has no such ROIs, or a recording does not fit: an id or session that is no number, a repetition
        time other than 0.735 s, censored frames.
    """
    names = [family[0][0] for family in wanted_files(atlas)]
    if not names:
        raise ConfigError(f"UK Biobank has no ROIs of the atlas {atlas.name}: choose schaefer400+tian-s3 or its like.")
    for one in recordings:
        _check(one)
        for name in names:
            own = get_atlas(packaged_atlas(name))
            positions = own.match(atlas.labels)
            order = "" if "Tian" in name else "17Networks_" if "17n" in name else "7Networks_"
            labels = [order + label for label in own.labels]
            content = _table(np.where(positions >= 0, one.series[:, positions], np.nan).astype(np.float32), labels)
            field = SUBCORTEX if "Tian" in name else CORTEX
            folder = out / f"{one.participant}_{field}_{one.session or '2'}_{one.run or '0'}"
            if zipped:
                out.mkdir(parents=True, exist_ok=True)
                with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
                    archive.writestr(f"{name}.csv.gz", content)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}.csv.gz").write_bytes(content)


def _check(one: Recording) -> None:
    """Refuse what UK Biobank's files cannot have."""
    labels = (one.participant, one.session or "2", one.run or "0")
    if not all(label.isascii() and label.isdigit() for label in labels):
        raise ConfigError(f"{one.source}: UK Biobank's eid, instance and array are numbers, not {' '.join(labels)}.")
    if not np.isclose(one.tr, PROTOCOL.seconds or 0):
        raise ConfigError(f"{one.source}: {PROTOCOL.where} is {PROTOCOL.seconds} s a frame, not {one.tr:g} s.")
    if one.good is not None and not one.good.all():
        raise ConfigError(f"{one.source}: UK Biobank's files cannot have censored frames.")


def _table(series: Series, labels: list[str]) -> bytes:
    """Lines of ROIs with a header of timepoints, compressed; numbers read back exactly as float32."""
    header = ",".join(["label_name", *(f"timepoint_{i}" for i in range(len(series)))])
    rows = (f"{label},{numbers}" for label, numbers in zip(labels, number_lines(series.T, ",", ""), strict=True))
    text = "\n".join([header, *rows, ""])
    return gzip.compress(text.encode(), compresslevel=4, mtime=0)  # level 9: 4 % smaller, five times as long
