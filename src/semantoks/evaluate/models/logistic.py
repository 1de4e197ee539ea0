"""Logistic regression under many L2 penalties at once: their steps share products of matrices, in float32 if large."""

from collections.abc import Callable, Iterator
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

Weights = Num[ndarray, "problem weight"]
Gradient = Callable[[Weights, Int[ndarray, " problem"]], Weights]
"""(weights of some problems, which these are) -> the gradient of each."""


def logistic_path(
    rows: Features, labels: ndarray, inverse_penalties: Float[ndarray, " penalty"]
) -> Iterator[Callable[[Features], Float[ndarray, "row class"]]]:
    """Fit a multinomial logistic regression with balanced class weights under every penalty.

    Each minimises what ``sklearn.linear_model.LogisticRegression(C=..., class_weight="balanced")`` does: the sum of
    -log p(true class) of all rows, each times n / (classes x rows of its class), plus the squared length of the weights
    / 2 C; the intercepts are free, and two classes share one set of weights. It ends where no partial derivative of
    the mean exceeds 1e-6.

    Yields
    ------
    Callable
        (features [row, feature]) -> probabilities [row, class], classes in ascending order; one for each of
        ``inverse_penalties`` (C), in their order.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    problems = _Problems.of(rows, codes, len(classes), inverse_penalties)
    for weights in minimised(problems.gradient, problems.inverse_curvature()):
        yield partial(_chances, weights.astype(np.float64).reshape(-1, rows.shape[1] + 1))


def _chances(weights: Float[ndarray, "output column"], rows: Features) -> Float[ndarray, "row class"]:
    odds = rows @ weights[:, :-1].T + weights[:, -1]
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
    """One regression per penalty on the same rows; weights are those of all columns and the intercept, per output.

    Attributes
    ----------
    rows, columns
        Features, and their transpose, each contiguous.
    truth
        Whether a row is of an output's class: one output for two classes, else one for each.
    share
        Weight of each row in the mean loss.
    strengths
        Factor of half the weights' squared length in the mean loss.
    curvature
        Second derivative of a row's loss by its log odds, where all classes are equally likely.
    """

    rows: Num[ndarray, "row column"]
    columns: Num[ndarray, "column row"]
    truth: Num[ndarray, "output row"]
    share: Num[ndarray, " row"]
    strengths: Num[ndarray, " problem"]
    curvature: float

    @classmethod
    def of(
        cls, rows: Features, codes: Int[ndarray, " row"], classes: int, inverse_penalties: Float[ndarray, " problem"]
    ) -> "_Problems":
        precision = np.float32 if rows.size >= _LARGE else np.float64
        outputs = 1 if classes == 2 else classes
        share = 1 / (classes * np.bincount(codes)[codes])
        return cls(
            rows=np.ascontiguousarray(rows, dtype=precision),
            columns=np.ascontiguousarray(rows.T, dtype=precision),
            truth=(codes == np.arange(classes)[-outputs:, None]).astype(precision),
            share=share.astype(precision),
            strengths=(1 / (inverse_penalties * len(rows))).astype(precision),
            curvature=1 / classes - 1 / classes**2,
        )

    def inverse_curvature(self) -> Weights:
        """Return one over the second derivatives where all classes are equally likely."""
        squares = self.curvature * (self.share @ self.rows**2)
        each = np.append(squares + self.strengths[:, None], np.full((len(self.strengths), 1), self.curvature), axis=1)
        return np.tile(1 / each, len(self.truth)).astype(self.rows.dtype)

    def gradient(self, weights: Weights, problems: Int[ndarray, " problem"]) -> Weights:
        """Return the gradient of the penalised mean loss of some of the problems."""
        shaped = weights.reshape(len(problems), len(self.truth), -1)
        slopes, intercepts = shaped[:, :, :-1], shaped[:, :, -1:]
        odds = (slopes.reshape(-1, len(self.columns)) @ self.columns).reshape(*shaped.shape[:2], -1) + intercepts
        off = expit(odds) if len(self.truth) == 1 else _softmax(odds, axis=1)
        off -= self.truth
        off *= self.share
        found = np.empty_like(shaped)
        found[:, :, :-1] = (off.reshape(-1, len(self.rows)) @ self.rows).reshape(slopes.shape)
        found[:, :, :-1] += self.strengths[problems, None, None] * slopes
        found[:, :, -1] = off.sum(axis=2)
        return found.reshape(weights.shape)


def minimised(gradient: Gradient, inverse_curvature: Weights) -> Weights:
    """Minimise convex functions side by side from 0, by L-BFGS (Nocedal & Wright 2006, algorithm 7.4).

    A step is accepted where the slope along it has not turned by more than it was, which for a convex function needs no
    value of the function, whose rounding would hide small gains. Those that are done leave the products.
    """
    going = np.arange(len(inverse_curvature))
    found = np.zeros_like(inverse_curvature)
    here, memory = found.copy(), _Memory(inverse_curvature)
    slope = gradient(here, going)
    for _ in range(_ITERATIONS):
        open_ = np.abs(slope).max(axis=1) > _TOLERANCE
        if not open_.all():
            found[going[~open_]] = here[~open_]
            going, here, slope = going[open_], here[open_], slope[open_]
            memory.keep(open_)
        if not len(going):
            return found
        step, there = _step(gradient, here, slope, memory.direction(slope), going)
        memory.add(step, there - slope)
        here, slope = here + step, there
    found[going] = here
    return found


def _step(
    gradient: Gradient, here: Weights, slope: Weights, direction: Weights, problems: Int[ndarray, " problem"]
) -> tuple[Weights, Weights]:
    """Go along each direction, less far where that overshoots; return the steps, and the gradients where they end."""
    before, length = _dot(direction, slope), np.ones(len(here), here.dtype)
    there, trying = np.empty_like(slope), np.arange(len(here))
    for _ in range(_TRIALS):
        there[trying] = gradient(here[trying] + length[trying, None] * direction[trying], problems[trying])
        after = _dot(direction[trying], there[trying])
        over = after > -_OVERSHOT * before[trying]
        if not over.any():
            break
        trying, after = trying[over], after[over]
        length[trying] *= np.clip(before[trying] / (before[trying] - after), 0.1, 0.7)
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
