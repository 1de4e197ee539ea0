"""Logistic regression under many L2 penalties at once: their steps share products of matrices, in float32 if large."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Num
from numpy import ndarray
from scipy.special import expit

from semantoks.types import Features

_TOLERANCE, _ITERATIONS = 1e-6, 500
"""Largest absolute partial derivative of the mean loss at which a fit ends, and the most steps before."""
_REMEMBERED, _TRIALS, _OVERSHOT = 6, 20, 0.9
_LARGE = 1 << 17
"""Cells from which on rows are multiplied in float32, whose rounding is a hundredth of the tolerance."""
_MOST_ROTATED = 1024
"""Columns up to which principal axes are found."""
_FLAT = 1e-3 / 4
"""Least curvature that an intercept counts as having: a thousandth of the most that there is."""

Rows = Int[ndarray, " _"]
Chances = Callable[[Features], Float[ndarray, "row class"]]
Weights = Num[ndarray, "problem weight"]
Which = Int[ndarray, " problem"]
OfProblems = Callable[[Weights, Which], Weights]
"""(weights of some problems, which these are) -> the gradient of each, or one over its second derivatives."""


def logistic_paths(
    rows: Features, labels: ndarray, inverse_penalties: Float[ndarray, " penalty"], trainings: Sequence[Rows]
) -> Iterator[list[Chances]]:
    """Fit a multinomial logistic regression with balanced class weights on each choice of rows, under every penalty.

    Each minimises what ``sklearn.linear_model.LogisticRegression(C=..., class_weight="balanced")`` does: the sum of
    -log p(true class) of all rows, each times n / (classes x rows of its class), plus the squared length of the weights
    / 2 C; the intercepts are free, and two classes share one set of weights. It ends where no partial derivative of
    the mean exceeds 1e-6.

    Yields
    ------
    list of Callable
        For each of ``trainings``, one for each of ``inverse_penalties`` (C): (features [row, feature]) ->
        probabilities [row, class], classes of ``labels`` in ascending order; 0 for one without a row in the training.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    axes = _principal_axes(rows)
    problems = _Problems.of(rows if axes is None else rows @ axes, codes, len(classes), inverse_penalties, trainings)
    found = minimised(problems.gradient, problems.inverse_curvature, problems.start)
    for path in found.astype(np.float64).reshape(len(trainings), len(inverse_penalties), len(problems.truth), -1):
        yield [partial(_chances, weights, axes) for weights in path]


def logistic_path(rows: Features, labels: ndarray, inverse_penalties: Float[ndarray, " penalty"]) -> list[Chances]:
    """Fit on all rows, as `logistic_paths` does."""
    return next(logistic_paths(rows, labels, inverse_penalties, [np.arange(len(rows))]))


def _principal_axes(rows: Features) -> Float[ndarray, "column axis"] | None:
    """Return the axes along which columns have their own curvature.

    None where rows are few, and stand so already (``linear.standardised_rows``), and where finding them costs more than
    it saves.
    """
    if rows.shape[1] > min(0.9 * len(rows), _MOST_ROTATED):
        return None
    found: ndarray = np.linalg.eigh(rows.T @ rows)[1]
    return found


def _chances(
    weights: Float[ndarray, "output weight"], axes: Float[ndarray, "column axis"] | None, rows: Features
) -> Float[ndarray, "row class"]:
    slopes = weights[:, :-1].T
    odds = rows @ (slopes if axes is None else axes @ slopes) + weights[:, -1]
    if len(weights) == 1:
        return np.hstack([expit(-odds), expit(odds)])
    return _softmax(odds, axis=1)


def _softmax(odds: Num[ndarray, "..."], axis: int) -> Num[ndarray, "..."]:
    """Return probabilities, made in the memory of ``odds``."""
    odds -= odds.max(axis=axis, keepdims=True)
    np.exp(odds, out=odds)
    odds /= odds.sum(axis=axis, keepdims=True)
    return odds


