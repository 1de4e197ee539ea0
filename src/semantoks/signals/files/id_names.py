"""Whose files are that have no ``sub-`` in their names, several per person: 0001_gsr beside 0001_nogsr, 0001_run1."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from semantoks.signals.files.names import Identity, identify

VERSION = (
    r"(?:no|non|un|with|without|w|wo)?[-_]?(?:gsr|gs|filt(?:er(?:ed|ing)?)?|scrub(?:bed|bing)?|smooth(?:ed|ing)?|clean(?:ed)?|"
    r"denoised?|censor(?:ed|ing)?|bandpass(?:ed)?|bp|aroma|a?compcor|regressed)|raw|meica|optcom|echo[-_]?\d+|t1w|native|"
    r"mni(?:\d\w*)?"
)
VISIT = r"(?:ses|sess|session|visit|wave|timepoint|tp|t|v|day|month|year)[-_]?\d+\w?|baseline|follow[-_]?up\d*|pre|post"
RUN = r"(?:run|scan|rest|r)[-_]?\d+"
TAIL = re.compile(rf"(?P<head>.+)[-_. ](?:(?P<desc>{VERSION})|(?P<ses>{VISIT})|(?P<run>{RUN}))", re.IGNORECASE)
"""Words at the end of a name that say the version, the session or the run of a recording, and not whose it is."""


def of_names(keys: Iterable[str]) -> dict[str, Identity]:
    """Give the identity of files whose names are those of others but for a version, a session, a run or a task.

    Those are known words at the end of names; a task is the last word of names where the same person, with a number in
    the name, has one with ``rest``. Nothing is given where no two names begin alike, nor for files that name their
    participant.

    Parameters
    ----------
    keys
        Relative paths with ``/``.
    """
    paths = {key: PurePosixPath(key) for key in keys}
    found = {key: identify(path.name, path.parts[:-1]) for key, path in paths.items()}
    stems = {key: one.participant for key, one in found.items() if not one.named}
    split = {stem: _split(stem) for stem in stems.values()}
    heads = Counter(one.participant for one in split.values())
    resting = {head for head, task in map(_task, heads) if "rest" in task.lower() and any(map(str.isdigit, head))}
    several = Counter(_task(head)[0] for head in heads)
    if any(several[head] > 1 for head in resting):
        split = {stem: _with_task(one) for stem, one in split.items()}
    elif max(heads.values(), default=0) < 2:
        return {}
    return {key: split[stem] for key, stem in stems.items()}


def _split(stem: str) -> Identity:
    """Take known words off the end of a name."""
    head, words = stem, dict[str, str]()
    while (tail := TAIL.fullmatch(head)) is not None:
        head = tail["head"]
        for name, word in tail.groupdict().items():
            if name != "head" and word:
                label = re.sub(r"[-_]|^(?:ses|sess|session|run)(?=[-_]?\d)", "", word)
                words[name] = label + ("+" + words[name] if name in words else "")
    session, run = words.pop("ses", ""), words.pop("run", "")
    return Identity(participant=head, session=session, run=run, entities=words)


def _task(head: str) -> tuple[str, str]:
    """Split the last word off."""
    parts = re.fullmatch(r"(.+)[-_. ]([^-_. ]+)", head)
    return (head, "") if parts is None else (parts[1], parts[2])


def _with_task(one: Identity) -> Identity:
    head, task = _task(one.participant)
    if not task or not any(map(str.isdigit, head)):
        return one
    return Identity(participant=head, session=one.session, run=one.run, entities={"task": task, **one.entities})
