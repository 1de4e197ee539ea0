"""What the name of a file says: BIDS entities, HCP's names, a participant in any name, Schaefer's order of parcels."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from semantoks.atlas.catalog import get_atlas, list_atlases

RUN_ENTITIES = ("sub", "ses", "task", "acq", "ce", "dir", "run")
"""What distinguishes runs; the other entities (``echo``, ``rec``, ``desc`` ...) distinguish versions of one."""
ENTITY = re.compile(r"([a-zA-Z]+)-((?:[^\W_]|[+.])+)")
"""Letters and digits of any script, although BIDS allows English ones alone: no recording is lost for its name."""
WORD = re.compile(r"(?:[^\W_]|[+.])+")
DATA_WORDS = frozenset({"bold", "timeseries"})
SKIPPED = frozenset({"figures", "log", "logs", "sourcedata", "work", "anat", "fmap", "dwi"})
"""Folders without time series."""

HCP_NAME = re.compile(
    r"(?:(?P<before>[A-Za-z0-9]+(?:_V\d+_MR)?)[._])?[rt]fMRI_(?P<task>[A-Z]+)(?P<number>\d*)(?:_(?P<field>\dT))?"
    r"(?:_(?P<phase>LR|RL|AP|PA))?(?:_(?P<version>.+?))?(?P<extension>\.[pd]tseries\.nii)"
)
HCP_SCAN = re.compile(
    r"(?:(?P<before>[A-Za-z0-9-]+(?:_V\d+_MR)?)[._]|^|_)[rt]s?fMRI_(?P<task>[A-Za-z]+)(?P<number>\d*)(?:_(?P<field>\dT))?"
    r"(?:_(?P<phase>LR|RL|AP|PA))?(?![A-Za-z0-9])"
)
"""The same in names of arrays, with anything before and after."""
VISIT = re.compile(r"(.+)_(V\d+)_MR")
RESULTS = "MNINonLinear"

TEXT_SUFFIXES = (".tsv", ".csv", ".txt", ".1d")
SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".npy", ".npz", ".mat")
"""What files of arrays end with, in lower case."""
SHOWN_SUFFIXES = ".tsv, .csv, .txt, .1D (each also as .gz), .npy, .npz, .mat"
ANY_ENTITY = re.compile(r"(?:^|(?<=_))([a-z]+)-([^_]+)")
ATLAS_TAIL = re.compile(r"_rois_[A-Za-z0-9]+$")
SUFFIX_WORDS = re.compile(r"(_timeseries|_bold)+$")

NETWORKS = re.compile(r"(?<!\d)(17|7)[-_]?n|n(?:et(?:work)?s?)?[-_]?(17|7)(?!\d)", re.IGNORECASE)
"""Schaefer's order of networks as tools write it: 7Networks, 17NetworksOrder, 7n, n17."""
SCHAEFER = re.compile(
    r"Schaefer(?:2018)?(?P<parcels>\d{3,4})Parcels(?P<networks>7|17)Networks(?:Order[a-z0-9]*)?", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class BidsFile:
    """A file called ``key-value_..._suffix.extension``; ``extension`` begins with a point, ``.nii.gz`` is one."""

    path: Path
    entities: Mapping[str, str]
    suffix: str = ""
    extension: str = ""

    @property
    def run(self) -> tuple[str, ...]:
        """The run that it belongs to: its values of ``RUN_ENTITIES``, empty where it has none."""
        return tuple(self.entities.get(name, "") for name in RUN_ENTITIES)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Participant, session and run as a name gives them; ``entities`` has all of its other BIDS entities.

    A name that is not ``named`` says nothing of a participant, who is called as it is.
    """

    participant: str
    session: str
    run: str
    named: bool = True
    entities: dict[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """All entities that have a label, and ``sub``: {entity: label}."""
        every = {"sub": self.participant, "ses": self.session, **self.entities, "run": self.run}
        return {entity: label for entity, label in every.items() if label or entity == "sub"}


def walk(
    root: Path, *, skipped: Callable[[str], bool] | None = None, depth: int | None = None
) -> Iterator[tuple[str, str]]:
    """Yield folder and name of every file below ``root`` in the order of their paths; nothing is opened.

    Hidden folders, and those whose name is ``skipped``, are not entered, nor are more than ``depth`` levels. Links to
    folders are followed, but no folder is entered twice, nor one that ``root`` is in.
    """
    top = os.path.realpath(root)
    real, entered = {os.fspath(root): top}, {top}

    def barred(name: str) -> bool:
        return name.startswith(".") or (skipped is not None and skipped(name))

    for folder, folders, names in os.walk(root, followlinks=True):
        here, inner = real.pop(folder), sorted(name for name in folders if not barred(name))
        folders.clear()
        if depth is None or len(Path(folder).relative_to(root).parts) < depth - 1:
            for name in inner:
                path = os.path.join(folder, name)
                target = _behind(path, top, barred) if os.path.islink(path) else os.path.join(here, name)
                if target and target not in entered:
                    entered.add(target)
                    real[path] = target
                    folders.append(name)
        for name in sorted(names):
            yield folder, name


def _behind(link: str, top: str, barred: Callable[[str], bool]) -> str:
    """Give the folder that a link leads to; empty where it is walked without the link, or is above ``top``."""
    target, root = Path(os.path.realpath(link)), Path(top)
    above = target == root or target in root.parents
    walked = root in target.parents and not any(map(barred, target.relative_to(root).parts))
    return "" if above or walked else str(target)


def parse(path: Path) -> BidsFile | None:
    """Take a file name apart; None when it does not begin with ``sub-``.

    DCAN's names have ``bold`` before the last entities (``..._task-rest_bold_atlas-Gordon_desc-filtered_timeseries``):
    words without a hyphen are kept together as the entity ``word``, less those that only say what the data are.
    """
    stem, dot, extension = path.name.partition(".")
    parts = stem.split("_")
    if not parts[0].startswith("sub-") or not dot:
        return None
    entities: dict[str, str] = {}
    words = []
    for part in parts[:-1]:
        if (found := ENTITY.fullmatch(part)) is not None:
            entities[found[1]] = found[2]
        elif not WORD.fullmatch(part):
            return None
        elif part not in DATA_WORDS:
            words.append(part)
    if words:
        entities["word"] = "+".join(words)
    return BidsFile(path=path, entities=entities, suffix=parts[-1], extension=f".{extension}")


def scan(root: Path, *, also: Collection[str] = ()) -> Iterator[BidsFile]:
    """Yield the files below ``root`` that BIDS names, in the order of their paths.

    Folders without time series (figures, logs, anatomy, source data, hidden ones) are not entered, except ``also``.
    """
    for folder, name in walk(root, skipped=lambda name: name in SKIPPED and name not in also):
        if (found := parse(Path(folder, name))) is not None:
            yield found


def parse_hcp(path: Path, root: Path) -> BidsFile | None:
    """Take HCP's name of a series below ``root`` apart; None for other names, or when nothing says whose it is.

    ``100307/MNINonLinear/Results/.../rfMRI_REST1_LR_Atlas_MSMAll_hp2000_clean.dtseries.nii`` is of participant 100307,
    task REST, run 1LR, and version (``desc``) Atlas_MSMAll_hp2000_clean. The participant is the folder above
    ``MNINonLinear``, else what comes before ``rfMRI`` in the name, else the first folder below ``root``; in
    ``HCA6002236_V1_MR``, V1 is the session.
    """
    name = HCP_NAME.fullmatch(path.name)
    who = None if name is None else _hcp_participant(path, root, name["before"])
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
    known = {entity: label for entity, label in entities.items() if label}
    return BidsFile(path=path, entities=known, suffix="bold", extension=name["extension"])


def _hcp_participant(path: Path, root: Path, before: str | None) -> str | None:
    parts = path.absolute().parts
    if RESULTS in parts[1:]:
        return parts[parts.index(RESULTS) - 1]
    if before:
        return before
    below = path.relative_to(root).parts[:-1]
    return below[0] if below and "fMRI_" not in below[0] else None


def array_suffix(name: str) -> str:
    """Give the one of ``SUFFIXES`` that a file name ends with; empty for other files."""
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")


def bare_name(name: str) -> str:
    """Give the name of a file of arrays without its suffix; other names stay as they are."""
    return name[: len(name) - len(array_suffix(name))]


def identify(name: str, folders: tuple[str, ...] = ()) -> Identity:
    """Read whose recording a file is from any name, extension allowed, and ``sub-`` and ``ses-`` also from its folders.

    In HCP's names, ``100307_rfMRI_REST1_LR``, the task, run and direction are read, too. Without a ``sub-`` entity, the
    participant is what is before ``rfMRI``, if that has a digit, else the stem, less a last ``_rois_<atlas>``,
    ``_timeseries`` or ``_bold``.
    """
    stem = bare_name(name)
    entities = dict(ANY_ENTITY.findall(stem))
    for folder in reversed(folders):
        for key, value in ANY_ENTITY.findall(folder):
            if key in ("sub", "ses"):
                entities.setdefault(key, value)
    scan = HCP_SCAN.search(stem)
    if scan is not None and "task" not in entities:
        before = scan["before"] if any(map(str.isdigit, scan["before"] or "")) else ""
        visit = VISIT.fullmatch(before)
        who, ses = (visit[1], visit[2]) if visit else (before, "")
        known = {"sub": who, "ses": ses, "run": scan["number"] + (scan["phase"] or "")}
        entities = {"task": scan["task"], **{key: label for key, label in known.items() if label}, **entities}
        entities |= {"acq": scan["field"]} if scan["field"] else {}
    if "sub" not in entities:
        tailless = ATLAS_TAIL.sub("", SUFFIX_WORDS.sub("", stem))
        return Identity(participant=SUFFIX_WORDS.sub("", tailless) or stem, session="", run="", named=False)
    participant, session, run = (entities.pop(key, "") for key in ("sub", "ses", "run"))
    return Identity(participant=participant, session=session, run=run, entities=entities)


def schaefer_order(name: str) -> tuple[str, str]:
    """Give the parcels and the order of networks (7 or 17) of any tool's name of a Schaefer atlas; empty where unsaid.

    ``Schaefer2018100Parcels17NetworksOrder`` is ("100", "17"), ``Schaefer7n400p`` ("400", "7").
    """
    _, found, rest = name.lower().replace("schaefer2018", "schaefer").partition("schaefer")
    parcels = re.search(r"(?<!\d)(\d00|1000)(?!\d)", rest) if found else None
    networks = NETWORKS.search(rest) if found else None
    return "" if parcels is None else parcels[1], "" if networks is None else networks[1] or networks[2]


def schaefer_labels(name: str) -> tuple[str, ...] | None:
    """Give the labels of ``Schaefer2018400Parcels7Networks`` in that order of networks; None for other names."""
    found = SCHAEFER.fullmatch(name)
    atlas = "" if found is None else f"schaefer{found['parcels']}" + ("-17" if found["networks"] == "17" else "")
    return get_atlas(atlas).labels if atlas in list_atlases() else None
