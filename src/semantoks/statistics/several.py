"""Several tests at once: p-values adjusted so that one false claim among all is as rare as promised."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def holm(p: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """Return Holm's step-down adjusted p-values, in the order given; NaN (no test made) stays NaN and counts for none.

    Rejecting where the adjusted p is below alpha bounds the chance of one or more false rejections by alpha, however
    the tests depend on each other (Holm 1979, Scandinavian Journal of Statistics 6:65).
    """
    adjusted = np.full(len(p), np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made])]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
