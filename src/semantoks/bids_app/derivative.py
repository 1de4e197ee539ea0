"""What makes the output a BIDS derivative: its description, what validators ignore, and the names of its files."""

import json
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from semantoks.bids_app.dataset import folder_name
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.names import parse
from semantoks.signals.files.stated import read_json
from semantoks.signals.layout import DESCRIPTION
from semantoks.signals.sources import Item
from semantoks.storage.durable import write_durably
from semantoks.storage.tables import plain

IGNORED = (
    *("work/", "cohort/", "logs/", "report.html", "report_tables/"),
    *("*_embedding.tsv", "*_embedding.json", "*_embeddings.parquet"),
)
"""What BIDS 1.11 has no name for."""
LINK = "input"
"""What the input is called in BIDS URIs: ``bids:input:sub-01/...``."""


def open_derivative(source: Path, out: Path) -> None:
    """Make ``out`` the derivative of ``source``, or find that it is: calls at the same time leave the same files.

    Raises
    ------
    ConfigError
        When ``out`` is a file, is inside ``source``, or was made by another tool or of another input.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"OUTPUT must be a folder, but {out} is a file.")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"OUTPUT {out} is inside INPUT {source}: choose a folder outside of it.")
    file, ignore, description = out / DESCRIPTION, out / ".bidsignore", _described(source)
    stored = _stored(file, description) if file.exists() else description
    out.mkdir(parents=True, exist_ok=True)
    if not file.exists() or stored["GeneratedBy"] != description["GeneratedBy"]:
        text = json.dumps(stored | {"GeneratedBy": description["GeneratedBy"]}, indent=2)
        write_durably(file, text.encode(), b"\n")
    if not ignore.exists():
        write_durably(ignore, "\n".join(IGNORED).encode(), b"\n")


def bids_uri(path: Path, source: Path) -> str:
    """Name a file as the description's ``DatasetLinks`` let one; a file that is not in the input, by where it is."""
    if path != source and path.is_relative_to(source):
        return f"bids:{LINK}:{path.relative_to(source).as_posix()}"
    return path.absolute().as_uri()


def _described(source: Path) -> dict[str, Any]:
    return {
        "Name": f"semantoks derivative of {source.name}",
        "BIDSVersion": "1.11.2",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "semantoks", "Version": version("semantoks")}, *_makers(source)],
        "SourceDatasets": [{"URL": source.as_uri()}],
        "DatasetLinks": {LINK: source.as_uri()},
    }


def _makers(source: Path) -> list[Any]:
    """List the tools that made the input, as it says it itself."""
    try:
        stored = read_json(source / DESCRIPTION).get("GeneratedBy")
    except DataError:
        return []
    return stored if isinstance(stored, list) else []


def _stored(file: Path, description: dict[str, Any]) -> dict[str, Any]:
    """Read the description that is there, which may have got authors and a licence since; ConfigError if not ours."""
    try:
        stored = read_json(file)
        ours = stored["GeneratedBy"][0]["Name"] == "semantoks" and "SchemaVersion" not in stored
    except (DataError, LookupError, TypeError):
        ours, stored = False, {}
    if not ours:
        raise ConfigError(f"OUTPUT holds {file}, which is not of semantoks-bids: choose another folder.")
    if stored.get("SourceDatasets") != description["SourceDatasets"]:
        raise ConfigError(
            f"{file.parent} is made of {stored.get('SourceDatasets')}, not of {description['SourceDatasets']}: give "
            "each INPUT its own OUTPUT."
        )
    return stored


ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "space", "res", "den")
"""What of a source file's name is kept; the others say what was made of the run."""


def sidecars(participant: str, items: Iterable[Item]) -> dict[str, Path]:
    """Name the sidecar of each recording of a participant, relative to the output: recording_id -> path.

    ``sub-01/ses-a/func/sub-01_ses-a_task-rest_desc-semantoks_embedding.json``; where sources differ in nothing that is
    kept, the second is ``desc-semantoks2``, so no two are the same.
    """
    seen = Counter[Path]()
    found = {}
    for item in items:
        stem = _stem(participant, item)
        seen[stem] += 1
        number = "" if seen[stem] == 1 else str(seen[stem])
        found[plain(item.key)] = stem.with_name(f"{stem.name}_desc-semantoks{number}_embedding.json")
    return found


def _stem(participant: str, item: Item) -> Path:
    """Folder and name of what is about a recording; the table, not the file, has the say in whose it is."""
    name = None if item.row is not None else parse(item.path)
    entities = {"run": item.run} if name is None else dict(name.entities)
    entities |= {"sub": participant, "ses": item.session}
    labels = {key: entities[key] for key in ENTITIES if entities.get(key)} | {"sub": participant}
    parts = [folder_name(label, key) for key, label in labels.items()]
    session = [folder_name(item.session, "ses")] if item.session else []
    return Path(folder_name(participant), *session, "func", "_".join(parts))
