"""Recordings as C-PAC and ABIDE's Preprocessed Connectomes Project have them."""

import numpy as np
from families import reader_of

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.recording import Recording
from semantoks.signals.sources.pcp import open_pcp

ATLAS = get_atlas("cc200")


def made(participant="CMU_a_0050642", seed=0, frames=140, rois=200, tr=2.0, **facts):
    series = 900 + np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0)
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


opened, read, _ = reader_of(open_pcp, ATLAS)
