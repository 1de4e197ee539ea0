"""The job ``prepare``: from a source of recordings to a cohort on disk, with every exclusion listed."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals import layout
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.description import claim, describe
from semantoks.signals.listing import introduce, people_of, work_list
from semantoks.signals.participants_json import read_participants_in_words
from semantoks.signals.phenotypes import tidy_participants
from semantoks.signals.quality import GateConfig
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.sources import Item, Source, find_participants, open_source, usual_atlas
from semantoks.signals.writer import Progress, ShardJob, assemble, plan_jobs, run_jobs
from semantoks.storage.durable import write_durably
from semantoks.storage.tables import table_text, write_table

PUBLISHED = CleaningConfig()
GATES = GateConfig()


def prepare(
    source: Path | str | Source,
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
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Cohort:
    """Read, clean and store every recording of a source; a killed call is finished by the same call again.

    Parameters
    ----------
    source
        A path that ``open_source`` knows, or a Source of your own.
    out
        Folder of the cohort: new, empty, or of the same call before on files of the same names and sizes.
    atlas
        What the columns are: an Atlas, the name of one, or a TSV file with ``label`` and ``network``. None for sources
        that tell (XCP-D: ROIs of the published atlas).
    tr
        Repetition time of all recordings in seconds, for sources that do not say it; never guessed.
    cleaning
        Band-pass, sampling interval, shortest recording.
    gates
        Which recordings are kept: their mean framewise displacement.
    participants
        Table (.tsv, .csv or in memory) with ``participant_id`` and phenotypes; without one, ``participants.tsv`` in the
        source folder or beside the source file, or what the source itself holds. A ``.json`` of the same name beside
        it gives codes their words, as BIDS has it.
    reading
        Which participants, sessions, tasks and space are read, where the source has a choice.
    n_jobs
        Processes at a time, -1 for one a core. The cohort does not depend on it.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``): its workers do the work, not processes of this machine. They
        have to see source and ``out`` under the same paths.
    progress
        Called as ``progress(recordings done, recordings in all)``.
    tell
        Called with each line that says what was recognised, before anything is read.

    Returns
    -------
    Cohort
        The finished cohort; what was refused, and why, is its ``excluded``.

    Raises
    ------
    ConfigError
        If ``out`` holds something else, or a cohort that was made differently; if there is no such scheduler.
    DataError
        If the source cannot be opened or is empty, or if no recording could be used.
    """
    check_jobs(n_jobs)
    out, known = Path(out), named_atlas(atlas, source)
    if isinstance(source, str | Path):
        _check_apart(Path(source), out)
    opened = find_source(source, atlas=known, tr=tr, participants=participants, reading=reading)
    store(opened, out, known, tr, cleaning, gates, n_jobs, progress, scheduler, tell)
    cohort = Cohort(out)
    if not len(cohort):
        raise DataError(
            f"{nothing_left(cohort)} All of them are in {cohort.path / layout.EXCLUDED}. Correct the source or the "
            f"settings, delete {cohort.path}, and prepare again."
        )
    return cohort


def check_jobs(n_jobs: int) -> None:
    """Raise ConfigError for a number of processes that is none."""
    if n_jobs == 0:
        raise ConfigError("n_jobs has to be a number of processes, or -1 for one a core, not 0.")


def named_atlas(atlas: Atlas | Path | str | None, source: Path | str | Source) -> Atlas:
    """Take the atlas that is named, else the usual one of the source.

    Raises
    ------
    ConfigError
        When none is named and the source has no usual one.
    DataError
        When there is no such atlas, or nothing at the path.
    """
    name = atlas or (usual_atlas(Path(source)) if isinstance(source, str | Path) else "")
    if not name:
        raise ConfigError(
            "which atlas? This source does not tell: give --atlas NAME or FILE.tsv (`semantoks doctor` finds out)."
        )
    return get_atlas(name)


def find_source(
    source: Path | str | Source,
    *,
    atlas: Atlas,
    tr: float | None,
    participants: Path | str | pd.DataFrame | None,
    reading: ReadingConfig = EVERYTHING,
) -> Source:
    """Open a path with its participants table (see `prepare`); a Source of your own is passed through.

    Raises
    ------
    ConfigError
        When a repetition time or participants are given for a Source, which knows its own.
    DataError
        When there is nothing known at the path.
    """
    if isinstance(source, str | Path):
        table = _read_table(participants, Path(source))
        return open_source(Path(source), atlas=atlas, tr=tr, participants=table, reading=reading)
    if participants is not None or tr is not None:
        raise ConfigError("a Source of your own knows its tr and participants: give them to it, not here.")
    return source


def store(
    source: Source,
    out: Path,
    atlas: Atlas,
    tr: float | None,
    cleaning: CleaningConfig,
    gates: GateConfig,
    n_jobs: int,
    progress: Progress | None,
    scheduler: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Claim ``out`` for exactly this cohort and write what is not there yet; what is refused does not stop it."""
    items = work_list(source)
    if tell is not None:
        for line in introduce(source, items):
            tell(line)
    jobs, people, description = plan(source, items, out, atlas=atlas, tr=tr, cleaning=cleaning, gates=gates)
    claim(out, description)
    if (out / layout.RECORDINGS).exists():
        return
    write_table(out / layout.ATLAS, atlas.to_frame())
    write_durably(out / layout.PARTICIPANTS, people.encode())
    run_jobs(source, jobs, n_jobs=n_jobs, scheduler=scheduler, progress=progress)
    assemble(out, len(jobs))


def plan(
    source: Source,
    items: Sequence[Item],
    out: Path,
    *,
    atlas: Atlas,
    tr: float | None,
    cleaning: CleaningConfig,
    gates: GateConfig,
) -> tuple[list[ShardJob], str, dict[str, Any]]:
    """Give the shards of the cohort ``out``, the text of its participants.tsv, and what describes it."""
    people = table_text(people_of(source, items))
    jobs = plan_jobs(items, out=out, atlas=atlas, cleaning=cleaning, gates=gates)
    description = describe(
        source, items, atlas=atlas, tr=tr, cleaning=cleaning, gates=gates, people=people, shards=len(jobs)
    )
    return jobs, people, description


def _check_apart(source: Path, out: Path) -> None:
    """Refuse a cohort inside its source: its tables would be taken for recordings by the next call."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"--out {out} lies inside the source {source}: choose a folder outside of it.")


def _read_table(participants: Path | str | pd.DataFrame | None, source: Path) -> pd.DataFrame | None:
    if isinstance(participants, pd.DataFrame):
        return tidy_participants(participants, where="the participants table")
    path = find_participants(source) if participants is None else Path(participants)
    return None if path is None else read_participants_in_words(path)


def nothing_left(cohort: Cohort) -> str:
    """Say why no recording of a cohort could be used: the three most common reasons."""
    reasons = Counter(cohort.excluded["reason"]).most_common(3)
    listed = " ".join(f"({count} x) {reason}" for reason, count in reasons)
    return f"none of the {len(cohort.excluded)} recordings could be used. Most common reasons: {listed}"
