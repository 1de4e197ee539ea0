"""What a source is: a list of recordings to come, and a way to read each of them."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.phenotypes import find_column
from semantoks.signals.recording import MAX_TR, MIN_TR, PREFIXES, Recording, bare_label
from semantoks.types import Series


@dataclass(frozen=True, kw_only=True)
class Item:
    """One recording that can be read: where it lies and whose it is.

    ``key`` is unique within the source and the same in every run. ``row`` is the recording's 0-based row in a file
    that holds many, else None. ``participant`` and ``session`` come without ``sub-`` and ``ses-``; ``session`` and
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


@runtime_checkable
class Source(Protocol):
    """Recordings in files, read one at a time; instances can be pickled and hold no open file.

    ``items`` is quick and reads no signals. ``read`` raises DataError for a recording that cannot be used, which is
    a reason to leave that one out. ``participants`` is the table given, else the one inside the files, else None.
    A source may have ``notes() -> list[str]``: what it recognised and left out, a line each.
    """

    @property
    def kind(self) -> str: ...

    @property
    def path(self) -> Path: ...

    def items(self) -> list[Item]: ...

    def read(self, item: Item) -> Recording: ...

    def participants(self) -> pd.DataFrame | None: ...


def notes_of(source: Source) -> list[str]:
    """Give what a source has to say of what it recognised, if it has."""
    tell = getattr(source, "notes", None)
    return [] if tell is None else list(tell())


TR_COLUMNS = ("tr", "repetition_time", "repetitiontime")
SITE_COLUMNS = ("site", "site_id")
MOTION_COLUMNS = ("mean_fd", "func_mean_fd", "framewise_displacement_mean")
REMEDY = "pass --tr SECONDS or add a `tr` column (seconds) to the participants table"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Repetition time ``tr`` in seconds and who says it, ``site`` (empty if unknown), ``mean_fd`` in mm (NaN)."""

    tr: float
    tr_from: str
    site: str
    mean_fd: float

    def recording(self, item: Item, series: Series, **more: Any) -> Recording:
        """Make the recording of an item; ``more`` is what its files say besides, or better (``good``, ``band`` ...)."""
        facts = dataclasses.asdict(self)
        ids = {"participant": item.participant, "session": item.session, "run": item.run}
        return Recording(series=series, **(facts | ids | more))


@dataclass(frozen=True, kw_only=True)
class _Row:
    session: str
    tr: float | None
    site: str | None
    mean_fd: float | None


class FactTable:
    """Looks a recording up in the participants table, by participant and, where the table has them, by session.

    Parameters
    ----------
    participants, tr
        The table, if any, and the option ``--tr`` in seconds.
    files_say
        The recordings' own files may say their repetition time, so that neither has to.

    Raises
    ------
    ConfigError
        If the option ``tr`` is not between 0.3 and 6 seconds, or there is no repetition time for any recording.
    """

    def __init__(self, participants: pd.DataFrame | None, tr: float | None, *, files_say: bool = False) -> None:
        if tr is not None and not MIN_TR <= tr <= MAX_TR:
            raise ConfigError(f"--tr has to be between {MIN_TR:g} and {MAX_TR:g} seconds, not {tr}.")
        self._option = tr
        self._rows: dict[str, list[_Row]] = {}
        tr_column = None if participants is None else find_column(participants, TR_COLUMNS)
        if (
            not files_say
            and tr is None
            and (participants is None or tr_column is None or not participants[tr_column].notna().any())
        ):
            table = "there is no participants table" if participants is None else "the participants table has none"
            raise UnknownTRError(f"no repetition time: {REMEDY} ({table}). It is never guessed.")
        if participants is not None:
            self._collect(participants, tr_column)

    def _collect(self, table: pd.DataFrame, tr_column: str | None) -> None:
        empty = [None] * len(table)
        session = table["session_id"] if "session_id" in table else [""] * len(table)
        trs = _numbers(table, tr_column) if tr_column else empty
        site_column, motion_column = find_column(table, SITE_COLUMNS), find_column(table, MOTION_COLUMNS)
        sites = [None if pd.isna(site) else _text(site) for site in table[site_column]] if site_column else empty
        motion = _numbers(table, motion_column) if motion_column else empty
        for participant, *row in zip(table["participant_id"], session, trs, sites, motion, strict=True):
            entry = _Row(session=row[0], tr=row[1], site=row[2], mean_fd=row[3])
            self._rows.setdefault(participant, []).append(entry)

    def of(self, item: Item, stated: StatedTR | None = None) -> Facts:
        """Facts about one recording; ``stated`` is what its own files say of its repetition time.

        Raises
        ------
        DataError
            If its repetition time is unknown, or files, option and table, or two rows of the table, disagree on it.
        """
        rows = self._rows.get(item.participant, [])
        if item.session and any(row.session for row in rows):
            rows = [row for row in rows if row.session in (item.session, "")]
        sites = {row.site for row in rows if row.site is not None}
        motion = {row.mean_fd for row in rows if row.mean_fd is not None}
        tr, tr_from = self._tr(item, sorted({row.tr for row in rows if row.tr is not None}), stated)
        return Facts(
            tr=tr,
            tr_from=tr_from,
            site=sites.pop() if len(sites) == 1 else "",
            mean_fd=motion.pop() if len(motion) == 1 else math.nan,
        )

    def _tr(self, item: Item, listed: list[float], stated: StatedTR | None) -> tuple[float, str]:
        """Give the repetition time that all who know it agree on, and who that is: files, table, option."""
        who = f"participant {item.participant}" + (f", session {item.session}" if item.session else "")
        if len(listed) > 1:
            raise DataError(f"the participants table gives {who} several repetition times: {listed} s. Keep one.")
        said = [(stated.seconds, stated.where)] if stated is not None and stated.seconds is not None else []
        said += [(seconds, "the participants table") for seconds in listed]
        said += [(self._option, "--tr")] if self._option is not None else []
        if not said:
            table = "has no `tr` in the participants table" if item.participant in self._rows else "is in no table"
            looked = f" {stated.where};" if stated is not None else ""
            raise DataError(f"no repetition time for {item.key}:{looked} {who} {table}; {REMEDY}.")
        for seconds, where in said[1:]:
            if not math.isclose(seconds, said[0][0], rel_tol=1e-3):
                raise DataError(
                    f"{where} says {seconds:g} s, but {said[0][1]} says {said[0][0]:g} s for {who}: correct what is "
                    "wrong, or leave it out."
                )
        return said[0]

    def require_any_tr(self, items: Iterable[Item]) -> None:
        """Raise ConfigError if no participant of ``items`` is in the table that alone knows the repetition times."""
        names = list(dict.fromkeys(item.participant for item in items))
        if self._option is None and names and not any(name in self._rows for name in names):
            raise UnknownTRError(
                f"no repetition time: none of the {len(names)} participants (for example {names[0]}) is among the "
                f"{len(self._rows)} of the participants table (for example {next(iter(self._rows))}). Correct the ids, "
                f"or {REMEDY}."
            )


def _numbers(table: pd.DataFrame, column: str) -> list[float | None]:
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = numbers.isna() & table[column].notna()
    if wrong.any():
        raise DataError(
            f"the column {column} of the participants table has to hold numbers; "
            f"{int(wrong.sum())} cells do not, for example {table.loc[wrong, column].iloc[0]!r}."
        )
    return [None if pd.isna(number) else float(number) for number in numbers]


def _text(value: object) -> str:
    """Spell a site the same whether missing cells made its column float or not: 3.0 is ``3``."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
