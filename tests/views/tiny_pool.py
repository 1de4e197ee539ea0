"""A pool of simulated frames whose values say which recording and frame they are."""

import numpy as np

from semantoks.views.crops import Frames
from semantoks.views.pool import Pool, count_good

LENGTHS = (150, 230, 100, 47, 310, 120)
PEOPLE = (0, 0, 1, 2, 2, 3)


def make_pool(resident=None, missing=None, good=None):
    """Six recordings of four people, seven ROIs in three networks; ROI 0 holds the recording, the others the frame."""
    series = [np.tile(np.arange(n, dtype=np.float16)[:, None], 7) for n in LENGTHS]
    for number, values in enumerate(series):
        values[:, 0] = number
    shards = [np.concatenate(series[:4]), np.concatenate(series[4:])]
    return Pool(
        frames=Frames(shards, resident),
        network_index=np.array([0, 0, 0, 1, 1, 2, 2]),
        first=np.cumsum([0, *LENGTHS[:-1]]),
        length=np.array(LENGTHS),
        good_before=count_good(np.ones(sum(LENGTHS), dtype=bool) if good is None else good),
        missing=np.zeros((6, 3), dtype=bool) if missing is None else missing,
        person=np.array(PEOPLE),
    )
