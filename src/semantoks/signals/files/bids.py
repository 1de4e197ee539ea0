"""Files named as BIDS derivatives: their entities, the run that they belong to, and the runs that are asked for."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semantoks.errors import ConfigError, DataError
from semantoks.signals.reading import ReadingConfig

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


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; DataError when it is none."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(plain, dict):
        raise DataError(f"{path} has to hold a JSON object, not {type(plain).__name__}.")
    return plain


def generated_by(root: Path) -> list[tuple[str, str]]:
    """List name and version of the tools that made a derivative, the last one first; empty where it does not say."""
    path = root / "dataset_description.json"
    if not path.is_file():
        return []
    try:
        plain = read_json(path)
    except DataError:
        return []
    tools = plain.get("GeneratedBy") or plain.get("PipelineDescription") or []
    tools = tools if isinstance(tools, list) else [tools]
    return [(str(one.get("Name", "")), str(one.get("Version", ""))) for one in tools if isinstance(one, dict)]


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
