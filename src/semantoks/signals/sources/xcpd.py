"""XCP-D 0.6 to 26.x: parcel time series of NIfTI and CIFTI runs, with repetition time, censoring, motion, filters."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.files.bad_cells import LONGEST_WORD
from semantoks.signals.files.cifti import cifti_tr
from semantoks.signals.files.columns import FileColumns, fill, match_labels
from semantoks.signals.files.intact import refuse_unfetched
from semantoks.signals.files.lying_there import lying_there
from semantoks.signals.files.motion import FD, fd_note, read_fd
from semantoks.signals.files.names import BidsFile, scan
from semantoks.signals.files.parcellations import Parcellations, find_parcellations
from semantoks.signals.files.stated import StatedTR, generated_by, read_json, stated_band, stated_tr
from semantoks.signals.files.text_table import read_column, read_header, read_labelled
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import beside, by_run, run_key, version_words, without_concatenated

IGNORED_FILTERS = ("0.7.1", "0.7.2", "0.7.3")
"""Versions that ignored the band-pass flags and always filtered to 0.01 to 0.1 Hz."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The files of one run: its series by atlas name, and what is beside them."""

    series: dict[str, BidsFile]
    denoised: Path | None
    ptseries: Path | None
    outliers: Path | None
    motion: Path | None


def open_xcpd(request: Request) -> OpenedSource:
    """Open XCP-D's output, one recording per run; ROIs come from all atlases of XCP-D that have labels of ours.

    Columns are found by label: the 400 of ``schaefer400`` are in ``4S456Parcels``, ``tian-s3`` is in ``Tian``; the
    other 56 of 4S456 are not Tian's and not Buckner's, and never taken for them. Run-wise files go before concatenated.

    Raises
    ------
    ConfigError
        When runs are in several spaces or versions, or what was asked for does not exist.
    DataError
        When no atlas of XCP-D has a label of ours.
    """
    path = request.path
    facts = request.facts(files_say=True)
    version = dict(generated_by(path)).get("xcp_d", "")
    files = list(scan(path))
    series = [one for one in files if is_series(one)]
    if not series:
        old = sum(one.entities.get("desc") == "timeseries" for one in files)
        reason = (
            f": its {plural(old, 'file ..._desc-timeseries_... is', 'files ..._desc-timeseries_... are')} of a version "
            "before 0.3, not read: run 0.6 or newer."
            if old
            else f", which it writes unless run without atlases. {lying_there(path)}"
        )
        raise DataError(f"{path} has no time series of XCP-D (..._atlas-..._timeseries.tsv){reason}")
    chosen, left_out = chosen_runs(series, request.reading, path, words_of=_words)
    fitting = _fitting(chosen, request)
    kept, concatenated = without_concatenated([one for one in chosen if atlas_name(one) in fitting.names])
    runs = _gather(by_run(kept, path, part_of=atlas_name, words_of=_words), files)
    notes = [f"atlases {' + '.join(fitting.names)}", *left_out, *fitting.unused(request.atlas)]
    notes += fitting.left_over(request.atlas, reorder=request.reading.reorder)
    if concatenated:
        notes.append(f"{plural(concatenated, 'concatenated file')} left out: their runs are there one by one")
    for run in runs.values():
        if run.motion is not None:
            with suppress(DataError):  # reading this run says what is wrong
                notes += fd_note(run.motion, filtered=request.reading.filtered_fd)
                break
    if version in IGNORED_FILTERS:
        notes.append(f"XCP-D {version} ignored --lower-bpf and --upper-bpf (fixed in 0.7.4): data are 0.01 to 0.1 Hz")
    return OpenedSource(
        request,
        kind=f"XCP-D {version}".strip(),
        items=run_items(next(iter(run.series.values())) for run in runs.values()),
        facts=facts,
        read=partial(_read, runs=runs, facts=facts, names=fitting.names, request=request),
        notes=notes,
    )


def _read(
    item: Item, *, runs: Mapping[str, _Run], facts: FactTable, names: Sequence[str], request: Request
) -> Recording:
    """Gather one run; DataError when it cannot be read or its repetition time is unknown."""
    run = runs[item.key]
    known = facts.of(item, _stated_tr(run))

    def columns() -> Iterator[FileColumns]:
        for path in (run.series[name].path for name in names if name in run.series):
            refuse_unfetched(path)
            labels, values = read_labelled(path)
            yield path, values, match_labels(labels, request.atlas, where=str(path), reorder=request.reading.reorder)

    series = fill(columns(), request.atlas.n_rois)
    fd = None if run.motion is None else read_fd(run.motion, filtered=request.reading.filtered_fd)
    if fd is None and (run.motion is not None or request.reading.filtered_fd):
        raise DataError(f"{run.motion or f'{item.key}: there is no motion.tsv; it'} has to have a column {FD}.")
    good = _good_frames(run, len(series), item)
    if good is not None and len(series) != len(good):
        series = _expanded(series, good)
    if fd is not None and len(fd) != len(series):
        raise DataError(f"{run.motion} has {len(fd)} rows, but the run has {len(series)} frames.")
    sidecar = {} if run.denoised is None else read_json(run.denoised)
    return known.recording(item, series, good=good, fd=fd, band=stated_band(sidecar), source=str(item.path))


