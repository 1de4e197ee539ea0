"""What the files of each recording are called: the entities of its source, then ours."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from semantoks.bids_app.dataset import folder_name
from semantoks.signals.files.names import RUN_ENTITIES, parse
from semantoks.signals.layout import plain
from semantoks.signals.sources import Item

ENTITIES = (*RUN_ENTITIES, "space", "res", "den")
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
    told = None if item.row is not None else parse(item.path)
    entities = {"run": item.run} if told is None else dict(told.entities)
    entities |= {"sub": participant, "ses": item.session}
    labels = {key: entities[key] for key in ENTITIES if entities.get(key)} | {"sub": participant}
    parts = [folder_name(label, key) for key, label in labels.items()]
    session = [folder_name(item.session, "ses")] if item.session else []
    return Path(folder_name(participant), *session, "func", "_".join(parts))
