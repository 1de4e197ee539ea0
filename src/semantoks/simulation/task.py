"""Simulated blocks of a task: when each is, and how its trial type changes the coupling of networks."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.random import Generator

from semantoks.simulation.dynamics import STEP, WARM_UP
from semantoks.simulation.people import nearest_correlation

TRIAL_TYPES = ("memory", "motor")
BLOCK, PAUSE = 30.0, 15.0  # s
LEAST = PAUSE + len(TRIAL_TYPES) * (BLOCK + PAUSE)
"""Shortest recording with a block of each trial type, s."""
_SHIFT = 1.2  # Fisher z of the domains' coupling, half of the pairs up and half down


def draw_design(rng: Generator, seconds: float) -> pd.DataFrame:
    """Draw the events of a recording: blocks with pauses, both trial types equally often, in random order.

    Columns onset and duration (s), and trial_type, as in BIDS.
    """
    count = len(TRIAL_TYPES) * int((seconds - PAUSE) / (BLOCK + PAUSE) / len(TRIAL_TYPES))
    order = rng.permutation(np.arange(count) % len(TRIAL_TYPES))
    return pd.DataFrame(
        {
            "onset": PAUSE + (BLOCK + PAUSE) * np.arange(count),
            "duration": BLOCK,
            "trial_type": [TRIAL_TYPES[k] for k in order],
        }
    )


def draw_shifts(rng: Generator, domains: int) -> Float[ndarray, "type domain domain"]:
    """Draw what each trial type adds to the coupling (Fisher z) of each pair of domains, the same in all people."""
    upper = np.triu(_SHIFT * np.sign(rng.standard_normal((len(TRIAL_TYPES), domains, domains))), 1)
    shifts: ndarray = upper + upper.transpose(0, 2, 1)
    return shifts


def task_roots(
    root: Float[ndarray, "domain domain"], shifts: Float[ndarray, "type domain domain"]
) -> Float[ndarray, "state domain domain"]:
    """Return Cholesky roots of a person's correlations at rest, then in every trial type."""
    rest = np.arctanh(np.clip(root @ root.T, -0.999, 0.999))
    return np.stack([root, *(np.linalg.cholesky(nearest_correlation(np.tanh(rest + one))) for one in shifts)])


def task_path(design: pd.DataFrame, steps: int) -> Int[ndarray, " step"]:
    """Say which of ``task_roots`` holds at each latent step: 0 at rest."""
    path = np.zeros(steps, dtype=np.int64)
    for onset, duration, name in design.itertuples(index=False):
        begin, end = ((WARM_UP + time) / STEP for time in (onset, onset + duration))
        path[round(begin) : round(end)] = 1 + TRIAL_TYPES.index(name)
    return path
