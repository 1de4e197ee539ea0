"""Files of UK Biobank's parcel time series: which of them have ROIs of an atlas, and what is in them, zipped or not."""

import gzip
import io
import re
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.files.labelled import ABSENT, check_line_ends

FILE = re.compile(r"(fMRI\..+)\.csv(?:\.gz)?")
SCHAEFER_SCALES, TIAN_SCALES = range(100, 1001, 100), range(1, 5)
OTHERS = ("fMRI.Glasser", "fMRI.aparc", "fMRI.aparc.a2009s")
"""Files of parcels that no atlas of ours has: they are for atlases from a table."""
LARGEST = 2**28
"""Bytes of a file when unpacked: 1000 parcels of 490 frames are a thirtieth of it."""
Scale = tuple[str, ...]
"""Names of the files of one scale: for Schaefer's, those of the two orders of networks, the atlas's own first."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file on disk, or, with ``member``, one inside the archive at ``path``."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """What it is: see ``name_of``."""
        return name_of(self.member or str(self.path))

    def __str__(self) -> str:
        return f"{self.path}!{self.member}" if self.member else str(self.path)


def name_of(path: str) -> str:
    """Give a file's name without ``.csv.gz``, which says what it is; empty for files of another kind."""
    found = FILE.fullmatch(path.rpartition("/")[2])
    return "" if found is None else found[1]


def packaged_atlas(name: str) -> str:
    """Name our atlas with the labels of a file: ``fMRI.Schaefer17n400p`` is ``schaefer400-17``."""
    if tian := re.fullmatch(r"fMRI\.Tian_Subcortex_S(\d)_3T", name):
        return f"tian-s{tian[1]}"
    schaefer = re.fullmatch(r"fMRI\.Schaefer(7|17)n(\d+)p", name)
    assert schaefer is not None  # it is one of those below
    return f"schaefer{schaefer[2]}{'' if schaefer[1] == '7' else '-17'}"


def wanted_files(atlas: Atlas) -> list[list[Scale]]:
    """Name the files that have ROIs of an atlas: the scales of Schaefer and those of Tian that have most, if any have.

    Several scales are named where they fit equally well, because the atlas has few ROIs. No file of another scale than
    the atlas's is named: equal labels may be other parcels there.
    """
    schaefer = [tuple(f"fMRI.Schaefer{order}n{parcels}p" for order in (7, 17)) for parcels in SCHAEFER_SCALES]
    tian = [(f"fMRI.Tian_Subcortex_S{scale}_3T",) for scale in TIAN_SCALES]
    return [best for family in (schaefer, tian) if (best := _best(family, atlas))]


def _best(family: Sequence[Scale], atlas: Atlas) -> list[Scale]:
    counts = {name: _overlap(name, atlas) for scale in family for name in scale}
    most = max(counts.values())
    own_first = [tuple(sorted(scale, key=lambda name: -counts[name])) for scale in family]
    return [scale for scale in own_first if counts[scale[0]] == most > 0]


def _overlap(name: str, atlas: Atlas) -> int:
    """Count the ROIs of an atlas that are in a file by label; none where the labels mean other parcels."""
    try:
        return int((atlas.match(_labels(name)) >= 0).sum())
    except DataError:
        return 0


@cache
def _labels(name: str) -> tuple[str, ...]:
    return get_atlas(packaged_atlas(name)).labels


def archived(path: Path) -> list[Place]:
    """List the time series in an archive.

    Raises
    ------
    DataError
        When it cannot be read, or a name in it leads out of it: nothing of such an archive is used.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # whatever zipfile stumbles over, the file is at fault
        raise DataError(f"{path} cannot be read as zip: {type(error).__name__}: {error}. Fetch it again.") from error
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if parts[:1] == ("/",) or ".." in parts or ":" in "".join(parts[:1]) or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{path}: its entry {entry.filename!r} leads out of the archive. Fetch it again.")
    places = [Place(path=path, member=entry.filename) for entry in entries]
    return [place for place in places if place.name]


def read_table(place: Place) -> tuple[list[str], Float[ndarray, "roi frame"]]:
    """Read labels and numbers [roi, frame]: lines of ``label_name,timepoint_0,...``; NaN where there was no voxel.

    Raises
    ------
    DataError
        When it is no such table, is damaged, or is larger than any can be.
    """
    held = _content(place)
    header = held.partition(b"\n")[0].decode(errors="replace").rstrip("\r").replace('"', "").split(",")
    frames = [f"timepoint_{i}" for i in range(len(header) - 1)]
    if header != ["label_name", *frames] or not frames:
        raise DataError(
            f"{place} has to begin with label_name,timepoint_0,timepoint_1,..., as UK Biobank's tables do; it begins "
            f"with {','.join(header[:3])[:80]!r}, or its timepoints are not all there in order."
        )
    kinds = {"label_name": np.dtype(object)} | dict.fromkeys(frames, np.dtype(np.float64))
    try:
        table = pd.read_csv(io.BytesIO(held), dtype=kinds, na_values=ABSENT, keep_default_na=False, index_col=False)
    except (ValueError, OverflowError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{place} is not a table of numbers: {' '.join(str(error).split())}.") from error
    check_line_ends(held, str(place))
    # pandas fills short lines up with NaN: the delimiters tell.
    if held.count(b",") != len(frames) * (len(table) + 1) or not len(table):
        raise DataError(f"{place}: its {len(table)} lines have not all {len(header)} cells. Is it cut off?")
    values: Float[ndarray, "roi frame"] = table[frames].to_numpy()
    return [str(label) for label in table["label_name"]], values


def _content(place: Place) -> bytes:
    """Read a file of at most ``LARGEST`` bytes, out of its archive and its compression, in memory."""
    try:
        if place.member:
            with zipfile.ZipFile(place.path) as archive, archive.open(place.member) as packed:
                held = packed.read(LARGEST + 1)
        else:
            with place.path.open("rb") as file:
                held = file.read(LARGEST + 1)
        if str(place).endswith(".gz"):
            with gzip.GzipFile(fileobj=io.BytesIO(held)) as unpacked:
                held = unpacked.read(LARGEST + 1)
    except Exception as error:  # whatever zipfile and gzip stumble over, the file is at fault
        raise DataError(f"{place} cannot be read, is it damaged? ({type(error).__name__}: {error})") from error
    if len(held) > LARGEST:
        raise DataError(f"{place} is larger than {LARGEST >> 20} MiB when unpacked: it is no table of parcels.")
    return held
