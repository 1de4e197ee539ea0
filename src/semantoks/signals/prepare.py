"""The job ``prepare``: from a source of recordings to a cohort on disk, with every exclusion listed."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.config import check_arguments
from semantoks.errors import ConfigError, DataError
from semantoks.progress import shown_if
from semantoks.signals import layout
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.cohort_checks import FULL_BAND
from semantoks.signals.likeness import warn_quickly
from semantoks.signals.opened_source import (
    GATES,
    PUBLISHED,
    SourceConfig,
    as_source,
    find_source,
    introduce,
    people_of,
    work_list,
)
from semantoks.signals.quality import GateConfig
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.reasons import why_excluded
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Item, Source
from semantoks.signals.writer import Progress, ShardJob, assemble, plan_jobs, run_jobs
from semantoks.storage.durable import TEMPORARY, clear_temporary, write_durably
from semantoks.storage.lock import LOCK, hold_folder
from semantoks.storage.tables import table_text, write_table
from semantoks.storage.text import read_json

MEANING = {
    "ItemsSha256": "the list of recordings or the size of a file",
    "ParticipantsSha256": "the participants table",
}


def prepare(
    source: Path | str | Source | Sequence[Recording],
    *,
    out: Path | str,
    atlas: Atlas | Path | str | None = None,
    tr: float | None = None,
    cleaning: CleaningConfig = PUBLISHED,
    gates: GateConfig = GATES,
    participants: Path | str | pd.DataFrame | None = None,
    reading: ReadingConfig = EVERYTHING,
    n_jobs: int = 1,
    scheduler: str | None = None,
    verbose: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Cohort:
    """Read, clean and store every recording of a source; after an interruption, the same call finishes the work.

    Parameters
    ----------
    source
        A path that ``open_source`` knows, a Source of your own, or a list of Recording whose series follow ``atlas``.
    out
        Folder of the cohort: new, empty, or left by the same call on files of the same names and sizes.
    atlas
        What the columns are: an Atlas, the name of one, or a TSV file with ``label`` and ``network``. None for sources
        that imply it (XCP-D: ROIs of the published atlas).
    tr
        Repetition time of all recordings in seconds, for sources that do not state it; never guessed.
    cleaning
        Band-pass, sampling interval, shortest recording.
    gates
        Which recordings are kept: their mean framewise displacement.
    participants
        Table (.tsv, .csv or in memory) with ``participant_id`` and phenotypes; without one, ``participants.tsv`` in the
        source folder or beside the source file, or what the source itself has. A ``.json`` file of the same name
        beside it gives codes their words, as in BIDS.
    reading
        Which participants, sessions, tasks and space are read, where the source has a choice.
    n_jobs
        Worker processes; -1 uses all cores. The cohort does not depend on it.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``): its workers do the work instead of this machine. They must
        see the source and ``out`` under the same paths.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.
    progress
        Called as ``progress(recordings done, all recordings)``.
    tell
        Called with each line about what was recognised, before anything is read, and at the end with each warning of
        near copies under other ids (``likeness.warn_quickly``).

    Returns
    -------
    Cohort
        The finished cohort; its ``excluded`` lists what was refused, and why.

    Raises
    ------
    ConfigError
        If ``out`` has other contents, or a cohort made differently, or if the scheduler cannot be reached.
    DataError
        If the source cannot be opened or is empty, or if no recording could be used.
    """
    check_arguments(prepare, locals())
    check_jobs(n_jobs)
    out, source = Path(out), as_source(source, atlas)
    given = SourceConfig(
        atlas=atlas, tr=tr, participants=participants, reading=reading, cleaning=cleaning, gates=gates
    ).with_atlas(source)
    if isinstance(source, str | Path):
        _check_apart(Path(source), out)
    opened = find_source(source, given)
    with shown_if(verbose, "prepare", "recordings", progress) as shown:
        store(opened, out, given, n_jobs=n_jobs, scheduler=scheduler, progress=shown, tell=tell)
    cohort = Cohort(out)
    if not len(cohort):
        raise DataError(
            f"{nothing_left(cohort)} All of them are in {cohort.path / layout.EXCLUDED}. Correct the source or the "
            f"settings, delete {cohort.path}, and prepare again."
        )
    if tell is not None:
        for line in warn_quickly(cohort):
            tell(line)
    return cohort


def check_jobs(n_jobs: int) -> None:
    """Raise ConfigError for zero processes."""
    if n_jobs == 0:
        raise ConfigError("n_jobs must be a number of processes, or -1 for all cores, not 0.")


def store(
    source: Source,
    out: Path,
    config: SourceConfig,
    *,
    n_jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Claim ``out`` for exactly this cohort and write what is not there yet; a refused recording does not stop it.

    ``config`` names the atlas; see `prepare` for the others.
    """
    items = work_list(source)
    if tell is not None:
        for line in introduce(source, items):
            tell(line)
    jobs, people, description = plan(source, items, out, config)
    if (out / layout.RECORDINGS).exists() or out.is_file():
        claim(out, description)
        return
    with hold_folder(out):
        claim(out, description)
        if (out / layout.RECORDINGS).exists():  # another job has just finished it
            return
        write_table(out / layout.ATLAS, config.known_atlas.to_frame())
        layout.write_participants(out, people, source.participants())
        run_jobs(source, jobs, n_jobs=n_jobs, scheduler=scheduler, progress=progress)
        assemble(out, len(jobs))


