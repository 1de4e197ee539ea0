"""Which files of a source are read: those that were asked for, and what that leaves out; names of runs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from semantoks.errors import ConfigError
from semantoks.signals.files.names import BidsFile
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.sources.source import Item, row_item
from semantoks.signals.sources.versions import Words, is_version, one_per_run, run_key, version_words

TELLING = ("task", "acq", "ce", "dir")
"""Entities that go into the label of a run where runs differ in them."""
WORDS = {"sub": "participant", "ses": "session", "task": "task"}
NONE = "none"
"""What stands for no space."""
SHOWN = 5
"""How many names a message has."""


def chosen_runs(
    files: Iterable[BidsFile], reading: ReadingConfig, root: Path, *, words_of: Words = version_words
) -> tuple[list[BidsFile], list[str]]:
    """Keep the files of the participants, sessions, tasks, space and version that were asked for.

    Where no task is asked for, those with ``rest`` in their label are read, if there are any, and what names no task;
    else all are.
    ``words_of`` gives the words by which ``--variant`` chooses a file.

    Returns
    -------
    files, notes
        Those that stay, in order; what was left out and why, with counts.

    Raises
    ------
    ConfigError
        When something that was asked for leaves nothing, or runs are in several spaces and none was chosen.
    """
    kept, notes = list(files), list[str]()
    for entity, wanted in (
        ("sub", reading.participant_label),
        ("ses", reading.session_label),
        ("task", reading.task_label),
    ):
        if wanted:
            kept, found = _asked_for(kept, entity, [label.removeprefix(f"{entity}-") for label in wanted], root)
            notes += found
    if not reading.task_label:
        kept, found = _rest(kept)
        notes += found
    for choose, wanted_name in ((_of_space, reading.space.removeprefix("space-")), (_of_version, reading.variant)):
        kept, found = choose(kept, wanted_name, root, words_of)
        notes += found
    return kept, notes


def _asked_for(
    files: list[BidsFile], entity: str, wanted: Sequence[str], root: Path
) -> tuple[list[BidsFile], list[str]]:
    there = {one.entities.get(entity, "") for one in files}
    absent = [label for label in dict.fromkeys(wanted) if label not in there]
    what = WORDS[entity]
    if len(absent) == len(set(wanted)):
        named = sorted(filter(None, there))
        has = f"it has {_listed(named)}" if named else f"no name says a {what}"
        raise ConfigError(f"{root} has no {entity}-{f' or {entity}-'.join(absent)}; {has}.")
    kept = [one for one in files if one.entities.get(entity, "") in wanted]
    notes = [f"asked for, but not there: {_listed([f'{entity}-{label}' for label in absent])}"] if absent else []
    return kept, notes + _left_out(files, kept, f"other {what}s", lambda one: one.entities.get(entity, ""))


def _rest(files: list[BidsFile]) -> tuple[list[BidsFile], list[str]]:
    """Keep the tasks with ``rest`` in their label, if there are any, and what names no task."""
    if not any(_is_rest(one) for one in files):
        tasks = Counter({run_key(one): _task(one) for one in files}.values())
        several = f"several tasks, none of them rest, are all read: {_counted(tasks)}. Choose with --task-label"
        return files, [several] if len(tasks) > 1 else []
    kept = [one for one in files if _is_rest(one) or not _task(one)]
    unnamed = len({run_key(one) for one in kept if not _task(one)})
    notes = [f"{unnamed} recording{'' if unnamed == 1 else 's'} of no named task read beside rest"] if unnamed else []
    return kept, _left_out(files, kept, "tasks other than rest (--task-label reads them)", _task) + notes


def _is_rest(one: BidsFile) -> bool:
    return "rest" in _task(one).lower()


def _task(one: BidsFile) -> str:
    return one.entities.get("task", "")


def _of_space(files: list[BidsFile], space: str, root: Path, _: Words) -> tuple[list[BidsFile], list[str]]:
    def space_of(one: BidsFile) -> str:
        return one.entities.get("space", NONE)

    spaces = sorted({space_of(one) for one in files})
    if space and space not in spaces:
        has = f"it has {_listed(spaces)}" if spaces != [NONE] else "no name says a space: leave --space out"
        raise ConfigError(f"{root} has no space-{space}; {has}.")
    if not space and len(spaces) > 1:
        raise ConfigError(f"{root} has runs in several spaces ({', '.join(spaces)}): choose one with --space.")
    kept = [one for one in files if not space or space_of(one) == space]
    return kept, _left_out(files, kept, "other spaces", space_of, unit="file")


def _of_version(files: list[BidsFile], variant: str, root: Path, words_of: Words) -> tuple[list[BidsFile], list[str]]:
    words = [words_of(one) for one in files]
    keys = {word.partition("-")[0] for found in words for word in found}
    kept = [one for one, found in zip(files, words, strict=True) if is_version(variant, found, keys)]
    if files and not kept:
        there = sorted({" ".join(found) for found in words} - {""})
        has = f"There are: {_listed(there)}" if there else "Its names say no version: leave --variant out"
        raise ConfigError(f"{root} has no version called {variant!r}. {has}.")
    common = set.intersection(*map(set, words)) if words else set[str]()

    def name_of(one: BidsFile) -> str:
        return " ".join(word for word in words_of(one) if word not in common)

    return kept, _left_out(files, kept, "other versions", name_of, unit="file") + _mixed(kept, words_of)


def _mixed(files: Sequence[BidsFile], words_of: Words) -> list[str]:
    """Say where recordings are of different versions, so that people differ in how they were processed."""
    words: dict[str, set[str]] = defaultdict(set)
    for one in files:
        words[run_key(one)].update(words_of(one))
    common = set.intersection(*words.values()) if words else set[str]()
    names = Counter(" ".join(sorted(found - common)) for found in words.values())
    return [f"recordings of different versions are read: {_counted(names)}. Choose with --variant"] * (len(names) > 1)


def _left_out(
    files: Sequence[BidsFile],
    kept: Sequence[BidsFile],
    why: str,
    name_of: Callable[[BidsFile], str],
    *,
    unit: str = "recording",
) -> list[str]:
    """Count what is not kept, by name: runs, or files where they are other versions of runs that are kept."""
    stay = set(map(id, kept))
    gone = [one for one in files if id(one) not in stay]
    names = {run_key(one) if unit == "recording" else id(one): name_of(one) for one in gone}
    if not gone:
        return []
    number = f"{len(names)} {unit}{'' if len(names) == 1 else 's'}"
    return [f"left out, {why}: {number}, {_counted(Counter(names.values()))}"]


def _counted(names: Counter[str]) -> str:
    return _listed([f"{name or 'unnamed'} ({number})" for name, number in sorted(names.items())])


def _listed(names: Sequence[str]) -> str:
    """Join names for a message, and count those beyond ``SHOWN``."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def run_items(files: Iterable[BidsFile]) -> list[Item]:
    """Make the items of runs, from one file of each."""
    listed = list(files)
    return [
        Item(
            key=run_key(one),
            path=one.path,
            row=None,
            participant=one.entities["sub"],
            session=one.entities.get("ses", ""),
            run=label,
        )
        for one, label in zip(listed, run_labels(listed), strict=True)
    ]


