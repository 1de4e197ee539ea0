"""L2-penalised linear models of many features: logistic, ridge, support vectors; inner splits choose the penalty."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import joblib
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from semantoks.evaluate.models.logistic import logistic_paths
from semantoks.evaluate.study.splits import Split
from semantoks.evaluate.study.tasks import FeatureSet, Predicted, Task
from semantoks.statistics.tables import TargetKind
from semantoks.storage.arrays import remembered
from semantoks.types import Columns, Features, HeldOut

INVERSE_PENALTIES = np.logspace(-3, 4, 8)
"""C of the logistic model, for rows of mean squared length 1; the ridge model's alphas are their inverses."""
MARGIN_PENALTIES = INVERSE_PENALTIES[:5]
"""C of support vectors: above 10 the classes are separated, nothing changes, and solving takes 100 times longer."""
_RANK, _RANK_FLOAT32 = 1e-10, 1e-6
_MANY_COLUMNS = 4096
_FEW_ROWS = 2000
_pools = cache(ThreadpoolController)
"""Thread pools of NumPy, SciPy and scikit-learn, found once: to look for them takes as long as a small fit."""
_MORE = 64
"""Columns of a sketch beyond those that are kept of it."""
BLOCK = 1 << 26
"""Most cells of a block of columns that are standardised at a time."""
_LEAST, _LEAST_CHANCE = float(np.finfo(np.float64).tiny), 1e-6


def standardise(
    train: Float[ndarray, "train feature"], test: Float[ndarray, "test feature"], columns: int | None = None
) -> tuple[Float[ndarray, "train feature"], Float[ndarray, "test feature"]]:
    """Fill and scale the columns of both sides by the training side; float64, many columns in float32.

    A missing cell becomes its column's median (0 where a column has no value at all), every column gets mean 0 and
    standard deviation 1 (constant ones become 0), and all is divided by the root of the number of columns: rows then
    have a mean squared length of about 1, so that a penalty means the same for few features and for many. What is given
    may be a block of the ``columns`` that there are.
    """
    columns = columns or train.shape[1]
    precision = np.float32 if columns >= _MANY_COLUMNS else np.float64
    train, test = train.astype(precision), test.astype(precision)
    for column in np.flatnonzero(np.isnan(train).any(axis=0) | np.isnan(test).any(axis=0)):
        known = train[~np.isnan(train[:, column]), column]
        middle = np.median(known) if len(known) else 0.0
        for rows in (train, test):
            rows[np.isnan(rows[:, column]), column] = middle
    mean = train.mean(axis=0, dtype=np.float64)
    train -= mean.astype(precision)
    test -= mean.astype(precision)
    spread = np.sqrt(np.einsum("rf,rf->f", train, train, dtype=np.float64) / len(train))
    constant = spread <= 1e-7 * np.abs(mean)
    factor = (np.where(constant, 0, 1 / np.where(constant, 1, spread)) / np.sqrt(columns)).astype(precision)
    train *= factor
    test *= factor
    return train, test


def standardised_rows(
    matrix: Features | Columns, count: int, components: int | None = None
) -> tuple[Float[ndarray, "train rotated"], Float[ndarray, "test rotated"]]:
    """Standardise features and rotate them into the span of the first ``count`` rows, those of the training people.

    Nothing is lost: the weights of an L2-penalised linear model lie in the span of its rows (representer theorem) and
    their length does not change under rotation, so n rows of p >> n features can be fitted in n dimensions. Of wide
    features, a block of columns at a time is in memory: what is needed are the products of rows. With ``components``,
    what is beyond so many principal components of the training rows is lost: see ``_leading_components``.
    """
    columns = matrix.shape[1]
    if columns <= min(count, components or count):
        whole = matrix[:, :]
        return standardise(whole[:count], whole[count:])
    blocks = partial(_blocks, matrix, count)
    with _few_threads(count):
        if components and components < count:
            return _leading_components(blocks, count, len(matrix) - count, components)
        among, across = np.float32(0), np.float32(0)
        for _, train, test in blocks():
            among, across = among + train @ train.T, across + test @ train.T
        values, vectors = np.linalg.eigh(among.astype(np.float64))
        kept = values >= values[-1] * (_RANK if among.dtype == np.float64 else _RANK_FLOAT32)  # zeros, if all are
        vectors, length = vectors[:, kept], np.sqrt(np.maximum(values[kept], _LEAST))
        return vectors * length, across.astype(np.float64) @ vectors / length


