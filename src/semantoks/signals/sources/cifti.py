"""CIFTI series: parcel series as they are, and dense series averaged over the labels of a parcellation."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.cifti import (
    Grayordinates,
    ParcelSeries,
    find_parcel_series,
    parcellation_name,
    read_dlabel,
)
from semantoks.signals.files.names import SKIPPED, BidsFile, parse, parse_hcp, walk
from semantoks.signals.files.stated import StatedTR, lacking, over_headers, read_json, stated_band, stated_tr
from semantoks.signals.recording import Recording
from semantoks.signals.sources.fmriprep import is_fmriprep
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import by_run, without_concatenated
from semantoks.signals.sources.xcpd import atlas_name, is_xcpd
from semantoks.types import Series

PARCELS, DENSE, DLABEL = ".ptseries.nii", ".dtseries.nii", ".dlabel.nii"
NO_SERIES = SKIPPED | {"T1w", "unprocessed", "Native"}
INNER = (".ica", ".feat")
"""Ends of folders that FSL works in: what is in them is no result."""
CLEANED = "as their maker cleaned them"
RELATIVE_RMS = "HCP's Movement_RelativeRMS.txt is relative RMS, not framewise displacement: it is not read as mean_fd"


def open_cifti(request: Request) -> OpenedSource:
    """Open a folder of CIFTI series named as BIDS or as HCP names them, one recording per run.

    Without a parcellation, the ``.ptseries.nii`` are read: their own labels say which ROI each parcel is, and several
    files of a run (atlases) complement each other. With a ``.dlabel.nii`` as parcellation, the ``.dtseries.nii`` are:
    an ROI is the mean over its vertices of both hemispheres and its voxels; the medial wall is in none. The repetition
    time is the step of the file's axis of time; a sidecar that states another is a reason to refuse the recording. The
    series were cleaned by whoever wrote them: nothing is regressed out here.

    Of HCP's several versions of a run, the cleaned one that most runs have is read, MSMAll before others; a run that
    lacks it is refused.

    Raises
    ------
    ConfigError
        When there are dense series alone and no parcellation, runs are in several spaces or versions, or what was
        asked for does not exist.
    DataError
        When no file says whose it is, or none has a label of the atlas.
    """
    path, atlas, reading = request.path, request.atlas, request.reading
    facts = request.facts(files_say=True)
    found, strange = _listed(path)
    dense, parcels = ([one for one in found if one.extension.endswith(end)] for end in (DENSE, PARCELS))
    _refuse(request, dense, parcels, strange)
    rois: Grayordinates | ParcelSeries
    if reading.parcellation is not None:
        (chosen, left_out), unread = chosen_runs(dense, reading, path), parcels
        rois = read_dlabel(reading.parcellation, atlas, reorder=reading.reorder)
    else:
        (chosen, left_out), unread = chosen_runs(parcels, reading, path), dense
        rois = find_parcel_series(chosen, atlas, path, reorder=reading.reorder)
        chosen = [one for one in chosen if parcellation_name(one) in rois.names]
    single, concatenated = without_concatenated(chosen)
    kept, version = _one_version([one for one in single if _is_hcp(one)])
    runs = by_run([one for one in single if not _is_hcp(one)] + kept, path, part_of=atlas_name)
    notes = [*_roi_notes(rois), *left_out]
    if unread:
        suffix = unread[0].extension
        notes.append(f"{plural(len(unread), f'file {suffix} is', f'files {suffix} are')} there too, and not read")
    if concatenated:
        notes.append(f"{plural(concatenated, 'concatenated file')} left out: their runs are there one by one")
    if strange:
        notes.append(f"{len(strange)} CIFTI series left out, named neither as BIDS nor as HCP names them")
    if version is not None:
        raw = "" if "clean" in version else ", which is not cleaned"
        notes += [f"of HCP's versions of a run, {version or 'the unnamed one'} is read{raw}", RELATIVE_RMS]
    return OpenedSource(
        request,
        kind=f"{'HCP ' if kept else ''}CIFTI {'parcel' if reading.parcellation is None else 'dense'} series",
        items=run_items(files[0] for files in runs.values()),
        facts=facts,
        read=_Runs(facts=facts, rois=rois, files=runs, version=version).read,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Runs:
    """The files of each run by its key, which of HCP's versions is read, and the ROIs to read out of them."""

    facts: FactTable
    rois: Grayordinates | ParcelSeries
    files: Mapping[str, Sequence[BidsFile]]
    version: str | None

    def read(self, item: Item) -> Recording:
        """Read one run; DataError when it cannot be read or its repetition time is unknown."""
        files = self.files[item.key]
        if _is_hcp(files[0]) and files[0].entities.get("desc", "") != self.version:
            raise DataError(
                f"{item.key} has {item.path.name}, and not the version {self.version} that is read of other runs."
            )
        series, stated = self._series(files)
        sidecar = item.path.with_name(item.path.name.removesuffix(files[0].extension) + ".json")
        nothing = StatedTR(seconds=None, where=lacking(sidecar, "RepetitionTime"))
        beside = stated_tr(sidecar, sidecar.name) or nothing
        band = stated_band(read_json(sidecar)) if sidecar.is_file() else None
        return self.facts.of(item, over_headers(beside, stated)).recording(
            item, series, band=band, source=str(item.path)
        )

    def _series(self, files: Sequence[BidsFile]) -> tuple[Series, list[StatedTR]]:
        if isinstance(self.rois, ParcelSeries):
            return self.rois.read(files)
        series, tr = self.rois.means(files[0].path)
        return series, [tr]


