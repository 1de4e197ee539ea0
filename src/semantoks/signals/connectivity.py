"""Matrices of connectivity, which lie beside time series and look like them: known by their numbers alone."""

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from semantoks.errors import DataError

LEAVE_OUT = "Leave it out, and give the time series that it was made from."
SYMMETRIC = 1e-3
"""Largest difference of two mirrored numbers, as a share of the largest: matrices are rounded."""
LEAST = 3
"""Rows below which symmetry can be chance."""


def refuse_connectivity(values: Shaped[ndarray, "..."], where: str) -> None:
    """Raise DataError for a square array that is a connectivity matrix, and no time series."""
    if is_connectivity(values):
        raise DataError(
            f"{where}: it is a connectivity matrix, {len(values)} x {len(values)} and mirrored along its diagonal, not "
            f"a time series. {LEAVE_OUT}"
        )


def is_connectivity(values: Shaped[ndarray, "..."]) -> bool:
    """Recognise correlations, Fisher's z, covariances and other pairwise numbers, whole or one triangle of them.

    The array is square, and symmetric, or empty (0 or NaN) on one side of its diagonal, or has one and the same value
    (1, 0, NaN, infinity) all along its diagonal. No recording is any of these. Missing ROIs may be NaN or 0.
    """
    if values.ndim != 2 or len(values) != values.shape[1] or len(values) < LEAST or values.dtype.kind not in "fiu":
        return False
    with np.errstate(over="ignore"):
        square = np.where(np.isfinite(values), values, 0).astype(np.float64)
    upper, lower = np.triu_indices(len(square), 1), np.tril_indices(len(square), -1)
    largest = np.abs(square[upper]).max(), np.abs(square[lower]).max()
    if np.ptp(square) == 0:
        return False  # nothing varies: flat, whatever it is
    one_side = bool(min(largest) == 0)
    symmetric = bool(np.abs(square - square.T).max() <= SYMMETRIC * max(largest))
    diagonal = np.diagonal(values).astype(np.float64)
    known = diagonal[np.isfinite(diagonal) & (diagonal != 0)]
    same = not len(known) or bool(np.ptp(known) <= SYMMETRIC * np.abs(known).max())
    return symmetric or one_side or same
