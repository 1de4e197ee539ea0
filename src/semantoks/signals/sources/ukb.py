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
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.intact import readable
from semantoks.signals.files.names import BidsFile, walk
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.files.text_table import parse_rectangle
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request

PROTOCOL = StatedTR(seconds=0.735, where="the UK Biobank protocol")
LABELS = ("sub", "ses", "run")
"""What eid, instance and array are called in BIDS."""
FOLDER = re.compile(r"(?P<sub>\d+)(?:_\d+)?_(?P<ses>\d+)_(?P<run>\d+)")
ARCHIVE = re.compile(r"(?P<sub>\d+)_(?P<field>\d+)_(?P<ses>\d+)_(?P<run>\d+)\.zip")
FIELDS = re.compile(r"310\d\d")
"""Fields of the connectome resource, time series among them: archives of others are not looked into."""
DEPTH = 3
"""Levels of folders within which the first file has to be, so that recognising it is quick."""

FILE = re.compile(r"(fMRI\..+)\.csv(?:\.gz)?")
SCHAEFER_SCALES, TIAN_SCALES = range(100, 1001, 100), range(1, 5)
OTHERS = ("fMRI.Glasser", "fMRI.aparc", "fMRI.aparc.a2009s")
"""Files of parcels that no atlas of ours has: they are for atlases from a table."""
LARGEST = 2**28
"""Bytes of a file when unpacked: 1000 parcels of 490 frames are a thirtieth of it."""
Scale = tuple[str, ...]
"""Names of the files of one scale: for Schaefer's, those of the two orders of networks, the atlas's own first."""


def open_ukb(request: Request) -> OpenedSource:
    """Open bulk files, one recording per participant and instance, which is the visit: instance 2 is the session ``2``.

    Everything is called ``<eid>_<field>_<instance>_<array>``; an array other than 0 becomes the run. The files of one
    instance may be in several folders or archives, and are put together by label. What a file is, is in its own name
    (``fMRI.Schaefer7n400p``), not in the field; of several scales, that of the atlas is read. Archives are read without
    unpacking them to disk, and only when their recording is.

    Raises
    ------
    ConfigError
        When participants or sessions were asked for that do not exist.
    DataError
        When there is no file whose folder says whose it is.
    """
    path = request.path
    facts = request.facts(files_say=True)
    families = wanted_files(request.atlas) or [[(name,)] for name in OTHERS]
    listing = _list(path)
    if not listing.paths:
        single, several = "file is in a folder with another name", "files are in folders with other names"
        elsewhere = plural(listing.nameless, single, several)
        raise DataError(
            f"{path} has no time series of UK Biobank that say whose they are. Looked for fMRI.*.csv.gz in folders "
            "called <eid>_<field>_<instance>_<array> or <eid>_<instance>_<array>, and for archives "
            f"<eid>_310.._<instance>_<array>.zip; {elsewhere}."
        )
    # Each recording as a file with entities, in order, for the choice among them.
    instances = [BidsFile(path=path, entities=dict(zip(LABELS, key, strict=True))) for key in sorted(listing.paths)]
    items, files = [], {}
    names = {name for family in families for scale in family for name in scale}
    chosen, left_out = chosen_runs(instances, request.reading, path)
    for one in chosen:
        item, files_of_item = _item(one, listing, names, path)
        items.append(item)
        files[item.key] = files_of_item
    return OpenedSource(
        request,
        kind="UK Biobank bulk files",
        items=items,
        facts=facts,
        read=_Reader(request=request, facts=facts, families=families, files=files).read,
        notes=[*_notes(families, files, listing), *left_out],
    )


@dataclass(kw_only=True)
class _Listing:
    """Paths by ``LABELS``; how many files have no folder that says whose they are; how many archives are of others."""

    paths: dict[tuple[str, ...], list[str]] = field(default_factory=lambda: defaultdict(list))
    nameless: int = 0
    other_fields: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table on disk, or, with ``member``, one inside the archive at ``path``."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """What it is: see ``name_of``."""
        return name_of(self.member or str(self.path))

    def __str__(self) -> str:
        return f"{self.path}!{self.member}" if self.member else str(self.path)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reader:
    """Families of files with ROIs of the atlas, each by scales; the files of each recording by its key."""

    request: Request
    facts: FactTable
    families: list[list[Scale]]
    files: dict[str, tuple[str, ...]]

    def read(self, item: Item) -> Recording:
        """Put one recording's files together; DataError when one is damaged or none has an ROI of the atlas."""
        known = self.facts.of(item, PROTOCOL)
        tables = [_read_table(table) for table in self._tables(item)]
        frames = sorted({values.shape[1] for _, values in tables})
        if len(frames) > 1:
            raise DataError(
                f"{item.key}: its files are not of one scan, they have {' and '.join(map(str, frames))} frames."
            )
        series = in_atlas_order(
            np.concatenate([values for _, values in tables]),
            self.request.atlas,
            row_names=[label for labels, _ in tables for label in labels],
            where=item.key,
            reorder=self.request.reading.reorder,
        )
        return known.recording(item, series, source=str(item.path))

    def _tables(self, item: Item) -> list[_Table]:
        """Find the tables of one recording that are read: one of each family, unpacked rather than archived."""
        found: dict[str, _Table] = {}
        for path in (self.request.path / one for one in self.files[item.key]):
            for table in _archived(path) if path.suffix == ".zip" else [_Table(path=path)]:
                first = found.setdefault(table.name, table)
                if first is not table and bool(first.member) == bool(table.member):
                    raise DataError(f"{item.key}: {table.name} is there twice, {first} and {table}. Keep one.")
        chosen = [name for family in self.families if (name := _there(family, found, item))]
        if not chosen:
            wanted = [name for family in self.families for scale in family for name in scale]
            has = ", ".join(sorted(found)) or "no time series"
            raise DataError(f"{item.key} has no {' or '.join(wanted)}; it has {has}.")
        return [found[name] for name in chosen]


