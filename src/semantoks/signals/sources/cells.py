"""Files of arrays that have several recordings each, in cells: an item for every one, and whose it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from semantoks.signals.files.names import ANY_ENTITY
from semantoks.signals.files.several import recordings_in
from semantoks.signals.sources.source import Item


def apart(items: Sequence[Item]) -> tuple[list[Item], list[str]]:
    """Put the recordings of a file that has several in its place, and say so.

    Those of a file whose name or folder has ``sub-`` are runs of that participant. Of the only other such file, each
    row of cells is a participant, called by its number, and each column a run. Of several other files nobody knows
    whose they are: they stay as they are, and reading one says what it contains.
    """
    several = {item.key: found for item in items if (found := recordings_in(item.path))}
    anonymous = [item.key for item in items if item.key in several and not _says_whose(item)]
    made: list[Item] = []
    notes = []
    for item in items:
        places = several.get(item.key, {})
        own = item.key not in anonymous
        if not places or (not own and len(anonymous) > 1):
            made.append(item)
            continue
        made += _items(item, places, own=own)
        whose = f"runs of {item.participant}" if own else "each row of cells is a participant, each column a run"
        notes.append(f"{item.key} has {len(places)} recordings in cells: {whose}")
    return made, notes


def _says_whose(item: Item) -> bool:
    return any(key == "sub" for key, _ in ANY_ENTITY.findall(item.key.replace("/", "_")))


def _items(item: Item, places: Mapping[str, tuple[str, str]], *, own: bool) -> list[Item]:
    return [
        replace(
            item,
            key=f"{item.key} {name}",
            row=number,
            participant=item.participant if own else row,
            run=item.run + "x".join(filter(None, (row, column))) if own else item.run + column,
        )
        for number, (name, (row, column)) in enumerate(places.items())
    ]
