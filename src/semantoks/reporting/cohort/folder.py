"""What is in a cohort's folder, file by file: whatever is missing or damaged becomes a sentence on the page."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals import layout
from semantoks.signals.clean import mask_from_text
from semantoks.signals.cohort_checks import check_recordings, read_description
from semantoks.signals.quality import GRID
from semantoks.storage.checksums import differing, read_sums
from semantoks.storage.tables import read_table

ANY_LENGTH = -1
NO_QUALITY = (
    "There is no quality.tsv: an earlier version prepared this cohort. Its contents (flags, where repetition times "
    "came from, motion frame by frame, spectra) are missing here; prepare the cohort again to have them."
)
Shards = Sequence[tuple[int, pd.DataFrame]]
"""Number and recordings of each shard, in the order of its files."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortFolder:
    """The contents of a cohort's folder.

    Attributes
    ----------
    about
        ``dataset_description.json``.
    recordings
        ``recordings.tsv``, index 0..n-1, as in `Cohort`.
    quality
        ``quality.tsv`` as text, one row per recording in the same order; no columns where it cannot be used.
    excluded
        ``excluded.tsv`` as text.
    missing
        True where a recording has no signal in an ROI.
    signals
        Memory map of each shard that can be read, by its number.
    readable
        True where the signals of a recording can be read.
    fd
        Framewise displacement (mm) of each frame of the source, NaN where unknown, by the row of the recording.
    spectra
        Power density before and after cleaning at the frequencies of `GRID`, NaN where unknown; None without any.
    notes
        One sentence for each thing that is missing or damaged.
    show_ids
        Whether the page names recordings.
    """

    path: Path
    about: dict[str, Any]
    atlas: Atlas
    recordings: pd.DataFrame
    quality: pd.DataFrame
    excluded: pd.DataFrame
    missing: Bool[ndarray, "recording roi"]
    signals: Mapping[int, ndarray]
    readable: Bool[ndarray, " recording"]
    fd: Mapping[int, Float32[ndarray, " scan"]]
    spectra: Float32[ndarray, "recording 2 bin"] | None
    notes: tuple[str, ...]
    show_ids: bool = False

    def called(self, index: int) -> str:
        """Number a recording by its row in recordings.tsv, and name it where the page names recordings."""
        named = f" ({self.recordings['recording_id'].iloc[index]})" if self.show_ids else ""
        return f"Recording {index + 1}{named}"

    @property
    def title(self) -> str:
        """What the page is called: after its folder, or its source where the folder has no name of its own."""
        source = Path(str(self.about.get("SourcePath", ""))).name
        return f"Cohort of {source}" if self.path.name.lower() == "cohort" and source else f"Cohort {self.path.name}"

    @property
    def trs(self) -> Float[ndarray, " recording"]:
        """Sampling interval of each recording in the cohort, in seconds."""
        own: Float[ndarray, " recording"] = self.recordings["source_tr"].to_numpy()
        target = self.about.get("RepetitionTime")
        return own if target is None else np.full(len(own), float(target))

    @property
    def minutes(self) -> pd.Series:
        """Length of each recording in minutes."""
        minutes: pd.Series = self.recordings["frames"] * self.trs / 60
        return minutes

    def measured(self, column: str) -> pd.Series:
        """Return a column of quality.tsv as numbers; all NaN where there is none."""
        return _numbers(self.quality, column)

    def series(self, index: int) -> Float32[ndarray, "frame roi"]:
        """Return the z-scored signals of a readable recording."""
        row = self.recordings.iloc[index]
        signals = self.signals[int(row["shard"])]
        return np.asarray(signals[row["offset"] : row["offset"] + row["frames"]], dtype=np.float32)

    def good(self, index: int) -> Bool[ndarray, " frame"]:
        """Return True where a frame is data, False where it was censored."""
        row = self.recordings.iloc[index]
        return mask_from_text(row["bad_frames"], int(row["frames"]))