def _notes(families: list[list[Scale]], files: dict[str, tuple[str, ...]], listing: _Listing) -> list[str]:
    """Say which files are read, which recordings lack them, and what is left out."""
    names = [scale[0] for family in families for scale in family]
    notes = [f"files {' + '.join(names)}; a session is UK Biobank's instance (visit)"]
    unpacked = [paths for paths in files.values() if not any(one.endswith(".zip") for one in paths)]
    for family in families:
        meant = {name for scale in family for name in scale}
        lacking = sum(meant.isdisjoint(map(name_of, paths)) for paths in unpacked)
        if lacking:
            notes.append(f"{lacking} of {len(unpacked)} unpacked recordings have no {family[0][0]}")
    if listing.nameless:
        notes.append(f"{plural(listing.nameless, 'file')} left out, in no folder called <eid>_..._<instance>_<array>")
    if listing.other_fields:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(listing.other_fields.items()))
        notes.append(f"archives of other fields not looked into: {listed}")
    return notes


def _item(one: BidsFile, listing: _Listing, names: set[str], root: Path) -> tuple[Item, tuple[str, ...]]:
    """Make the item of an instance, and give those of its files that are of use, or all where none is."""
    participant, session, array = labels = tuple(one.entities[name] for name in LABELS)
    run = "" if array == "0" else array
    key = f"sub-{participant}_ses-{session}" + (f"_run-{run}" if run else "")
    paths = listing.paths[labels]
    useful = [path for path in paths if path.endswith(".zip") or name_of(path) in names] or paths
    item = Item(key=key, path=root / useful[0], row=None, participant=participant, session=session, run=run)
    return item, tuple(useful)


def is_ukb(path: Path) -> bool:
    """Recognise a folder of UK Biobank's bulk files by the names of files or archives in it, a few levels deep."""
    for _, name in walk(path, depth=DEPTH):
        archive = ARCHIVE.fullmatch(name)
        if FILE.fullmatch(name) or (archive and FIELDS.fullmatch(archive["field"])):
            return True
    return False


def _list(root: Path) -> _Listing:
    """List files and archives by the recording that they are of, by names alone; unpacked ones first."""
    listing, archives = _Listing(), []
    top = root.resolve().name
    for folder, there in groupby(walk(root), key=itemgetter(0)):
        below = os.path.relpath(folder, root)
        owner = next(filter(None, map(FOLDER.fullmatch, reversed([top, *below.split(os.sep)]))), None)
        for _, name in there:
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


def _there(family: list[Scale], found: dict[str, _Table], item: Item) -> str:
    """Name the file of a family that is there, in the atlas's own order of networks if possible; empty without any."""
    present = [names[0] for scale in family if (names := [name for name in scale if name in found])]
    if len(present) > 1:
        raise DataError(
            f"{item.key}: the atlas's few ROIs are in {' and '.join(present)}, as other parcels each time. Keep the "
            "file of the scale that is meant, or choose a whole atlas."
        )
    return present[0] if present else ""


def name_of(path: str) -> str:
    """Give a file's name without ``.csv.gz``, which says what it is; empty for other files."""
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


def _archived(path: Path) -> list[_Table]:
    """List the time series in an archive.

    Raises
    ------
    DataError
        When it cannot be read, or a name in it leads out of it: nothing of such an archive is used.
    """
    complaint = f"{path} cannot be read as zip, is it damaged?"
    with readable(complaint, remedy="Fetch it again."), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if parts[:1] == ("/",) or ".." in parts or ":" in "".join(parts[:1]) or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{path}: its entry {entry.filename!r} leads out of the archive. Fetch it again.")
    tables = [_Table(path=path, member=entry.filename) for entry in entries]
    return [table for table in tables if table.name]


def _read_table(table: _Table) -> tuple[list[str], Float[ndarray, "roi frame"]]:
    """Read labels and numbers [roi, frame]: lines of ``label_name,timepoint_0,...``; NaN where there was no voxel.

    Raises
    ------
    DataError
        When it is no such table, is damaged, or is larger than any can be.
    """
    content = _content(table)
    header = content.partition(b"\n")[0].decode(errors="replace").rstrip("\r").replace('"', "").split(",")
    frames = [f"timepoint_{i}" for i in range(len(header) - 1)]
    if header != ["label_name", *frames] or not frames:
        raise DataError(
            f"{table} has to begin with label_name,timepoint_0,timepoint_1,..., as UK Biobank's tables do; it begins "
            f"with {','.join(header[:3])[:80]!r}, or its timepoints are not all there in order."
        )
    types = {"label_name": np.dtype(object)} | dict.fromkeys(frames, np.dtype(np.float64))
    cells = parse_rectangle(content, str(table), ",", len(header), dtype=types)
    values: Float[ndarray, "roi frame"] = cells[frames].to_numpy()
    return [str(label) for label in cells["label_name"]], values


def _content(table: _Table) -> bytes:
    """Read a file of at most ``LARGEST`` bytes, out of its archive and its compression, in memory."""
    with readable(f"{table} cannot be read, is it damaged?"):
        if table.member:
            with zipfile.ZipFile(table.path) as archive, archive.open(table.member) as packed:
                content = packed.read(LARGEST + 1)
        else:
            with table.path.open("rb") as file:
                content = file.read(LARGEST + 1)
        if str(table).endswith(".gz"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
                content = unpacked.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise DataError(f"{table} is larger than {LARGEST >> 20} MiB when unpacked: it is no table of parcels.")
    return content