def run_labels(files: Sequence[BidsFile]) -> list[str]:
    """Give each file its run label: its ``run``, after the other entities in which the files differ.

    A point goes between them where labels of different runs would be the same without (``rest1`` + ``1``, ``rest`` +
    ``11``).
    """
    telling = [name for name in TELLING if len({one.entities.get(name, "") for one in files}) > 1]
    parts = [[one.entities[name] for name in (*telling, "run") if one.entities.get(name)] for one in files]
    whose = [(one.entities.get("sub", ""), one.entities.get("ses", "")) for one in files]
    different = {(*who, *part) for who, part in zip(whose, parts, strict=True)}
    joined = {(*who, "".join(part)) for who, part in zip(whose, parts, strict=True)}
    mark = "" if len(joined) == len(different) else "."
    return [mark.join(part) for part in parts]


def numbered(names: Sequence[tuple[str, ...]], *, joint: str = "") -> list[str]:
    """Give the run of each (participant, session, run); where one is repeated, its number follows after ``joint``.

    A number whose label another recording of that participant and session has is passed over.
    """
    total, number = Counter(names), defaultdict[tuple[str, ...], "count[int]"](lambda: count(1))
    taken, runs = {name[:3] for name in names}, list[str]()
    for name in names:
        run = name[2]
        while total[name] > 1 and (run == name[2] or (*name[:2], run) in taken):
            run = f"{name[2]}{joint if name[2] else ''}{next(number[name])}"
        runs.append(run)
    return runs


def chosen_rows(path: Path, rows: Sequence[Mapping[str, str]], reading: ReadingConfig) -> tuple[list[Item], list[str]]:
    """Make the items of those rows of a file that were asked for, from the BIDS entities of each; see ``chosen_runs``.

    What is repeated is numbered over all rows, so that a recording has one name whoever is asked for; ConfigError for
    several versions of a run.
    """
    named = [BidsFile(path=path / str(row), entities=entities) for row, entities in enumerate(rows)]
    names = [
        (*(one.entities.get(name, "") for name in ("sub", "ses", "run")), run_key(one), *version_words(one))
        for one in named
    ]
    runs = [{"run": run} if run else {} for run in numbered(names, joint=".")]
    files = [replace(one, entities={**one.entities, **run}) for one, run in zip(named, runs, strict=True)]
    kept, notes = chosen_runs(files, reading, path)
    asked = [named[int(one.path.name)] for one in kept]
    one_per_run({(run_key(one), *version_words(one)): one for one in asked}.values(), path)
    items = [
        row_item(
            path, int(one.path.name), participant=one.entities["sub"], session=one.entities.get("ses", ""), run=run
        )
        for one, run in zip(kept, run_labels(kept), strict=True)
    ]
    return items, notes


def row_items(path: Path, names: Sequence[tuple[str, str, str]]) -> list[Item]:
    """Make the items of the rows of a file from (participant, session, run) of each; repeated ones are numbered."""
    return [
        row_item(path, row, participant=name[0], session=name[1], run=run)
        for row, (name, run) in enumerate(zip(names, numbered(names), strict=True))
    ]
