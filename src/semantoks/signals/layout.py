"""What a cohort is on disk: the names of its files, the columns of its tables, and how a table is read."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.files.stated import read_json
from semantoks.signals.phenotypes import UNKNOWN, read_participants
from semantoks.storage.durable import write_durably
from semantoks.storage.tables import read_table
from semantoks.storage.text import regular_size

SCHEMA_VERSION = 1
DESCRIPTION = "dataset_description.json"
ATLAS = "atlas.tsv"
PARTICIPANTS = "participants.tsv"
PARTICIPANTS_JSON = "participants.json"
TAKEN_AS_MISSING = "TakenAsMissing"
"""Key of a column in participants.json: its codes that stood for a missing value, and how often each did."""
RECORDINGS = "recordings.tsv"
EXCLUDED = "excluded.tsv"
QUALITY = "quality.tsv"
SHARDS = "shards"
MAGIC = b"\x93NUMPY"
"""How a .npy file begins."""
DTYPE = np.dtype("<f2")
MOMENTS_DTYPE = np.dtype("<f4")

RECORDING_COLUMNS = [
    *("recording_id", "participant_id", "session_id", "run", "site", "frames", "offset", "shard", "source_tr"),
    *("mean_fd", "good_frames", "bad_frames", "missing_rois", "sha256", "moments_sha256"),
    *("full_sha256", "source_file"),
]
LATER_COLUMNS = ("moments_sha256", "bad_frames", "full_sha256")
"""Columns that cohorts of earlier versions lack: these read as empty."""
EXCLUDED_COLUMNS = ["recording_id", "participant_id", "session_id", "run", "source_file", "reason"]
ROW_COLUMNS = ["status", *RECORDING_COLUMNS, "reason"]
INTEGERS = frozenset({"frames", "offset", "shard", "good_frames"})
REALS = frozenset({"source_tr", "mean_fd"})
KEPT, REFUSED = "kept", "excluded"


def write_participants(cohort: Path, text: str, table: pd.DataFrame | None) -> None:
    """Write the text of participants.tsv, and which codes of the source's ``table`` were taken as missing beside it."""
    unknown = {} if table is None else table.attrs.get(UNKNOWN, {})
    if unknown:
        plain = {name: {TAKEN_AS_MISSING: dict(codes)} for name, codes in unknown.items()}
        write_durably(cohort / PARTICIPANTS_JSON, json.dumps(plain, indent=1, ensure_ascii=False).encode())
    write_durably(cohort / PARTICIPANTS, text.encode())


def read_cohort_participants(cohort: Path) -> pd.DataFrame:
    """Read participants.tsv of a cohort, with the codes that were taken as missing in ``attrs``."""
    table = read_participants(cohort / PARTICIPANTS)
    if (cohort / PARTICIPANTS_JSON).is_file():
        columns = read_json(cohort / PARTICIPANTS_JSON).items()
        stored = {
            name: one[TAKEN_AS_MISSING] for name, one in columns if isinstance(one, dict) and TAKEN_AS_MISSING in one
        }
        table.attrs[UNKNOWN] = {**stored, **table.attrs[UNKNOWN]}
    return table


def load_array(path: Path, what: str) -> ndarray:
    """Map an array of a cohort into memory; DataError where it cannot be opened, whatever numpy makes of its header."""
    try:
        regular_size(path)
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it is no .npy file")
        found: ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        reason = " ".join(str(error).removeprefix(f"{path} cannot be read: ").split())[:100] or type(error).__name__
        raise DataError(f"{what} {path} cannot be opened: {reason}. Prepare the cohort again.") from error
    return found


def refuse_shrunk(shard: object) -> None:
    """Raise DataError where the file behind a memory map has become shorter: to read what is gone ends a process.

    A file can still shrink between this look and the reading; to replace one by renaming another is safe at any time.
    """
    if not isinstance(shard, np.memmap) or shard.filename is None:  # columns of one look for themselves
        return
    path, there = Path(shard.filename), 0
    with suppress(OSError, DataError):  # no file is one without bytes
        there = regular_size(path)
    if there < shard.offset + shard.nbytes:
        raise DataError(
            f"{path} became shorter while it was read, or is gone. Restore it, or prepare the cohort again."
        )


