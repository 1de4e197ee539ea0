"""Do the means of several conditions, scored on the same splits, differ by more than noise makes them differ?"""

import functools

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import studentized_range


def differ(scores: Float[ndarray, "split condition"], train: float, test: float, *, alpha: float = 0.05) -> bool | None:
    """Return whether the range of the conditions' means is beyond noise; None where that cannot be told.

    Tukey's test on what splits and conditions do not explain. The variance of a mean has the term of Nadeau and
    Bengio (2003, Mach Learn 52:239) for splits that share training people.

    Parameters
    ----------
    scores
        Of each condition in each split; splits in which one is NaN are left out.
    train, test
        People that a split trains on and tests, on average.
    """
    whole = scores[np.isfinite(scores).all(axis=1)]
    splits, conditions = whole.shape
    if splits < 2 or conditions < 2 or not train > 0:
        return None
    means = whole.mean(axis=0)
    rest = whole - means - whole.mean(axis=1, keepdims=True) + whole.mean()
    free = (splits - 1) * (conditions - 1)
    error = np.sqrt((rest**2).sum() / free * (1 / splits + test / train))
    return bool(np.ptp(means) > _tukey(1 - alpha, conditions, free) * error)


@functools.cache
def _tukey(share: float, conditions: int, free: int) -> float:
    """Return a quantile of the studentized range; scipy integrates it for a tenth of a second."""
    return float(studentized_range.ppf(share, conditions, free))
