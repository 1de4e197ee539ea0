"""What JSON files beside a time series state of it: its own sidecar, and those that it inherits from BIDS folders."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, combinations
from pathlib import Path
from typing import NamedTuple

from semantoks.errors import DataError
from semantoks.signals.files.names import ANY_ENTITY, RUN_ENTITIES, bare_name
from semantoks.signals.files.series_file import stated_inside
from semantoks.signals.files.stated import (
    FilterBand,
    StatedTR,
    agreed,
    read_json,
    stated_band,
    stated_number,
    stated_tr,
)

SECONDS, FREQUENCY, FILTERS = "RepetitionTime", "SamplingFrequency", "SoftwareFilters"
OF_SERIES = ("bold", "timeseries")
"""Suffixes of files of one run that have the same repetition time."""
Run = frozenset[tuple[str, str]]


class _Name(NamedTuple):
    """The entities of a name (``task-rest_bold``), those of them that tell runs apart, and its suffix."""

    entities: dict[str, str]
    run: Run
    suffix: str


def stated_beside(path: Path, root: Path) -> StatedTR:
    """Find the repetition time of a time series: that of its sidecars, with which what is in the file has to agree.

    Raises
    ------
    DataError
        When they do not agree, sidecars in one folder state different ones, or one or the file is damaged.
    """
    beside = _of_sidecars(path, root)
    inside = stated_inside(path) if os.path.isfile(path) else StatedTR(seconds=None, where="")
    return agreed([one for one in (beside, inside) if one.where])


def _of_sidecars(path: Path, root: Path) -> StatedTR:
    """Find ``RepetitionTime`` of the nearest sidecars of a run, up to ``root``.

    ``SamplingFrequency`` alone does not say it: HALFpipe writes seconds there, others Hz. Whatever does must fit it.

    Raises
    ------
    DataError
        When sidecars in one folder state different ones, or are damaged.
    """
    looked: list[Path] = []
    for sidecars in _levels(path, root, whole=False):
        if stated := [found for one in sidecars if (found := stated_tr(one, f"{SECONDS} of {one.name}"))]:
            return agreed(stated)
        looked += sidecars
    names = ", ".join(one.name for one in looked[:3])
    for one in looked:
        if rate := stated_number(one, FREQUENCY):
            unread = f"(its {FREQUENCY}, {rate:g}, is not read: some tools write Hz there, others seconds)"
            return StatedTR(seconds=None, where=f"no {SECONDS} in {one.name} {unread}", either=(1 / rate, rate))
    return StatedTR(seconds=None, where=f"no {SECONDS} in {names}" if looked else "no sidecar beside it")


def any_states_tr(paths: Iterable[Path], root: Path) -> bool:
    """Tell whether a sidecar of any of these, or the first of them itself, states a repetition time, or a wrong one."""

    def states(path: Path, stated: Callable[[Path, Path], StatedTR] = _of_sidecars) -> bool:
        try:
            found = stated(path, root)
            return found.seconds is not None or found.wrong or bool(found.either)
        except DataError:
            return True  # reading that recording says what is wrong

    listed = list(paths)
    return any(map(states, listed)) or (bool(listed) and states(listed[0], stated_beside))


def band_beside(path: Path, root: Path) -> FilterBand | None:
    """Read ``SoftwareFilters`` of the nearest sidecar of a time series that has them; None without filters."""
    for sidecars in _levels(path, root, whole=True):
        for one in sidecars:
            if FILTERS in (stated := read_json(one)):
                return stated_band(stated)
    return None


def _levels(path: Path, root: Path, *, whole: bool) -> Iterator[list[Path]]:
    """Yield the sidecars in the folder of a file, then in those above it up to ``root``; none without any.

    A sidecar belongs to a file if its entities are among the file's; unless ``whole``, only those that tell runs apart
    matter. The file's own, of the same name, comes first.
    """
    name = _parsed(bare_name(path.name))
    below = path.parent.relative_to(root).parts if root in path.parents else ()
    known = {key: value for folder in below for key, value in ANY_ENTITY.findall(folder)}
    entities = {key: known[key] for key in ("sub", "ses") if key in known} | name.entities
    run = _run(entities)
    subsets = [frozenset(some) for some in chain.from_iterable(combinations(run, n) for n in range(len(run) + 1))]
    own = path.parent / f"{bare_name(path.name)}.json"
    folder = path.parent
    while True:
        there = _sidecars(folder, os.stat(folder).st_mtime_ns) if os.path.isdir(folder) else {}
        found = [
            sidecar
            for some in subsets
            for sidecar, of in there.get(some, ())
            if of.suffix in (*OF_SERIES, name.suffix) and (not whole or of.entities.items() <= entities.items())
        ]
        # A table may name what no file can be called: os.path takes that, too.
        first = [own] if folder == path.parent and os.path.isfile(own) else []
        if found := first + [one for one in found if one != own]:
            yield found
        if folder == root or root not in folder.parents:
            return
        folder = folder.parent


@lru_cache(maxsize=1024)
def _sidecars(folder: Path, changed: int) -> Mapping[Run, list[tuple[Path, _Name]]]:  # noqa: ARG001
    """List the JSON files of a folder by the entities that tell runs apart; nothing is opened."""
    found: dict[Run, list[tuple[Path, _Name]]] = defaultdict(list)
    for one in sorted(folder.glob("*.json")):
        name = _parsed(one.stem)
        found[name.run].append((one, name))
    return dict(found)


def _parsed(stem: str) -> _Name:
    """Take ``sub-01_task-rest_bold`` apart; what has no hyphen is part of the suffix."""
    entities = dict(ANY_ENTITY.findall(stem))
    suffix = "_".join(part for part in stem.split("_") if "-" not in part)
    return _Name(entities=entities, run=_run(entities), suffix=suffix)


def _run(entities: Mapping[str, str]) -> Run:
    return frozenset((name, entities[name]) for name in RUN_ENTITIES if name in entities)
