"""Whose files are that have no id in their names: a folder per person, with the same names in each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain, permutations
from pathlib import PurePosixPath

from semantoks.signals.files.names import Identity, bare_name, identify

NO_PERSON = re.compile(
    r"(?:\w*rest\w*|task|run|scan|echo|s?ess?(?:ion)?|visit|wave|day|time(?:point)?|tp|t|v|bl|fu|year|baseline|follow\w*|"
    r"month|m|fold|split|part|chunk|schaefer\w*|aal|cc|power|gordon|ho|tian\w*|atlas|parc\w*|roi\w*|mni\w*|fmri\w*|"
    r"bold|func|net\w*|fwhm|hp|lp|gsr|nogsr|filt\w*|test|train|version)[-_ ]?\d*\w?|\d+mm|(?:19|20)\d\d",
    re.IGNORECASE,
)
"""Folders with a number that are no person's."""
SESSION = re.compile(
    r"(?:ses(?:s|sion)?|visit|wave|time(?:point)?|tp|t|v|day|year|baseline|bl|follow[-_]?up|fu|month|m)[-_ ]?\d*\w?",
    re.IGNORECASE,
)

DATA = re.compile(r"rest\w*|bold|ts|tc|time\w*|series|signals?|rois?|fmri|func|data|parc\w*", re.IGNORECASE)
"""Words of names that say what a file has, and not whose it is."""


def of_folders(keys: Iterable[str]) -> dict[str, Identity]:
    """Give the identity of files that are called the same in different folders: the folder that differs is the person.

    One level of folders has to tell all files of a name apart, or two, of which one is called as sessions are. The
    other folders, and names that differ within a person, say task and run. Nothing is given for files that name their
    participant, nor where people and something else (versions of a recording) cannot be told apart.

    Parameters
    ----------
    keys
        Relative paths with ``/``.
    """
    paths = {key: PurePosixPath(key) for key in keys}
    nameless = {key: path for key, path in paths.items() if not identify(path.name, path.parts[:-1]).named}
    alike: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for path in nameless.values():
        alike[path.name.lower()].append(path.parts[:-1])
    depths = {len(path.parts) - 1 for path in nameless.values()}
    if len(depths) != 1:
        return {}
    groups = list(alike.values())
    lone = all(len(folders) == 1 for folders in groups)
    levels = _lone_level(groups, list(alike)) if lone else _levels(groups, depths.pop())
    if levels is None:
        return {}
    person, session = levels
    people = {path.parts[person] for path in nameless.values()}
    stems = {bare_name(path.name) for path in nameless.values()}
    words = {word for stem in stems for word in re.split(r"[-_. ]+", stem)}
    if not all(map(_is_id, people)) or (len(people) <= len(stems) and any(map(_is_id, words))):
        return {}
    labels = _labels(stems)
    return {
        key: _identity(path, path.parts[person], "" if session is None else path.parts[session], labels)
        for key, path in nameless.items()
    }


def _levels(groups: list[list[tuple[str, ...]]], depth: int) -> tuple[int, int | None] | None:
    """Find the one level of folders that differs among files of a name, or the two of which one is the session."""
    repeated = [folders for folders in groups if len(folders) > 1]
    single = [n for n in range(depth) if all(len({one[n] for one in some}) == len(some) for some in repeated)]
    if single:
        return (single[0], None) if len(single) == 1 else None
    pairs = [
        (person, session)
        for person, session in permutations(range(depth), 2)
        if all(len({(one[person], one[session]) for one in some}) == len(some) for some in repeated)
        and all(SESSION.fullmatch(one[session]) for some in groups for one in some)
    ]
    return pairs[0] if len(pairs) == 1 else None


def _lone_level(groups: list[list[tuple[str, ...]]], names: Iterable[str]) -> tuple[int, None] | None:
    """Find the one level of folders that are ids, where no name comes twice and none says more than data or a task."""
    words = [re.split(r"[-_. ]+", bare_name(name)) for name in names]
    if any(map(_is_id, chain.from_iterable(words))):
        return None
    rest = any(some[0].startswith("rest") and len(some) == 1 for some in words)
    says = [all(map(DATA.fullmatch, some)) or (rest and len(some) == 1) for some in words]
    people = [n for n in range(len(groups[0][0])) if all(_is_id(one[n]) for some in groups for one in some)]
    return (people[0], None) if len(people) == 1 and all(says) else None


def _is_id(word: str) -> bool:
    return any(map(str.isdigit, word)) and NO_PERSON.fullmatch(word) is None


def _labels(stems: Iterable[str]) -> dict[str, str]:
    """Give the words of each stem that not all of them have, joined: what tells the recordings of a person apart."""
    words = {stem: re.split(r"[-_. ]+", stem) for stem in stems}
    common = set.intersection(*map(set, words.values()))
    return {stem: "".join(word for word in found if word not in common) for stem, found in words.items()}


def _identity(path: PurePosixPath, person: str, session: str, labels: Mapping[str, str]) -> Identity:
    found = identify(f"sub-x_{path.name}", path.parts[:-1])
    entities, run = dict(found.entities), found.run
    if not entities and not run:
        task = any("rest" in label.lower() for label in labels.values())
        entities, run = ({"task": labels[bare_name(path.name)]}, "") if task else ({}, labels[bare_name(path.name)])
    return Identity(participant=person, session=session or found.session, run=run, entities=entities)
