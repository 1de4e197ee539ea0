"""Files named as BIDS derivatives: their entities, the run that they belong to, and the runs that are asked for."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.errors import ConfigError
from semantoks.signals.reading_config import ReadingConfig

RUN_ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
"""What tells one run from another; the others tell what was made of it."""
TELLING = ("task", "acq", "ce", "rec", "dir", "echo")
ENTITY = re.compile(r"([a-zA-Z]+)-((?:[^\W_]|[+.])+)")
"""Letters and digits of any script, although BIDS has those of English alone: no recording is lost for its name."""
SKIPPED = frozenset({"figures", "log", "logs", "sourcedata", "work", "anat", "fmap", "dwi"})


@dataclass(frozen=True, kw_only=True)
class BidsFile:
    """A file called ``key-value_..._suffix.extension``; ``extension`` begins with a point, ``.nii.gz`` is one."""

    path: Path
    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def run(self) -> tuple[str, ...]:
        """The run that it belongs to: its values of ``RUN_ENTITIES``, empty where it has none."""
        return tuple(self.entities.get(name, "") for name in RUN_ENTITIES)


def parse(path: Path) -> BidsFile | None:
    """Take a file name apart; None when it does not begin with ``sub-``."""
    stem, dot, extension = path.name.partition(".")
    parts = stem.split("_")
    if not parts[0].startswith("sub-") or not dot:
        return None
    entities: dict[str, str] = {}
    for part in parts[:-1]:
        if (found := ENTITY.fullmatch(part)) is None:
            return None
        entities[found[1]] = found[2]
    return BidsFile(path=path, entities=entities, suffix=parts[-1], extension=f".{extension}")


def scan(root: Path, *, also: Iterable[str] = ()) -> Iterator[BidsFile]:
    """Yield the files below ``root`` that are named so, in the order of their paths; nothing is opened.

    Folders that hold no time series (figures, logs, anatomy, source data, hidden ones) are not entered, but for those
    named in ``also``.
    """
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (f not in SKIPPED or f in also))
        for name in sorted(names):
            if (found := parse(Path(folder, name))) is not None:
                yield found


def chosen_runs(files: Iterable[BidsFile], reading: ReadingConfig, root: Path) -> list[BidsFile]:
    """Keep the files of the participants, sessions, tasks and space that are asked for.

    Raises
    ------
    ConfigError
        When nothing is left of what there is, or runs lie in several spaces and none was chosen.
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


def run_labels(files: list[BidsFile]) -> list[str]:
    """Give each file its run label: its ``run``, after those other entities in which the files differ."""
    telling = [name for name in TELLING if len({one.entities.get(name, "") for one in files}) > 1]
    return ["".join(one.entities.get(name, "") for name in (*telling, "run")) for one in files]


def without_concatenated(files: list[BidsFile]) -> tuple[list[BidsFile], int]:
    """Leave out files without ``run`` beside which the same with ``run`` lie: the same frames again, concatenated.

    Returns the files that stay, and how many were left out.
    """

    def but_run(one: BidsFile) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, value) for name, value in one.entities.items() if name != "run"))

    parts = {but_run(one) for one in files if "run" in one.entities}
    kept = [one for one in files if "run" in one.entities or but_run(one) not in parts]
    return kept, len(files) - len(kept)


HCP_NAME = re.compile(
    r"(?:(?P<before>[A-Za-z0-9]+(?:_V\d+_MR)?)[._])?[rt]fMRI_(?P<task>[A-Z]+)(?P<number>\d*)(?:_(?P<field>\dT))?"
    r"(?:_(?P<phase>LR|RL|AP|PA))?(?:_(?P<version>.+?))?(?P<extension>\.[pd]tseries\.nii)"
)
VISIT = re.compile(r"(.+)_(V\d+)_MR")
RESULTS = "MNINonLinear"


