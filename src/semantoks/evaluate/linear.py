"""L2-penalised linear models of many features, the penalty chosen by inner splits."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from semantoks.evaluate.splits import Split
from semantoks.types import Features

INVERSE_PENALTIES = np.logspace(-3, 4, 8)
"""C of the logistic model, for rows of mean squared length 1; the ridge model's alphas are their inverses."""
_ITERATIONS, _TOLERANCE = 500, 1e-6
_RANK = 1e-10
_FEW_ROWS = 2000
_LEAST = float(np.finfo(np.float64).tiny)


def standardise(
    train: Float[ndarray, "train feature"], test: Float[ndarray, "test feature"]
) -> tuple[Float[ndarray, "train feature"], Float[ndarray, "test feature"]]:
    """Fill and scale the columns of both sides by what the training side says; float64.

    A missing cell becomes its column's median (0 where a column has no value at all), every column gets mean 0 and
    standard deviation 1 (constant ones become 0), and all is divided by the root of the number of columns: rows then
    have a mean squared length of about 1, so that a penalty means the same for few features and for many.
    """
    train, test = train.astype(np.float64), test.astype(np.float64)
    for column in np.flatnonzero(np.isnan(train).any(axis=0) | np.isnan(test).any(axis=0)):
        known = train[~np.isnan(train[:, column]), column]
        middle = np.median(known) if len(known) else 0.0
        for rows in (train, test):
            rows[np.isnan(rows[:, column]), column] = middle
    mean, spread = train.mean(axis=0), train.std(axis=0)
    constant = spread <= 1e-7 * np.abs(mean)
    scale = np.where(constant, np.inf, spread) * np.sqrt(train.shape[1])
    return (train - mean) / scale, (test - mean) / scale


def row_space(
    train: Float[ndarray, "train feature"], test: Float[ndarray, "test feature"]
) -> tuple[Float[ndarray, "train rotated"], Float[ndarray, "test rotated"]]:
    """Rotate features into the span of the training rows, without loss: for an L2 penalty the fit is the same.

    The weights of an L2-penalised linear model lie in the span of its rows (representer theorem) and their length does
    not change under rotation, so n rows of p >> n features can be fitted in n dimensions.
    """
    if train.shape[1] <= len(train):
        return train, test
    with _few_threads(train):
        values, vectors = np.linalg.eigh(train @ train.T)
        kept = values > values[-1] * _RANK
        vectors, length = vectors[:, kept], np.sqrt(values[kept])
        return vectors * length, test @ train.T @ vectors / length


def fit_classes(rows: Features, labels: ndarray, inner: Sequence[Split]) -> LogisticRegression:
    """Fit a logistic regression with balanced class weights on standardised rows.

    Its penalty has the largest mean log probability of the true class over the ``inner`` splits, each class counting
    alike. On few people that choice is steadier than one by accuracy or by ranks.
    """
    found = np.empty((len(inner), len(INVERSE_PENALTIES)))
    with _few_threads(rows):
        for part, (train, test) in enumerate(inner):
            for place, model in enumerate(_path(rows[train], labels[train], INVERSE_PENALTIES)):
                truth = np.searchsorted(model.classes_, labels[test])
                chance = model.predict_proba(rows[test])[np.arange(len(test)), truth]
                logs = np.log(np.maximum(chance, _LEAST))
                found[part, place] = np.mean([logs[truth == name].mean() for name in np.unique(truth)])
        best = found.mean(axis=0).argmax()
        *_, chosen = _path(rows, labels, INVERSE_PENALTIES[: best + 1])
    return chosen


def _path(rows: Features, labels: ndarray, inverse_penalties: ndarray) -> Iterator[LogisticRegression]:
    """Fit from the strongest penalty to the weakest, each from where the one before ended."""
    model = LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS, tol=_TOLERANCE, warm_start=True)
    for inverse in inverse_penalties:
        with warnings.catch_warnings():
            # A fit that stops short of its optimum is a candidate like any other: the inner splits judge it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield model.set_params(C=inverse).fit(rows, labels)


def fit_values(rows: Features, labels: Float[ndarray, " row"], inner: Sequence[Split]) -> RidgeCV:
    """Fit a ridge regression on standardised rows; its penalty has the least mean squared error over ``inner``."""
    with _few_threads(rows):
        return RidgeCV(alphas=1 / INVERSE_PENALTIES, cv=inner, scoring="neg_mean_squared_error").fit(rows, labels)


def _few_threads(rows: Features) -> threadpool_limits:
    """Keep small matrices on one thread: more only wait for each other, up to 70 times as long on busy cores."""
    return threadpool_limits(1 if len(rows) < _FEW_ROWS else None)
