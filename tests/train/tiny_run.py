"""A tiny cohort and a tiny configuration, for training in seconds."""

import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.config import from_plain
from semantoks.signals.prepare import prepare
from semantoks.train.recipe import PretrainConfig

ATLAS = Atlas(name="tiny", labels=tuple("abcdefgh"), networks=("x", "y", "x", "z", "y", "z", "x", "z"))


def make_cohort(folder, people=12, frames=(130, 160), seed=0, sessions=2):
    """Prepare ``people`` x ``sessions`` smooth random series."""
    rng = np.random.default_rng(seed)
    (folder / "raw").mkdir(parents=True)
    for person in range(people):
        for session in range(sessions):
            series = rng.normal(size=(int(rng.integers(*frames)), 8)).cumsum(axis=0)
            np.save(folder / "raw" / f"sub-{person:02d}_ses-{session}_timeseries.npy", series.astype(np.float32))
    return prepare(folder / "raw", out=folder / "cohort", atlas=ATLAS, tr=2.0)


def tiny_config(**changes) -> PretrainConfig:
    """Width 16, depth 1, four people a step, fifteen steps."""
    plain = {
        "encoder": {"width": 16, "depth": 1},
        "objective": {"head": {"hidden": 16, "projection": 8}},
        "batch_size": 4,
        "steps": 15,
        "min_seconds": 0.0,
    }
    return from_plain(PretrainConfig, plain | changes)
