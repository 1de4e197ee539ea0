"""CIFTI series: parcel series as they are, and dense series averaged over the labels of a parcellation."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.cifti import (
    Grayordinates,
    ParcelSeries,
    find_parcel_series,
    parcellation_name,
    read_dlabel,
)
from semantoks.signals.files.names import (
    SKIPPED,
    BidsFile,
    chosen_runs,
    one_version,
    parse,
    parse_hcp,
    without_concatenated,
)
from semantoks.signals.files.stated import StatedTR, agreed, read_json, stated_band, stated_number
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.fmriprep import is_fmriprep
from semantoks.signals.sources.runs import by_run, run_items
from semantoks.signals.sources.source import FactTable, Item
from semantoks.signals.sources.xcpd import is_xcpd
from semantoks.types import Series

PARCELS, DENSE, DLABEL = ".ptseries.nii", ".dtseries.nii", ".dlabel.nii"
NO_SERIES = SKIPPED | {"T1w", "unprocessed", "Native"}
INNER = (".ica", ".feat")
"""Ends of folders that FSL works in: what lies there is no result."""
CLEANED = "as their maker cleaned them"
RELATIVE_RMS = "HCP's Movement_RelativeRMS.txt is relative RMS, not framewise displacement: it is not read as mean_fd"


class CiftiSource:
    """One recording a run, of files named as BIDS names them or as HCP does.

    Without a parcellation, the ``.ptseries.nii`` are read: their own labels say which ROI each parcel is, and several
    files of a run (atlases) complement each other. With a ``.dlabel.nii`` as parcellation, the ``.dtseries.nii`` are:
    an ROI is the mean over its vertices of both hemispheres and its voxels; the medial wall is in none. The repetition
    time is the step of the file's axis of time; a sidecar that says another is a reason to refuse the recording. What
    is read was cleaned by whoever wrote it: nothing is regressed here.

    Of HCP's several versions of a run, the cleaned one that most runs have is read, MSMAll before others; a run that
    lacks it is refused.

    Raises
    ------
    ConfigError
        When there are dense series alone and no parcellation, runs lie in several spaces or versions, or what is asked
        for is not there.
    DataError
        When no file says whose it is, or none has a label of the atlas.
    """

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
        self._table = participants
        self._facts = FactTable(participants, tr, files_say=True)
        found, self._strange = _listed(path)
        dense, parcels = ([one for one in found if one.extension.endswith(end)] for end in (DENSE, PARCELS))
        self._refuse(dense, parcels, atlas, reading)
        self._rois: Grayordinates | ParcelSeries
        if reading.parcellation is not None:
            chosen, self._unread = chosen_runs(dense, reading, path), parcels
            self._rois = read_dlabel(reading.parcellation, atlas, reorder=reading.reorder)
        else:
            chosen, self._unread = chosen_runs(parcels, reading, path), dense
            self._rois = find_parcel_series(chosen, atlas, path, reorder=reading.reorder)
            chosen = [one for one in chosen if parcellation_name(one) in self._rois.names]
        runs, self._concatenated = without_concatenated(chosen)
        kept, self._version = one_version([one for one in runs if _is_hcp(one)])
        self._runs = by_run([one for one in runs if not _is_hcp(one)] + kept, path, apart=("atlas", "seg"))
        series = "parcel" if reading.parcellation is None else "dense"
        self.kind = f"{'HCP ' if kept else ''}CIFTI {series} series"

    def _refuse(
        self, dense: Sequence[BidsFile], parcels: Sequence[BidsFile], atlas: Atlas, reading: ReadingConfig
    ) -> None:
        """Refuse a folder that the reading's parcellation, or its absence, does not fit."""
        if not dense and not parcels:
            raise DataError(
                f"{self.path} has no CIFTI series that say whose they are, but {len(self._strange)} others (such as "
                f"{next(iter(self._strange), 'none')}). Name them sub-ID_task-rest_..._timeseries{PARCELS}, or keep "
                "HCP's folders (ID/MNINonLinear/Results/...)."
            )
        if reading.parcellation is None and not parcels:
            raise ConfigError(
                f"{self.path} has dense series ({DENSE}, {len(dense)} files) and no parcel series: pass --parcellation "
                f"FILE{DLABEL} with labels of {atlas.name}, on the mesh of the series."
            )
        if reading.parcellation is not None and not reading.parcellation.name.endswith(DLABEL):
            raise ConfigError(f"CIFTI series need a parcellation {DLABEL}, not {reading.parcellation}.")
        if reading.parcellation is not None and not dense:
            raise ConfigError(
                f"{self.path} has no dense series ({DENSE}) to average over {reading.parcellation.name}, but "
                f"{len(parcels)} parcel series: leave --parcellation out to read those."
            )

    def items(self) -> list[Item]:
        """One item a run."""
        return run_items([files[0] for files in self._runs.values()])

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say what the ROIs are made of, and what is left out."""
        if isinstance(self._rois, Grayordinates):
            rois = f"{self._rois.labelled} of {self._rois.n_rois} ROIs"
            found = [f"dense series {CLEANED}, averaged over the labels of {self._rois.path.name}: {rois}"]
        else:
            names = [name for name in self._rois.names if name]
            found = [f"parcel series {CLEANED}" + (f": {' + '.join(names)}" if names else "")]
            if self._rois.unused:
                found.append(f"not used, no label of {self._rois.atlas.name}: {', '.join(self._rois.unused)}")
        if self._unread:
            found.append(f"{len(self._unread)} files {self._unread[0].extension} are there too, and not read")
        if self._concatenated:
            found.append(f"{self._concatenated} concatenated files left out: their runs are there one by one")
        if self._strange:
            found.append(f"{len(self._strange)} CIFTI series left out, named neither as BIDS nor as HCP names them")
        if self._version is not None:
            raw = "" if "clean" in self._version else ", which is not cleaned"
            found += [f"of HCP's versions of a run, {self._version or 'the unnamed one'} is read{raw}", RELATIVE_RMS]
        return found

    def read(self, item: Item) -> Recording:
        """Read one run; DataError when it cannot be read or its repetition time is unknown."""
        files = self._runs[item.key]
        if _is_hcp(files[0]) and files[0].entities.get("desc", "") != self._version:
            raise DataError(
                f"{item.key} has {item.path.name}, and not the version {self._version} that is read of others."
            )
        series, said = self._series(files)
        sidecar = item.path.with_name(item.path.name.removesuffix(files[0].extension) + ".json")
        seconds = stated_number(sidecar, "RepetitionTime")
        if seconds is not None:
            said = [*said, StatedTR(seconds=seconds, where=sidecar.name)]
        facts = self._facts.of(item, agreed(said))
        return facts.recording(
            item, series, band=stated_band(read_json(sidecar)) if sidecar.is_file() else None, source=str(item.path)
        )

    def _series(self, files: Sequence[BidsFile]) -> tuple[Series, list[StatedTR]]:
        if isinstance(self._rois, ParcelSeries):
            return self._rois.read(files)
        series, tr = self._rois.means(files[0].path)
        return series, [tr]


def is_cifti(path: Path) -> bool:
    """Tell a folder of CIFTI series that neither XCP-D nor fMRIPrep wrote: those are read as theirs."""
    return next(_walk(path), None) is not None and not is_xcpd(path) and not is_fmriprep(path)


def _listed(root: Path) -> tuple[list[BidsFile], list[str]]:
    """List the CIFTI series below a folder whose names say whose they are, and the names of the others."""
    named, strange = [], []
    for path in _walk(root):
        one = parse(path) or parse_hcp(path, root)
        if one is None:
            strange.append(path.name)
        else:
            named.append(one)
    return named, strange


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(
            name for name in folders if name not in NO_SERIES and not name.startswith(".") and not name.endswith(INNER)
        )
        yield from (Path(folder, name) for name in sorted(names) if name.endswith((PARCELS, DENSE)))


def _is_hcp(one: BidsFile) -> bool:
    return not one.path.name.startswith("sub-")
