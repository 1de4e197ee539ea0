"""HCP's names of CIFTI series, told as BIDS entities: whose they are, which run, and which of HCP's versions of it."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from semantoks.signals.files.bids import BidsFile

NAME = re.compile(
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
    name = NAME.fullmatch(path.name)
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
