"""What a source is: a list of recordings and a way to read each one; and what the participants table says of them."""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.pairing import paired, paired_note, paired_sessions
from semantoks.signals.phenotypes import NOTES, find_column
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import MAX_TR, MIN_TR, PREFIXES, Recording, bare_label
from semantoks.signals.sources.fact_rows import (
    TR_COLUMNS,
    FactRow,
    fact_rows,
    motion_in,
    rows_of,
    sites_in,
)
from semantoks.types import Series

REMEDY = "pass --tr SECONDS or add a `tr` column (seconds) to the participants table"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One recording that can be read: where it is and whose it is.

    ``key`` is unique within the source and the same every time it is opened. ``row`` is the recording's 0-based row in
    a file of many, else None. ``participant`` and ``session`` come without ``sub-`` and ``ses-``; ``session`` and
    ``run`` are empty where unknown.
    """

    key: str
    path: Path
    row: int | None
    participant: str
    session: str
    run: str


def participant_of(item: Item) -> str:
    """Name the participant of a recording as tables do, without ``sub-``."""
    return bare_label(item.participant, PREFIXES["participant"])


def row_item(path: Path, row: int, *, participant: str, session: str, run: str) -> Item:
    """Make the item of one row of a file, with a key such as ``sub-01_ses-2_run-1``."""
    labels = (("sub", participant), ("ses", session), ("run", run))
    key = "_".join(f"{entity}-{label}" for entity, label in labels if label)
    return Item(key=key, path=path, row=row, participant=participant, session=session, run=run)


def refuse_twins(items: Iterable[Item], path: Path) -> None:
    """Refuse two recordings of the same participant, session and run: every source is held to this.

    Raises
    ------
    DataError
        With the two, where there are any: a test and retest that are the same scan would follow.
    """
    first: dict[tuple[str, str, str], Item] = {}
    for item in items:
        given = {"participant": item.participant, "session": item.session, "run": item.run}
        labels = {name: bare_label(label, PREFIXES[name]) for name, label in given.items()}
        twin = first.setdefault((labels["participant"], labels["session"], labels["run"]), item)
        if twin is not item:
            named = ", ".join(f"{name} {label}" for name, label in labels.items() if label)
            raise DataError(
                f"{path}: {twin.key} and {item.key} are both {named}. If they are versions of one recording, keep one; "
                "else tell them apart by `ses-` or `run-` in their names or by `session_id` and `run` in the table."
            )


@runtime_checkable
class Source(Protocol):
    """Recordings in files, read one at a time; instances can be pickled and keep no file open.

    ``items`` is quick and reads no signals. ``read`` raises DataError for a recording that cannot be used, which
    leaves that one out. ``participants`` is the table that was given, else the one inside the files, else None.
    A source may have ``notes() -> list[str]``: what it recognised and left out, one line each.
    """

    @property
    def kind(self) -> str: ...

    @property
    def path(self) -> Path: ...

    def items(self) -> list[Item]: ...

    def read(self, item: Item) -> Recording: ...

    def participants(self) -> pd.DataFrame | None: ...


def notes_of(source: Source) -> list[str]:
    """List the notes of a source; empty where it has none."""
    notes = getattr(source, "notes", None)
    return [] if notes is None else list(notes())


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Repetition time ``tr`` in seconds and where it is from, ``site`` (empty if unknown), ``mean_fd`` in mm (NaN)."""

    tr: float
    tr_from: str
    site: str
    mean_fd: float

    def recording(self, item: Item, series: Series, **more: Any) -> Recording:
        """Make the recording of an item; ``more`` is what its files add or know better (``good``, ``band`` ...)."""
        facts = dataclasses.asdict(self)
        ids = {"participant": item.participant, "session": item.session, "run": item.run}
        return Recording(series=series, **(facts | ids | more))

    def mean_fd_or(self, stated: float | None) -> float:
        """Give the mean displacement of the table, else the stated one, else NaN."""
        return self.mean_fd if stated is None or not math.isnan(self.mean_fd) else stated


