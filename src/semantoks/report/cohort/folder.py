"""What a cohort's folder holds, read file by file; what is not there, or is damaged, becomes a sentence."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError

DESCRIPTION, RECORDINGS, QUALITY, EXCLUDED = "dataset_description.json", "recordings.tsv", "quality.tsv", "excluded.tsv"
ATLAS, SHARDS, NONE = "atlas.tsv", "shards", "n/a"
FREQUENCIES = np.linspace(0, 0.25, 64)
"""In Hz, those of the files of spectra."""
REAL = ("source_tr", "mean_fd")
WHOLE = ("frames", "offset", "shard", "good_frames")
TEXT = ("recording_id", "participant_id", "session_id", "site", "missing_rois", "source_file")
LATER = "bad_frames"
NO_QUALITY = (
    "There is no quality.tsv: an earlier version prepared this cohort. What it would say (flags, where repetition "
    "times came from, motion frame by frame, spectra) is missing here; prepare the cohort again to have it."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortFolder:
    """The contents of a cohort's folder.

    Attributes
    ----------
    about
        ``dataset_description.json``.
    recordings
        ``recordings.tsv``, index 0..n-1, the columns that are known here, numbers as numbers.
    quality
        ``quality.tsv``, a row a recording in the same order; no columns where there is no such file.
    excluded
        ``excluded.tsv``, all as text.
    missing
        True where a recording has no signal in an ROI.
    readable
        Recordings whose signals can be read.
    fd_first, fd_frames
        Where the framewise displacements of a recording begin in the file of its shard, and how many they are.
    spectra
        Power density before and after cleaning at ``FREQUENCIES``, NaN where not known; None where there are none.
    notes
        One sentence for each thing that is missing or damaged.
    """

    path: Path
    about: dict[str, Any]
    atlas: Atlas
    recordings: pd.DataFrame
    quality: pd.DataFrame
    excluded: pd.DataFrame
    missing: Bool[ndarray, "recording roi"]
    readable: Bool[ndarray, " recording"]
    fd_first: Int[ndarray, " recording"]
    fd_frames: Int[ndarray, " recording"]
    spectra: Float32[ndarray, "recording 2 bin"] | None
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the page is called: after its folder, or its source where the folder has no name of its own."""
        source = Path(str(self.about.get("SourcePath", ""))).name
        return f"Cohort of {source}" if self.path.name.lower() == "cohort" and source else f"Cohort {self.path.name}"

    @property
    def trs(self) -> Float[ndarray, " recording"]:
        """Sampling interval of each recording as it lies in the cohort, in seconds."""
        own: Float[ndarray, " recording"] = self.recordings["source_tr"].to_numpy()
        target = self.about.get("RepetitionTime")
        return own if target is None else np.full(len(own), float(target))

    def told(self, column: str) -> pd.Series:
        """A column of quality.tsv as numbers; all NaN where there is none."""
        if column not in self.quality:
            return pd.Series(np.nan, index=self.recordings.index, dtype=float)
        return pd.to_numeric(self.quality[column], errors="coerce").astype(float)

    def series(self, index: int) -> Float[ndarray, "frame roi"]:
        """The z-scored signals of a readable recording, float32."""
        row = self.recordings.iloc[index]
        signals = np.load(shard_file(self.path, int(row["shard"])), mmap_mode="r", allow_pickle=False)
        return np.asarray(signals[row["offset"] : row["offset"] + row["frames"]], dtype=np.float32)

    def good(self, index: int) -> Bool[ndarray, " frame"]:
        """True where a frame is data, False where it was censored."""
        row = self.recordings.iloc[index]
        good = np.ones(row["frames"], dtype=bool)
        for part in filter(None, row[LATER].split(",")):
            begin, _, last = part.partition("-")
            good[int(begin) : int(last or begin) + 1] = False
        return good

    def fd(self, index: int) -> Float[ndarray, " frame"] | None:
        """Framewise displacement (mm) of each frame of the source, NaN where unknown; None where there is none."""
        first, frames = self.fd_first[index], self.fd_frames[index]
        if not frames:
            return None
        file = shard_file(self.path, int(self.recordings["shard"].iloc[index]), ".fd")
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False)[first : first + frames], dtype=float)


