"""Recordings that are in memory already, as a source."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.recording import Recording
from semantoks.signals.sources.source import Item, row_item


class MemorySource:
    """Recordings of your own, in the order given; their series are in the order of the atlas.

    A participant, session and run that comes again gets the runs 1, 2, ...

    Raises
    ------
    DataError
        When there is none.
    """

    kind = "recordings in memory"

    def __init__(self, recordings: Sequence[Recording], *, atlas: Atlas | Path | str) -> None:
        if not recordings:
            raise DataError("there are no recordings: the list is empty.")
        self.path = Path("memory")
        self._recordings, self._n_rois = list(recordings), get_atlas(atlas).n_rois

    def items(self) -> list[Item]:
        """One item a recording."""
        names = [(one.participant, one.session, one.run) for one in self._recordings]
        total, seen = Counter(names), Counter[tuple[str, str, str]]()
        items = []
        for row, name in enumerate(names):
            seen[name] += 1
            run = name[2] if total[name] == 1 else f"{name[2]}{seen[name]}"
            items.append(row_item(self.path, row, participant=name[0], session=name[1], run=run))
        return items

    def participants(self) -> pd.DataFrame | None:
        """None: recordings say nothing else about people."""
        return None

    def read(self, item: Item) -> Recording:
        """Hand one over; DataError when it has not the atlas's number of ROIs."""
        assert item.row is not None
        recording = self._recordings[item.row]
        frames, rois = np.shape(recording.series)
        if rois != self._n_rois:
            raise DataError(
                f"{recording.source}: wrong number of ROIs. The atlas has {self._n_rois}, the series is [frame, roi] = "
                f"[{frames}, {rois}]."
            )
        return dataclasses.replace(recording, run=item.run)
