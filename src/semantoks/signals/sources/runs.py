"""The runs of a folder of files named as BIDS names them: their keys, their items, and runs that are there twice."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from semantoks.errors import ConfigError
from semantoks.signals.files.names import RUN_ENTITIES, BidsFile, run_labels
from semantoks.signals.sources.source import Item


def run_key(one: BidsFile) -> str:
    """Give the part of a file's name that tells its run: ``sub-01_ses-a_task-rest_run-1``."""
    return "_".join(f"{name}-{one.entities[name]}" for name in RUN_ENTITIES if name in one.entities)


def run_items(files: Sequence[BidsFile]) -> list[Item]:
    """Make the items of runs, from a file of each."""
    return [
        Item(
            key=run_key(one),
            path=one.path,
            row=None,
            participant=one.entities["sub"],
            session=one.entities.get("ses", ""),
            run=label,
        )
        for one, label in zip(files, run_labels(list(files)), strict=True)
    ]


def by_run(files: Iterable[BidsFile], root: Path, *, apart: Collection[str] = ()) -> dict[str, list[BidsFile]]:
    """Put together the files of each run; key of the run -> its files.

    Files of one run may differ in the entities ``apart`` alone (atlases, of which each holds a part of the ROIs).

    Raises
    ------
    ConfigError
        When a run is there in several versions, with what they differ in.
    """
    runs: dict[str, list[BidsFile]] = defaultdict(list)
    for one in files:
        runs[run_key(one)].append(one)
    for key, found in runs.items():
        versions = {tuple(one.entities.get(name, "") for name in apart) for one in found}
        if len(versions) < len(found):
            differing = _differing(found, apart) or ", ".join(str(one.path.relative_to(root)) for one in found)
            raise ConfigError(
                f"{root} has runs in several versions, for example {key}: {differing}. They hold the same frames: give "
                "a folder with one version alone."
            )
    return dict(runs)


def _differing(files: Sequence[BidsFile], apart: Collection[str]) -> str:
    """Name the entities, but for ``apart``, in which files differ, with their values."""
    names = dict.fromkeys(name for one in files for name in one.entities if name not in apart)
    told = []
    for name in names:
        values = {one.entities.get(name, "") for one in files}
        if len(values) > 1:
            told.append(" or ".join(f"{name}-{value}" if value else f"no {name}" for value in sorted(values)))
    return "; ".join(told)


def the_only(kinds: Iterable[str], *, what: str, root: Path, remedy: str) -> str:
    """Give the only kind among the files of ``root``, each named once a file.

    Raises
    ------
    ConfigError
        When there are several: they are counted in the message, which ends with ``remedy``.
    """
    counts = Counter(kinds)
    if len(counts) > 1:
        listed = ", ".join(f"{kind or 'unnamed'} ({count} files)" for kind, count in sorted(counts.items()))
        raise ConfigError(f"{root} holds several {what}, which are not to be mixed: {listed}. {remedy}")
    return next(iter(counts))


def of_one_variant(
    files: Sequence[BidsFile], name_of: Callable[[BidsFile], str], *, variant: str, what: str, root: Path
) -> tuple[str, list[BidsFile]]:
    """Keep the files of the variant that is asked for, or of the only one, and give its name.

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