def is_cohort(path: Path) -> bool:
    """Tell a cohort's folder, finished or not."""
    return (path / DESCRIPTION).is_file() and ((path / RECORDINGS).is_file() or (path / SHARDS).is_dir())


def read_cohort(path: Path) -> CohortFolder:
    """Read a cohort's folder.

    Raises
    ------
    DataError
        If it is unfinished, or its description, its atlas or its table of recordings cannot be read.
    """
    if not (path / RECORDINGS).is_file():
        raise DataError(f"the cohort {path} is unfinished: run the same prepare command again to finish it.")
    about = _read_about(path / DESCRIPTION)
    atlas = dataclasses.replace(Atlas.from_tsv(path / ATLAS), name=str(about.get("Atlas", "not named")))
    recordings = _read_recordings(path / RECORDINGS)
    excluded, notes = _read_excluded(path / EXCLUDED)
    if atlas.fingerprint != about.get("AtlasFingerprint", atlas.fingerprint):
        notes.append(f"{ATLAS} was changed since the cohort was prepared: networks and labels may be wrong.")
    quality, more = _read_quality(path / QUALITY, recordings)
    notes += more
    readable, more = _check_shards(path, recordings, atlas.n_rois)
    notes += more
    fd_first, fd_frames, more = _find_fd(path, recordings, quality)
    notes += more
    spectra, more = _read_spectra(path, recordings) if len(quality.columns) else (None, [])
    return CohortFolder(
        path=path.resolve(),
        about=about,
        atlas=atlas,
        recordings=recordings,
        quality=quality,
        excluded=excluded,
        missing=_missing(recordings, atlas.n_rois, path / RECORDINGS),
        readable=readable,
        fd_first=fd_first,
        fd_frames=fd_frames,
        spectra=spectra,
        notes=(*notes, *more),
    )


def shard_file(path: Path, shard: int, sort: str = "") -> Path:
    """Name a file of shard ``shard`` (from 1): its signals, or with ``sort`` its ``.fd`` or ``.spectra``."""
    return path / SHARDS / f"{shard:06d}{sort}.npy"


def _read_about(file: Path) -> dict[str, Any]:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    if not isinstance(about, dict) or "SchemaVersion" not in about:
        raise DataError(f"{file} is not of a cohort: it has no SchemaVersion. Make a cohort with `semantoks prepare`.")
    return about


def _read_table(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False).replace(NONE, "")
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a table: {error}.") from error


def _read_recordings(file: Path) -> pd.DataFrame:
    table = _read_table(file)
    if lacking := [name for name in (*TEXT, *WHOLE, *REAL) if name not in table]:
        raise DataError(f"{file} lacks the column {', '.join(lacking)}; prepare this cohort again.")
    if LATER not in table:
        table[LATER] = ""
    try:
        reals = {name: table[name].replace("", "nan").astype("float64") for name in REAL}
        found = table[[*TEXT, LATER]].assign(**reals, **{name: table[name].astype("int64") for name in WHOLE})
    except ValueError as error:
        raise DataError(f"{file} was changed or damaged, a cell is no number: {error}. Restore it.") from error
    return found


def _missing(recordings: pd.DataFrame, n_rois: int, file: Path) -> Bool[ndarray, "recording roi"]:
    missing = np.zeros((len(recordings), n_rois), dtype=bool)
    for row, text in enumerate(recordings["missing_rois"]):
        try:
            missing[row, [int(roi) for roi in filter(None, text.split(","))]] = True
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{file}: missing_rois has to hold numbers from 0 to {n_rois - 1}, not {text!r}."
            ) from error
    return missing


def _read_excluded(file: Path) -> tuple[pd.DataFrame, list[str]]:
    columns = ["recording_id", "participant_id", "source_file", "reason"]
    try:
        table = _read_table(file)
        return table[columns], []
    except (DataError, KeyError):
        return pd.DataFrame(columns=columns, dtype=str), [f"{EXCLUDED} cannot be read: what was left out is not known."]


