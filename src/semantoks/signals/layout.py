"""How a cohort lies on disk: the names of its files, the columns of its tables, and how a table is read."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.errors import DataError

SCHEMA_VERSION = 1
DESCRIPTION = "dataset_description.json"
ATLAS = "atlas.tsv"
PARTICIPANTS = "participants.tsv"
RECORDINGS = "recordings.tsv"
EXCLUDED = "excluded.tsv"
QUALITY = "quality.tsv"
SHARDS = "shards"
DTYPE = np.dtype("<f2")
MOMENTS_DTYPE = np.dtype("<f4")
NONE = "n/a"

RECORDING_COLUMNS = [
    *("recording_id", "participant_id", "session_id", "run", "site", "frames", "offset", "shard", "source_tr"),
    *("mean_fd", "good_frames", "bad_frames", "missing_rois", "sha256", "moments_sha256", "source_file"),
]
LATER_COLUMNS = ("moments_sha256", "bad_frames")
"""Columns that cohorts of earlier versions lack: these read as empty."""
EXCLUDED_COLUMNS = ["recording_id", "participant_id", "session_id", "run", "source_file", "reason"]
ROW_COLUMNS = ["status", *RECORDING_COLUMNS, "reason"]
INTEGERS = frozenset({"frames", "offset", "shard", "good_frames"})
REALS = frozenset({"source_tr", "mean_fd"})
KEPT, REFUSED = "kept", "excluded"
UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def shard_path(cohort: Path, shard: int) -> Path:
    """Name the file of signals of shard ``shard`` (from 1)."""
    return cohort / SHARDS / f"{shard:06d}.npy"


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


def plain(text: str) -> str:
    r"""Escape what a table cannot hold: control characters, and bytes of a file name that are not UTF-8 (``\r``)."""
    return UNWRITABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def table_text(frame: pd.DataFrame) -> str:
    """Write a table as tab-separated plain text: n/a for nothing, numbers so that they read back exactly."""
    return plain(frame.replace("", None).to_csv(sep="\t", index=False, na_rep=NONE, lineterminator="\n"))


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read the text of a table's ``columns``, n/a as the empty string; DataError if the file or a column is missing.

    A column of ``LATER_COLUMNS`` is empty where the table was written before there was such a column.
    """
    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from error
    frame = frame.assign(**{name: "" for name in LATER_COLUMNS if name not in frame.columns})
    if lacking := [name for name in columns if name not in frame.columns]:
        raise DataError(f"{path} lacks the column {', '.join(lacking)}; prepare this cohort again.")
    return frame[columns].replace(NONE, "")


def typed(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Turn the number columns of kept recordings from text into int64 and float64 (NaN for the empty string).

    Raises
    ------
    DataError
        If a cell is no number; ``file`` is named.
    """
    numbers = {name: "int64" for name in frame.columns if name in INTEGERS}
    try:
        reals = frame[[name for name in frame.columns if name in REALS]].replace("", "nan").astype("float64")
        return frame.astype(numbers).assign(**reals)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{file} was changed or damaged, a cell is no number: {error}. Restore it.") from error


def kept_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Select what goes into recordings.tsv from the rows of one or several shards."""
    return rows.loc[rows["status"] == KEPT, RECORDING_COLUMNS].reset_index(drop=True)


def excluded_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Select what goes into excluded.tsv from the rows of one or several shards."""
    return rows.loc[rows["status"] == REFUSED, EXCLUDED_COLUMNS].reset_index(drop=True)
