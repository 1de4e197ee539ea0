"""What a source is: a list of recordings to come, and a way to read each of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from semantoks.signals.recording import PREFIXES, Recording, bare_label


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
