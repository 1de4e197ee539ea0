"""XCP-D 0.6 to 26.x: parcel time series of NIfTI and CIFTI runs, with repetition time, censoring, motion, filters."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import Columns, fill, match_labels
from semantoks.signals.files.names import BidsFile, chosen_runs, scan, without_concatenated
from semantoks.signals.files.stated import StatedTR, generated_by, ptseries_tr, read_json, stated_band, stated_number
from semantoks.signals.files.text_table import read_column, read_header, read_labelled
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import run_items, run_key
from semantoks.signals.sources.source import FactTable, Item
from semantoks.types import Series

FD = "framewise_displacement"
IGNORED_FILTERS = ("0.7.1", "0.7.2", "0.7.3")
"""Versions that ignored the band-pass flags and always filtered to 0.01 to 0.1 Hz."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The files of one run: its series by atlas name, and what lies beside them."""

    series: dict[str, BidsFile]
    denoised: Path | None
    ptseries: Path | None
    outliers: Path | None
    motion: Path | None


class XcpdSource:
    """One recording a run; its ROIs are gathered from all atlases of XCP-D that have labels of ours.

    Columns are found by label: the 400 of ``schaefer400`` are in ``4S456Parcels``, ``tian-s3`` is in ``Tian``; the
    other 56 of 4S456 are not Tian's and not Buckner's, and never taken for them. Run-wise files go before concatenated.

    Raises
    ------
    ConfigError
        When runs lie in several spaces, or what is asked for is not there.
    DataError
        When no atlas of XCP-D has a label of ours.
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
        self._atlas, self._table, self._reading = atlas, participants, reading
        self._facts = FactTable(participants, tr, files_say=True)
        tools = dict(generated_by(path))
        self._version = tools.get("xcp_d", "")
        self.kind = f"XCP-D {self._version}".strip()
        files = list(scan(path))
        series = [one for one in files if is_series(one)]
        if not series:
            raise DataError(f"{path} has no time series of XCP-D (..._timeseries.tsv): was it run without atlases?")
        chosen = chosen_runs(series, reading, path)
        self._names, self._ignored = self._useful(chosen)
        kept, self._concatenated = without_concatenated([one for one in chosen if atlas_name(one) in self._names])
        self._runs = _gather(kept, files)
        self._items = run_items([next(iter(run.series.values())) for run in self._runs.values()])

    def items(self) -> list[Item]:
        """One item a run."""
        return list(self._items)

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say which of XCP-D's atlases are used, what is left out, and what its version got wrong."""
        found = [f"atlases {' + '.join(self._names)}"]
        if self._ignored:
            found.append(f"not used, no label of {self._atlas.name}: {', '.join(self._ignored)}")
        if self._concatenated:
            found.append(f"{self._concatenated} concatenated files left out: their runs are there one by one")
        if self._version in IGNORED_FILTERS:
            found.append(
                f"XCP-D {self._version} ignored --lower-bpf and --upper-bpf (fixed in 0.7.4): data are 0.01 to 0.1 Hz"
            )
        return found

    def read(self, item: Item) -> Recording:
        """Gather one run; DataError when it cannot be read or its repetition time is unknown."""
        run = self._runs[item.key]
        facts = self._facts.of(item, _stated_tr(run))
        series = self._series(run)
        fd = None if run.motion is None else read_column(run.motion, FD)
        good = _good_frames(run, len(series), item)
        if good is not None and len(series) != len(good):
            series = _expanded(series, good)
        if fd is not None and len(fd) != len(series):
            raise DataError(f"{run.motion} has {len(fd)} rows, but the run has {len(series)} frames.")
        sidecar = {} if run.denoised is None else read_json(run.denoised)
        return facts.recording(item, series, good=good, fd=fd, band=stated_band(sidecar), source=str(item.path))

    def _useful(self, series: list[BidsFile]) -> tuple[list[str], list[str]]:
        """Name XCP-D's atlases that have labels of ours, those with more first; and those that have none."""
        first: dict[str, Path] = {}
        for one in series:
            first.setdefault(atlas_name(one), one.path)
        counts, refusals = {}, []
        for name, path in first.items():
            try:
                positions = match_labels(read_header(path), self._atlas, where=str(path), reorder=self._reading.reorder)
                counts[name] = 0 if positions is None else int((positions >= 0).sum())
            except DataError as error:
                counts[name] = 0
                refusals.append(str(error))
        useful = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
        if not useful:
            raise DataError(
                f"{self.path}: no atlas of XCP-D ({', '.join(sorted(counts))}) has labels of {self._atlas.name}. "
                f"{refusals[0] if refusals else 'Choose the atlas that it was run with.'}"
            )
        return useful, sorted(set(counts) - set(useful))

    def _series(self, run: _Run) -> Series:
        """Fill the atlas's columns from the run's files; what an earlier one has is not taken from a later one."""

        def read() -> Iterator[Columns]:
            for path in (run.series[name].path for name in self._names if name in run.series):
                labels, values = read_labelled(path)
                yield path, values, match_labels(labels, self._atlas, where=str(path), reorder=self._reading.reorder)

        return fill(read(), self._atlas.n_rois)


