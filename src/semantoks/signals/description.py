"""What dataset_description.json says of a cohort: written, compared with what a folder has, and read back checked."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals import layout
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.quality import GateConfig
from semantoks.signals.recording import MAX_TR, MIN_TR
from semantoks.signals.sources.source import Item, Source
from semantoks.storage.durable import TEMPORARY, clear_temporary, write_durably

MEANING = {
    "ItemsSha256": "the list of recordings or the size of a file",
    "ParticipantsSha256": "the participants table",
}


def describe(
    source: Source,
    items: Sequence[Item],
    *,
    atlas: Atlas,
    tr: float | None,
    cleaning: CleaningConfig,
    gates: GateConfig,
    people: str,
    shards: int,
) -> dict[str, Any]:
    """Gather everything that decides a cohort's bytes; no times and no machine, so equal inputs give equal text.

    ``people`` is the text of participants.tsv, ``tr`` the TR option in seconds, ``shards`` the number of shards. The
    contents of the source's files are known by their sizes alone: times change when a file is copied.
    """
    size = {path: os.path.getsize(path) if os.path.exists(path) else None for path in {item.path for item in items}}
    listing = json.dumps([[i.key, str(i.path), size[i.path], i.row, i.participant, i.session, i.run] for i in items])
    band = cleaning.filter_band
    return {
        "Name": f"semantoks cohort of {source.path.name}",
        "BIDSVersion": "1.11.2",
        "DatasetType": "derivative",
        "SchemaVersion": layout.SCHEMA_VERSION,
        "GeneratedBy": [{"Name": "semantoks", "Version": version("semantoks")}],
        "SourceKind": source.kind,
        "SourcePath": str(source.path),
        "SourceRepetitionTime": tr,
        "Items": len(items),
        "ItemsSha256": _sha256(listing),
        "ParticipantsSha256": _sha256(people),
        "Shards": shards,
        "Atlas": atlas.name,
        "AtlasFingerprint": atlas.fingerprint,
        "RepetitionTime": cleaning.target_tr,
        "Band": None if band is None else list(band),
        "FilterOrder": cleaning.order,
        "AlreadyFiltered": cleaning.already_filtered,
        "MinFrames": cleaning.min_frames,
        "BridgeSeconds": cleaning.bridge,
        "MaxMeanFD": gates.max_fd,
        "WarnMeanFD": gates.warn_fd,
        "Normalisation": "z-score per ROI over the recording, population standard deviation",
    }


def claim(out: Path, description: dict[str, Any]) -> None:
    """Make ``out`` the folder of the cohort that ``description`` defines, or find that it already is.

    Raises
    ------
    ConfigError
        If ``out`` is a file, holds something else, or holds a cohort that is defined differently.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out has to be a folder, but {out} is a file.")
    out.mkdir(parents=True, exist_ok=True)
    file = out / layout.DESCRIPTION
    if file.exists():
        _compare(file, description)
    elif others := sorted(entry.name for entry in out.iterdir() if not entry.name.startswith(TEMPORARY)):
        raise ConfigError(f"--out {out} holds {others[0]} and is no cohort: choose a new or an empty folder.")
    else:
        write_durably(file, (json.dumps(description, indent=2) + "\n").encode())
    shards = out / layout.SHARDS
    shards.mkdir(exist_ok=True)
    clear_temporary(out)
    clear_temporary(shards)


def _compare(file: Path, description: dict[str, Any]) -> None:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        held = None
    if not isinstance(held, dict) or "SchemaVersion" not in held:
        raise ConfigError(f"{file} is not of a cohort: choose a new or an empty folder for --out.")
    finished = (file.parent / layout.RECORDINGS).exists()
    changes = [
        f"{MEANING[key]} is another"
        if key in MEANING
        else f"{key} is {held.get(key)!r} there, {description.get(key)!r} now"
        for key in {**held, **description}
        if held.get(key) != description.get(key) and not (finished and key == "GeneratedBy")
    ]
    if not changes:
        return
    remedy = (
        ""
        if changes != [f"{MEANING['ParticipantsSha256']} is another"]
        else (f" To change phenotypes alone, edit {file.with_name(layout.PARTICIPANTS)}.")
    )
    raise ConfigError(
        f"{file.parent} already holds a cohort made differently: {'; '.join(changes)}. "
        f"Choose another --out, repeat the command that made it, or delete that folder.{remedy}"
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_description(path: Path) -> dict[str, Any]:
    """Read the ``dataset_description.json`` of the cohort ``path``; DataError if it is none, or not of this schema."""
    file = path / layout.DESCRIPTION
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is no cohort: it has no {layout.DESCRIPTION}. Make one with prepare.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    schema = description.get("SchemaVersion") if isinstance(description, dict) else None
    if not isinstance(schema, int):
        raise DataError(f"{path} is no cohort: its {layout.DESCRIPTION} has no SchemaVersion. Make one with prepare.")
    if schema != layout.SCHEMA_VERSION:
        remedy = "prepare it again" if schema < layout.SCHEMA_VERSION else "use a newer semantoks"
        raise DataError(f"{path} has the schema {schema}; this version reads {layout.SCHEMA_VERSION}: {remedy}.")
    if lacking := [key for key in FIELDS if key not in description]:
        raise DataError(f"{file} lacks {', '.join(lacking)}: it was changed. Restore it, or prepare the cohort again.")
    for key, (expected, fits) in FIELDS.items():
        if not fits(description[key]):
            raise DataError(
                f"{file}: {key} has to be {expected}, and is {description[key]!r}: it was changed. Restore it, or "
                "prepare the cohort again."
            )
    return dict(description)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_band(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)))


def _is_tr(value: Any) -> bool:
    return value is None or (_is_number(value) and MIN_TR <= value <= MAX_TR)


def _is_makers(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(maker, dict) and {"Name", "Version"} <= maker.keys() for maker in value)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Name": ("text", _is_text),
    "Atlas": ("text", _is_text),
    "AtlasFingerprint": ("text", _is_text),
    "RepetitionTime": (f"a number from {MIN_TR:g} to {MAX_TR:g} (s) or null", _is_tr),
    "Band": ("two numbers (Hz) or null", _is_band),
    "Items": ("a whole number from 1", _is_count),
    "Shards": ("a whole number from 1", _is_count),
    "SourcePath": ("text", _is_text),
    "GeneratedBy": ("a list of tools with Name and Version", _is_makers),
}
