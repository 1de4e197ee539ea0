"""BIDS events of recordings: which table is whose, and which frames each block has."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.features.block_config import BlockConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.files.names import ANY_ENTITY, RUN_ENTITIES, SKIPPED, identify, walk
from semantoks.signals.recording import PREFIXES, bare_label
from semantoks.signals.typed_columns import MISSING
from semantoks.storage.tables import read_table

TIMES, TYPE = ("onset", "duration"), "trial_type"
OWN = ("recording", "first", "frames", "cut", "reason")
"""Columns that blocks get here: events that have such ones lose them."""
IDS = {"participant_id": "sub", "session_id": "ses", "run": "run"}
"""Columns of a table of several recordings' events, and the entities that they say."""
LEFT_OUT = [*IDS, *TIMES, TYPE, "reason"]
LEAST_FRAMES = 3
"""Fewest frames of a block: two have correlations of -1 and 1 alone."""
NO_EVENTS = "a recording without events"
SHOWN = 5
EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class EventTable:
    """Events of whichever recordings have these entities (``{"task": "motor"}``: of that task, whoever's)."""

    path: Path
    entities: Mapping[str, str]
    rows: pd.DataFrame

    def agrees(self, recording: Mapping[str, str]) -> int:
        """Count the entities that a recording shares; -1 where it has another, or is not of this participant."""
        for entity, label in self.entities.items():
            theirs = recording.get(entity, "")
            same = theirs == label or (entity == "run" and _number(theirs) == _number(label))
            if (theirs or entity == "sub") and not same:
                return -1
        return sum(bool(recording.get(entity)) for entity in self.entities)


@dataclass(frozen=True, kw_only=True)
class FoundBlocks:
    """The blocks of a cohort.

    Attributes
    ----------
    blocks
        One row per block, by recording and onset: ``recording`` (row of the cohort), ``first`` and ``frames`` (its
        frames), ``onset``, ``duration`` (s), and all other columns of the events.
    left_out
        Blocks, and recordings without events, that are not: ids, onset, duration, trial_type, reason.
    notes
        What was found.
    """

    blocks: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...]

    def targets(self, names: Sequence[str]) -> pd.DataFrame:
        """Return what can be predicted of blocks: a table of their events, in which each is its own participant.

        Raises
        ------
        DataError
            If one of ``names`` is no column of it, or the same for all blocks.
        """
        table = self.blocks.drop(columns=[name for name in OWN if name in self.blocks])
        for name in names:
            if name not in table:
                known = _some([TYPE, *(str(column) for column in table if column != TYPE)])
                raise DataError(
                    f"with --events, targets are columns of the events: {known}, but none is called {name!r}."
                )
            if table[name].nunique() < 2:
                raise DataError(f"all blocks have the same {name}, so that it cannot be predicted.")
        return table.assign(participant_id=[f"{number:06d}" for number in range(len(table))])


def find_blocks(cohort: Cohort, config: BlockConfig, *, least_frames: int = LEAST_FRAMES) -> FoundBlocks:
    """Find the blocks of every recording: those of the events table that agrees with most of its name.

    A table applies to all recordings that have its entities (BIDS's inheritance principle). A block's frames are those
    from ``onset + delay`` on, for its duration, as far as they lie within the recording.

    Raises
    ------
    DataError
        If a table cannot be read, none is of any recording, or no block is left.
    """
    assert config.events is not None
    tables = read_events(Path(config.events))
    whose = defaultdict[str, list[EventTable]](list)
    for table in tables:
        whose[table.entities.get("sub", "")].append(table)
    parts, left = [], []
    for index, row in enumerate(cohort.recordings.to_dict("records")):
        ids = {name: str(row[name]) for name in IDS}
        best = _best(whose, _entities(row))
        if len(best) != 1:
            reason = f"{len(best)} tables fit it alike: {_some([t.path.name for t in best])}" if best else NO_EVENTS
            left.append(pd.DataFrame([{**ids, "reason": reason}]))
            continue
        placed = _placed(best[0].rows, cohort, index, config, max(least_frames, LEAST_FRAMES))
        parts.append(placed[placed["reason"] == ""].assign(recording=index))
        left.append(placed[placed["reason"] != ""].assign(**ids))
    if not parts:
        raise DataError(_nobodys(tables, cohort))
    blocks = pd.concat(parts, ignore_index=True)
    out = pd.concat(left, ignore_index=True).reindex(columns=LEFT_OUT)
    if config.trial_types:
        blocks, out = _of_types(blocks, out, config)
    if blocks.empty:
        why = reasons_words(out.to_dict("records"))
        raise DataError(
            f"no block of {config.events} is left: {why}. onset and duration have to be in seconds; --delay "
            f"{config.delay:g} and --min-block {config.min_block:g} were asked for."
        )
    others = [str(name) for name in blocks if name not in (*OWN, *TIMES, TYPE)]
    blocks = blocks.drop(columns="reason").assign(**{name: _typed(blocks[name]) for name in others})
    return FoundBlocks(blocks=blocks, left_out=out, notes=tuple(_notes(blocks, cohort, config)))


