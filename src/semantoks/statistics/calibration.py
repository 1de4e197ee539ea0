"""Calibration: how often a method is right beside how sure it says it is."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

BINS = 10


def reliability_curve(right: Bool[ndarray, " row"], confidence: Float[ndarray, " row"]) -> pd.DataFrame:
    """Sort predictions by confidence into ten bins of equal width, (0, 0.1] to (0.9, 1].

    Parameters
    ----------
    right
        Whether the predicted class, the one of the highest probability, is the true one.
    confidence
        The probability of the predicted class.

    Returns
    -------
    DataFrame
        A row for each bin that holds predictions: ``bin`` (0..9), ``confidence`` and ``accuracy`` (means, 0..1), ``n``.
    """
    place = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(np.int64)
    n = np.bincount(place, minlength=BINS)
    held = np.flatnonzero(n)
    return pd.DataFrame(
        {
            "bin": held,
            "confidence": np.bincount(place, confidence, BINS)[held] / n[held],
            "accuracy": np.bincount(place, right, BINS)[held] / n[held],
            "n": n[held],
        }
    )


def expected_calibration_error(curve: pd.DataFrame) -> float:
    """Return the mean over predictions of |accuracy - confidence| of their bin, 0..1 (Guo et al. 2017, equation 3)."""
    gap = (curve["accuracy"] - curve["confidence"]).abs()
    return float((gap * curve["n"]).sum() / curve["n"].sum())
