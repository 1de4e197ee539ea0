"""How much of many features can be read linearly from others on people never seen: ridge with folds over people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import csr_array
from sklearn.model_selection import GroupKFold

from semantoks.evaluate.models.linear import INVERSE_PENALTIES, standardised_rows
from semantoks.evaluate.study.splits import Split
from semantoks.evaluate.study.tasks import FeatureSet
from semantoks.statistics.intervals import draw

INNER = 10
"""Parts of the training people by which penalties are chosen."""
SAMPLES = 1000
_RANK = 1e-6


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Squared errors and squared spreads around the training people's mean, of people never seen.

    Attributes
    ----------
    errors, spreads
        [person, component]: of the structure's first components.
    cell_errors, cell_spreads
        [person, cell]: of all features, summed by the cell to which they belong.
    held
        Share of all variance that the first component holds, the first two, and so on.
    """

    errors: Float[ndarray, "person component"]
    spreads: Float[ndarray, "person component"]
    cell_errors: Float[ndarray, "person cell"]
    cell_spreads: Float[ndarray, "person cell"]
    held: Float[ndarray, " rank"]

    def by_component(self, weights: Float[ndarray, "sample person"] | None = None) -> Float[ndarray, "*s component"]:
        """Return the explained variance of each component; of resampled people, with their ``weights``."""
        return _explained(self.errors, self.spreads, weights)

    def by_cell(self) -> Float[ndarray, " cell"]:
        """Return the explained variance of each cell."""
        return _explained(self.cell_errors, self.cell_spreads, None)

    def whole(self, weights: Float[ndarray, "sample person"] | None = None) -> Float[ndarray, "*s"]:
        """Return the share of all variance that is explained."""
        errors, spreads = (x.sum(axis=1, keepdims=True) for x in (self.cell_errors, self.cell_spreads))
        found: ndarray = _explained(errors, spreads, weights)[..., 0]
        return found


def _explained(errors: ndarray, spreads: ndarray, weights: ndarray | None) -> ndarray:
    if weights is None:
        errors, spreads = errors.sum(axis=0), spreads.sum(axis=0)
    else:
        errors, spreads = weights @ errors, weights @ spreads
    with np.errstate(invalid="ignore", divide="ignore"):
        found: ndarray = np.where(spreads > 0, 1 - errors / spreads, np.nan)
    return found


def folds_of(groups: Int[ndarray, " person"], folds: int, seed: int) -> list[Split]:
    """Split people into folds; a group (family, copies) is never on both sides."""
    folds = min(folds, len(np.unique(groups)))
    return list(GroupKFold(folds, shuffle=True, random_state=seed).split(groups, groups=groups))


@dataclass(frozen=True)
class Components:
    """The principal components of a structure over everybody: scores, features around their mean, and the way back.

    They are of everybody, so that the scores of trained and of tested people are alike: components of the training
    people alone fit these people's noise, and nobody else's. Nothing of an embedding enters them.
    """

    scores: Float[ndarray, "person rank"]
    features: Float[ndarray, "person feature"]
    back: Float[ndarray, "rank feature"]

    @classmethod
    def of(cls, structure: FeatureSet, people: int) -> "Components":
        """Centre (a missing cell is the mean), and rotate into the people's span, without loss."""
        everybody = np.arange(people)
        values = structure.matrix(everybody, everybody)[:, :].astype(np.float32)
        known = np.isfinite(values)
        mean = np.where(known, values, 0).sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0), 1)
        centred = np.where(known, values - mean.astype(np.float32), 0)
        squares, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        kept = np.flatnonzero(squares > max(squares[-1] * _RANK, np.finfo(float).tiny))[::-1]
        vectors, length = vectors[:, kept], np.sqrt(squares[kept])
        return cls(vectors * length, centred, (vectors / length).T.astype(np.float32) @ centred)


