"""The group level: one cohort and one table of embeddings from all finished parts, and the names of what is missing."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from semantoks.bids_app.dataset import WORK, AppConfig, Dataset, folder_name, plan
from semantoks.bids_app.derivative import open_derivative
from semantoks.bids_app.embeddings import Embedding, gather
from semantoks.errors import ConfigError, DataError
from semantoks.features.embed import write_features
from semantoks.signals import layout
from semantoks.signals.cohort import Cohort
from semantoks.signals.cohort_checks import read_description
from semantoks.signals.prepare import claim, nothing_left
from semantoks.signals.sources import participant_of
from semantoks.signals.writer import Progress, ShardJob, assemble, write_array, write_full, write_shard_tables
from semantoks.storage.lock import hold_file
from semantoks.storage.tables import plain, write_table

ARRAYS = (layout.shard_path, layout.moments_path, layout.fd_path, layout.spectra_path)
"""The files of a shard that hold arrays, recordings end to end; beside these, there may be that of the full band."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a part has of one recording: its row, its arrays in the order of ``ARRAYS``, its row of quality.tsv.

    A recording that was excluded has arrays of no length, and no quality. ``full`` is its series without the
    band-pass, None where there is none.
    """

    row: dict[str, Any]
    arrays: tuple[Shaped[ndarray, "..."], ...]
    full: Shaped[ndarray, "frame roi"] | None
    quality: dict[str, Any] | None


def fill_shard(job: ShardJob, pieces: Sequence[Piece]) -> None:
    """Write a shard of what parts have of its recordings, its row table last: the bytes that ``write_shard`` writes."""
    offset, rows = 0, []
    for piece in pieces:
        row = piece.row
        if piece.quality is not None:
            row = row | {"offset": offset, "shard": job.number}
            offset += len(piece.arrays[0])
        rows.append(row)
    for number, path_of in enumerate(ARRAYS):
        write_array(path_of(job.out, job.number), np.concatenate([piece.arrays[number] for piece in pieces]))
    kept = [piece for piece in pieces if piece.quality is not None]
    write_full(job, [len(piece.arrays[0]) for piece in kept], [piece.full for piece in kept])
    write_shard_tables(job, rows, [piece.quality for piece in kept if piece.quality is not None])


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
    rows = layout.read_rows(layout.rows_path(part, shard), layout.ROW_COLUMNS).to_dict("records")
    quality = _read_quality(layout.quality_path(part, shard))
    arrays = [layout.load_array(path_of(part, shard), "the array") for path_of in ARRAYS]
    has_full = any(row["full_sha256"] for row in rows)
    full = layout.load_array(layout.full_path(part, shard), "the array") if has_full else arrays[0]
    ends = [0] * len(ARRAYS)
    pieces = []
    for row in rows:
        kept = row["status"] == layout.KEPT
        good = quality[row["recording_id"]] if kept else None
        lengths = (int(row["frames"]), 1, int(good["fd_frames"]), 1) if good is not None else (0, 0, 0, 0)
        own = full[ends[0] : ends[0] + lengths[0]] if row["full_sha256"] else None
        slices = tuple(array[end : end + n] for array, end, n in zip(arrays, ends, lengths, strict=True))
        ends = [end + n for end, n in zip(ends, lengths, strict=True)]
        pieces.append(Piece(row={str(k): v for k, v in row.items()}, arrays=slices, full=own, quality=good))
    return pieces


def _read_quality(path: Path) -> dict[str, dict[str, Any]]:
    """Read the text of a shard's quality, recording_id -> row; empty where no recording was kept."""
    rows = layout.read_quality(path).to_dict("records")
    return {row["recording_id"]: {str(k): v for k, v in row.items()} for row in rows}


COHORT = "cohort"
EMBEDDINGS = "desc-semantoks_embeddings.parquet"
PARTS_IN_MEMORY = 64


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The cohort of all finished parts, the table of embeddings (None: there are none), and what is not in them.

    ``missing``: participants without a finished part; ``lacking``: recordings of the cohort without an embedding;
    ``strangers``: parts of participants that the input does not have.
    """

    cohort: Cohort
    embeddings: Path | None
    missing: list[str]
    lacking: list[str]
    strangers: list[str]


def run_group(config: AppConfig, *, embedding: Embedding | None = None, progress: Progress | None = None) -> Assembled:
    """Assemble OUTPUT/cohort from the parts: the same bytes as ``prepare`` makes of the same recordings.

    A cohort that an earlier call assembled is replaced, whole. Without an ``embedding`` those that there are, are
    joined.

    Raises
    ------
    ConfigError
        When a part was made with other settings, or the embeddings with several encoders.
    DataError
        When no part is finished, one is damaged, or no recording could be used.
    """
    dataset = Dataset(config)
    chosen, unknown = dataset.chosen()
    finished = [one for one in chosen if (dataset.part(one) / layout.RECORDINGS).exists()]
    missing = sorted({*chosen, *unknown} - set(finished))
    if not finished:
        raise DataError(
            f"no part of {len(missing)} participants is finished in {config.out / WORK}: run the participant level "
            "first."
        )
    open_derivative(config.source, config.out)
    for one in finished:
        _, _, description = plan(dataset.share_of(one), dataset.part(one), config)
        claim(dataset.part(one), description)
    place = config.out / EMBEDDINGS
    with hold_file(config.out / COHORT):
        cohort = _assembled(dataset, finished, progress)
        if not len(cohort):
            raise DataError(f"{nothing_left(cohort)} All of them are in {cohort.path / layout.EXCLUDED}.")
        table, lacking = gather(dataset, finished, cohort, embedding)
        if table is not None:
            write_features(table, place)
    known = {folder_name(one) for one in dataset.items_of}
    return Assembled(
        cohort=cohort,
        embeddings=None if table is None else place,
        missing=missing,
        lacking=lacking,
        strangers=sorted(path.name for path in (config.out / WORK).glob("sub-*") if path.name not in known),
    )


def _assembled(dataset: Dataset, participants: Sequence[str], progress: Progress | None) -> Cohort:
    """Build the cohort beside its place, then put it there."""
    config = dataset.config
    place, new, old = (config.out / name for name in (COHORT, f"{WORK}/cohort-new", f"{WORK}/cohort-old"))
    if place.exists():
        _check_cohort(place)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    share = dataset.share_of_all(participants)
    jobs, people, description = plan(share, new, config)
    claim(new, description)
    write_table(new / layout.ATLAS, config.input_config.known_atlas.to_frame())
    layout.write_participants(new, people, share.participants())
    read = lru_cache(maxsize=PARTS_IN_MEMORY)(read_part)
    done = 0
    for job in jobs:
        fill_shard(job, [read(dataset.part(participant_of(item)))[plain(item.key)] for item in job.items])
        done += len(job.items)
        if progress:
            progress(done, len(share.chosen))
    assemble(new, len(jobs))
    if place.exists():
        os.rename(place, old)
    os.rename(new, place)
    shutil.rmtree(old, ignore_errors=True)
    return Cohort(place)


def _check_cohort(place: Path) -> None:
    """Refuse to replace what is not a cohort."""
    try:
        read_description(place)
    except DataError as error:
        raise ConfigError(f"{place} exists but is not a cohort: move it away. {error}") from error
