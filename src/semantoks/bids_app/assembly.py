"""From finished parts to one cohort: shards cut as prepare cuts them, filled with copies of what the parts hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Shaped
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals import layout
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import ShardJob, write_array, write_shard_tables

ARRAYS = (layout.shard_path, layout.moments_path, layout.fd_path, layout.spectra_path)
"""The files of a shard that hold arrays, recordings end to end."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a part holds of one recording: its row, its arrays in the order of ``ARRAYS``, its row of quality.tsv.

    A recording that was excluded has arrays of no length, and no quality.
    """

    row: dict[str, Any]
    arrays: tuple[Shaped[ndarray, "..."], ...]
    quality: dict[str, Any] | None


def fill_shard(job: ShardJob, pieces: Sequence[Piece]) -> None:
    """Write a shard of what parts hold of its recordings, its row table last: the bytes that ``write_shard`` writes."""
    offset, rows = 0, []
    for piece in pieces:
        row = piece.row
        if piece.quality is not None:
            row = row | {"offset": offset, "shard": job.number}
            offset += len(piece.arrays[0])
        rows.append(row)
    for number, path_of in enumerate(ARRAYS):
        write_array(path_of(job.out, job.number), np.concatenate([piece.arrays[number] for piece in pieces]))
    write_shard_tables(job, rows, [piece.quality for piece in pieces if piece.quality is not None])


def read_part(part: Path) -> dict[str, Piece]:
    """Read a part into memory: recording_id -> what it holds. DataError when it does not agree with its checksums."""
    cohort = Cohort(part)
    if problems := cohort.verify():
        raise DataError(f"{part} is damaged: {problems[0]} Delete it, and run the participant level again.")
    found: dict[str, Piece] = {}
    for shard in range(1, cohort.description["Shards"] + 1):
        found |= {piece.row["recording_id"]: piece for piece in _pieces_of_shard(part, shard)}
    return found


def _pieces_of_shard(part: Path, shard: int) -> list[Piece]:
    rows = layout.read_table(layout.rows_path(part, shard), layout.ROW_COLUMNS).to_dict("records")
    quality = _read_quality(layout.quality_path(part, shard))
    arrays = [np.load(path_of(part, shard)) for path_of in ARRAYS]
    ends = [0] * len(ARRAYS)
    pieces = []
    for row in rows:
        kept = row["status"] == layout.KEPT
        good = quality[row["recording_id"]] if kept else None
        lengths = (int(row["frames"]), 1, int(good["fd_frames"]), 1) if good is not None else (0, 0, 0, 0)
        slices = tuple(array[end : end + n] for array, end, n in zip(arrays, ends, lengths, strict=True))
        ends = [end + n for end, n in zip(ends, lengths, strict=True)]
        pieces.append(Piece(row={str(k): v for k, v in row.items()}, arrays=slices, quality=good))
    return pieces


def _read_quality(path: Path) -> dict[str, dict[str, Any]]:
    """Read the text of a shard's quality, recording_id -> row; empty where no recording was kept."""
    if path.stat().st_size <= 1:
        return {}
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    return {row["recording_id"]: {str(k): v for k, v in row.items()} for row in table.to_dict("records")}