@dataclass(frozen=True)
class _Problems:
    """One regression per training and penalty; weights are those of all columns and the intercept, for each output.

    Attributes
    ----------
    rows, columns, squares
        Features, their transpose, and their squares, each contiguous.
    truth
        Whether a row is of an output's class: one output for two classes, else one for each.
    share
        Weight of each row in the mean loss of a problem.
    strengths
        Factor of half the weights' squared length in that mean.
    start
        Weights of 0; the intercept of a class that a training lacks is minus infinity.
    """

    rows: Num[ndarray, "row column"]
    columns: Num[ndarray, "column row"]
    squares: Num[ndarray, "row column"]
    truth: Num[ndarray, "output row"]
    share: Num[ndarray, "problem row"]
    strengths: Num[ndarray, " problem"]
    start: Weights

    @classmethod
    def of(
        cls,
        rows: Features,
        codes: Int[ndarray, " row"],
        classes: int,
        inverse_penalties: Float[ndarray, " penalty"],
        trainings: Sequence[Rows],
    ) -> "_Problems":
        precision = np.float32 if rows.size >= _LARGE else np.float64
        outputs, count = 1 if classes == 2 else classes, len(inverse_penalties)
        share = np.zeros((len(trainings), len(rows)))
        start = np.zeros((len(trainings), outputs, rows.shape[1] + 1))
        for place, training in enumerate(trainings):
            sizes = np.bincount(codes[training], minlength=classes)
            share[place, training] = 1 / (np.count_nonzero(sizes) * sizes[codes[training]])
            if outputs > 1:
                start[place, sizes == 0, -1] = -np.inf
        strengths = np.concatenate([1 / (inverse_penalties * len(training)) for training in trainings])
        return cls(
            rows=np.ascontiguousarray(rows, dtype=precision),
            columns=np.ascontiguousarray(rows.T, dtype=precision),
            squares=np.square(rows, dtype=precision),
            truth=(codes == np.arange(classes)[-outputs:, None]).astype(precision),
            share=share.repeat(count, axis=0).astype(precision),
            strengths=strengths.astype(precision),
            start=start.reshape(len(trainings), -1).repeat(count, axis=0).astype(precision),
        )

    def _shaped(self, weights: Weights) -> Num[ndarray, "problem output own"]:
        return weights.reshape(len(weights), len(self.truth), -1)

    def _probabilities(self, weights: Weights) -> Num[ndarray, "problem output row"]:
        shaped = self._shaped(weights)
        odds = (shaped[:, :, :-1].reshape(-1, len(self.columns)) @ self.columns).reshape(*shaped.shape[:2], -1)
        odds += shaped[:, :, -1:]
        return expit(odds) if len(self.truth) == 1 else _softmax(odds, axis=1)

    def gradient(self, weights: Weights, problems: Which) -> Weights:
        """Return the gradient of the penalised mean loss of some of the problems."""
        off = self._probabilities(weights)
        off -= self.truth
        off *= self.share[problems, None]
        found = np.empty_like(self._shaped(weights))
        found[:, :, :-1] = (off.reshape(-1, len(self.rows)) @ self.rows).reshape(found[:, :, :-1].shape)
        found[:, :, :-1] += self.strengths[problems, None, None] * self._shaped(weights)[:, :, :-1]
        found[:, :, -1] = off.sum(axis=2)
        return found.reshape(weights.shape)

    def inverse_curvature(self, weights: Weights, problems: Which) -> Weights:
        """Return one over the second derivative along each weight."""
        chances = self._probabilities(weights)
        chances *= 1 - chances
        chances *= self.share[problems, None]
        found = np.empty_like(self._shaped(weights))
        found[:, :, :-1] = (chances.reshape(-1, len(self.rows)) @ self.squares).reshape(found[:, :, :-1].shape)
        found[:, :, :-1] += self.strengths[problems, None, None]
        found[:, :, -1] = np.maximum(chances.sum(axis=2), _FLAT)
        return 1 / found.reshape(weights.shape)


