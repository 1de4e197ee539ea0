"""Each run once: versions of a run, concatenations, and the files that belong to one of several versions."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from semantoks.counted import plural
from semantoks.errors import ConfigError
from semantoks.signals.files.names import RUN_ENTITIES, BidsFile

CHOOSE = "Choose one with --variant."
ALONE = "Give a folder that has one of them alone."
ATLASES = ("atlas", "seg")
"""What says of which parcels a series is: no version, for several atlases may have a part of the ROIs each."""
OWN = frozenset({"desc", "stat", *ATLASES})
"""Entities in which a series and what is beside it differ as a matter of course."""
LOOSE = frozenset({"space", "res", "den", "cohort"})
"""Entities that the name of one file may have and that of another of the same run lack."""
Words = Callable[[BidsFile], Collection[str]]
"""Gives the words by which ``--variant`` chooses a file."""
CONCATENATED = frozenset({"run", "dir"})
"""Entities that the name of concatenated runs lacks."""


def run_key(one: BidsFile) -> str:
    """Give the part of a file's name that identifies its run: ``sub-01_ses-a_task-rest_run-1``."""
    return "_".join(f"{name}-{one.entities[name]}" for name in RUN_ENTITIES if name in one.entities)


def version_words(one: BidsFile) -> list[str]:
    """List what a name says of its version, ``desc-gsr``: all entities but those of the run, its space and atlas."""
    known = {*RUN_ENTITIES, *ATLASES, "space"}
    return [f"{name}-{value}" for name, value in one.entities.items() if name not in known]


def is_version(variant: str, words: Collection[str], keys: Collection[str]) -> bool:
    """Tell whether a file with these words is of a variant: it has each of the variant's words.

    A word is whole (``desc-gsr``), its value alone (``gsr``), or ``no-desc`` for a file without, where ``keys``, the
    first parts of all files' words, have it.
    """
    values = {word.partition("-")[2] for word in words}
    own = {word.partition("-")[0] for word in words}
    lacking = {f"no-{key}" for key in keys if key not in own}
    return all(word in words or word in values or word in lacking for word in variant.split())


def the_only(names: Iterable[str], *, what: str, root: Path, remedy: str = ALONE) -> str:
    """Give the only name among those of the files of ``root``, one name per file.

    Raises
    ------
    ConfigError
        When there are several: the message counts the files of each and ends with ``remedy``.
    """
    counts = Counter(names)
    if len(counts) > 1:
        listed = ", ".join(f"{name or 'unnamed'} ({plural(number, 'file')})" for name, number in sorted(counts.items()))
        raise ConfigError(f"{root} has several {what}, which must not be mixed: {listed}. {remedy}")
    return next(iter(counts))


def without_concatenated(files: list[BidsFile]) -> tuple[list[BidsFile], int]:
    """Leave out files whose runs are there one by one: the same frames, end to end.

    The name of concatenated runs is that of its parts without ``run``, ``dir`` or both. A name that lacks ``dir`` alone
    may be another scan, unless two directions or more are beside it.

    Returns the files that stay, and how many were left out.
    """

    def bare(one: BidsFile) -> frozenset[tuple[str, str]]:
        return frozenset((name, value) for name, value in one.entities.items() if name not in CONCATENATED)

    alike: dict[frozenset[tuple[str, str]], list[BidsFile]] = defaultdict(list)
    for one in files:
        alike[bare(one)].append(one)

    def is_whole(one: BidsFile) -> bool:
        own = one.entities.items()
        parts = [part for part in alike[bare(one)] if own < part.entities.items()]
        return any("run" in part.entities and "run" not in one.entities for part in parts) or len(parts) > 1

    kept = [one for one in files if not is_whole(one)]
    return kept, len(files) - len(kept)


def by_run(
    files: Iterable[BidsFile],
    root: Path,
    *,
    part_of: Callable[[BidsFile], str] = lambda _: "",
    words_of: Words = version_words,
) -> dict[str, list[BidsFile]]:
    """Group the files of each run; key of the run -> its files.

    A run has one file of each part (an atlas, which has some of the ROIs). ``words_of`` is that of ``chosen_runs``.

    Raises
    ------
    ConfigError
        When a run has several versions of a part, with what they differ in and how to choose.
    """
    runs: dict[str, list[BidsFile]] = defaultdict(list)
    parts: dict[tuple[str, str], list[BidsFile]] = defaultdict(list)
    for one in files:
        runs[run_key(one)].append(one)
        parts[run_key(one), part_of(one)].append(one)
    twice = [found for found in parts.values() if len(found) > 1]
    if twice:
        asked = _asked(twice[0], root, words_of)
        raise ConfigError(f"{root} has several versions of a run, for example {run_key(twice[0][0])}: {asked}")
    return dict(runs)


def one_per_run(files: Iterable[BidsFile], root: Path, *, words_of: Words = version_words) -> dict[str, BidsFile]:
    """Give the one file of each run by its key; ConfigError when a run has several."""
    return {key: one for key, (one,) in by_run(files, root, words_of=words_of).items()}


def _asked(files: Sequence[BidsFile], root: Path, words_of: Words) -> str:
    """Say in what the versions of a run differ, and how to choose one of them."""
    words = [set(words_of(one)) for one in files]
    common = set.intersection(*words)
    own = [found - common for found in words]
    if not any(own) or len(set(map(frozenset, own))) == 1:
        paths = [str(one.path.relative_to(root)) for one in files]
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        return f"{', '.join(paths[:3])}{more}. They are the same recording: keep one, or give the folder of one."
    keys = {word.partition("-")[0] for found in own for word in found}
    names = [" ".join(sorted(found or {f"no-{key}" for key in keys})) for found in own]
    lacking = {name.replace("no-", "no ") for name, found in zip(names, own, strict=True) if not found}
    shown = [*lacking, *sorted({name for name, found in zip(names, own, strict=True) if found})]
    alone = [name for name, found in zip(names, own, strict=True) if found and sum(found <= it for it in own) == 1]
    choice = sorted(alone or names)[0]
    quoted = f'"{choice}"' if " " in choice else choice
    return f"{' or '.join(shown)}. They are the same frames: choose with --variant, for example --variant {quoted}."


def beside(one: BidsFile, files: Iterable[BidsFile]) -> list[BidsFile]:
    """Keep the files of a run that belong to this version of it, those first that share most of its entities.

    A file that says another version than ``one``, or a version where ``one`` says none, belongs to another.
    """

    def fits(other: BidsFile) -> bool:
        return all(
            one.entities.get(name, value if name in LOOSE else "") == value
            for name, value in other.entities.items()
            if name not in OWN
        )

    own = one.entities.items()
    return sorted(filter(fits, files), key=lambda other: -len(own & other.entities.items()))
