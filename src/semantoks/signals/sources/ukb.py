"""UK Biobank's bulk fields of parcel time series (Mansour et al. 2023), unpacked or zipped, put together by label."""

import gzip
import io
import os
import re
import stat
import zipfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.names import BidsFile, chosen_runs
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.files.text_table import EMPTY_CELLS, check_line_ends
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.source import FactTable, Item

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
        table = pd.read_csv(
            io.BytesIO(held), dtype=kinds, na_values=EMPTY_CELLS, keep_default_na=False, index_col=False
        )
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


PROTOCOL = StatedTR(seconds=0.735, where="the UK Biobank protocol")
LABELS = ("sub", "ses", "run")
"""What eid, instance and array are called in BIDS."""
FOLDER = re.compile(r"(?P<sub>\d+)(?:_\d+)?_(?P<ses>\d+)_(?P<run>\d+)")
ARCHIVE = re.compile(r"(?P<sub>\d+)_(?P<field>\d+)_(?P<ses>\d+)_(?P<run>\d+)\.zip")
FIELDS = re.compile(r"310\d\d")
"""Fields of the connectome resource, time series among them: archives of others are not looked into."""
DEPTH = 3
"""Folders below the one given in which the first file of ours has to be, so that it is recognised quickly."""


@dataclass(kw_only=True)
class _Listing:
    """Paths by ``LABELS``; how many files no folder says whose they are; how many archives other fields have."""

    paths: dict[tuple[str, ...], list[str]] = field(default_factory=lambda: defaultdict(list))
    nameless: int = 0
    other_fields: Counter[str] = field(default_factory=Counter)


class UkbSource:
    """One recording a participant and instance, which is the visit: instance 2 is the session ``2``.

    Everything is called ``<eid>_<field>_<instance>_<array>``; an array other than 0 becomes the run. The files of one
    instance may lie in several folders or archives, and are put together by label. Which file is what is in its own
    name (``fMRI.Schaefer7n400p``), not in the field; of several scales, that of the atlas is read. Archives are read
    without unpacking them to disk, and not before their recording is.

    Raises
    ------
    ConfigError
        When participants or sessions are asked for that are not there.
    DataError
        When there is no file of which a folder says whose it is.
    """

    kind = "UK Biobank bulk files"

    def __init__(
        self,
        path: Path,
        *,
        atlas: Atlas,
        tr: float | None,
        participants: pd.DataFrame | None,
        reading: ReadingConfig = EVERYTHING,
    ) -> None:
        self.path = path
        self._atlas, self._table, self._reading = atlas, participants, reading
        self._facts = FactTable(participants, tr, files_say=True)
        self._families = wanted_files(atlas) or [[(name,)] for name in OTHERS]
        self._names = tuple(name for family in self._families for scale in family for name in scale)
        listing = _list(path)
        if not listing.paths:
            raise DataError(
                f"{path} has no time series of UK Biobank that say whose they are. Looked for fMRI.*.csv.gz in folders "
                "called <eid>_<field>_<instance>_<array> or <eid>_<instance>_<array>, and for archives "
                f"<eid>_310.._<instance>_<array>.zip; {listing.nameless} files lie in folders called otherwise."
            )
        self._nameless, self._other_fields = listing.nameless, listing.other_fields
        self._files: dict[str, tuple[str, ...]] = {}
        self._items = [self._item(one, listing) for one in chosen_runs(_instances(listing, path), reading, path)]

    def items(self) -> list[Item]:
        """One item a participant and instance; what its archives hold shows when it is read."""
        return list(self._items)

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say which files are read, where they are not, and what is left out."""
        names = [scale[0] for family in self._families for scale in family]
        found = [f"files {' + '.join(names)}; a session is UK Biobank's instance (visit)"]
        unpacked = [files for files in self._files.values() if not any(one.endswith(".zip") for one in files)]
        for family in self._families:
            meant = {name for scale in family for name in scale}
            lacking = sum(meant.isdisjoint(map(name_of, files)) for files in unpacked)
            if lacking:
                found.append(f"{lacking} of {len(unpacked)} unpacked recordings have no {family[0][0]}")
        if self._nameless:
            found.append(f"{self._nameless} files left out, no folder of theirs is called <eid>_..._<instance>_<array>")
        if self._other_fields:
            listed = ", ".join(f"{name} ({count})" for name, count in sorted(self._other_fields.items()))
            found.append(f"archives of other fields not looked into: {listed}")
        return found

    def read(self, item: Item) -> Recording:
        """Put one recording's files together; DataError when one is damaged or none has an ROI of the atlas."""
        facts = self._facts.of(item, PROTOCOL)
        tables = [read_table(place) for place in self._places(item)]
        frames = sorted({values.shape[1] for _, values in tables})
        if len(frames) > 1:
            raise DataError(
                f"{item.key}: its files are not of one scan, they have {' and '.join(map(str, frames))} frames."
            )
        series = in_atlas_order(
            np.concatenate([values for _, values in tables]),
            self._atlas,
            row_names=[label for labels, _ in tables for label in labels],
            where=item.key,
            reorder=self._reading.reorder,
        )
        return facts.recording(item, series, source=str(item.path))

    def _item(self, one: BidsFile, listing: _Listing) -> Item:
        """Make the item of an instance, and keep those of its files that are of use, or all where none is."""
        participant, session, array = labels = tuple(one.entities[name] for name in LABELS)
        run = "" if array == "0" else array
        key = f"sub-{participant}_ses-{session}" + (f"_run-{run}" if run else "")
        paths = listing.paths[labels]
        useful = [path for path in paths if path.endswith(".zip") or name_of(path) in self._names] or paths
        self._files[key] = tuple(useful)
        return Item(key=key, path=self.path / useful[0], row=None, participant=participant, session=session, run=run)

    def _places(self, item: Item) -> list[Place]:
        """Find the files of one recording that are read: of each family one, unpacked rather than archived."""
        held: dict[str, Place] = {}
        for path in (self.path / one for one in self._files[item.key]):
            for place in archived(path) if path.suffix == ".zip" else [Place(path=path)]:
                first = held.setdefault(place.name, place)
                if first is not place and bool(first.member) == bool(place.member):
                    raise DataError(f"{item.key}: {place.name} is there twice, {first} and {place}. Keep one.")
        chosen = [name for family in self._families if (name := _there(family, held, item))]
        if not chosen:
            has = ", ".join(sorted(held)) or "no time series"
            raise DataError(f"{item.key} has no {' or '.join(self._names)}; it has {has}.")
        return [held[name] for name in chosen]