def minimised(gradient: OfProblems, inverse_curvature: OfProblems, start: Weights) -> Weights:
    """Minimise convex functions side by side, by L-BFGS (Nocedal & Wright 2006, algorithm 7.4).

    Its first guess of the inverse Hessian is a diagonal, taken anew after 1, 2, 4, 8 ... steps. A step is accepted
    where the slope along it has not turned by more than it was, which for a convex function needs no value of the
    function, whose rounding would hide small gains. Those that are done leave the products.
    """
    going, found, here = np.arange(len(start)), start.copy(), start
    slope, memory = gradient(here, going), _Memory(inverse_curvature(here, going))
    for done in range(_ITERATIONS):
        open_ = np.abs(slope).max(axis=1) > _TOLERANCE
        if not open_.all():
            found[going[~open_]] = here[~open_]
            going, here, slope = going[open_], here[open_], slope[open_]
            memory.keep(open_)
        if not len(going):
            return found
        if done and done & (done - 1) == 0:
            memory.inverse_curvature = inverse_curvature(here, going)
        step, there = _step(gradient, here, slope, memory.direction(slope), going)
        memory.add(step, there - slope)
        here, slope = here + step, there
    found[going] = here
    return found


def _step(
    gradient: OfProblems, here: Weights, slope: Weights, direction: Weights, problems: Which
) -> tuple[Weights, Weights]:
    """Go along each direction, less far where that overshoots; return the steps, and the gradients where they end."""
    before, length = _dot(direction, slope), np.ones(len(here), here.dtype)
    there = gradient(here + direction, problems)
    after, trying = _dot(direction, there), np.arange(len(here))
    for _ in range(_TRIALS):
        over = after > -_OVERSHOT * before[trying]
        if not over.any():
            break
        trying, after = trying[over], after[over]
        length[trying] *= np.clip(before[trying] / (before[trying] - after), 0.1, 0.7)
        there[trying] = gradient(here[trying] + length[trying, None] * direction[trying], problems[trying])
        after = _dot(direction[trying], there[trying])
    return length[:, None] * direction, there


@dataclass
class _Memory:
    """The last steps of each problem, the changes of the gradient along them, and one over the product of both."""

    inverse_curvature: Weights
    steps: list[Weights] = field(default_factory=list)
    changes: list[Weights] = field(default_factory=list)
    inverses: list[Num[ndarray, " problem"]] = field(default_factory=list)

    def keep(self, which: ndarray) -> None:
        """Forget the problems that are done."""
        self.inverse_curvature = self.inverse_curvature[which]
        for kept in (self.steps, self.changes, self.inverses):
            kept[:] = [one[which] for one in kept]

    def add(self, step: Weights, change: Weights) -> None:
        """Remember a step; one without curvature, of which rounding is all that is left, counts for nothing."""
        along = _dot(step, change)
        self.steps.append(step)
        self.changes.append(change)
        self.inverses.append(np.divide(1, along, out=np.zeros_like(along), where=along > 0))
        for kept in (self.steps, self.changes, self.inverses):
            del kept[:-_REMEMBERED]

    def direction(self, slope: Weights) -> Weights:
        """Return minus the inverse Hessian, as far as the steps tell it, times the gradient."""
        pairs = list(zip(self.steps, self.changes, self.inverses, strict=True))
        left, parts = slope.copy(), []
        for step, change, inverse in reversed(pairs):
            parts.append(inverse * _dot(step, left))
            left -= parts[-1][:, None] * change
        found: Weights = self.inverse_curvature * left
        if pairs:
            _, change, inverse = pairs[-1]
            bent = inverse * _dot(change * self.inverse_curvature, change)
            found /= np.where(bent > 0, bent, 1)[:, None]
        for (step, change, inverse), part in zip(pairs, reversed(parts), strict=True):
            found += (part - inverse * _dot(change, found))[:, None] * step
        found *= -1
        return found


def _dot(one: Weights, other: Weights) -> Num[ndarray, " problem"]:
    found: ndarray = np.einsum("pw,pw->p", one, other)
    return found
