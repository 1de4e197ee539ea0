"""Recordings as XCP-D has them."""

import numpy as np

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source

ATLAS = get_atlas("schaefer400+tian-s3+buckner7")
CORTEX = get_atlas("schaefer400")
HALF = slice(None), slice(0, 450)


def made(participant="01", frames=160, tr=0.8, seed=0, **facts):
    """A recording of the 450 ROIs that XCP-D has, the cerebellum missing."""
    series = 500 + np.random.default_rng(seed).normal(size=(frames, 457)).cumsum(axis=0)
    series[:, 450:] = np.nan
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


def opened(path, atlas=ATLAS, tr=None, table=None, **reading):
    return open_source(path, atlas=atlas, tr=tr, participants=table, reading=ReadingConfig(**reading))


def read(path, atlas=ATLAS, **options):
    source = opened(path, atlas, **options)
    return [source.read(item) for item in source.items()]


def files(path, pattern):
    return sorted(path.rglob(pattern))
