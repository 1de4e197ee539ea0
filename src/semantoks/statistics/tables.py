"""The two tables that an evaluation writes, scores.csv and predictions.parquet: columns, names, reading."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from semantoks.errors import DataError
from semantoks.statistics.methods import FC, TANGENT
from semantoks.storage.checksums import check_sum, read_sums
from semantoks.storage.tables import read_table

TargetKind = Literal["class", "value"]
"""What a target is: text of a class, or a number."""
Verdict = Literal["higher", "lower", "undecided", ""]
"""How a score compares with FC's; empty where there is nothing to compare."""
ALPHA = 0.05
"""A p below it counts as sure."""
SCORES, PREDICTIONS, ABOUT = "scores.csv", "predictions.parquet", "probe.json"
AGAIN = "Run the probe again."
"""What to do when one of them is damaged."""
QUESTION = ("analysis", "condition", "target", "kind")
"""The columns that begin every table: what all methods are compared on."""
ROW = (*QUESTION, "method", "split")
SCORE_KEYS = (*ROW, "n_train", "n_test")
PREDICTION_KEYS = (*ROW, "person", "group")
PREDICTION_VALUES = ("truth", "predicted", "truth_name", "probability")
ANALYSES = {
    "main": "the scores themselves",
    "permutation": "permutation null: a closed-form ridge of each feature set, its score, and p of that score",
    "learning_curve": "condition = labelled people in training",
    "deconfounded": "condition = confounds, regressed out of the features inside each training fold",
    "motion_matched": "only people in whom head motion does not predict the target",
    "confound_test": "condition = a confound; p of the partial confounder test on the predictions",
    "decode": "the target is a confound (site, TR, frames, mean FD), decoded from the features",
    "network": "condition = the only network that the encoder is shown",
    "seconds": "condition = seconds that are seen of each test person, or all",
    "reliability": "target = identity, and between which parts; condition = minutes of each part",
}
Again = Literal["sessions", "runs", "halves"]
"""Two parts of a person's data, the hardest to resemble first."""
IDENTITY: dict[Again, str] = {
    "sessions": "across sessions",
    "runs": "across runs of a session",
    "halves": "of two halves of one recording, the easy case",
}
"""The targets of reliability, ``identity, KIND``, in words."""
METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "expected calibration error",
    "r": "correlation r",
    "r2": "R²",
    "mae": "mean absolute error",
    "identification": "identification accuracy",
    "i_diff": "self minus other similarity",
    "icc": "ICC(3,1), median over features",
}
LOWER_IS_BETTER = frozenset({"brier", "ece", "mae"})
MAIN = {"class": "balanced_accuracy", "value": "r"}
"""The main score of each kind of target."""
EXTRA = ("peeked", "p")
"""Further number columns of scores.csv: the main score of the best setting on the test side; a p-value."""
BESIDE = ("diff", "diff_low", "diff_high", "p_t", "p_flip", "p", "p_holm", "verdict", "p_equal")
"""How a method compares with a bar."""
BARS = {FC: "", TANGENT: "tangent_"}
"""The methods that all others are compared with, and what begins the names of the columns ``BESIDE`` of each."""
SUMMARY = (
    *(*QUESTION, "method", "metric", "mean", "sd", "splits", "low", "high", "reached_by"),
    *BESIDE,
    *("null_mean", "p_null", "optimism"),
    *(f"{BARS[TANGENT]}{name}" for name in BESIDE),
)
"""Columns of ``statistics.summary.summarise``, which says what they mean."""


def row_key(analysis: str, condition: str, target: str, kind: TargetKind, method: str, split: int) -> dict[str, Any]:
    """Return the columns ``ROW`` of one row."""
    return dict(zip(ROW, (analysis, condition, target, kind, method, split), strict=True))


def read_scores(path: Path) -> pd.DataFrame:
    """Read scores.csv: text columns as text (empty for none), numbers as float64, split as int64.

    Raises
    ------
    DataError
        If the file is missing, cut short, not the one that was written, or lacks a column.
    """
    check_sum(path, read_sums(path.parent), path.name, AGAIN)
    table = read_table(path, SCORE_KEYS, separator=",", what="scores", remedy="run the probe again")
    try:
        for name in ("n_train", "n_test", *METRICS, *EXTRA):
            if name in table:
                table[name] = pd.to_numeric(table[name].mask(table[name] == ""))
        counts = table[["split", "n_train", "n_test"]].apply(pd.to_numeric).astype("float64")
        if np.isinf(counts.to_numpy()).any():
            raise ValueError("a count is infinite")
        return table.assign(split=pd.to_numeric(table["split"]).astype("int64"))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as scores: {error}. Run the probe again.") from error


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions.parquet.

    Raises
    ------
    DataError
        If the file is missing, damaged, not the one that was written, or lacks a column.
    """
    check_sum(path, read_sums(path.parent), path.name, AGAIN)
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # of a damaged one, pyarrow and pandas raise whatever they trip over
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(f"{path} cannot be read as predictions: {why}. Run the probe again.") from error
    if lacking := [name for name in (*PREDICTION_KEYS, *PREDICTION_VALUES) if name not in table]:
        raise DataError(f"{path} lacks the columns {', '.join(lacking)}: run the probe again.")
    return table