def _blocks(matrix: Features | Columns, count: int) -> Iterator[tuple[slice, Features, HeldOut]]:
    """Yield blocks of columns, and the standardised training and test rows of each."""
    columns = matrix.shape[1]
    step = max(1, BLOCK // len(matrix))
    for first in range(0, columns, step):
        part = slice(first, min(first + step, columns))
        block = matrix[:, part]
        yield part, *standardise(block[:count], block[count:], columns)


def _leading_components(
    blocks: Callable[[], Iterator[tuple[slice, Features, HeldOut]]], count: int, others: int, components: int
) -> tuple[Float[ndarray, "train component"], Float[ndarray, "test component"]]:
    """Project on the leading principal components of the training rows, found by a random sketch.

    Two passes over the features: a Gaussian sketch of their columns gives a basis of what varies most (Halko et al.
    2011, SIAM Rev. 53:217, algorithm 4.1), and the features are projected on its principal axes.
    """
    rng = np.random.default_rng(0)
    sketch = np.zeros((count, components + _MORE), dtype=np.float32)
    for part, train, _ in blocks():
        sketch += train @ rng.standard_normal((part.stop - part.start, sketch.shape[1]), dtype=np.float32)
    basis, _ = np.linalg.qr(sketch)
    moments = np.zeros((basis.shape[1],) * 2)
    rows, held = np.zeros((count, basis.shape[1])), np.zeros((others, basis.shape[1]))
    for _, train, test in blocks():
        along = basis.T @ train
        moments += along @ along.T
        rows += train @ along.T
        held += test @ along.T
    values, vectors = np.linalg.eigh(moments)
    kept = np.flatnonzero(values >= values[-1] * _RANK_FLOAT32)[-components:]
    axes = vectors[:, kept] / np.sqrt(np.maximum(values[kept], _LEAST))
    return rows @ axes, held @ axes


@dataclass(frozen=True)
class Fold:
    """The data for a model on standardised features: who it is fitted on, and who it predicts.

    Attributes
    ----------
    rows, labels
        Features and labels of the training people.
    test
        Features of the test people.
    inner
        Splits of ``rows``, used to choose the penalty.
    fine
        Finer splits of ``rows``, for models that they cost nothing; empty = ``inner``.
    """

    rows: Features
    labels: ndarray
    test: HeldOut
    inner: Sequence[Split]
    kind: TargetKind
    fine: Sequence[Split] = ()


def fold_of(features: FeatureSet, task: Task) -> Fold:
    """Standardise the features of a task by its training people, and turn them into the span of their rows."""
    count = len(task.train)

    def both_sides() -> tuple[Features, HeldOut]:
        matrix = features.matrix(task.train, np.concatenate([task.train, task.test]))
        return standardised_rows(matrix, count, task.components)

    if task.rows_in is None:
        rows, test = both_sides()
    else:
        name = joblib.hash((features, task.train, task.test, task.components))
        rows, test = np.split(remembered(task.rows_in / f"rows-{name}.npy", lambda: np.vstack(both_sides())), [count])
    return Fold(rows, task.labels, test, task.inner, task.kind, task.fine)


Outputs = Float[ndarray, "_ output"]
Fitted = Iterable[Callable[[Features], Outputs]]
PenaltyPath = Callable[[Features, ndarray, ndarray], Fitted]
"""(rows, labels, inverse penalties) -> the fitted model of each penalty, from the strongest to the weakest."""
PenaltyPaths = Callable[[Features, ndarray, ndarray, Sequence[Int[ndarray, " _"]]], Iterable[Fitted]]
"""(rows, labels, inverse penalties, choices of rows) -> those of each choice."""
Loss = Callable[[ndarray, Outputs, ndarray | None], float]
"""(labels, outputs, classes) -> what the inner splits minimise."""


def one_by_one(path: PenaltyPath) -> PenaltyPaths:
    """Fit on one choice of rows after the other."""
    return lambda rows, labels, penalties, trainings: (path(rows[one], labels[one], penalties) for one in trainings)


def fit_path(
    paths: PenaltyPaths, loss: Loss, fold: Fold, penalties: Float[ndarray, " penalty"] = INVERSE_PENALTIES
) -> tuple[Predicted, int]:
    """Fit a model at every penalty; the one with the lowest mean loss over the inner splits predicts the test people.

    Returns
    -------
    Predicted
        Its ``candidates`` are the outputs of all penalties, the strongest first.
    int
        Which of ``penalties`` was chosen.
    """
    rows, labels, inner = fold.rows, fold.labels, fold.inner
    classes = np.unique(labels) if fold.kind == "class" else None
    losses = np.empty((len(inner), len(penalties)))
    unseen = np.zeros((len(penalties), len(rows), 1 if classes is None else len(classes)))
    with _few_threads(len(rows)):
        fits = iter(paths(rows, labels, penalties, [*(train for train, _ in inner), np.arange(len(rows))]))
        for part, ((train, test), models) in enumerate(zip(inner, fits, strict=False)):
            present = slice(None) if classes is None else np.searchsorted(classes, np.unique(labels[train]))
            for place, model in enumerate(models):
                found = model(rows[test])
                if found.shape[1] < unseen.shape[2]:
                    known, found = found, np.zeros((len(test), unseen.shape[2]))
                    found[:, present] = known
                losses[part, place] = loss(labels[test], found, classes)
                unseen[place, test] = found
        best = int(losses.mean(axis=0).argmin())
        outputs = np.stack([model(fold.test) for model in next(fits)])
    return Predicted(classes=classes, test=outputs[best], inner=unseen[best], candidates=outputs), best


def linear_model(fold: Fold) -> Predicted:
    """L2 logistic regression (classes, balanced weights) or ridge regression (values)."""
    return logistic(fold) if fold.kind == "class" else ridge(fold)


def logistic(fold: Fold) -> Predicted:
    """Logistic regression with balanced class weights on standardised rows; outputs are probabilities.

    Its penalty has the largest mean log probability of the true class over the ``inner`` splits, each class counting
    alike. On few people that choice is steadier than one by accuracy or by ranks. The log odds are then calibrated on
    those of the inner splits (``calibrated``): with many more features than people, and classes of unequal size, the
    intercept alone would put nearly everybody into one class, however well they are ranked.
    """
    found, _ = fit_path(logistic_paths, surprise, fold)
    return calibrated(found, fold.labels, log_odds)


def surprise(labels: ndarray, chances: Outputs, classes: ndarray | None) -> float:
    """Minus the mean log probability of the true class, each class counting alike."""
    truth = np.searchsorted(classes, labels)  # type: ignore[arg-type]
    logs = np.log(np.maximum(chances[np.arange(len(labels)), truth], _LEAST))
    return -float(np.mean([logs[truth == name].mean() for name in np.unique(truth)]))


def ridge(fold: Fold) -> Predicted:
    """Ridge regression on standardised rows; its penalty has the least mean squared error over the ``fine`` splits.

    Ten of them, because a penalty that suits two thirds of the people can be the wrong one for all of them: with about
    as many columns as people, a weak penalty gets worse with more people (Nakkiran et al. 2021, ICLR). What a model
    without some rows says of these follows from the model of all rows: y - (I - H)^-1 (y - fitted), where H is the
    block of these rows in the hat matrix.
    """
    rows, labels, splits = fold.rows, fold.labels, fold.fine or fold.inner
    unseen = np.empty((len(INVERSE_PENALTIES), len(rows)))
    losses = np.empty((len(INVERSE_PENALTIES), len(splits)))
    outputs = np.empty((len(INVERSE_PENALTIES), len(fold.test), 1))
    with _few_threads(len(rows)):
        axes = _PrincipalAxes.of(rows, labels)
        along, tested = (rows - axes.centre) @ axes.vectors, (fold.test - axes.centre) @ axes.vectors
        for place, inverse in enumerate(INVERSE_PENALTIES):
            shrunk = 1 / (axes.values + 1 / inverse)
            off = labels - axes.level - along @ (shrunk * axes.target)
            outputs[place, :, 0] = axes.level + tested @ (shrunk * axes.target)
            for part, (_, out) in enumerate(splits):
                hat = 1 / len(rows) + (along[out] * shrunk) @ along[out].T
                error = np.linalg.solve(np.eye(len(out)) - hat, off[out])
                unseen[place, out], losses[place, part] = labels[out] - error, np.mean(error**2)
    best = int(losses.mean(axis=1).argmin())
    return Predicted(classes=None, test=outputs[best], inner=unseen[best][:, None], candidates=outputs)


@dataclass(frozen=True)
class _PrincipalAxes:
    """Rows and labels around their means: eigenvectors of the rows' moments, and what the labels share with each."""

    centre: Float[ndarray, " feature"]
    level: float
    values: Float[ndarray, " axis"]
    vectors: Float[ndarray, "feature axis"]
    target: Float[ndarray, " axis"]

    @classmethod
    def of(cls, rows: Features, labels: ndarray) -> "_PrincipalAxes":
        centre, level = rows.mean(axis=0), float(labels.mean())
        values, vectors = np.linalg.eigh((rows - centre).T @ (rows - centre))
        target = vectors.T @ ((rows - centre).T @ (labels - level))
        return cls(centre, level, np.maximum(values, 0), vectors, target)

    def predict(self, inverse: float, rows: Features) -> Float[ndarray, " row"]:
        """Predict other rows under an inverse penalty."""
        weights = self.vectors @ (self.target / (self.values + 1 / inverse))
        found: ndarray = self.level + (rows - self.centre) @ weights
        return found


def ridge_path(rows: Features, labels: ndarray, inverse_penalties: ndarray) -> Iterator[Callable[[Features], Outputs]]:
    """Fit from the strongest penalty to the weakest."""
    axes = _PrincipalAxes.of(rows, labels)
    for inverse in inverse_penalties:
        yield _column(partial(axes.predict, inverse))


def squared_error(labels: ndarray, outputs: Outputs, _: ndarray | None) -> float:
    """Mean squared error of values."""
    return float(np.mean((labels - outputs[:, 0]) ** 2))


def support_vectors(fold: Fold) -> Predicted:
    """Linear support vector machine (classes, balanced weights) or regression (values) on standardised rows.

    The penalty has the best balanced accuracy (least squared error) over the inner splits, the strongest among equals.
    Margins become probabilities by ``calibrated``.
    """
    if fold.kind == "value":
        return fit_path(one_by_one(_margin_value_path), squared_error, fold, MARGIN_PENALTIES)[0]
    found, _ = fit_path(one_by_one(_margin_path), _error_rate, fold, MARGIN_PENALTIES)
    return calibrated(found, fold.labels, lambda margins: margins)


def calibrated(
    found: Predicted, labels: ndarray, scale: Callable[[Float[ndarray, "row output"]], Float[ndarray, "row score"]]
) -> Predicted:
    """Make probabilities by logistic regression, classes weighing alike, on predictions of unseen people (Platt 1999).

    ``scale`` turns outputs into what is linear in the log odds. The training people are the unseen ones of the inner
    splits; nothing of the test side is used. Scores are standardised by them first: those of a strong penalty are so
    small that the regression would take them for nothing, give everybody the same chance, and so the same class.
    """
    inner = scale(found.inner)
    spread = inner.std(axis=0)
    centre, unit = inner.mean(axis=0), np.where(spread > 1e-12 * np.abs(inner).max(), spread, np.inf)

    def chances(outputs: Float[ndarray, "row output"]) -> Float[ndarray, "row class"]:
        found: ndarray = model.predict_proba((scale(outputs) - centre) / unit)
        return found

    with _pools().limit(limits=1):
        model = _fitted(LogisticRegression(class_weight="balanced"), (inner - centre) / unit, labels)
    return Predicted(
        classes=found.classes,
        test=chances(found.test),
        inner=chances(found.inner),
        candidates=np.stack([chances(output) for output in found.candidates]),
    )


def log_odds(chances: Float[ndarray, "row class"]) -> Float[ndarray, "row odds"]:
    """Return the log odds of every class but the first against the first."""
    logs = np.log(np.maximum(chances, _LEAST_CHANCE))
    odds: ndarray = logs[:, 1:] - logs[:, :1]
    return odds


def _margin_path(
    rows: Features, labels: ndarray, inverse_penalties: ndarray
) -> Iterator[Callable[[Features], Outputs]]:
    for inverse in inverse_penalties:
        yield _both_sides(_fitted(LinearSVC(C=inverse, class_weight="balanced", random_state=0), rows, labels))


def _margin_value_path(
    rows: Features, labels: ndarray, inverse_penalties: ndarray
) -> Iterator[Callable[[Features], Outputs]]:
    for inverse in inverse_penalties:
        model = LinearSVR(C=inverse, loss="squared_epsilon_insensitive", epsilon=0.1, random_state=0)
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
        yield _column(_fitted(model, rows, labels).predict)


def _error_rate(labels: ndarray, margins: Outputs, classes: ndarray | None) -> float:
    """Share of rows on the wrong side, each class counting alike."""
    wrong = np.asarray(classes)[margins.argmax(axis=1)] != labels
    return float(np.mean([wrong[labels == name].mean() for name in np.unique(labels)]))


def _fitted(model: Any, rows: Features, labels: ndarray) -> Any:
    with warnings.catch_warnings():
        # A fit that stops short of its optimum is a candidate like any other: the inner splits judge it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, labels)


def _column(predict: Callable[[Features], ndarray]) -> Callable[[Features], Outputs]:
    return lambda rows: predict(rows)[:, None]


def _both_sides(model: LinearSVC) -> Callable[[Features], Outputs]:
    """Give two classes a margin each, as more classes have."""

    def margins(rows: Features) -> Outputs:
        found: ndarray = model.decision_function(rows)
        return np.column_stack([-found, found]) if found.ndim == 1 else found

    return margins


def _few_threads(rows: int) -> Any:
    """Keep small matrices on one thread: more only wait for each other, up to 70 times as long on busy cores."""
    return _pools().limit(limits=1 if rows < _FEW_ROWS else None)