@dataclass(frozen=True)
class Source:
    """What is read from, in one fold: principal axes of the training people, and where the test people lie on them."""

    values: Float[ndarray, " axis"]
    vectors: Float[ndarray, "train axis"]
    test: Float[ndarray, "test axis"]

    @classmethod
    def of(cls, source: FeatureSet, fold: Split) -> "Source":
        """Standardise by the training people."""
        both = source.matrix(fold[0], np.concatenate(fold))
        rows, others = standardised_rows(both, len(fold[0]))
        rows, others = rows.astype(np.float64), others.astype(np.float64)
        left, length, right = np.linalg.svd(rows, full_matrices=False)
        kept = length > max(length.max(initial=0) * _RANK, np.finfo(float).tiny)
        return cls(length[kept] ** 2, left[:, kept], others @ right[kept].T / length[kept])

    def predict(self, targets: Float[ndarray, "train rank"], seed: int) -> Float[ndarray, "test rank"]:
        """Predict the test people's scores, with a penalty for each component.

        It is the strongest that is as good as the best one, within the standard error over parts of the training
        people; nothing but the mean is a candidate, too. What a model without some people says of them follows from the
        model of everybody: (I - H)^-1 (y - fitted), where H is their block of the hat matrix.
        """
        shared = self.vectors.T @ targets
        factors = np.stack(
            [np.zeros_like(self.values), *(self.values / (self.values + 1 / c) for c in INVERSE_PENALTIES)]
        )
        parts = np.array_split(np.random.default_rng(seed).permutation(len(targets)), min(INNER, len(targets)))
        losses = np.empty((len(factors), len(parts), targets.shape[1]))
        for place, factor in enumerate(factors):
            off = targets - self.vectors @ (factor[:, None] * shared)
            for number, part in enumerate(parts):
                hat = 1 / len(targets) + (self.vectors[part] * factor) @ self.vectors[part].T
                losses[place, number] = (np.linalg.solve(np.eye(len(part)) - hat, off[part]) ** 2).sum(axis=0)
        found: ndarray = self.test @ (factors[_strongest(losses)].T * shared)
        return found


def _strongest(losses: Float[ndarray, "penalty part target"]) -> Int[ndarray, " target"]:
    """Choose the first of the penalties, from strong to weak, that is within one standard error of the best."""
    best = losses.sum(axis=1).argmin(axis=0)
    behind = losses - np.take_along_axis(losses, best[None, None], axis=0)
    parts = losses.shape[1]
    error = behind.std(axis=1, ddof=1) / np.sqrt(parts)
    chosen: ndarray = (behind.mean(axis=1) <= error).argmax(axis=0)
    return chosen


def opened_to_reading(sources: Sequence[FeatureSet], folds: Sequence[Split]) -> list[list[Source]]:
    """Return what is read from, fold by fold: the same for every structure."""
    return [[Source.of(source, fold) for fold in folds] for source in sources]


def read(
    sources: Sequence[Sequence[Source]],
    structure: FeatureSet,
    folds: Sequence[Split],
    *,
    cells: Int[ndarray, " feature"] | None,
    components: int,
    seed: int = 0,
) -> list[Reading]:
    """Read one structure from each source, fold by fold.

    Parameters
    ----------
    sources
        From ``opened_to_reading``, with the same folds.
    cells
        The cell of every feature (e.g. its pair of networks); None = all in one.
    components
        Components of the structure that are looked at, at most; at most a quarter as many as people.
    """
    people = sum(len(test) for _, test in folds)
    whole = Components.of(structure, people)
    most = min(components, whole.scores.shape[1], max(1, people // 4))
    features, squares = whole.features.shape[1], np.square(whole.scores).sum(axis=0)
    held = squares.cumsum() / squares.sum()
    where = np.zeros(features, dtype=np.int64) if cells is None else cells
    sums = csr_array((np.ones(features), (np.arange(features), where)), shape=(features, int(where.max()) + 1))
    found = []
    for source in sources:
        errors, spreads = np.zeros((2, people, most))
        cell_errors, cell_spreads = np.zeros((2, people, sums.shape[1]))
        for of_fold, (train, test) in zip(source, folds, strict=True):
            mean = whole.scores[train].mean(axis=0)
            read_off = of_fold.predict(whole.scores[train] - mean, seed)
            truth = whole.scores[test] - mean
            around = whole.features[test] - mean.astype(np.float32) @ whole.back
            off = around - read_off.astype(np.float32) @ whole.back
            errors[test], spreads[test] = ((truth - read_off) ** 2)[:, :most], (truth**2)[:, :most]
            cell_errors[test], cell_spreads[test] = (off**2) @ sums, (around**2) @ sums
        found.append(
            Reading(errors=errors, spreads=spreads, cell_errors=cell_errors, cell_spreads=cell_spreads, held=held)
        )
    return found


def resampling(groups: Int[ndarray, " person"], seed: int, samples: int = SAMPLES) -> Float[ndarray, "sample person"]:
    """Return how often each person is drawn in each bootstrap sample of groups."""
    _, number = np.unique(groups, return_inverse=True)
    drawn = draw(int(number.max()) + 1, samples, np.random.default_rng(seed))
    weights: ndarray = drawn[:, 1:].T[:, number]
    return weights