def plan(
    source: Source, items: Sequence[Item], out: Path, config: SourceConfig
) -> tuple[list[ShardJob], str, dict[str, Any]]:
    """Give the shards of the cohort ``out``, the text of its participants.tsv, and what describes it."""
    people = table_text(people_of(source, items))
    jobs = plan_jobs(items, out=out, atlas=config.known_atlas, cleaning=config.cleaning, gates=config.gates)
    return jobs, people, describe(source, items, config, people=people, shards=len(jobs))


def describe(
    source: Source, items: Sequence[Item], config: SourceConfig, *, people: str, shards: int
) -> dict[str, Any]:
    """Gather everything that decides a cohort's bytes; no times and no machine, so equal inputs give equal text.

    ``people`` is the text of participants.tsv, ``shards`` the number of shards. The contents of
    the source's files are known by their sizes alone: times change when a file is copied.
    """
    size = {path: os.path.getsize(path) if os.path.exists(path) else None for path in {item.path for item in items}}
    listing = json.dumps([[i.key, str(i.path), size[i.path], i.row, i.participant, i.session, i.run] for i in items])
    atlas, cleaning, band = config.known_atlas, config.cleaning, config.cleaning.filter_band
    return {
        "Name": f"semantoks cohort of {source.path.name}",
        "BIDSVersion": "1.11.2",
        "DatasetType": "derivative",
        "SchemaVersion": layout.SCHEMA_VERSION,
        "GeneratedBy": [{"Name": "semantoks", "Version": version("semantoks")}],
        "SourceKind": source.kind,
        "SourcePath": str(source.path),
        "SourceRepetitionTime": config.tr,
        "Items": len(items),
        "ItemsSha256": _sha256(listing),
        "ParticipantsSha256": _sha256(people),
        "Shards": shards,
        "Atlas": atlas.name,
        "AtlasFingerprint": atlas.fingerprint,
        "RepetitionTime": cleaning.target_tr,
        "Band": None if band is None else list(band),
        "FilterOrder": cleaning.order,
        "AlreadyFiltered": cleaning.already_filtered,
        FULL_BAND: cleaning.keeps_full_band,
        "MinFrames": cleaning.min_frames,
        "BridgeSeconds": cleaning.bridge,
        "MaxMeanFD": config.gates.max_fd,
        "WarnMeanFD": config.gates.warn_fd,
        **({"FullBandOnly": True} if config.gates.full_band else {}),
        "Normalisation": "z-score per ROI over the recording, population standard deviation",
    }


def claim(out: Path, description: dict[str, Any]) -> None:
    """Make ``out`` the folder of the cohort that ``description`` defines, or find that it already is.

    Raises
    ------
    ConfigError
        If ``out`` is a file, has other contents, or has a cohort that is defined differently.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out must be a folder, but {out} is a file.")
    out.mkdir(parents=True, exist_ok=True)
    file = out / layout.DESCRIPTION
    if file.exists():
        _compare(file, description)
    elif others := sorted(entry.name for entry in out.iterdir() if not entry.name.startswith((TEMPORARY, LOCK))):
        raise ConfigError(f"--out {out} contains {others[0]} and is not a cohort: choose a new or an empty folder.")
    else:
        write_durably(file, (json.dumps(description, indent=2) + "\n").encode())
    shards = out / layout.SHARDS
    shards.mkdir(exist_ok=True)
    clear_temporary(out)
    clear_temporary(shards)


def _compare(file: Path, description: dict[str, Any]) -> None:
    try:
        stored = read_json(file)
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or "SchemaVersion" not in stored:
        raise ConfigError(f"{file} is not of a cohort: choose a new or an empty folder for --out.")
    finished = (file.parent / layout.RECORDINGS).exists()
    if FULL_BAND not in stored:  # by an earlier version: whole as it is, or to be finished as it was begun
        stored[FULL_BAND] = description[FULL_BAND] if finished else False
    changes = [
        f"{MEANING[key]} differs"
        if key in MEANING
        else f"{key} is {stored.get(key)!r} there, {description.get(key)!r} now"
        for key in {**stored, **description}
        if stored.get(key) != description.get(key) and not (finished and key == "GeneratedBy")
    ]
    if not changes:
        return
    only_people = changes == [f"{MEANING['ParticipantsSha256']} differs"]
    remedy = f" To change phenotypes alone, edit {file.with_name(layout.PARTICIPANTS)}." if only_people else ""
    if not stored[FULL_BAND] and description[FULL_BAND]:
        remedy += " To go on without the full band: --no-full-band."
    raise ConfigError(
        f"{file.parent} already contains a cohort made differently: {'; '.join(changes)}. "
        f"Choose another --out, repeat the command that made it, or delete that folder.{remedy}"
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_apart(source: Path, out: Path) -> None:
    """Refuse a cohort inside its source: its tables would be taken for recordings by the next call."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"--out {out} is inside the source {source}: choose a folder outside of it.")


def nothing_left(cohort: Cohort) -> str:
    """Say why no recording of a cohort could be used: the most common reasons."""
    listed = " ".join(why_excluded(cohort.excluded.to_dict("records")))
    lost = len(cohort.excluded)
    none = "the only recording could not" if lost == 1 else f"none of the {lost} recordings could"
    return f"{none} be used. Most common reasons: {listed}"
