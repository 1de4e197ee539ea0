"""Whose recording a file is, from its name: BIDS entities, else the whole stem."""

import re
from dataclasses import dataclass, field
from pathlib import PurePath

ENTITY = re.compile(r"(?:^|(?<=_))([a-z]+)-([^_]+)")
ATLAS_TAIL = re.compile(r"_rois_[A-Za-z0-9]+$")
SUFFIX_WORDS = re.compile(r"(_timeseries|_bold)+$")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Participant, session and run as a name gives them; ``entities`` has all of its other BIDS entities."""

    participant: str
    session: str
    run: str
    entities: dict[str, str] = field(default_factory=dict)


def identify(name: str, folders: tuple[str, ...] = ()) -> Identity:
    """Read the identity out of a file name (extension allowed) and, where it lacks ``sub-`` or ``ses-``, its folders.

    Without a ``sub-`` entity the participant is the stem, less a last ``_rois_<atlas>``, ``_timeseries`` or ``_bold``.
    """
    stem = PurePath(name).stem if PurePath(name).suffix.lower() in SUFFIXES else name
    entities = dict(ENTITY.findall(stem))
    for folder in reversed(folders):
        for key, value in ENTITY.findall(folder):
            if key in ("sub", "ses"):
                entities.setdefault(key, value)
    if "sub" not in entities:
        tailless = ATLAS_TAIL.sub("", SUFFIX_WORDS.sub("", stem))
        return Identity(participant=SUFFIX_WORDS.sub("", tailless) or stem, session="", run="")
    participant, session, run = (entities.pop(key, "") for key in ("sub", "ses", "run"))
    return Identity(participant=participant, session=session, run=run, entities=entities)


SUFFIXES = (".tsv", ".csv", ".npy", ".npz", ".1d", ".txt", ".mat")
