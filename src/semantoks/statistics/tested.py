"""The test side of each split, as arrays: who was tested, and what every method predicted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.errors import DataError


@dataclass(frozen=True, kw_only=True)
class SplitTested:
    """One split's test people.

    Attributes
    ----------
    unit
        Unit of resampling of each row (people of one family are one unit), counted from 0 over all splits.
    truth
        Value, or number of the class.
    predicted
        Value, or number of the class, by each method; NaN where a method lacks the split.
    probability
        Of each class; no classes for a value; NaN where a method lacks the split.
    """

    unit: Int[ndarray, " row"]
    truth: Float[ndarray, " row"]
    predicted: Float[ndarray, "method row"]
    probability: Float[ndarray, "method row class"]

    @property
    def lacking(self) -> ndarray:
        """Whether each method lacks the split [method, 1]."""
        lacks: ndarray = np.isnan(self.predicted).any(axis=1, keepdims=True)
        return lacks


def held_out(predictions: pd.DataFrame, methods: Sequence[str]) -> list[SplitTested]:
    """Return the splits of one analysis, condition and target (rows of predictions.parquet), in order.

    Raises
    ------
    DataError
        When a method has a person twice in a split, or other people than the other methods.
    """
    table = predictions[predictions["method"].isin(methods)].sort_values(["split", "method", "person"])
    table = table.assign(unit=np.unique(table["group"], return_inverse=True)[1])
    return [_one_split(rows, pd.Index(methods), number) for number, rows in table.groupby("split")]


def _one_split(rows: pd.DataFrame, methods: pd.Index, number: object) -> SplitTested:
    people, first, row = np.unique(rows["person"], return_index=True, return_inverse=True)
    who = methods.get_indexer(pd.Index(rows["method"]))
    counts = np.zeros((len(methods), len(people)), np.int64)
    np.add.at(counts, (who, row), 1)
    if not np.isin(counts.sum(axis=1), [0, len(people)]).all() or counts.max() > 1:
        raise DataError(
            f"split {number} of target {rows['target'].iloc[0]!r}: every method must have predicted each of its "
            f"{len(people)} test people once, but the methods' counts differ. Run the probe again."
        )
    outputs = np.stack(rows["probability"].to_list()).astype(np.float64)
    predicted = np.full(counts.shape, np.nan)
    probability = np.full((*counts.shape, outputs.shape[1]), np.nan)
    predicted[who, row], probability[who, row] = rows["predicted"], outputs
    unit, truth = rows["unit"].to_numpy(np.int64)[first], rows["truth"].to_numpy(np.float64)[first]
    return SplitTested(unit=unit, truth=truth, predicted=predicted, probability=probability)


def count_units(sides: Sequence[SplitTested]) -> int:
    """Count the units of resampling over all splits."""
    return 1 + max(int(side.unit.max()) for side in sides)


def over_splits(
    scores: Float[ndarray, "split method *sample"], people: Float[ndarray, " split"] | Int[ndarray, " split"]
) -> ndarray:
    """Return the mean of scores over the splits that have one (NaN: none), each split weighted by its test people.

    A site of five people then moves the mean as much as five people of a large site do.
    """
    weights = np.where(np.isnan(scores), 0, people.reshape(-1, *[1] * (scores.ndim - 1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: ndarray = (weights * np.nan_to_num(scores)).sum(axis=0) / weights.sum(axis=0)
    return mean


def people_of(sides: Sequence[SplitTested]) -> Int[ndarray, " split"]:
    """Return the number of test people of each split."""
    return np.array([len(side.truth) for side in sides])


def overlap(tested: int, n_train: float, n_test: float) -> float:
    """Return the share (0..1) of a split's training people who are themselves tested in other splits.

    In cross-validation two people meet twice: one trains the model that tests the other, and the other way round. For a
    linear model both meetings add nearly the same number to the score, so that people are not independent even given
    the trained models, and the variance of a mean over splits is about 1 + overlap times what independent people would
    make it: doubled for folds, as it is for a single test side. Where features tell nearly everything it is less.
    No estimate from one cross-validation is exact (Bengio & Grandvalet 2004, JMLR 5:1089); this one is checked against
    simulations in ``benchmarks/nulls.py``.

    Parameters
    ----------
    tested
        People who are in any test side.
    n_train, n_test
        People in a training side and in a test side, in the mean.
    """
    return float(np.clip((tested - n_test) / n_train, 0, 1))


def standard(values: Float[ndarray, "*row"]) -> Float[ndarray, "*row"]:
    """Centre the last axis and divide it by its standard deviation (n); what is constant becomes 0."""
    spread = np.where(np.ptp(values, axis=-1, keepdims=True), values.std(axis=-1, keepdims=True), np.inf)
    scaled: ndarray = (values - values.mean(axis=-1, keepdims=True)) / spread
    return scaled