def is_cohort(path: Path) -> bool:
    """Tell a cohort's folder, finished or not."""
    started = (path / layout.RECORDINGS).is_file() or (path / layout.SHARDS).is_dir()
    return started and (path / layout.DESCRIPTION).is_file()


def read_cohort(path: Path, *, show_ids: bool = False) -> CohortFolder:
    """Read a cohort's folder; with ``show_ids``, its page names recordings.

    Raises
    ------
    DataError
        If it is unfinished, or its description, its atlas or its table of recordings cannot be read.
    """
    file = path / layout.RECORDINGS
    if not file.is_file():
        raise DataError(f"the cohort {path} is unfinished: run the same prepare command again to finish it.")
    about = read_description(path)
    atlas = dataclasses.replace(Atlas.from_tsv(path / layout.ATLAS), name=about["Atlas"])
    recordings = layout.typed(layout.read_rows(file, layout.RECORDING_COLUMNS), file)
    unlimited = np.iinfo(np.int64).max  # what a damaged shard lacks is missing on the page, and no reason to refuse it
    check_recordings(recordings, [unlimited] * about["Shards"], atlas.n_rois, file)
    shards = [(int(str(shard)), rows) for shard, rows in recordings.sort_values("offset").groupby("shard")]
    excluded, notes = _read_excluded(path)
    changed = {*differing(path, read_sums(path))} - {layout.PARTICIPANTS, layout.PARTICIPANTS_JSON}
    if changed:
        notes.append(
            f"{', '.join(sorted(changed)[:3])}{' and others' if len(changed) > 3 else ''} changed after the cohort was "
            f"prepared: what this page says of it may be wrong. `semantoks info {path} --verify` says more."
        )
    damaged = frozenset(path / name for name in changed)
    if atlas.fingerprint != about["AtlasFingerprint"]:
        notes.append(f"{layout.ATLAS} was changed after the cohort was prepared: networks and labels may be wrong.")
    quality, quality_notes = _read_quality(path / layout.QUALITY, recordings)
    signals, readable, signal_notes = _open_signals(path, recordings, shards, atlas.n_rois)
    signal_notes = [*signal_notes, *_without_full_band(path, shards, atlas.n_rois)]
    fd, fd_notes = _open_fd(
        path, shards, damaged, _numbers(quality, "fd_frames").fillna(0).clip(lower=0).astype("int64")
    )
    spectra, spectra_notes = (
        _read_spectra(path, shards, damaged, len(recordings)) if len(quality.columns) else (None, [])
    )
    return CohortFolder(
        path=path.resolve(),
        about=about,
        atlas=atlas,
        recordings=recordings,
        quality=quality,
        excluded=excluded,
        missing=layout.missing_mask(recordings, atlas.n_rois),
        signals=signals,
        readable=readable,
        fd=fd,
        spectra=spectra,
        show_ids=show_ids,
        notes=(*notes, *quality_notes, *signal_notes, *fd_notes, *spectra_notes),
    )