def _read_quality(file: Path, recordings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Read quality.tsv in the order of the recordings; without columns where it is not there or of other recordings."""
    nothing = pd.DataFrame(index=recordings.index)
    if not file.is_file():
        return nothing, [NO_QUALITY]
    try:
        table = _read_table(file).set_index("recording_id").loc[recordings["recording_id"]].reset_index(drop=True)
    except (DataError, KeyError):
        table = nothing
    if len(table.columns) and len(table) == len(recordings):
        return table, []
    return nothing, [f"{QUALITY} does not hold the recordings of {RECORDINGS}: what it says is left out."]


def _shapes(path: Path, shards: pd.Series, sort: str = "") -> dict[int, tuple[int, ...]]:
    """Give the shape of each shard's file; an empty one where it cannot be read."""
    shapes: dict[int, tuple[int, ...]] = {}
    for shard in shards.unique():
        try:
            shapes[int(shard)] = np.load(shard_file(path, int(shard), sort), mmap_mode="r", allow_pickle=False).shape
        except (OSError, ValueError):
            shapes[int(shard)] = ()
    return shapes


def _check_shards(path: Path, recordings: pd.DataFrame, n_rois: int) -> tuple[Bool[ndarray, " recording"], list[str]]:
    shapes = _shapes(path, recordings["shard"])
    lengths = {shard: shape[0] if len(shape) == 2 and shape[1] == n_rois else 0 for shard, shape in shapes.items()}
    ends = recordings["offset"] + recordings["frames"]
    readable: Bool[ndarray, " recording"] = (ends <= recordings["shard"].map(lengths)).to_numpy(dtype=bool)
    if readable.all():
        return readable, []
    lost = f"The signals of {int((~readable).sum()):,} of {len(readable):,} recordings cannot be read from {SHARDS}/"
    return readable, [f"{lost}: these are not in the pictures. `semantoks info {path} --verify` says more."]


def _find_fd(
    path: Path, recordings: pd.DataFrame, quality: pd.DataFrame
) -> tuple[Int[ndarray, " recording"], Int[ndarray, " recording"], list[str]]:
    """Find where each recording's framewise displacements lie in the file of its shard."""
    first, frames = np.zeros(len(recordings), dtype=np.int64), np.zeros(len(recordings), dtype=np.int64)
    if "fd_frames" not in quality:
        return first, frames, []
    told = pd.to_numeric(quality["fd_frames"], errors="coerce").fillna(0).astype("int64")
    shapes = _shapes(path, recordings["shard"][told > 0], ".fd")
    lost = []
    for shard, rows in recordings.sort_values("offset").groupby("shard"):
        counts = told[rows.index].to_numpy()
        if not counts.sum():
            continue
        if shapes[int(str(shard))] != (counts.sum(),):
            lost.append(shard_file(path, int(str(shard)), ".fd").name)
            continue
        frames[rows.index], first[rows.index] = counts, np.cumsum(counts) - counts
    return first, frames, _said_of(lost, "motion frame by frame")


def _read_spectra(path: Path, recordings: pd.DataFrame) -> tuple[Float32[ndarray, "recording 2 bin"] | None, list[str]]:
    spectra = np.full((len(recordings), 2, len(FREQUENCIES)), np.nan, dtype=np.float32)
    lost = []
    shapes = _shapes(path, recordings["shard"], ".spectra")
    for shard, rows in recordings.sort_values("offset").groupby("shard"):
        file = shard_file(path, int(str(shard)), ".spectra")
        if shapes[int(str(shard))] != (len(rows), *spectra.shape[1:]):
            lost.append(file.name)
            continue
        spectra[rows.index] = np.load(file, allow_pickle=False)
    return (spectra if np.isfinite(spectra).any() else None), _said_of(lost, "spectra")


def _said_of(lost: list[str], what: str) -> list[str]:
    if not lost:
        return []
    files = lost[0] if len(lost) == 1 else f"{len(lost)} files, the first is {lost[0]},"
    return [f"{what.capitalize()}: {files} not there or not of the recordings in {RECORDINGS}; left out."]
