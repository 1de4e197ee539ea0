"""The shards of a cohort: they share nothing, and each is committed by its row table, so any kill can be resumed."""

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float16, Float32
from joblib import delayed
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals import layout
from semantoks.signals.clean import Cleaned, CleaningConfig, clean, gaps_text
from semantoks.signals.cluster import map_on_cluster
from semantoks.signals.cohort import checksum
from semantoks.signals.quality import FILTERED_SHARE, GRID, NO_FULL_BAND, GateConfig, Traces, measure
from semantoks.signals.recording import PREFIXES, Recording, bare_label
from semantoks.signals.sources.source import Item, Source, participant_of
from semantoks.storage.checksums import file_sum, sha256, write_sums
from semantoks.storage.durable import TEMPORARY, write_durably
from semantoks.storage.tables import plain, table_text, write_table
from semantoks.storage.workers import run_calls

SHARD_RECORDINGS = 32
MAX_SHARDS = 512  # each open memory map holds a file handle, and 1024 of them is a common limit
UNREADABLE = (OSError, EOFError, ValueError, MemoryError, RecursionError, zipfile.BadZipFile, zlib.error)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a recording leaves in its shard: signals, moments, its rows in recordings.tsv and quality.tsv, traces.

    ``row`` says everything but its place. ``full`` are its signals without the band-pass, None where there are none.
    """

    signals: Float16[ndarray, "frame roi"]
    full: Float16[ndarray, "frame roi"] | None
    moments: Float32[ndarray, "2 roi"]
    row: dict[str, Any]
    quality: dict[str, Any]
    traces: Traces


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One shard to write: ``items`` of a source, cleaned, as shard ``number`` (from 1) of the cohort ``out``."""

    number: int
    items: tuple[Item, ...]
    out: Path
    atlas: Atlas
    cleaning: CleaningConfig
    gates: GateConfig