def _refuse(request: Request, dense: Sequence[BidsFile], parcels: Sequence[BidsFile], strange: Sequence[str]) -> None:
    """Refuse a folder that the parcellation, or its absence, does not fit."""
    path, parcellation = request.path, request.reading.parcellation
    if not dense and not parcels:
        raise DataError(
            f"{path} has no CIFTI series that say whose they are, but {len(strange)} others (such as "
            f"{next(iter(strange), 'none')}). Name them sub-ID_task-rest_..._timeseries{PARCELS}, or keep HCP's "
            "folders (ID/MNINonLinear/Results/...)."
        )
    if parcellation is None and not parcels:
        raise ConfigError(
            f"{path} has dense series ({DENSE}, {plural(len(dense), 'file')}) and no parcel series: pass "
            f"--parcellation FILE{DLABEL} with labels of {request.atlas.name}, on the mesh of the series."
        )
    if parcellation is not None and not parcellation.name.endswith(DLABEL):
        raise ConfigError(f"CIFTI series need a parcellation {DLABEL}, not {parcellation}.")
    if parcellation is not None and not dense:
        raise ConfigError(
            f"{path} has no dense series ({DENSE}) to average over {parcellation.name}, but {len(parcels)} parcel "
            "series: leave --parcellation out to read those."
        )


def _roi_notes(rois: Grayordinates | ParcelSeries) -> list[str]:
    """Say what the ROIs are made of."""
    if isinstance(rois, Grayordinates):
        labelled = f"{rois.labelled} of {rois.n_rois} ROIs"
        return [f"dense series {CLEANED}, averaged over the labels of {rois.path.name}: {labelled}"]
    names = [name for name in rois.names if name]
    notes = [f"parcel series {CLEANED}" + (f": {' + '.join(names)}" if names else "")]
    return [*notes, *rois.notes()]


def is_cifti(path: Path) -> bool:
    """Recognise a folder of CIFTI series that neither XCP-D nor fMRIPrep wrote: those are read as theirs."""
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
    for folder, name in walk(root, skipped=lambda name: name in NO_SERIES or name.endswith(INNER)):
        if name.endswith((PARCELS, DENSE)):
            yield Path(folder, name)


def _is_hcp(one: BidsFile) -> bool:
    return not one.path.name.startswith("sub-")


def _one_version(files: Sequence[BidsFile]) -> tuple[list[BidsFile], str | None]:
    """Keep one file of each of HCP's runs: of the preferred version, or of another where a run lacks it, to say so.

    The preferred version is a cleaned one, else any; the one of most runs; MSMAll; the one of most words.

    Returns the files, and the preferred version (``desc``); None where there are no files.
    """
    counts = Counter(one.entities.get("desc", "") for one in files)

    def worth(version: str) -> tuple[bool, int, bool, int, str]:
        words = re.split(r"[_.]", version)
        return "clean" in words, counts[version], "MSMAll" in words, len(words), version

    best = max(counts, key=worth) if files else None
    kept: dict[tuple[str, ...], BidsFile] = {}
    for one in files:
        if one.run not in kept or one.entities.get("desc", "") == best:
            kept[one.run] = one
    return list(kept.values()), best
