"""The input of the app as both levels see it: all recordings in the order of prepare, and each participant's share."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from semantoks.signals.opened_source import SourceConfig, find_source, people_of, work_list
from semantoks.signals.prepare import plan as plan_cohort
from semantoks.signals.recording import PREFIXES, Recording, bare_label
from semantoks.signals.sources import Item, Source, notes_of, participant_of
from semantoks.signals.writer import ShardJob

WORK = "work"
"""Folder of the output in which each participant's part is, a cohort of one."""


@dataclass(frozen=True, kw_only=True)
class AppConfig:
    """What both levels are given; it has to be the same for both.

    Parameters
    ----------
    source, out
        INPUT and OUTPUT: what ``prepare`` reads, and the derivative that is written.
    input_config
        How INPUT is opened, its atlas named. ``reading.participant_label`` names whom a call works on; the recordings
        are listed, and their runs labelled, for the whole input all the same.
    """

    source: Path
    out: Path
    input_config: SourceConfig

    def __post_init__(self) -> None:
        """Make both paths absolute, so that every call means the same."""
        for name in ("source", "out"):
            object.__setattr__(self, name, Path(os.path.abspath(getattr(self, name))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Share:
    """Some recordings of a source, as a source; ``table`` says whatever is known of their people."""

    whole: Source
    chosen: Sequence[Item]
    table: pd.DataFrame

    @property
    def kind(self) -> str:
        """Kind of the whole source."""
        return self.whole.kind

    @property
    def path(self) -> Path:
        """Path of the whole source."""
        return self.whole.path

    def items(self) -> list[Item]:
        """The chosen ones."""
        return list(self.chosen)

    def participants(self) -> pd.DataFrame | None:
        """The table."""
        return self.table

    def read(self, item: Item) -> Recording:
        """Read one of them, as the whole source does."""
        return self.whole.read(item)


class Dataset:
    """The recordings of the input, in the order in which ``prepare`` stores them, by participant.

    Raises
    ------
    ConfigError, DataError
        When the input cannot be opened as configured, or is empty.
    """

    def __init__(self, config: AppConfig) -> None:
        self.config = config
        everybody = dataclasses.replace(config.input_config.reading, participant_label=())
        self._source = find_source(config.source, dataclasses.replace(config.input_config, reading=everybody))
        items = work_list(self._source)
        by_participant: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            by_participant[participant_of(item)].append(item)
        self.items_of, self._items = dict(by_participant), items

    def chosen(self) -> tuple[list[str], list[str]]:
        """List the participants that a call works on, and those that it was asked for but the input does not have."""
        asked = dict.fromkeys(
            bare_label(one, PREFIXES["participant"]) for one in self.config.input_config.reading.participant_label
        )
        if not asked:
            return sorted(self.items_of), []
        return [one for one in asked if one in self.items_of], [one for one in asked if one not in self.items_of]

    def notes(self) -> list[str]:
        """List what was recognised of the input and left out, one line each."""
        return notes_of(self._source)

    def part(self, participant: str) -> Path:
        """Name the folder of a participant's part."""
        return self.config.out / WORK / folder_name(participant)

    def share_of(self, participant: str) -> Share:
        """One participant's recordings, and what the participants table says of this one alone."""
        table = self._table.iloc[self._rows_of.get(participant, [])].reset_index(drop=True)
        return Share(whole=self._source, chosen=self.items_of[participant], table=table)

    def share_of_all(self, participants: Sequence[str]) -> Share:
        """The recordings of these participants in the order of the whole input, with its whole participants table."""
        wanted = set(participants)
        chosen = [item for item in self._items if participant_of(item) in wanted]
        return Share(whole=self._source, chosen=chosen, table=self._table)

    @cached_property
    def _table(self) -> pd.DataFrame:
        return people_of(self._source, self._items)

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = defaultdict(list)
        for number, participant in enumerate(self._table["participant_id"]):
            rows[participant].append(number)
        return dict(rows)


def folder_name(label: str, entity: str = "sub") -> str:
    """Name a folder by a label: ``sub-01``; what a file name cannot hold is written as in URLs (``%2F``)."""
    return f"{entity}-{quote(label, safe='+', errors='surrogateescape')}"


def plan(share: Share, out: Path, config: AppConfig) -> tuple[list[ShardJob], str, dict[str, Any]]:
    """Plan the cohort ``out`` of a share as ``prepare`` does."""
    return plan_cohort(share, share.chosen, out, config.input_config)
