"""A source whose recordings, or errors, are given in memory, and an atlas to go with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Item

ROIS = 6
TOY = Atlas(name="toy", labels=tuple("abcdef"), networks=("One", "One", "Two", "Two", "Two", "Three"))


@dataclass(frozen=True)
class ScriptedSource:
    """Each key is a recording: an array, its repetition time and array, or the exception that reading it raises."""

    path: Path
    script: dict
    table: pd.DataFrame | None = None
    kind: str = "scripted"

    def items(self):
        return [
            Item(key=key, path=self.path / key, row=None, participant=key.split("_")[0], session="", run="")
            for key in self.script
        ]

    def read(self, item):
        told = self.script[item.key]
        if isinstance(told, Exception):
            raise told
        tr, series = told if isinstance(told, tuple) else (2.0, told)
        return Recording(series=series, tr=tr, participant=item.participant, mean_fd=0.25, source=str(item.path))

    def participants(self):
        return self.table


def noise(seed: int, frames: int = 60, rois: int = ROIS) -> np.ndarray:
    """White noise around 100, float32 [frame, roi]."""
    return (100 + np.random.default_rng(seed).standard_normal((frames, rois))).astype(np.float32)


def scripted(n: int, **others) -> ScriptedSource:
    """A source of ``n`` recordings of noise, p000 p001 ..., and of what ``others`` say."""
    script = {f"p{i:03d}": noise(i, frames=40 + i % 7) for i in range(n)}
    return ScriptedSource(Path("somewhere"), script | others)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` and its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