def is_xcpd(path: Path) -> bool:
    """Tell a folder that XCP-D wrote: it says so, or its time series are called as XCP-D calls them."""
    if "xcp_d" in dict(generated_by(path)):
        return True
    return any(is_series(one) and "stat" in one.entities and "desc" not in one.entities for one in scan(path))


def is_series(one: BidsFile) -> bool:
    """Tell XCP-D's parcel time series: ``_atlas-`` or ``_seg-`` ... ``[_stat-mean]_timeseries.tsv``."""
    mean = one.entities.get("stat", "mean") == "mean"
    return one.suffix == "timeseries" and one.extension == ".tsv" and bool(atlas_name(one)) and mean


def atlas_name(one: BidsFile) -> str:
    """Name of XCP-D's atlas: ``seg-`` in 0.7 to 0.14, ``atlas-`` before and after."""
    return one.entities.get("atlas") or one.entities.get("seg") or ""


def _gather(series: list[BidsFile], files: list[BidsFile]) -> dict[str, _Run]:
    """Put together what belongs to each run, by its entities; key -> run."""
    beside: dict[tuple[str, ...], list[BidsFile]] = defaultdict(list)
    for one in files:
        beside[one.run].append(one)
    by_run: dict[tuple[str, ...], dict[str, BidsFile]] = defaultdict(dict)
    for one in series:
        by_run[one.run][atlas_name(one)] = one
    runs = {}
    for run, found in by_run.items():
        space = next(iter(found.values())).entities.get("space", "")
        near = beside[run]

        def first(suffix: str, *ends: str, near: list[BidsFile] = near, space: str = space, **entities: str) -> Any:
            fitting = (
                one
                for one in near
                if one.suffix == suffix
                and one.extension.endswith(ends)
                and one.entities.get("space", space) == space
                and all(one.entities.get(name) == value for name, value in entities.items())
            )
            return next((one.path for one in fitting), None)

        runs[run_key(next(iter(found.values())))] = _Run(
            series=found,
            denoised=first("bold", ".json", desc="denoised"),
            ptseries=first("timeseries", ".ptseries.nii"),
            outliers=first("outliers", ".tsv"),
            motion=first("motion", ".tsv"),
        )
    return runs


def _stated_tr(run: _Run) -> StatedTR:
    """Find the repetition time in the denoised image's sidecar, else in the ptseries; or say where it is not."""
    looked = []
    for path in (run.denoised, run.ptseries):
        if path is None:
            continue
        seconds = stated_number(path, "RepetitionTime") if path.suffix == ".json" else ptseries_tr(path)
        if seconds is not None:
            return StatedTR(seconds=seconds, where=path.name)
        looked.append(path.name)
    for one in run.series.values():
        sidecar = one.path.with_suffix(".json")
        if sidecar.is_file():
            if (seconds := stated_number(sidecar, "RepetitionTime")) is not None:
                return StatedTR(seconds=seconds, where=sidecar.name)
            looked.append(sidecar.name)
    return StatedTR(
        seconds=None,
        where=(
            'the sidecar of XCP-D\'s time series does not say it (its SamplingFrequency is the text "TR"); looked at '
            f"{', '.join(looked) or 'nothing, none is there'}. Keep desc-denoised_bold.json beside the time series"
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
            f"series has {frames}: neither all of them nor those."
        )
    return None if good.all() else good


def _expanded(series: Float[ndarray, "kept roi"], good: Bool[ndarray, " scan"]) -> Float[ndarray, "scan roi"]:
    """Put censored series back onto the scan's frames; those that were taken out are NaN."""
    whole = np.full((len(good), series.shape[1]), np.nan, dtype=np.float32)
    whole[good] = series
    return whole
