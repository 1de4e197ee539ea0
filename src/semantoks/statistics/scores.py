"""Scores of predictions on one test side."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score


def balanced_accuracy(truth: ndarray, probability: Float[ndarray, "row class"], classes: ndarray) -> float:
    """Return the mean, over the classes in ``truth``, of the share of their rows that are predicted right (0..1).

    The columns of ``probability`` are in the order of ``classes``; the first of the most probable ones is predicted.
    """
    right = classes[probability.argmax(axis=1)] == truth
    return float(np.mean([right[truth == name].mean() for name in np.unique(truth)]))


def class_scores(truth: ndarray, probability: Float[ndarray, "row class"], classes: ndarray) -> dict[str, float]:
    """Return balanced accuracy, AUROC, AUPRC, Brier score and expected calibration error.

    The columns of ``probability`` are in the order of ``classes``.

    - ``balanced_accuracy``: see there.
    - ``auroc``, ``auprc``: area under the ROC curve and average precision, of the second of two classes, else of each
      class against the rest, averaged; classes of which ``truth`` has nobody, or nobody else, are left out, and the
      score is NaN when that leaves none.
    - ``brier``: mean squared error of the probability of the second of two classes (0..1); of more classes, the mean
      over rows of the squared errors summed over classes (Brier 1950; 0..2). So does scikit-learn.
    - ``ece``: see ``calibration``.
    """
    right = classes[probability.argmax(axis=1)] == truth
    member = truth[:, None] == classes
    return {
        "balanced_accuracy": balanced_accuracy(truth, probability, classes),
        **_ranking_scores(member, probability),
        "brier": _brier(member, probability),
        "ece": expected_calibration_error(reliability_curve(right, probability.max(axis=1))),
    }


def value_scores(truth: Float[ndarray, " row"], predicted: Float[ndarray, " row"]) -> dict[str, float]:
    """Return Pearson's r (0 for a constant prediction), R2 and mean absolute error.

    R2 is scikit-learn's coefficient of determination: what is compared with is the mean of these very ``truth`` values,
    which no method could know; it is negative for a method that predicts worse than that. r and R2 are NaN where the
    truth is constant.
    """
    error, spread = truth - predicted, truth - truth.mean()
    known, flat = np.ptp(truth) > 0, np.ptp(predicted) == 0
    return {
        "r": (0.0 if flat else float(np.corrcoef(truth, predicted)[0, 1])) if known else float("nan"),
        "r2": float(1 - (error @ error) / (spread @ spread)) if known else float("nan"),
        "mae": float(np.abs(error).mean()),
    }


def _ranking_scores(member: ndarray, probability: ndarray) -> dict[str, float]:
    """Return the scores that look at the rows' order alone; ``member`` [row, class] says who is in which class."""
    areas, precisions = [], []
    for i in [1] if member.shape[1] == 2 else range(member.shape[1]):
        one, n = member[:, i], member[:, i].sum()
        if 0 < n < len(one):
            # The share of pairs that are ranked right, from the sum of ranks (Mann-Whitney).
            areas.append((rankdata(probability[:, i])[one].sum() - n * (n + 1) / 2) / (n * (len(one) - n)))
            precisions.append(average_precision_score(one, probability[:, i]))
    if not areas:
        return {"auroc": float("nan"), "auprc": float("nan")}
    return {"auroc": float(np.mean(areas)), "auprc": float(np.mean(precisions))}


def _brier(member: ndarray, probability: ndarray) -> float:
    # Multiplied out, a truth that no column stands for counts as a class of probability 0.
    squares = (probability**2).sum(axis=1) - 2 * (probability * member).sum(axis=1) + 1
    return float(squares.mean()) / (2 if member.shape[1] == 2 else 1)


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
    filled = np.flatnonzero(n)
    return pd.DataFrame(
        {
            "bin": filled,
            "confidence": np.bincount(place, confidence, BINS)[filled] / n[filled],
            "accuracy": np.bincount(place, right, BINS)[filled] / n[filled],
            "n": n[filled],
        }
    )


def expected_calibration_error(curve: pd.DataFrame) -> float:
    """Return the mean over predictions of |accuracy - confidence| of their bin, 0..1 (Guo et al. 2017, equation 3)."""
    gap = (curve["accuracy"] - curve["confidence"]).abs()
    return float((gap * curve["n"]).sum() / curve["n"].sum())
