"""Which parcellations of a folder have ROIs of the atlas: asked of several files, so that no damaged one decides."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import find_fitting, match_labels
from semantoks.signals.files.left_over import left_over
from semantoks.types import RoiIndex

ASKED = 3
"""Files that can be read and have no label of the atlas, after which no more are asked: there may be thousands."""
LabelsIn = Callable[[Path], list[str]]


@dataclass(kw_only=True)
class Parcellations:
    """What the files of several parcellations have, by the name of each.

    Parameters
    ----------
    names
        Those with labels of the atlas, those with more first.
    labels
        The labels of a file of each that can be read; of one that has some of the atlas's where there is one.
    refused
        Why the others are not used; empty where they are of another atlas.
    """

    names: tuple[str, ...] = ()
    labels: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def unused(self, atlas: Atlas) -> list[str]:
        """Say which are not used: those of other atlases, and those no file of which can be read."""
        foreign = sorted(name for name in self.refused if name in self.labels)
        notes = [f"not used, no label of {atlas.name}: {', '.join(foreign)}"] if foreign else []
        damaged = sorted(name for name in self.refused if name not in self.labels)
        return notes + [f"not used, none of its files can be read: {name} ({self.refused[name]})" for name in damaged]

    def left_over(self, atlas: Atlas, *, reorder: bool) -> list[str]:
        """Say which labels of those that are used are no ROIs of the atlas."""
        return [
            note
            for name in self.names
            for note in left_over(name or "parcel series", self.labels[name], atlas, reorder=reorder)
        ]


def find_parcellations(
    paths: Mapping[str, Iterable[Path]], labels_in: LabelsIn, atlas: Atlas, *, reorder: bool
) -> Parcellations:
    """Look into files of each parcellation, in order, until one has labels of the atlas.

    Files that cannot be read are passed over: reading their recordings says what is wrong. So are the first few that
    have other labels.

    Parameters
    ----------
    labels_in
        Reads the labels of a file; DataError where it cannot be read.
    """
    found = Parcellations()

    def positions_of(name: str) -> RoiIndex | None:
        damage: DataError | None = None
        refusal: DataError | None = None
        asked = 0
        for path in paths[name]:
            try:
                labels = labels_in(path)
            except DataError as error:
                damage = error
                continue
            try:
                positions = match_labels(labels, atlas, where=str(path), reorder=reorder)
            except DataError as error:
                positions, refusal = None, refusal or error
            if positions is not None:
                found.labels[name] = labels
                return positions
            found.labels.setdefault(name, labels)
            asked += 1
            if asked == ASKED:
                break
        if why := refusal if asked else damage:
            raise why
        return None

    fitting = find_fitting(paths, positions_of)
    found.names, found.refused = tuple(fitting.positions), fitting.refusals
    return found