def plan_jobs(
    items: Sequence[Item],
    *,
    out: Path,
    atlas: Atlas,
    cleaning: CleaningConfig,
    gates: GateConfig | None = None,
    size: int | None = None,
) -> list[ShardJob]:
    """Cut the work list into shards of ``size`` recordings: 32, or more where that would make over 512 shards."""
    size = size or max(SHARD_RECORDINGS, -(-len(items) // MAX_SHARDS))
    return [
        ShardJob(
            number=number,
            items=tuple(items[start : start + size]),
            out=out,
            atlas=atlas,
            cleaning=cleaning,
            gates=gates or GateConfig(),
        )
        for number, start in enumerate(range(0, len(items), size), start=1)
    ]


def run_jobs(
    source: Source,
    jobs: Sequence[ShardJob],
    *,
    n_jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Write every shard that is not finished yet, in ``n_jobs`` worker processes (-1 uses all cores).

    With the address of a Dask ``scheduler``, its workers write them. The files depend on neither, nor on what was
    written by an earlier, killed call. ``progress`` is called with the number of recordings that are done and of all
    recordings, at the start and after every shard.
    """
    total = sum(len(job.items) for job in jobs)
    pending = [job for job in jobs if not is_finished(job)]
    done = total - sum(len(job.items) for job in pending)
    report = progress or (lambda _done, _total: None)
    report(done, total)
    if scheduler is not None and pending:
        needed = [path for path in (source.path, pending[0].out) if path.exists()]
        written = map_on_cluster(scheduler, write_shard, source, pending, needed=needed)
    elif n_jobs == 1:
        written = (write_shard(source, job) for job in pending)
    else:
        packed = pickle.dumps(source)
        calls = (delayed(_write_packed)(packed, job) for job in pending)
        written = run_calls(calls, n_jobs=n_jobs, ordered=False, doing=lambda: _at_work_on(pending))
    for recordings in written:
        done += recordings
        report(done, total)


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> Source:
    """Rebuild the source once a process: that of 40,000 files takes longer to unpickle than a file to read."""
    source: Source = pickle.loads(packed)
    return source


def _write_packed(packed: bytes, job: ShardJob) -> int:
    return write_shard(_unpacked(packed), job, noted=True)


def write_shard(source: Source, job: ShardJob, *, noted: bool = False) -> int:
    """Read, clean and write the recordings of one shard, then its row table, which makes it count; returns how many.

    A recording that cannot be used becomes an excluded row with its reason; nothing else stops for it. ``noted``
    writes down which one is being read, for whoever has to explain why this process was killed.
    """
    rows: list[dict[str, Any]] = []
    kept: list[Kept] = []
    offset = 0
    for item in job.items:
        if noted:
            with suppress(OSError):
                _note_of(job).write_text(plain(item.key), encoding="utf-8")
        try:
            recording = read_recording(source, item)
            one = keep(recording, job)
        except DataError as error:
            rows.append(_excluded_row(item, str(error)))
            continue
        rows.append({"status": layout.KEPT, "recording_id": item.key, **one.row, "offset": offset, "shard": job.number})
        kept.append(one)
        offset += len(one.signals)
    _write_arrays(kept, job)
    keys = [row["recording_id"] for row in rows if row["status"] == layout.KEPT]
    quality = [{"recording_id": key, **one.quality} for key, one in zip(keys, kept, strict=True)]
    write_shard_tables(job, rows, quality)
    _note_of(job).unlink(missing_ok=True)
    return len(job.items)


def _note_of(job: ShardJob) -> Path:
    """Name the file that says which recording is being read, for the sentence about a process that was killed."""
    return job.out / layout.SHARDS / f"{TEMPORARY}at-{job.number:06d}"


def _at_work_on(jobs: Sequence[ShardJob]) -> str:
    at = [note.read_text(encoding="utf-8") for job in jobs if (note := _note_of(job)).is_file()]
    return f" while reading {' or '.join(at[:8])}" if at else ""


def write_shard_tables(job: ShardJob, rows: Sequence[dict[str, Any]], quality: Sequence[dict[str, Any]]) -> None:
    """Write how good the recordings of a shard are, and then its row table, which makes it count."""
    measured = pd.DataFrame(list(quality))
    write_table(layout.quality_path(job.out, job.number), measured)
    table = pd.DataFrame(list(rows), columns=layout.ROW_COLUMNS, dtype=object)
    write_table(layout.rows_path(job.out, job.number), table)


def _write_arrays(kept: Sequence[Kept], job: ShardJob) -> None:
    """Write the signals, moments and traces of a shard."""
    empty: Float16[ndarray, "_ roi"] = np.zeros((0, job.atlas.n_rois), dtype=layout.DTYPE)
    write_array(layout.shard_path(job.out, job.number), np.concatenate([empty, *(one.signals for one in kept)]))
    write_full(job, [len(one.signals) for one in kept], [one.full for one in kept])
    moments = np.array([one.moments for one in kept], dtype=layout.MOMENTS_DTYPE)
    write_array(layout.moments_path(job.out, job.number), moments.reshape(-1, 2, job.atlas.n_rois))
    fd = np.concatenate([np.zeros(0), *(one.traces.fd for one in kept)])
    write_array(layout.fd_path(job.out, job.number), fd.astype(np.float32))
    spectra = np.array([one.traces.spectra for one in kept], dtype=np.float32)
    write_array(layout.spectra_path(job.out, job.number), spectra.reshape(-1, 2, len(GRID)))


def write_full(job: ShardJob, frames: Sequence[int], found: Sequence[Float16[ndarray, "_ roi"] | None]) -> None:
    """Write the signals without the band-pass, ``frames`` of each recording, if there are any; 0 where there are none.

    What an earlier, killed call left there goes away.
    """
    path = layout.full_path(job.out, job.number)
    if all(one is None for one in found):
        path.unlink(missing_ok=True)
        return
    empty = (np.zeros((count, job.atlas.n_rois), dtype=layout.DTYPE) for count in frames)
    whole = [zeros if one is None else one for zeros, one in zip(empty, found, strict=True)]
    write_array(path, np.concatenate(whole))


def write_array(path: Path, values: ndarray) -> None:
    """Write an array as .npy, durably."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    write_durably(path, buffer.getvalue())


def read_recording(source: Source, item: Item) -> Recording:
    """Read one item; what a damaged file makes its reader raise becomes a DataError that names it."""
    try:
        return source.read(item)
    except (DataError, ConfigError):
        raise
    except UNREADABLE as error:
        raise DataError(f"{item.path} could not be read ({type(error).__name__}: {error}).") from error


def checked(recording: Recording, *, atlas: Atlas, cleaning: CleaningConfig, gates: GateConfig) -> Cleaned:
    """Clean one recording if it can be used, else raise DataError: whatever keeps it out of a cohort is found here."""
    frames, found = recording.series.shape
    if found != atlas.n_rois:
        hint = " It has as many frames as the atlas has ROIs: is it transposed?" if frames == atlas.n_rois else ""
        raise DataError(f"wrong number of ROIs: the recording has {found}, the atlas {atlas.n_rois}.{hint}")
    gates.check(recording)
    cleaned = clean(
        recording.series,
        recording.tr,
        cleaning,
        good=recording.good,
        filtered=recording.low_passed,
        labels=atlas.labels,
    )
    if not (np.isfinite(cleaned.series).all() and (cleaned.full is None or np.isfinite(cleaned.full).all())):
        raise DataError("not finite after filtering: the band is too narrow for the filter's order.")
    return cleaned


def keep(recording: Recording, job: ShardJob) -> Kept:
    """Check, clean and measure one recording; DataError when it cannot be used.

    The full band of a recording that was filtered is not kept, whether its files say so or its spectrum does.
    """
    cleaned = checked(recording, atlas=job.atlas, cleaning=job.cleaning, gates=job.gates)
    signals = cleaned.series.astype(layout.DTYPE)
    there, good = ~cleaned.missing, slice(None) if recording.good is None else recording.good
    moments = np.full((2, there.size), np.nan, dtype=layout.MOMENTS_DTYPE)
    moments[0, there] = recording.series[good][:, there].mean(axis=0, dtype=np.float64)
    moments[1] = cleaned.sd
    tr = job.cleaning.target_tr or recording.tr
    quality, traces = measure(recording, cleaned, tr, job.atlas, job.gates)
    filtered = quality["above_band_before"] < FILTERED_SHARE
    full = None if cleaned.full is None or filtered else cleaned.full.astype(layout.DTYPE)
    if job.gates.full_band and full is None:
        raise DataError(NO_FULL_BAND)
    row = {
        "participant_id": recording.participant,
        "session_id": recording.session,
        "run": recording.run,
        "site": recording.site,
        "frames": len(signals),
        "source_tr": float(recording.tr),
        "mean_fd": float(recording.mean_fd),
        "good_frames": int(cleaned.good.sum()),
        "bad_frames": gaps_text(cleaned.good),
        "missing_rois": ",".join(map(str, np.flatnonzero(cleaned.missing))),
        "sha256": checksum(signals),
        "moments_sha256": checksum(moments),
        "full_sha256": "" if full is None else checksum(full),
        "source_file": recording.source,
    }
    return Kept(signals=signals, full=full, moments=moments, row=row, quality=quality, traces=traces)


def is_finished(job: ShardJob) -> bool:
    """Tell whether the shard is on disk: a row table of these very items, and arrays of the sizes it says."""
    try:
        file = layout.rows_path(job.out, job.number)
        rows = layout.read_rows(file, layout.ROW_COLUMNS)
        kept = layout.typed(layout.kept_rows(rows), file)
        signals, moments = (
            layout.load_array(path(job.out, job.number), "the array")
            for path in (layout.shard_path, layout.moments_path)
        )
        has_full = (kept["full_sha256"] != "").any()
        full = layout.load_array(layout.full_path(job.out, job.number), "the array") if has_full else signals
    except (DataError, OSError, ValueError):
        return False
    same_items = rows["recording_id"].tolist() == [plain(item.key) for item in job.items]
    whole_signals = signals.shape == (kept["frames"].sum(), job.atlas.n_rois) and signals.dtype == layout.DTYPE
    whole_moments = moments.shape == (len(kept), 2, job.atlas.n_rois) and moments.dtype == layout.MOMENTS_DTYPE
    whole_full = full.shape == signals.shape and full.dtype == layout.DTYPE
    return bool(same_items and whole_signals and whole_moments and whole_full)


def assemble(out: Path, shards: int) -> None:
    """Join the tables of the shards, sum up the files that have no checksum elsewhere, and finish the cohort with
    recordings.tsv.
    """
    rows = pd.concat(
        [layout.read_rows(layout.rows_path(out, number), layout.ROW_COLUMNS) for number in range(1, shards + 1)]
    )
    tables = [layout.read_quality(layout.quality_path(out, number)) for number in range(1, shards + 1)]
    measured = [table for table in tables if len(table.columns)]
    quality = pd.concat(measured).fillna("") if measured else pd.DataFrame(columns=["recording_id"])
    write_table(out / layout.QUALITY, quality)
    write_table(out / layout.EXCLUDED, layout.excluded_rows(rows))
    recordings = table_text(layout.kept_rows(rows)).encode()
    sums = {name: file_sum(out / name) for name in layout.summed_files(out, shards)}
    write_sums(out, sums | {layout.RECORDINGS: sha256(recordings)})
    write_durably(out / layout.RECORDINGS, recordings)


def _excluded_row(item: Item, reason: str) -> dict[str, Any]:
    return {
        "status": layout.REFUSED,
        "recording_id": item.key,
        "participant_id": participant_of(item),
        "session_id": bare_label(item.session, PREFIXES["session"]),
        "run": bare_label(item.run, PREFIXES["run"]),
        "source_file": str(item.path),
        "reason": " ".join(reason.split()),
    }
