"""Which files of a folder are read: those that were asked for, each run once, in one version; names of runs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from pathlib import Path

from semantoks.errors import ConfigError
from semantoks.signals.files.names import RUN_ENTITIES, BidsFile
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.sources.source import Item, row_item

TELLING = ("task", "acq", "ce", "rec", "dir", "echo")
"""Entities that go into the label of a run where runs differ in them."""
ALONE = "Give a folder that has one of them alone."


def chosen_runs(files: Iterable[BidsFile], reading: ReadingConfig, root: Path) -> list[BidsFile]:
    """Keep the files of the participants, sessions, tasks and space that were asked for.

    Raises
    ------
    ConfigError
        When nothing is left, or runs are in several spaces and none was chosen.
    """
    found = list(files)
    for entity, wanted in (
        ("sub", reading.participant_label),
        ("ses", reading.session_label),
        ("task", reading.task_label),
    ):
        bare = {label.removeprefix(f"{entity}-") for label in wanted}
        there = {one.entities.get(entity, "") for one in found}
        if bare and not bare & there:
            raise ConfigError(
                f"{root} has no {entity}-{' or '.join(sorted(bare))}; it has {', '.join(sorted(there)) or 'none'}."
            )
        found = [one for one in found if not bare or one.entities.get(entity, "") in bare]
    if not reading.task_label:
        rest = [one for one in found if "rest" in one.entities.get("task", "").lower()]
        found = rest or found
    spaces = sorted({one.entities.get("space", "") for one in found})
    space = reading.space.removeprefix("space-")
    if space and space not in spaces:
        raise ConfigError(f"{root} has no space-{space}; it has {', '.join(filter(None, spaces)) or 'none'}.")
    if not space and len(spaces) > 1:
        raise ConfigError(f"{root} has runs in several spaces ({', '.join(spaces)}): choose one with --space.")
    return [one for one in found if not space or one.entities.get("space", "") == space]


def the_only(names: Iterable[str], *, what: str, root: Path, remedy: str = ALONE) -> str:
    """Give the only name among those of the files of ``root``, one name per file.

    Raises
    ------
    ConfigError
        When there are several: the message counts the files of each and ends with ``remedy``.
    """
    counts = Counter(names)
    if len(counts) > 1:
        listed = ", ".join(f"{name or 'unnamed'} ({number} files)" for name, number in sorted(counts.items()))
        raise ConfigError(f"{root} has several {what}, which must not be mixed: {listed}. {remedy}")
    return next(iter(counts))


def of_one_variant(
    files: Sequence[BidsFile], name_of: Callable[[BidsFile], str], *, variant: str, what: str, root: Path
) -> tuple[str, list[BidsFile]]:
    """Keep the files of the variant that was asked for, or of the only one, and give its name.

    ``variant`` is one or more words of the name (``filt_noglobal`` of ``cpac filt_noglobal``); empty asks for none.

    Raises
    ------
    ConfigError
        When there is no such variant, or several: they are named.
    """
    wanted = set(variant.split())
    kept = [one for one in files if wanted <= set(name_of(one).split())]
    if not kept:
        there = ", ".join(sorted({name_of(one) or "unnamed" for one in files}))
        raise ConfigError(f"{root} has no {what} called {variant!r}. There are: {there}.")
    name = the_only(map(name_of, kept), what=what, root=root, remedy="Choose one with --variant.")
    return name, kept


def without_concatenated(files: list[BidsFile]) -> tuple[list[BidsFile], int]:
    """Leave out files without ``run`` beside which the same with ``run`` exist: the same frames, concatenated.

    Returns the files that stay, and how many were left out.
    """

    def but_run(one: BidsFile) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, value) for name, value in one.entities.items() if name != "run"))

    single = {but_run(one) for one in files if "run" in one.entities}
    kept = [one for one in files if "run" in one.entities or but_run(one) not in single]
    return kept, len(files) - len(kept)


def run_key(one: BidsFile) -> str:
    """Give the part of a file's name that identifies its run: ``sub-01_ses-a_task-rest_run-1``."""
    return "_".join(f"{name}-{one.entities[name]}" for name in RUN_ENTITIES if name in one.entities)


def by_run(files: Iterable[BidsFile], root: Path, *, apart: Collection[str] = ()) -> dict[str, list[BidsFile]]:
    """Group the files of each run; key of the run -> its files.

    Files of one run may differ only in the entities ``apart`` (atlases, each of which has a part of the ROIs).

    Raises
    ------
    ConfigError
        When a run has several versions, with what they differ in.
    """
    runs: dict[str, list[BidsFile]] = defaultdict(list)
    for one in files:
        runs[run_key(one)].append(one)
    for key, found in runs.items():
        versions = {tuple(one.entities.get(name, "") for name in apart) for one in found}
        if len(versions) < len(found):
            differing = _differing(found, apart) or ", ".join(str(one.path.relative_to(root)) for one in found)
            raise ConfigError(
                f"{root} has several versions of a run, for example {key}: {differing}. They are the same frames: give "
                "a folder that has one version alone."
            )
    return dict(runs)


def one_per_run(files: Iterable[BidsFile], root: Path) -> dict[str, BidsFile]:
    """Give the one file of each run by its key; ConfigError when a run has several."""
    return {key: one for key, (one,) in by_run(files, root).items()}


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
    """Give each file its run label: its ``run``, after the other entities in which the files differ."""
    telling = [name for name in TELLING if len({one.entities.get(name, "") for one in files}) > 1]
    return ["".join(one.entities.get(name, "") for name in (*telling, "run")) for one in files]


def numbered(names: Sequence[tuple[str, str, str]], *, joint: str = "") -> list[str]:
    """Give the run of each (participant, session, run); where one is repeated, its number follows after ``joint``."""
    total, number = Counter(names), defaultdict[tuple[str, str, str], "count[int]"](lambda: count(1))
    return [
        name[2] if total[name] == 1 else f"{name[2]}{joint if name[2] else ''}{next(number[name])}" for name in names
    ]


def row_items(path: Path, names: Sequence[tuple[str, str, str]]) -> list[Item]:
    """Make the items of the rows of a file from (participant, session, run) of each; repeated ones are numbered."""
    return [
        row_item(path, row, participant=name[0], session=name[1], run=run)
        for row, (name, run) in enumerate(zip(names, numbered(names), strict=True))
    ]


def _differing(files: Sequence[BidsFile], apart: Collection[str]) -> str:
    """Name the entities, except ``apart``, in which files differ, with their values."""
    found = []
    for name in dict.fromkeys(name for one in files for name in one.entities if name not in apart):
        values = {one.entities.get(name, "") for one in files}
        if len(values) > 1:
            found.append(" or ".join(f"{name}-{value}" if value else f"no {name}" for value in sorted(values)))
    return "; ".join(found)