def read_events(path: Path) -> list[EventTable]:
    """Read the events of a file, or of all files below a folder whose names end in ``events.tsv``.

    Raises
    ------
    DataError
        If there is none, or one cannot be read or lacks a column.
    """
    files = [path] if path.is_file() else list(_files(path))
    if not files:
        raise DataError(f"{path} has no file whose name ends in events.tsv: give BIDS's events, a file or a folder.")
    return [one for file in files for one in _tables(file)]


def _files(folder: Path) -> Iterator[Path]:
    for where, name in walk(folder, skipped=lambda name: name in SKIPPED or name == "derivatives"):
        if name.endswith("events.tsv"):
            yield Path(where, name)


def _tables(file: Path) -> Iterator[EventTable]:
    """Read one file: of one run, or task, by its name, or of the participants in its columns."""
    remedy = "give BIDS's events.tsv, separated by tabs: onset and duration in seconds, and trial_type"
    rows = read_table(file, [*TIMES, TYPE], what="events", remedy=remedy)
    rows = rows.apply(lambda cells: cells.str.strip().mask(cells.str.strip().isin(MISSING), ""))
    named = {entity: label for entity, label in ANY_ENTITY.findall(file.name) if entity in RUN_ENTITIES}
    columns = [name for name in IDS if name in rows] if "participant_id" in rows else []
    if not columns:
        yield EventTable(path=file, entities=named, rows=rows)
        return
    prefixes = dict(zip(IDS, PREFIXES.values(), strict=True))
    own = {name: rows[name].map(lambda label, prefix=prefixes[name]: bare_label(label, prefix)) for name in columns}
    if (own["participant_id"] == "").any():
        raise DataError(f"{file} has rows without a participant_id: give each one, or leave the column out.")
    for labels, part in rows.drop(columns=columns).groupby([own[name] for name in columns], sort=False):
        said = {IDS[name]: str(label) for name, label in zip(columns, labels, strict=True) if label}
        yield EventTable(path=file, entities={**named, **said}, rows=part.reset_index(drop=True))


def _entities(row: Mapping[Any, Any]) -> dict[str, str]:
    """Say what a recording is called: by its ids, and by its file's name, which tells a run from a task."""
    name = identify(Path(row["recording_id"]).name)
    known = name.labels if name.named else {}
    ids = {entity: row[column] for column, entity in IDS.items() if row[column]}
    if known and not ids.get("run", "").isdigit():
        ids.pop("run", None)
    return {**ids, **known, "sub": ids["sub"]}


def _best(tables: Mapping[str, list[EventTable]], recording: Mapping[str, str]) -> list[EventTable]:
    """Return the tables, here by participant ("" for everybody's), that agree with a recording most."""
    those = [*tables.get(recording["sub"], ()), *tables.get("", ())]
    counts = [table.agrees(recording) for table in those]
    most = max(counts, default=-1)
    return [table for table, count in zip(those, counts, strict=True) if count == most >= 0]


def _number(label: str) -> str:
    """Spell a run's number without the zeros that some names have."""
    return label.lstrip("0") or "0" if label.isdigit() else label