def parse_hcp(path: Path, root: Path) -> BidsFile | None:
    """Take HCP's name of a series below ``root`` apart; None when it is another's, or nothing says whose it is.

    ``100307/MNINonLinear/Results/.../rfMRI_REST1_LR_Atlas_MSMAll_hp2000_clean.dtseries.nii`` is of participant 100307,
    task REST, run 1LR, and version (``desc``) Atlas_MSMAll_hp2000_clean. The participant is the folder above
    ``MNINonLinear``, else what stands before ``rfMRI`` in the name, else the first folder below ``root``; of
    ``HCA6002236_V1_MR``, V1 is the session.
    """
    name = HCP_NAME.fullmatch(path.name)
    who = None if name is None else _owner(path, root, name["before"])
    if name is None or who is None:
        return None
    visit = VISIT.fullmatch(who)
    entities = {
        "sub": visit[1] if visit else who,
        "ses": visit[2] if visit else "",
        "task": name["task"],
        "acq": name["field"] or "",
        "run": name["number"] + (name["phase"] or ""),
        "desc": name["version"] or "",
    }
    told = {entity: label for entity, label in entities.items() if label}
    return BidsFile(path=path, entities=told, suffix="bold", extension=name["extension"])


def preferred_version(files: Sequence[BidsFile]) -> str:
    """Choose one of HCP's versions for all runs: a cleaned one, else any; the one of most runs; MSMAll; the longest."""

    def worth(version: str) -> tuple[bool, int, bool, int, str]:
        words = re.split(r"[_.]", version)
        return "clean" in words, counts[version], "MSMAll" in words, len(words), version

    counts = Counter(one.entities.get("desc", "") for one in files)
    return max(counts, key=worth)


def one_version(files: Sequence[BidsFile]) -> tuple[list[BidsFile], str | None]:
    """Keep one file of each run: of the preferred version, or of another where a run lacks that, so that it is told.

    Returns the files, and the preferred version (``desc``); None where there are no files.
    """
    best = preferred_version(files) if files else None
    kept: dict[tuple[str, ...], BidsFile] = {}
    for one in files:
        if one.run not in kept or one.entities.get("desc", "") == best:
            kept[one.run] = one
    return list(kept.values()), best


def _owner(path: Path, root: Path, before: str | None) -> str | None:
    parts = path.absolute().parts
    if RESULTS in parts[1:]:
        return parts[parts.index(RESULTS) - 1]
    if before:
        return before
    below = path.relative_to(root).parts[:-1]
    return below[0] if below and "fMRI_" not in below[0] else None


SCHAEFER = re.compile(r"Schaefer(?:2018)?(?P<parcels>\d{3,4})Parcels(?P<networks>7|17)Networks", re.IGNORECASE)


def schaefer_labels(name: str) -> tuple[str, ...] | None:
    """Give the labels of the parcels that a name tells, in its order of networks; None when it tells none."""
    found = SCHAEFER.fullmatch(name)
    atlas = "" if found is None else f"schaefer{found['parcels']}" + ("-17" if found["networks"] == "17" else "")
    return get_atlas(atlas).labels if atlas in list_atlases() else None


LOOSE_ENTITY = re.compile(r"(?:^|(?<=_))([a-z]+)-([^_]+)")
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
    entities = dict(LOOSE_ENTITY.findall(stem))
    for folder in reversed(folders):
        for key, value in LOOSE_ENTITY.findall(folder):
            if key in ("sub", "ses"):
                entities.setdefault(key, value)
    if "sub" not in entities:
        tailless = ATLAS_TAIL.sub("", SUFFIX_WORDS.sub("", stem))
        return Identity(participant=SUFFIX_WORDS.sub("", tailless) or stem, session="", run="")
    participant, session, run = (entities.pop(key, "") for key in ("sub", "ses", "run"))
    return Identity(participant=participant, session=session, run=run, entities=entities)


SUFFIXES = (".tsv", ".csv", ".npy", ".npz", ".1d", ".txt", ".mat")
