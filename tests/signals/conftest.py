from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source

LABELS = ("Vis_L", "Vis_R", "Mot_L", "Mot_R", "Default")


@pytest.fixture
def atlas() -> Atlas:
    return Atlas(name="five", labels=LABELS, networks=("Vis", "Vis", "Mot", "Mot", "Default"))


@pytest.fixture
def series() -> np.ndarray:
    """Eight frames of five ROIs, each value telling its place: frame * 10 + roi, and a half."""
    frames, rois = np.meshgrid(np.arange(8), np.arange(5), indexing="ij")
    return (frames * 10 + rois + 0.5).astype(np.float32)


@pytest.fixture
def write_h5(tmp_path: Path) -> Callable[..., Path]:
    def write(arrays: dict[str, Any], name: str = "data.h5") -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            for key, value in arrays.items():
                if isinstance(value, dict):
                    file.create_group(key)
                else:
                    file[key] = value
        return tmp_path / name

    return write


@pytest.fixture
def read_all(atlas: Atlas) -> Callable[..., list[Recording]]:
    def read(
        path: Path,
        *,
        tr: float | None = 2.0,
        participants: pd.DataFrame | None = None,
        reading: ReadingConfig = EVERYTHING,
    ) -> list[Recording]:
        source = open_source(path, atlas=atlas, tr=tr, participants=participants, reading=reading)
        return [source.read(item) for item in source.items()]

    return read
