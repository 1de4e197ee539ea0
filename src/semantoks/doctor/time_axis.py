"""Which axis of an array is time: neighbours in time are more alike than neighbouring ROIs."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

TIME_MARGIN = 0.2


def autocorrelation(values: Float[ndarray, "row column"], axis: int) -> float:
    """Return the lag-1 autocorrelation along an axis, the mean over the lines that vary."""
    lines = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    lines = lines[:, np.isfinite(lines).all(axis=0)]
    centred = lines - lines.mean(axis=0)
    power = np.square(centred).sum(axis=0)
    varying = power > 0
    if not varying.any():
        return float("nan")
    return float(((centred[1:] * centred[:-1]).sum(axis=0)[varying] / power[varying]).mean())


def time_axis(values: Float[ndarray, "row column"]) -> int | None:
    """Tell which axis is time, along which neighbours are most alike; None where that is not clear."""
    rows, columns = autocorrelation(values, 0), autocorrelation(values, 1)
    if not abs(rows - columns) > TIME_MARGIN:
        return None
    return 0 if rows > columns else 1


def turned(series: Iterable[Float[ndarray, "row column"]]) -> bool:
    """Tell whether in most of the recordings, of those in which it is clear or not, columns are time."""
    axes = Counter(time_axis(np.nan_to_num(one)) for one in series)
    return axes.most_common(1)[0][0] == 1
