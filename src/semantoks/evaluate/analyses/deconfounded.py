"""Features without confounds, and the linear model on them: regressed out inside every fold, inner ones included."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.evaluate.models.linear import (
    Outputs,
    PenaltyPath,
    calibrated,
    fit_path,
    fold_of,
    log_odds,
    one_by_one,
    ridge_path,
    squared_error,
    surprise,
)
from semantoks.evaluate.models.logistic import logistic_path
from semantoks.evaluate.study.tasks import FeatureSet, Predicted, Task
from semantoks.types import Columns, Features

Wide = Float[ndarray, "row _"]
_COLUMNS = 4096
_RANK = 1e-10


@dataclass(frozen=True)
class Deconfounded:
    """Features without what is linear in the confounds of the training people; again a feature set.

    Least squares with an intercept (the minimum-norm solution if the design is rank-deficient) is fitted on the
    training people, and everybody's residuals are returned. Missing cells take the training people's median. For
    someone from a site without training people, roughly the training mean is subtracted, since the site is unknown.

    For linear models only: beyond their means, the residuals are not independent of the confounds, and a non-linear
    model can read a confound, and with it the target, from the residuals even if the features did not contain it
    (Hamdan et al. 2023, GigaScience 12:giad071).

    Attributes
    ----------
    features
        The features to clean.
    confounds
        The ``design`` for everybody, in the order of ``People``.
    """

    features: FeatureSet
    confounds: Float[ndarray, "everybody column"]

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> "Residuals":
        """Regress the features of ``train`` on the confounds, and return the residual features of ``people``."""
        everyone = np.union1d(train, people)
        here, there = np.searchsorted(everyone, train), np.searchsorted(everyone, people)
        regressors = _regressors(self.confounds[everyone], here)
        return Residuals(self.features.matrix(train, everyone), regressors, here, there)


@dataclass(frozen=True)
class Residuals:
    """What a regression fitted on the rows ``here`` leaves of the rows ``there``, made as its columns are read."""

    features: Wide | Columns
    regressors: Wide
    here: Int[ndarray, " train"]
    there: Int[ndarray, " person"]

    @cached_property
    def hat(self) -> Float[ndarray, "column train"]:
        """What turns the training people's features into weights of the regressors."""
        found: ndarray = np.linalg.pinv(self.regressors[self.here], rcond=_RANK)
        return found

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.there), self.features.shape[1]

    @property
    def dtype(self) -> Any:
        """The type of its cells."""
        return self.features.dtype

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.there)

    def __getitem__(self, index: tuple[slice, slice]) -> Features:
        """Return a block of columns, a few thousand at a time, for they are in double precision meanwhile."""
        first, last, _ = index[1].indices(self.shape[1])
        found = np.empty((len(self.there), last - first), dtype=self.dtype)
        for begin in range(first, last, _COLUMNS):
            part = slice(begin, min(begin + _COLUMNS, last))
            values = _filled(self.features[:, part].astype(np.float64), self.here)
            centred = values - values[self.here].mean(axis=0)
            fitted = self.regressors[self.there] @ (self.hat @ centred[self.here])
            found[:, begin - first : part.stop - first] = centred[self.there] - fitted
        return found


@dataclass(frozen=True)
class LinearWithout:
    """The linear model of ``predictors.Linear`` on features without confounds; see ``Deconfounded``.

    The confounds are regressed out again wherever a model is fitted, also in the inner splits. Otherwise, since the
    residuals of all training people sum to zero in every site, the held-out part of an inner split would mirror the
    rest, every model would look worse than none, and the strongest penalty would always be chosen.
    """

    features: FeatureSet
    confounds: Float[ndarray, "everybody column"]

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Fit on the training people, the penalty chosen by the inner splits, and predict the test people."""
        fold = fold_of(Deconfounded(self.features, self.confounds), task)
        regressors = _regressors(self.confounds[np.concatenate([task.train, task.test])], np.arange(len(task.train)))
        count = len(fold.rows)
        rows, test = np.hstack([fold.rows, regressors[:count]]), np.hstack([fold.test, regressors[count:]])
        path, loss = (logistic_path, surprise) if task.kind == "class" else (ridge_path, squared_error)
        inside = _without(path, regressors.shape[1])
        found, _ = fit_path(
            one_by_one(inside), loss, dataclasses.replace(fold, rows=rows, test=test, inner=fold.fine or fold.inner)
        )
        return calibrated(found, task.labels, log_odds) if task.kind == "class" else found


def _without(path: PenaltyPath, count: int) -> PenaltyPath:
    """Return a path that regresses the last ``count`` columns and an intercept out of the others before fitting."""

    def inside(rows: Features, labels: ndarray, penalties: ndarray) -> Iterator[Callable[[Features], Outputs]]:
        weights = np.linalg.pinv(_with_intercept(rows[:, -count:]), rcond=_RANK) @ rows[:, :-count]

        def left(some: Wide) -> Wide:
            without: Wide = some[:, :-count] - _with_intercept(some[:, -count:]) @ weights
            return without

        for model in path(left(rows), labels, penalties):
            yield lambda some, model=model: model(left(some))  # type: ignore[misc]

    return inside


def _with_intercept(regressors: Wide) -> Wide:
    found: Wide = np.column_stack([np.ones(len(regressors)), regressors])
    return found


def _regressors(confounds: Features, here: Int[ndarray, " train"]) -> Features:
    """Fill and scale a design by its rows ``here``; columns constant there become 0."""
    filled = _filled(confounds, here)
    mean, spread = filled[here].mean(axis=0), filled[here].std(axis=0)
    scaled: Features = (filled - mean) / np.where(spread > 1e-7 * np.abs(mean), spread, np.inf)
    return scaled


def _filled(values: Features, here: Int[ndarray, " train"]) -> Features:
    """Fill missing cells with the median of the column's rows ``here``, or 0 if these are all missing."""
    gaps = np.flatnonzero(np.isnan(values).any(axis=0))
    values = values.copy() if len(gaps) else values
    for column in gaps:
        seen = values[here, column][~np.isnan(values[here, column])]
        values[np.isnan(values[:, column]), column] = np.median(seen) if len(seen) else 0.0
    return values
