"""Scores of predictions on one test fold."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import rankdata

MAIN = {"class": "balanced_accuracy", "value": "r"}
"""The score by which methods are compared first."""


def balanced_accuracy(truth: ndarray, probability: Float[ndarray, "row class"], classes: ndarray) -> float:
    """Return the mean, over the classes in ``truth``, of the share of their rows that are predicted right (0..1)."""
    right = classes[probability.argmax(axis=1)] == truth
    return float(np.mean([right[truth == name].mean() for name in np.unique(truth)]))


def auroc(truth: ndarray, probability: Float[ndarray, "row class"], classes: ndarray) -> float:
    """Return the area under the ROC curve (0..1): of the second of two classes, else one against the rest, averaged.

    Classes of which ``truth`` has nobody, or nobody else, are left out; NaN when that leaves none.
    """
    areas = []
    for i in [1] if len(classes) == 2 else range(len(classes)):
        member = truth == classes[i]
        n, others = member.sum(), (~member).sum()
        if n and others:
            # The share of pairs that are ranked right, from the sum of ranks (Mann-Whitney).
            areas.append((rankdata(probability[:, i])[member].sum() - n * (n + 1) / 2) / (n * others))
    return float(np.mean(areas)) if areas else float("nan")


def class_scores(truth: ndarray, probability: Float[ndarray, "row class"], classes: ndarray) -> dict[str, float]:
    """Return balanced accuracy and AUROC; the columns of ``probability`` are in the order of ``classes``."""
    return {
        "balanced_accuracy": balanced_accuracy(truth, probability, classes),
        "auroc": auroc(truth, probability, classes),
    }


def value_scores(truth: Float[ndarray, " row"], predicted: Float[ndarray, " row"]) -> dict[str, float]:
    """Return Pearson's r (0 for a constant prediction), R2 (coefficient of determination) and mean absolute error.

    r and R2 are NaN where the truth is constant.
    """
    error, spread = truth - predicted, truth - truth.mean()
    known, flat = np.ptp(truth) > 0, np.ptp(predicted) == 0
    return {
        "r": (0.0 if flat else float(np.corrcoef(truth, predicted)[0, 1])) if known else float("nan"),
        "r2": float(1 - (error @ error) / (spread @ spread)) if known else float("nan"),
        "mae": float(np.abs(error).mean()),
    }
