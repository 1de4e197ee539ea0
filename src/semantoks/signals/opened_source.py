"""A source before any signal is read: how it is opened, what it lists, and whom its participants table misses."""

import dataclasses
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.pairing import unmatched_ids
from semantoks.signals.participants_json import read_participants_in_words
from semantoks.signals.phenotypes import NOTES, tidy_participants, unknown_note
from semantoks.signals.quality import GateConfig
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.session_tables import with_sessions
from semantoks.signals.sources import (
    Item,
    Source,
    find_participants,
    notes_of,
    open_source,
    participant_of,
    usual_atlas,
)
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.source import refuse_twins

SPREADSHEETS = ("participants.xlsx", "participants.xls", "participants.ods", "participants.sav")
PUBLISHED = CleaningConfig()
GATES = GateConfig()


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceConfig:
    """How a source of recordings is opened, and what becomes of its recordings.

    Parameters
    ----------
    atlas
        What the columns are: an Atlas, the name of one, or a TSV file with ``label`` and ``network``. None for sources
        that imply it (XCP-D: ROIs of the published atlas).
    tr
        Repetition time of all recordings in seconds, for sources that do not state it; never guessed.
    participants
        Table (.tsv, .csv or in memory) with ``participant_id`` and phenotypes; without one, ``participants.tsv`` in the
        source folder or beside the source file, or what the source itself has.
    reading
        Which participants, sessions, tasks and space are read, where the source has a choice.
    cleaning
        Band-pass, sampling interval, shortest recording.
    gates
        Which recordings are kept: their mean framewise displacement.
    """

    atlas: Atlas | Path | str | None = None
    tr: float | None = None
    participants: Path | str | pd.DataFrame | None = None
    reading: ReadingConfig = EVERYTHING
    cleaning: CleaningConfig = PUBLISHED
    gates: GateConfig = GATES

    @property
    def known_atlas(self) -> Atlas:
        """The atlas; it has to be named by now (see `with_atlas`)."""
        assert self.atlas is not None, "name the atlas first"
        return get_atlas(self.atlas)

    def with_atlas(self, source: Path | str | Source) -> "SourceConfig":
        """Name the atlas where there is none yet: the usual one of the source (see `named_atlas`)."""
        return dataclasses.replace(self, atlas=named_atlas(self.atlas, source))


def named_atlas(atlas: Atlas | Path | str | None, source: Path | str | Source) -> Atlas:
    """Return the named atlas, or else the usual one of the source.

    Raises
    ------
    ConfigError
        If none is named and the source has no usual one.
    DataError
        If there is no such atlas, or nothing at the path.
    """
    name = atlas or (usual_atlas(Path(source)) if isinstance(source, str | Path) else "")
    if not name:
        place = f" {shlex.quote(str(source))}" if isinstance(source, str | Path) else ""
        raise ConfigError(
            "which atlas? This source does not imply one: give --atlas NAME or FILE.tsv "
            f"(`semantoks doctor{place}` finds out)."
        )
    return get_atlas(name)


def as_source(
    source: Path | str | Source | Sequence[Recording], atlas: Atlas | Path | str | None
) -> Path | str | Source:
    """Make a source of a list of recordings in memory; all else that can be one is passed through.

    Raises
    ------
    ConfigError
        For a prepared cohort, a list of something else, or one without an atlas.
    """
    if isinstance(source, Cohort):
        raise ConfigError(f"{source.path} is a cohort that is prepared already: use it as it is.")
    if not isinstance(source, Sequence) or isinstance(source, str):
        return source
    if not all(isinstance(one, Recording) for one in source):
        raise ConfigError("a list of recordings has to hold Recording: recordings_from_arrays makes them of arrays.")
    if atlas is None:
        raise ConfigError("recordings in memory follow an atlas, and do not say which: give atlas=NAME.")
    return MemorySource(source, atlas=atlas)


def find_source(source: Path | str | Source, config: SourceConfig) -> Source:
    """Open a path with its participants table (see `prepare`); a Source of your own is passed through.

    Raises
    ------
    ConfigError
        If a repetition time, participants or a selection are given for a Source, which has its own.
    DataError
        If nothing at the path can be recognised.
    """
    if isinstance(source, str | Path):
        table = _read_table(config.participants, Path(source))
        return open_source(
            Path(source), atlas=config.known_atlas, tr=config.tr, participants=table, reading=config.reading
        )
    if config.participants is not None or config.tr is not None:
        raise ConfigError("a Source of your own has its own tr and participants: set them there, not here.")
    if config.reading.selects:
        raise ConfigError(
            f"a Source of your own lists its own recordings: choose among them there, not by "
            f"{', '.join(config.reading.selects)} here."
        )
    return source


def _read_table(participants: Path | str | pd.DataFrame | None, source: Path) -> pd.DataFrame | None:
    if isinstance(participants, pd.DataFrame):
        return tidy_participants(participants, where="the participants table")
    if participants is not None:
        return read_participants_in_words(Path(participants))
    path = find_participants(source)
    return with_sessions(None if path is None else read_participants_in_words(path), source)


def introduce(source: Source, items: Sequence[Item]) -> list[str]:
    """Describe a source in lines: its kind and counts, its notes, and how its participants table fits.

    Parameters
    ----------
    items
        The recordings that are listed: ``source.items()``.
    """
    people = [participant_of(item) for item in items]
    table = source.participants()
    counts = f"{len(items)} recording{'' if len(items) == 1 else 's'} of {len(set(people))}"
    lines = [f"{source.kind}: {counts} {'person' if len(set(people)) == 1 else 'people'}", *notes_of(source)]
    if table is None:
        return [
            *lines,
            f"no participants table: nothing is known of them but their recordings{_spreadsheet(source.path)}",
        ]
    said = [*table.attrs.get(NOTES, ()), *unknown_note(table)]
    return [*lines, *said, *unmatched_ids(people, table["participant_id"])]


def _spreadsheet(path: Path) -> str:
    """Name a participants table that is there, but in a form that is not read."""
    folder = path if path.is_dir() else path.parent
    found = next((folder / name for name in SPREADSHEETS if (folder / name).is_file()), None)
    return "" if found is None else f" ({found.name} is not read: save it as participants.csv, in UTF-8)"


def work_list(source: Source) -> list[Item]:
    """List the recordings in the order in which they are stored.

    Raises
    ------
    DataError
        When there are none, or two have the same key, or the same participant, session and run.
    """
    items = sorted(source.items(), key=lambda item: (str(item.path), item.row or 0, item.key))
    if not items:
        raise DataError(f"{source.path} has no recordings of the kind {source.kind!r}.")
    twice = [key for key, count in Counter(item.key for item in items).items() if count > 1]
    if twice:
        raise DataError(f"{source.path} lists the recording {twice[0]!r} more than once; every one needs its own name.")
    refuse_twins(items, source.path)
    return items


def people_of(source: Source, items: Sequence[Item]) -> pd.DataFrame:
    """Take the source's participants table, or list the participants where no table says more about them."""
    table = source.participants()
    if table is not None:
        return table
    ids = sorted({participant_of(item) for item in items} - {""})
    return pd.DataFrame({"participant_id": ids})