def is_xcpd(path: Path) -> bool:
    """Recognise XCP-D's output: it says so, or its time series are named as XCP-D names them."""
    if "xcp_d" in dict(generated_by(path)):
        return True
    return any(is_series(one) and "stat" in one.entities and "desc" not in one.entities for one in scan(path))


def is_series(one: BidsFile) -> bool:
    """Recognise XCP-D's parcel time series: ``_atlas-`` or ``_seg-`` ... ``[_stat-mean]_timeseries.tsv``."""
    mean = one.entities.get("stat", "mean") == "mean"
    return one.suffix == "timeseries" and one.extension == ".tsv" and bool(atlas_name(one)) and mean


def atlas_name(one: BidsFile) -> str:
    """Name of XCP-D's atlas: ``seg-`` in 0.7 to 0.14, ``atlas-`` before and after."""
    return one.entities.get("atlas") or one.entities.get("seg") or ""


def _fitting(series: Sequence[BidsFile], request: Request) -> Parcellations:
    """Find XCP-D's atlases that have labels of ours; DataError without any."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for one in series:
        paths[atlas_name(one)].append(one.path)
    found = find_parcellations(paths, _labels_in, request.atlas, reorder=request.reading.reorder)
    if not found.labels:
        raise DataError(f"{request.path}: no time series of XCP-D can be read. {next(iter(found.refused.values()))}")
    if not found.names:
        reason = next(filter(None, found.refused.values()), "Choose the atlas that it was run with.")
        raise DataError(
            f"{request.path}: no atlas of XCP-D ({', '.join(sorted(paths))}) has labels of {request.atlas.name}. "
            f"{reason}"
        )
    return found


def _labels_in(path: Path) -> list[str]:
    refuse_unfetched(path)
    labels = read_header(path)
    if len(labels) == 1:
        raise DataError(
            f"{path} has to begin with a line of labels, apart by tabs; it begins {labels[0][:LONGEST_WORD]!r}."
        )
    return labels


def _words(one: BidsFile) -> list[str]:
    """List the words of a version: those of its name, and how it calls its atlas."""
    return [*version_words(one), "atlas" if one.entities.get("atlas") else "seg"]


def _gather(series: Mapping[str, Sequence[BidsFile]], files: Sequence[BidsFile]) -> dict[str, _Run]:
    """Put together what belongs to each run and its version; key -> run."""
    near: dict[str, list[BidsFile]] = defaultdict(list)
    for one in files:
        near[run_key(one)].append(one)
    runs = {}
    for key, found in series.items():
        first = partial(_first, beside(found[0], near[key]))
        runs[key] = _Run(
            series={atlas_name(one): one for one in found},
            denoised=first("bold", ".json", desc="denoised"),
            ptseries=first("timeseries", ".ptseries.nii"),
            outliers=first("outliers", ".tsv"),
            motion=first("motion", ".tsv"),
        )
    return runs


def _first(files: Sequence[BidsFile], suffix: str, end: str, desc: str = "") -> Path | None:
    """Find the first file of a run with that suffix and end of its extension."""
    for one in files:
        if one.suffix == suffix and one.extension.endswith(end) and desc in ("", one.entities.get("desc")):
            return one.path
    return None


def _stated_tr(run: _Run) -> StatedTR:
    """Find the repetition time in the denoised image's sidecar, else in the ptseries; or say where it is not."""
    looked = []
    for path in (run.denoised, run.ptseries):
        if path is None:
            continue
        if path.suffix == ".json" and (stated := stated_tr(path, path.name)):
            return stated
        if path.suffix != ".json" and (seconds := cifti_tr(path)) is not None:
            return StatedTR(seconds=seconds, where=path.name)
        looked.append(path.name)
    for sidecar in (one.path.with_suffix(".json") for one in run.series.values()):
        if stated := stated_tr(sidecar, sidecar.name):
            return stated
        if sidecar.is_file():
            looked.append(sidecar.name)
    return StatedTR(
        seconds=None,
        where=(
            'the sidecar of XCP-D\'s time series does not state it (its SamplingFrequency is the text "TR"); looked at '
            f"{', '.join(looked) or 'nothing, there is no such file'}. Keep desc-denoised_bold.json beside the time "
            "series"
        ),
    )


def _good_frames(run: _Run, frames: int, item: Item) -> Bool[ndarray, " scan"] | None:
    """Read which frames were not censored; None where XCP-D censored nothing."""
    if run.outliers is None:
        return None
    flagged = read_column(run.outliers, FD)
    if not np.isin(flagged, (0, 1)).all():
        raise DataError(f"{run.outliers} has to have a column {FD} of 0 and 1.")
    good: Bool[ndarray, " scan"] = flagged == 0
    if frames not in (len(good), int(good.sum())):
        raise DataError(
            f"{item.key}: {run.outliers} has {len(good)} frames, {int(good.sum())} of them not censored, but the time "
            f"series has {frames}: neither number."
        )
    return None if good.all() else good


def _expanded(series: Float[ndarray, "kept roi"], good: Bool[ndarray, " scan"]) -> Float[ndarray, "scan roi"]:
    """Put censored series back onto the scan's frames; those that were removed are NaN."""
    whole = np.full((len(good), series.shape[1]), np.nan, dtype=np.float32)
    whole[good] = series
    return whole
