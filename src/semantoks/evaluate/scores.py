"""Scores of predictions on one test fold."""

import numpy as np
from numpy import ndarray
from scipy.stats import pearsonr
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, r2_score, roc_auc_score

MAIN = {"class": "balanced_accuracy", "value": "r"}
"""The score by which methods are compared first."""


def class_scores(truth: ndarray, probability: ndarray, classes: ndarray) -> dict[str, float]:
    """Return balanced accuracy and the area under the ROC curve (one against the rest, mean over classes).

    ``probability`` is [row, class] with columns in the order of ``classes``.
    """
    predicted = classes[probability.argmax(axis=1)]
    per_class = [
        roc_auc_score(truth == name, probability[:, i])
        for i, name in enumerate(classes)
        if 0 < (truth == name).mean() < 1
    ]
    return {
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "auroc": float(np.mean(per_class[-1:] if len(classes) == 2 else per_class)),
    }


def value_scores(truth: ndarray, predicted: ndarray) -> dict[str, float]:
    """Return Pearson's r (0 for a constant prediction), R2 (coefficient of determination) and mean absolute error."""
    constant = np.ptp(predicted) == 0 or np.ptp(truth) == 0
    return {
        "r": 0.0 if constant else float(pearsonr(truth, predicted).statistic),
        "r2": float(r2_score(truth, predicted)),
        "mae": float(mean_absolute_error(truth, predicted)),
    }