class FactTable:
    """Looks a recording up in the participants table: by participant and, where it has them, session, file or run.

    Parameters
    ----------
    participants, tr
        The table, if any, and the option ``--tr`` in seconds.
    files_say
        The recordings' own files may state their repetition time, so neither of the two is required.

    Raises
    ------
    ConfigError
        If ``tr`` is not between 0.3 and 6 seconds, or no recording can have a repetition time.
    """

    def __init__(self, participants: pd.DataFrame | None, tr: float | None, *, files_say: bool = False) -> None:
        if tr is not None and not MIN_TR <= tr <= MAX_TR:
            raise ConfigError(f"--tr has to be between {MIN_TR:g} and {MAX_TR:g} seconds, not {tr}.")
        self._option, self._required = tr, not files_say and tr is None
        self._rows = {} if participants is None else fact_rows(participants)
        tr_column = None if participants is None else find_column(participants, TR_COLUMNS)
        if self._required and (participants is None or tr_column is None or not participants[tr_column].notna().any()):
            table = "there is no participants table" if participants is None else "the participants table has none"
            raise UnknownTRError(f"no repetition time: {REMEDY} ({table}). It is never guessed.")

    def rename(self, people: Mapping[str, str], sessions: Mapping[str, str]) -> None:
        """Spell participants and sessions of the table as the recordings do: {in the table: in the recordings}."""
        renamed = {
            people.get(name, name): [
                dataclasses.replace(row, session=sessions.get(row.session, row.session)) for row in rows
            ]
            for name, rows in self._rows.items()
        }
        self._rows.clear()
        self._rows.update(renamed)

    def without_option(self) -> "FactTable":
        """Give these facts for recordings that ``--tr`` is not meant for."""
        other = copy.copy(self)
        other._option = None
        return other

    def lacks_tr(self, item: Item) -> bool:
        """Tell whether the table has no repetition time for the participant of a recording."""
        return all(row.tr is None for row in self._rows.get(item.participant, []))

    def of(self, item: Item, stated: StatedTR | None = None) -> Facts:
        """Give the facts of one recording; ``stated`` is what its own files say about its repetition time.

        Raises
        ------
        DataError
            If its repetition time is unknown, or files, option and table, or two rows of the table, disagree on it.
        """
        rows = self._rows_of(item)
        sites, motion = sites_in(rows), motion_in(rows, item.run)
        tr, tr_from = self._tr(item, rows, stated)
        return Facts(
            tr=tr,
            tr_from=tr_from,
            site=sites.pop() if len(sites) == 1 else "",
            mean_fd=motion.pop() if len(motion) == 1 else math.nan,
        )

    def _rows_of(self, item: Item) -> list[FactRow]:
        rows = self._rows.get(item.participant, [])
        return rows_of(rows, session=item.session, run=item.run, path=item.path)

    def not_used(self, items: Iterable[Item]) -> list[str]:
        """Say which motion and sites of the table are not used: no numbers, or nothing says of which recording."""
        torn: dict[str, list[tuple[Item, list[Any]]]] = {"mean_fd": [], "site": []}
        wrong = {
            name: row.wrong["mean_fd"] for name, rows in self._rows.items() for row in rows if "mean_fd" in row.wrong
        }
        for item in items:
            rows = self._rows_of(item)
            for name, found in (("mean_fd", motion_in(rows, item.run)), ("site", sites_in(rows))):
                there = sorted({value for row in rows if (value := getattr(row, name)) is not None})
                if there and len(found) != 1:
                    torn[name].append((item, there))
        return [_torn_note(name, found) for name, found in torn.items() if found] + (
            [_wrong_note(wrong)] if wrong else []
        )

    def _tr(self, item: Item, rows: Sequence[FactRow], stated: StatedTR | None) -> tuple[float, str]:
        """Give the repetition time on which files, table and option agree, and the first of them that states it."""
        listed = sorted({row.tr for row in rows if row.tr is not None})
        who = f"participant {item.participant}" + (f", session {item.session}" if item.session else "")
        if len(listed) > 1:
            raise DataError(
                f"the participants table gives {who} several repetition times: {listed} s. Keep one, or tell its rows "
                f"apart by `session_id`, `run` or `filename` as the recordings are: {_called(item)}."
            )
        if wrong := [row.wrong["tr"] for row in rows if "tr" in row.wrong]:
            raise DataError(
                f"the participants table gives {who} the repetition time {wrong[0]!r}, which is no number: write "
                "seconds, such as 0.8, or n/a."
            )
        if stated is not None and stated.wrong:
            raise DataError(
                f"no repetition time for {item.key}: {stated.where}. Write seconds there, or remove the field and "
                f"{REMEDY}."
            )
        known = [(stated.seconds, stated.where)] if stated is not None and stated.seconds is not None else []
        known += [(seconds, "the participants table") for seconds in listed]
        known += [(self._option, "--tr")] if self._option is not None else []
        if not known:
            table = "has no `tr` in the participants table" if item.participant in self._rows else "is in no table"
            looked = f" {stated.where};" if stated is not None else ""
            raise DataError(f"no repetition time for {item.key}:{looked} {who} {table}; {REMEDY}.")
        either = () if stated is None else stated.either
        if either and not any(math.isclose(known[0][0], one, rel_tol=1e-3) for one in either):
            raise DataError(
                f"{known[0][1]} says {known[0][0]:g} s for {who}, and a sidecar {either[0]:g} or {either[1]:g} s: "
                f"{'' if stated is None else stated.where}. Correct the wrong one, or remove the field."
            )
        for seconds, where in known[1:]:
            if not math.isclose(seconds, known[0][0], rel_tol=1e-3):
                raise DataError(
                    f"{where} says {seconds:g} s, but {known[0][1]} says {known[0][0]:g} s for {who}: correct the "
                    "wrong one, or leave it out."
                )
        return known[0]

    def require_any_tr(self, items: Iterable[Item]) -> None:
        """Raise ConfigError if the table alone can know the repetition times and has no participant of ``items``."""
        names = list(dict.fromkeys(item.participant for item in items))
        if self._required and names and not any(name in self._rows for name in names):
            many = f"none of the {len(names)} participants (for example {names[0]}) is"
            whose = f"participant {names[0]}, the only one, is not" if len(names) == 1 else many
            raise UnknownTRError(
                f"no repetition time: {whose} among the {len(self._rows)} of the participants table (for example "
                f"{next(iter(self._rows))}). Correct the ids, or {REMEDY}."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What a source is opened with: a path, the atlas, ``--tr`` (s) and the participants table if given, choices."""

    path: Path
    atlas: Atlas
    tr: float | None = None
    participants: pd.DataFrame | None = None
    reading: ReadingConfig = EVERYTHING

    def facts(self, *, files_say: bool = False) -> FactTable:
        """Make the table of facts of what was given."""
        return FactTable(self.participants, self.tr, files_say=files_say)


class OpenedSource:
    """The source that every family of files makes: its items, and a function that reads one of them.

    Parameters
    ----------
    request
        What it was opened with.
    kind
        What was recognised, with its version where known.
    items
        The recordings, in order.
    facts
        Where their repetition times are looked up: it is checked that any of them can be known.
    read
        Reads one recording; can be pickled (a ``functools.partial`` of a module's function can).
    notes
        What was recognised and left out, one line each.
    table
        The participants table inside the files, where there is one and none was given.

    Raises
    ------
    ConfigError
        When no repetition time can be known.
    DataError
        When two items have the same participant, session and run.
    """

    def __init__(
        self,
        request: Request,
        *,
        kind: str,
        items: Sequence[Item],
        facts: FactTable,
        read: Callable[[Item], Recording],
        notes: Iterable[str] = (),
        table: pd.DataFrame | None = None,
    ) -> None:
        self._table = spelled_as(items, request.participants if table is None else table, facts)
        facts.require_any_tr(items)
        refuse_twins(items, request.path)
        self.path, self.kind = request.path, kind
        self._items, self._notes, self._read = list(items), [*notes, *facts.not_used(items)], read

    def items(self) -> list[Item]:
        """List the recordings; a lost or damaged one is listed too, and reading it says what is wrong."""
        return list(self._items)

    def participants(self) -> pd.DataFrame | None:
        """Give the participants table: the one that was given, else the one inside the files, else None."""
        return self._table

    def notes(self) -> list[str]:
        """List what was recognised and left out, one line each."""
        return list(self._notes)

    def read(self, item: Item) -> Recording:
        """Read one recording; DataError when it cannot be used."""
        return self._read(item)


def spelled_as(items: Sequence[Item], table: pd.DataFrame | None, facts: FactTable) -> pd.DataFrame | None:
    """Spell the ids and sessions of a table, and of the facts from it, as the recordings do, where that is certain."""
    if table is None:
        return None
    people = paired((item.participant for item in items), table["participant_id"])
    sessions = paired_sessions((item.session for item in items), table.get("session_id", []))
    if not people and not sessions:
        return table
    facts.rename(people, sessions)
    notes = [*paired_note(people, table["participant_id"], "participants")]
    renamed = table.assign(participant_id=table["participant_id"].replace(people))
    if sessions:
        notes += paired_note(sessions, table["session_id"], "sessions")
        renamed["session_id"] = table["session_id"].replace(sessions)
    renamed.attrs = {**table.attrs, NOTES: [*table.attrs.get(NOTES, ()), *notes]}
    return renamed


def _torn_note(name: str, found: Sequence[tuple[Item, Sequence[Any]]]) -> str:
    """Say that a person's rows differ in a fact, and none of them is known to be of the recording."""
    item, values = found[0]
    return (
        f"{name} of the participants table is not used for {plural(len(found), 'recording')}: participant "
        f"{item.participant} has {' and '.join(map(str, values))} there, and no `session_id`, `run` or `filename` says "
        f"which is of {item.key} ({_called(item)})"
    )


def _wrong_note(wrong: Mapping[str, str]) -> str:
    participant, cell = next(iter(wrong.items()))
    return (
        f"mean_fd of the participants table is no number for {plural(len(wrong), 'participant')} ({participant}: "
        f"{cell!r}), and taken as unknown: --max-fd does not apply there"
    )


def _called(item: Item) -> str:
    """Say which session and run a recording is."""
    return (
        f"{f'session {item.session}' if item.session else 'no session'}, {f'run {item.run}' if item.run else 'no run'}"
    )
