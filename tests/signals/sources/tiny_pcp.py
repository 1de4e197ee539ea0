"""Recordings as C-PAC and ABIDE's Preprocessed Connectomes Project have them."""

import numpy as np

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.pcp import open_pcp
from semantoks.signals.sources.source import Request

ATLAS = get_atlas("cc200")


def made(participant="CMU_a_0050642", seed=0, frames=140, rois=200, tr=2.0, **facts):
    series = 900 + np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0)
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


def opened(path, atlas=ATLAS, tr=None, table=None, **reading):
    return open_pcp(Request(path=path, atlas=atlas, tr=tr, participants=table, reading=ReadingConfig(**reading)))


def read(path, atlas=ATLAS, **options):
    source = opened(path, atlas, **options)
    return [source.read(item) for item in source.items()]
