"""Scores of predictions on one test fold."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score

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
    chosen = [1] if len(classes) == 2 else range(len(classes))
    areas = [
        roc_auc_score(truth == classes[i], probability[:, i]) for i in chosen if 0 < (truth == classes[i]).mean() < 1
    ]
    return float(np.mean(areas)) if areas else float("nan")


def class_scores(truth: ndarray, probability: Float[ndarray, "row class"], classes: ndarray) -> dict[str, float]:
    """Return balanced accuracy and AUROC; the columns of ``probability`` are in the order of ``classes``."""
    return {
        "balanced_accuracy": balanced_accuracy(truth, probability, classes),
        "auroc": auroc(truth, probability, classes),
    }


def value_scores(truth: Float[ndarray, " row"], predicted: Float[ndarray, " row"]) -> dict[str, float]:
    """Return Pearson's r (0 for a constant prediction), R2 (coefficient of determination) and mean absolute error."""
    constant = np.ptp(predicted) == 0 or np.ptp(truth) == 0
    return {
        "r": 0.0 if constant else float(pearsonr(truth, predicted).statistic),
        "r2": float(r2_score(truth, predicted)),
        "mae": float(mean_absolute_error(truth, predicted)),
    }