def is_ukb(path: Path) -> bool:
    """Tell a folder of UK Biobank's bulk files by the names of files or archives in it, a few folders deep."""
    for folder, folders, names in os.walk(path):
        archives = filter(None, map(ARCHIVE.fullmatch, names))
        if any(map(FILE.fullmatch, names)) or any(FIELDS.fullmatch(one["field"]) for one in archives):
            return True
        if len(Path(folder).relative_to(path).parts) >= DEPTH - 1:
            folders.clear()
    return False


def _list(root: Path) -> _Listing:
    """List files and archives by the recording that they are of, by names alone; unpacked ones stand first."""
    listing, archives = _Listing(), []
    top = root.resolve().name
    for folder, folders, names in os.walk(root):
        folders.sort()
        below = os.path.relpath(folder, root)
        owner = next(filter(None, map(FOLDER.fullmatch, reversed([top, *below.split(os.sep)]))), None)
        for name in sorted(names):
            path = os.path.normpath(f"{below}/{name}")
            if FILE.fullmatch(name) and owner is not None:
                listing.paths[owner.group(*LABELS)].append(path)
            elif FILE.fullmatch(name):
                listing.nameless += 1
            elif (found := ARCHIVE.fullmatch(name)) and FIELDS.fullmatch(found["field"]):
                archives.append((found.group(*LABELS), path))
            elif found:
                listing.other_fields[found["field"]] += 1
    for labels, path in archives:
        listing.paths[labels].append(path)
    return listing


def _instances(listing: _Listing, root: Path) -> list[BidsFile]:
    """Give each recording as a file with entities, in order, for the choice among them."""
    return [
        BidsFile(path=root, entities=dict(zip(LABELS, labels, strict=True)), suffix="", extension="")
        for labels in sorted(listing.paths)
    ]


def _there(family: list[Scale], held: dict[str, Place], item: Item) -> str:
    """Name the file of a family that is there, in the atlas's own order of networks if it is; empty if none is."""
    found = [there[0] for scale in family if (there := [name for name in scale if name in held])]
    if len(found) > 1:
        raise DataError(
            f"{item.key}: the atlas's few ROIs are in {' and '.join(found)}, as other parcels each time. Keep the "
            "file of the scale that is meant, or choose a whole atlas."
        )
    return found[0] if found else ""