def shard_path(cohort: Path, shard: int) -> Path:
    """Name the file of signals of shard ``shard`` (from 1)."""
    return cohort / SHARDS / f"{shard:06d}.npy"


def full_path(cohort: Path, shard: int) -> Path:
    """Name the file of the same signals without the band-pass; recordings that came filtered are 0 in it.

    There is none where no recording of the shard has them.
    """
    return cohort / SHARDS / f"{shard:06d}.full.npy"


def moments_path(cohort: Path, shard: int) -> Path:
    """Name the file of what z-scoring took away in shard ``shard`` (from 1): float32 [recording, 2, roi]."""
    return cohort / SHARDS / f"{shard:06d}.moments.npy"


def quality_path(cohort: Path, shard: int) -> Path:
    """Name the table of how good the recordings of shard ``shard`` are."""
    return cohort / SHARDS / f"{shard:06d}.quality.tsv"


def fd_path(cohort: Path, shard: int) -> Path:
    """Name the file of framewise displacements (mm) of shard ``shard``: float32, recordings end to end.

    The column ``fd_frames`` of quality.tsv says how many are each recording's.
    """
    return cohort / SHARDS / f"{shard:06d}.fd.npy"


def spectra_path(cohort: Path, shard: int) -> Path:
    """Name the file of spectra of shard ``shard``: float32 [recording, before and after, frequency of ``GRID``]."""
    return cohort / SHARDS / f"{shard:06d}.spectra.npy"


def rows_path(cohort: Path, shard: int) -> Path:
    """Name the row table of shard ``shard`` (from 1); a shard is finished when this file exists."""
    return cohort / SHARDS / f"{shard:06d}.tsv"


def summed_files(cohort: Path, shards: int) -> list[str]:
    """Name the files whose checksums are listed for the whole cohort, by their places in it; recordings.tsv comes last.

    Signals and moments are not among them: recordings.tsv has a checksum for those of each recording.
    """
    tables = [DESCRIPTION, ATLAS, PARTICIPANTS, PARTICIPANTS_JSON, EXCLUDED, QUALITY]
    of_shards = [
        path_of(Path(), shard)
        for shard in range(1, shards + 1)
        for path_of in (rows_path, quality_path, fd_path, spectra_path)
    ]
    return [name for name in [*tables, *map(Path.as_posix, of_shards)] if (cohort / name).is_file()]


def read_rows(file: Path, columns: list[str]) -> pd.DataFrame:
    """Read these columns of a table of recordings as text (see `read_table`).

    A column of ``LATER_COLUMNS`` is empty where the table was written before there was such a column.
    """
    needed = [name for name in columns if name not in LATER_COLUMNS]
    frame = read_table(file, needed, remedy="prepare this cohort again")
    return frame.assign(**{name: "" for name in LATER_COLUMNS if name not in frame.columns})[columns]


def read_quality(file: Path) -> pd.DataFrame:
    """Read the text of a shard's table of quality, which has no columns where no recording was kept."""
    return pd.DataFrame() if file.stat().st_size <= 1 else read_table(file)


def typed(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Turn the number columns of kept recordings from text into int64 and float64 (NaN for the empty string).

    Raises
    ------
    DataError
        If a cell is not a number; ``file`` is named.
    """
    numbers = {name: "int64" for name in frame.columns if name in INTEGERS}
    try:
        reals = frame[[name for name in frame.columns if name in REALS]].replace("", "nan").astype("float64")
        return frame.astype(numbers).assign(**reals)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{file} was changed or damaged, a cell is not a number: {error}. Restore it.") from error


def kept_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Select what goes into recordings.tsv from the rows of one or several shards."""
    return rows.loc[rows["status"] == KEPT, RECORDING_COLUMNS].reset_index(drop=True)


def excluded_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Select what goes into excluded.tsv from the rows of one or several shards."""
    return rows.loc[rows["status"] == REFUSED, EXCLUDED_COLUMNS].reset_index(drop=True)


def missing_mask(recordings: pd.DataFrame, n_rois: int) -> Bool[ndarray, "recording roi"]:
    """Read the ROIs without signal from ``recordings``, whose ``missing_rois`` are checked."""
    missing = np.zeros((len(recordings), n_rois), dtype=bool)
    for row, text in enumerate(recordings["missing_rois"]):
        if text:
            missing[row, [int(roi) for roi in text.split(",")]] = True
    return missing