def _numbers(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        return pd.Series(np.nan, index=table.index, dtype=float)
    return pd.to_numeric(table[column], errors="coerce").astype(float)


def _read_excluded(path: Path) -> tuple[pd.DataFrame, list[str]]:
    try:
        return layout.read_rows(path / layout.EXCLUDED, layout.EXCLUDED_COLUMNS), []
    except DataError:
        nothing = pd.DataFrame(columns=layout.EXCLUDED_COLUMNS, dtype=str)
        return nothing, [f"{layout.EXCLUDED} cannot be read: what was left out is not known."]


def _read_quality(file: Path, recordings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Read quality.tsv in the order of the recordings; without columns if it is missing or of other recordings."""
    nothing = pd.DataFrame(index=recordings.index)
    if not file.is_file():
        return nothing, [NO_QUALITY]
    try:
        table = read_table(file, ["recording_id"])
        table = table.set_index("recording_id").loc[recordings["recording_id"]].reset_index(drop=True)
    except (DataError, KeyError):
        table = nothing
    if len(table.columns) and len(table) == len(recordings):
        return table, []
    return nothing, [f"{file.name} does not describe the recordings of {layout.RECORDINGS}: it is left out."]


def _open(file: Path, shape: tuple[int, ...]) -> ndarray | None:
    """Map a file of numbers; None if it is missing, damaged, or of another shape."""
    try:
        values = layout.load_array(file, "the array")
    except DataError:
        return None
    right = values.dtype.kind == "f" and values.ndim == len(shape)
    fits = right and all(n in (ANY_LENGTH, found) for n, found in zip(shape, values.shape, strict=True))
    return values if fits else None


def _open_signals(
    path: Path, recordings: pd.DataFrame, shards: Shards, n_rois: int
) -> tuple[dict[int, ndarray], Bool[ndarray, " recording"], list[str]]:
    opened = {shard: _open(layout.shard_path(path, shard), (ANY_LENGTH, n_rois)) for shard, _ in shards}
    signals = {shard: values for shard, values in opened.items() if values is not None}
    lengths = {shard: 0 if values is None else len(values) for shard, values in opened.items()}
    ends = recordings["offset"] + recordings["frames"]
    readable: Bool[ndarray, " recording"] = (ends <= recordings["shard"].map(lengths)).to_numpy(dtype=bool)
    if readable.all():
        return signals, readable, []
    lost = f"The signals of {int((~readable).sum()):,} of {plural(len(readable), 'recording')} cannot be read from"
    note = f"{lost} {layout.SHARDS}/: they are not in the figures. `semantoks info {path} --verify` says more."
    return signals, readable, [note]


def _without_full_band(path: Path, shards: Shards, n_rois: int) -> list[str]:
    """Say of how many recordings the series without the band-pass are named, but cannot be read."""
    lost = 0
    for shard, rows in shards:
        ends = (rows["offset"] + rows["frames"])[rows["full_sha256"] != ""]
        values = _open(layout.full_path(path, shard), (ANY_LENGTH, n_rois)) if len(ends) else None
        lost += int((ends > (0 if values is None else len(values))).sum())
    if not lost:
        return []
    return [f"The full band of {lost:,} recordings cannot be read. `semantoks info {path} --verify` says more."]


def _open_fd(
    path: Path, shards: Shards, damaged: frozenset[Path], counts: pd.Series
) -> tuple[dict[int, ndarray], list[str]]:
    """Find each recording's framewise displacements in the file of its shard, ``counts`` frames of it."""
    fd: dict[int, ndarray] = {}
    lost = []
    for shard, rows in shards:
        own = counts[rows.index]
        if not own.sum():
            continue
        file = layout.fd_path(path, shard)
        values = None if file in damaged else _open(file, (int(own.sum()),))
        if values is None:
            lost.append(file.name)
            continue
        for row, count, end in zip(own.index, own, own.cumsum(), strict=True):
            if count:
                fd[row] = values[end - count : end]
    return fd, _lost_files(lost, "Motion frame by frame")


def _read_spectra(
    path: Path, shards: Shards, damaged: frozenset[Path], recordings: int
) -> tuple[Float32[ndarray, "recording 2 bin"] | None, list[str]]:
    spectra = np.full((recordings, 2, len(GRID)), np.nan, dtype=np.float32)
    lost = []
    for shard, rows in shards:
        file = layout.spectra_path(path, shard)
        values = None if file in damaged else _open(file, (len(rows), *spectra.shape[1:]))
        if values is None:
            lost.append(file.name)
        else:
            spectra[rows.index] = values
    return (spectra if np.isfinite(spectra).any() else None), _lost_files(lost, "Spectra")


def _lost_files(lost: list[str], what: str) -> list[str]:
    if not lost:
        return []
    files = f"{lost[0]} is" if len(lost) == 1 else f"{len(lost)} files (the first is {lost[0]}) are"
    return [f"{what}: {files} missing or not of the recordings in {layout.RECORDINGS}; left out."]
