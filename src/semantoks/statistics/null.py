"""The permutation null: what a feature set scores when labels are permuted, with everything refitted each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.errors import DataError

PENALTIES = np.logspace(-4, 3, 8)
"""Of the kernel ridge, for rows of mean squared length 1: the grid of ``evaluate.models.linear``."""
_RANK = 1e-10
_CELLS = 2**21
"""Most targets in memory at a time, rows x columns: a few arrays of this size fit a processor's cache."""
_SAME = 1e-10


@dataclass(frozen=True, kw_only=True)
class Null:
    """A statistic, what it was under each permutation, and p = (1 + permutations at least as large) / (1 + all)."""

    observed: float
    null: Float[ndarray, " permutation"]
    p: float


def permutation_null(
    rows: Sequence[tuple[Float[ndarray, "_ _"], Float[ndarray, "_ _"]]],
    splits: Sequence[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]],
    labels: ndarray,
    groups: Int[ndarray, " row"],
    kind: Literal["class", "value"],
    *,
    permutations: int = 1000,
    rng: np.random.Generator,
) -> Null:
    """Test whether features predict a target at all, by permuting its labels and refitting everything.

    The model is a kernel ridge with an unpenalised intercept, its penalty chosen for every permutation by the exact
    leave-one-out error on the training side among ``PENALTIES``. For classes it fits an indicator of each class and
    predicts the largest one relative to the class's share of the training rows (the rule of Bayes for classes of equal
    size, which is what balanced accuracy asks for); in the leave-one-out error each class counts alike. The statistic
    is the mean over splits (by test people) of balanced accuracy or of r (0 for a constant prediction).

    Labels are permuted among the people of one test side, which keeps every split as stratified as it was; people of a
    group move as a block, among blocks of the same size (people who are in no test side: among themselves). Assumed is
    that, under the null, labels could have been dealt out otherwise within a test side; with test sides that are sites,
    this is permuting within sites. A group that has no partner of its size stays where it is, which costs power alone.

    Cost, for n training rows of at most n columns, m test rows, B permutations and C outputs (one for a value or two
    classes, else one per class): one eigendecomposition, and 2 n² B C FLOPs for the targets' coordinates, the same for
    the residuals of each of 8 penalties, 2 n m B C for the test rows. For n = 640, m = 160, B = 1,000 and C = 1 that is
    7.6 GFLOP.

    Parameters
    ----------
    rows
        For each split, the standardised features of training [train, column] and test people [test, column]; rows have
        a mean squared length of about 1 (``evaluate.models.linear.standardised_rows``).
    splits
        (training rows, test rows) of one repeat: no row is tested twice.
    labels
        Class or value of each row.

    Raises
    ------
    DataError
        When a row is in two test sides.
    """
    codes = np.unique(labels, return_inverse=True)[1] if kind == "class" else labels.astype(np.float64)
    orders = permuted_rows([test for _, test in splits], groups, permutations, rng)
    shuffled = codes[np.concatenate([np.arange(len(labels))[None], orders])]
    score = _balanced_accuracy if kind == "class" else _correlation
    each = []
    for sides, (train, test) in zip(rows, splits, strict=True):
        ridge = _Ridge.fit(*sides)
        step = max(1, _CELLS // len(train) // (len(np.unique(codes[train])) if kind == "class" else 1))
        parts = [shuffled[start : start + step] for start in range(0, len(shuffled), step)]
        each.append(np.concatenate([score(ridge, part[:, train], part[:, test]) for part in parts]))
    statistic = np.average(each, axis=0, weights=[len(test) for _, test in splits])
    observed, null = float(statistic[0]), statistic[1:]
    return Null(observed=observed, null=null, p=float((1 + (null >= observed - _SAME).sum()) / (1 + permutations)))


def permuted_rows(
    tests: Sequence[Int[ndarray, " _"]], groups: Int[ndarray, " row"], permutations: int, rng: np.random.Generator
) -> Int[ndarray, "permutation row"]:
    """Return whose label each row gets: rows change places within a test side, groups as blocks of one size.

    Raises
    ------
    DataError
        When a row is in two test sides.
    """
    times = np.bincount(np.concatenate(tests), minlength=len(groups))
    if times.max() > 1:
        raise DataError(
            f"a permutation null needs the splits of one repeat, but {(times > 1).sum()} rows are tested twice."
        )
    orders = np.tile(np.arange(len(groups)), (permutations, 1))
    for rows in (*tests, np.flatnonzero(times == 0)):
        _, place, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
        by_group = rows[np.argsort(place, kind="stable")]
        size_of_row = np.repeat(sizes, sizes)
        for size in np.unique(sizes):
            blocks = by_group[size_of_row == size].reshape(-1, size)
            deal = rng.permuted(np.tile(np.arange(len(blocks)), (permutations, 1)), axis=1)
            orders[:, blocks.ravel()] = blocks[deal].reshape(permutations, -1)
    return orders


@dataclass(frozen=True, kw_only=True)
class _Ridge:
    """The centred kernel [train, train] by its eigenvectors and eigenvalues, and the test rows in their coordinates."""

    vectors: Float[ndarray, "train rank"]
    values: Float[ndarray, " rank"]
    across: Float[ndarray, "test rank"]

    @classmethod
    def fit(cls, train: Float[ndarray, "train column"], test: Float[ndarray, "test column"]) -> "_Ridge":
        mean = train.mean(axis=0)
        values, axes = np.linalg.eigh((train - mean).T @ (train - mean))
        kept = values > max(values[-1], 0) * _RANK
        axes, length = axes[:, kept], np.sqrt(values[kept])
        vectors = (train - mean) @ axes / length
        return cls(vectors=vectors, values=values[kept], across=(test - mean) @ axes * length)

    def predict(self, targets: Float[ndarray, "train permutation output"]) -> Float[ndarray, "test permutation output"]:
        """Predict the test rows, relative to the training mean, with the best penalty for each permutation."""
        n, permutations, outputs = targets.shape
        centred = (targets - targets.mean(axis=0)).reshape(n, -1)
        places = self.vectors.T @ centred
        error = np.empty((len(PENALTIES), permutations))
        for i, penalty in enumerate(PENALTIES):
            shrunk = self.vectors * (self.values / (self.values + penalty))
            leverage = 1 / n + (shrunk * self.vectors).sum(axis=1)
            residual = (centred - shrunk @ places) / (1 - leverage)[:, None]
            error[i] = np.einsum("ij,ij->j", residual, residual).reshape(permutations, outputs).sum(axis=1)
        best = np.repeat(error.argmin(axis=0), outputs)
        found = np.empty((len(self.across), permutations * outputs))
        for i, penalty in enumerate(PENALTIES):
            found[:, best == i] = self.across / (self.values + penalty) @ places[:, best == i]
        return found.reshape(-1, permutations, outputs)


def _balanced_accuracy(
    ridge: _Ridge, train: Int[ndarray, "permutation train"], test: Int[ndarray, "permutation test"]
) -> Float[ndarray, " permutation"]:
    # Permuting within test sides leaves the number of each class on each side as it is.
    names, counts = np.unique(train[0], return_counts=True)
    fitted = names[1:] if len(names) == 2 else names  # the indicators of two classes are each other's negatives
    root = np.sqrt(counts[-len(fitted) :] / train.shape[1])
    ahead = ridge.predict((train.T[:, :, None] == fitted) / root) / root
    if len(names) == 2:
        ahead = np.concatenate([np.zeros_like(ahead), ahead], axis=2)
    sizes = np.bincount(test[0])
    right = names[ahead.argmax(axis=2)] == test.T
    score: ndarray = (right / sizes[test.T]).sum(axis=0) / np.count_nonzero(sizes)
    return score


def _correlation(
    ridge: _Ridge, train: Float[ndarray, "permutation train"], test: Float[ndarray, "permutation test"]
) -> Float[ndarray, " permutation"]:
    predicted = ridge.predict(train.T[:, :, None])[:, :, 0]
    predicted, truth = predicted - predicted.mean(axis=0), test.T - test.mean(axis=1)
    length = np.sqrt((predicted**2).sum(axis=0) * (truth**2).sum(axis=0))
    found: ndarray = np.where(length > 0, (predicted * truth).sum(axis=0) / np.where(length > 0, length, 1), 0)
    return found