def _placed(rows: pd.DataFrame, cohort: Cohort, index: int, config: BlockConfig, least: int) -> pd.DataFrame:
    """Give each event of a recording its frames, or the reason why it has none."""
    total, tr = int(cohort.recordings["frames"][index]), cohort.tr
    onset, duration = (pd.to_numeric(rows[name], errors="coerce").to_numpy(np.float64) for name in TIMES)
    known = np.isfinite(onset) & np.isfinite(duration)
    start, stop = (np.where(known, onset, 0) + config.delay), np.where(known, onset + duration, 0) + config.delay
    begin, end = (np.clip(np.ceil(time / tr - EPS), 0, total).astype(np.int64) for time in (start, stop))
    begins = int(cohort.first_frames[index])
    before = np.concatenate([[0], np.cumsum(cohort.good[begins : begins + total])])
    seconds = max(config.min_block, least * tr)
    needed, short = int(seconds / tr + EPS), f"than {seconds:g} s"
    cases = {
        "onset or duration is n/a": (rows[list(TIMES)] == "").any(axis=1),
        "onset or duration is no number": ~known,
        "no trial_type": rows[TYPE] == "",
        f"shorter {short}": duration < seconds - EPS,
        "before the recording begins": end <= 0,
        "after the recording ends": start >= total * tr - EPS,
        f"less {short} of it within the recording": end - begin < needed,
        f"less {short} of good frames": before[end] - before[np.minimum(begin, end)] < needed,
    }
    reason = np.select(list(cases.values()), list(cases), "")
    cut = (start < -EPS) | (stop > total * tr + EPS)
    found = rows.assign(onset=onset, duration=duration, first=begin, frames=end - begin, cut=cut, reason=reason)
    return found.sort_values("onset", kind="stable", ignore_index=True)


def _of_types(blocks: pd.DataFrame, out: pd.DataFrame, config: BlockConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the trial types that were asked for."""
    there = sorted({*blocks[TYPE], *out[TYPE].dropna()} - {""})
    if lacking := [name for name in config.trial_types if name not in there]:
        raise DataError(f"{config.events} has no trial_type {lacking[0]!r}; there are: {_some(there)}.")
    return (
        blocks[blocks[TYPE].isin(config.trial_types)].reset_index(drop=True),
        out[out[TYPE].isin(config.trial_types) | out[TYPE].isna()].reset_index(drop=True),  # recordings have none
    )


def reasons_words(left_out: Iterable[Mapping[Hashable, Any]]) -> str:
    """Count what was left out by its reasons, the commonest first."""
    counts = Counter(row["reason"] for row in left_out)
    return "; ".join(f"{reason} ({count})" for reason, count in counts.most_common())


def _nobodys(tables: list[EventTable], cohort: Cohort) -> str:
    """Say that no table is of any recording, and how both are called."""
    recordings = [_entities(row) for row in cohort.recordings.to_dict("records")]
    told = {table.entities["task"] for table in tables if "task" in table.entities}
    read = {one["task"] for one in recordings if "task" in one}
    remedy = "Name both alike, or give one events.tsv of all, without a participant."
    if told and read and not told & read:
        remedy = f"Prepare the recordings of that task: --task-label {_some(sorted(told))}."
    return (
        f"no events are of a recording of {cohort.path}: the first events are of {_named(tables[0].entities)} "
        f"({tables[0].path.name}), the first recording is {_named(recordings[0])}. {remedy}"
    )


def _named(entities: Mapping[str, str]) -> str:
    return "_".join(f"{entity}-{label}" for entity, label in entities.items()) or "everybody"


def _notes(blocks: pd.DataFrame, cohort: Cohort, config: BlockConfig) -> list[str]:
    """Say which blocks there are, and which frames are theirs."""
    counts = blocks[TYPE].value_counts().sort_index()
    kinds = [f"{name} {count}" for name, count in counts.items()]
    people = cohort.recordings["participant_id"].iloc[blocks["recording"]].nunique()
    recordings = plural(blocks["recording"].nunique(), "recording")
    seconds = np.unique(blocks["frames"].to_numpy()[[blocks["frames"].argmin(), blocks["frames"].argmax()]]) * cohort.tr
    span = " to ".join(f"{s:g}" for s in seconds)
    lines = [
        f"{plural(len(blocks), 'block')} of {plural(people, 'person')} in {recordings}: {_some(kinds)}",
        f"{span} s each, from {config.delay:g} s after the onset on (--delay)",
    ]
    if cut := int(blocks["cut"].sum()):
        lines.append(f"{plural(cut, 'block is', 'blocks are')} cut by an end of the recording")
    ends = blocks["first"] + blocks["frames"]
    latest = ends.groupby(blocks["recording"]).transform(lambda one: one.cummax().shift(fill_value=0))
    if over := int((blocks["first"] < latest).sum()):
        lines.append(f"{plural(over, 'block overlaps', 'blocks overlap')} an earlier one")
    return lines


def _typed(cells: pd.Series) -> pd.Series:
    """Make a column numbers where all of its cells are; an empty one has no value."""
    known = cells[cells.notna() & (cells != "")]
    numbers = pd.to_numeric(known, errors="coerce")
    return cells.replace("", None) if numbers.isna().any() else numbers.reindex(cells.index)


def _some(words: list[str]) -> str:
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")
