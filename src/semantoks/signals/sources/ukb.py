"""UK Biobank's bulk fields of parcel time series (Mansour et al. 2023), unpacked or zipped, put together by label."""

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.bids import BidsFile, chosen_runs
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.sidecar import StatedTR
from semantoks.signals.files.ukb_files import FILE, OTHERS, Place, Scale, archived, name_of, read_table, wanted_files
from semantoks.signals.reading import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.facts import FactTable
from semantoks.signals.sources.source import Item

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
