"""Methods: a feature set with a linear model, support vectors or neighbours, and stacks of other methods."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.neighbors import NearestNeighbors

from semantoks.evaluate.models.linear import Fold, fold_of, linear_model, log_odds, standardise, support_vectors
from semantoks.evaluate.study.tasks import FeatureSet, Predicted, Task
from semantoks.storage.arrays import Chosen, OnDisk
from semantoks.types import Features, HeldOut

NEIGHBOURS = (5, 9, 17, 33, 65)


@dataclass(frozen=True)
class Fixed:
    """Features that do not depend on the training people: one row per person."""

    values: Float[ndarray, "everybody feature"] | OnDisk

    def matrix(
        self,
        train: Int[ndarray, " train"],  # noqa: ARG002
        people: Int[ndarray, " person"],
    ) -> Features | Chosen:
        """Return the rows of ``people``."""
        return Chosen(self.values, people) if isinstance(self.values, OnDisk) else self.values[people]


@dataclass(frozen=True)
class Linear:
    """L2 logistic regression (classes, balanced weights) or ridge regression (values)."""

    features: FeatureSet

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Fit on the training people, the penalty chosen by the inner splits, and predict the test people."""
        return linear_model(fold_of(self.features, task))


@dataclass(frozen=True)
class Svm:
    """Linear support vector machine or regression."""

    features: FeatureSet

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Fit on the training people, the penalty chosen by the inner splits, and predict the test people."""
        return support_vectors(fold_of(self.features, task))


@dataclass(frozen=True)
class Neighbours:
    """k nearest neighbours by cosine of the standardised features, k chosen by the inner splits.

    A class's probability is its share of the neighbours, each class weighted as if all were equally frequent; a value
    is the neighbours' mean.
    """

    features: FeatureSet

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Choose k on the training people and predict the test people."""
        fold = fold_of(self.features, task)
        classes = np.unique(task.labels) if task.kind == "class" else None
        votes = _votes(task.labels, classes)
        counts = [k for k in NEIGHBOURS if k <= min(len(train) for train, _ in task.inner)] or [1]
        inner = np.zeros((len(counts), *votes.shape))
        for train, test in task.inner:
            inner[:, test] = _by_neighbours(fold.rows[train], votes[train], fold.rows[test], counts)
        # Squared error of the shares (the Brier score) or of the value, each class counting alike.
        weight = votes.sum(axis=1) if classes is not None else np.ones(len(votes))
        truth = votes / weight[:, None] if classes is not None else votes
        best = int((((inner - truth) ** 2).sum(axis=2) @ weight).argmin())
        found = _by_neighbours(fold.rows, votes, fold.test, counts)
        return Predicted(classes=classes, test=found[best], inner=inner[best], candidates=found)


def _votes(labels: ndarray, classes: ndarray | None) -> Float[ndarray, "row output"]:
    """Return each row's vote as a neighbour: its value, or 1 / class size in the column of its class."""
    if classes is None:
        return labels[:, None].astype(float)
    member: ndarray = labels[:, None] == classes
    shares: ndarray = member / member.sum(axis=0)
    return shares


def _by_neighbours(
    rows: Features, votes: Float[ndarray, "row output"], test: HeldOut, counts: list[int]
) -> Float[ndarray, "count test output"]:
    index = NearestNeighbors(n_neighbors=max(counts), metric="cosine").fit(rows)
    sums = votes[index.kneighbors(test, return_distance=False)].cumsum(axis=1)
    found = [sums[:, k - 1] / k if votes.shape[1] == 1 else sums[:, k - 1] for k in counts]
    return np.stack([f if votes.shape[1] == 1 else f / f.sum(axis=1, keepdims=True) for f in found])


@dataclass(frozen=True)
class Stacked:
    """A linear model on other methods' predictions: does one add anything to the other (Wolpert 1992)?

    On the training side the predictions come from the models of the inner splits that had not seen the person.
    """

    parts: tuple[str, ...]

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:
        """Fit on the parts' inner predictions and predict from their predictions of the test people."""
        rows = np.hstack([_level(before[name].inner) for name in self.parts])
        test = np.hstack([_level(before[name].test) for name in self.parts])
        rows, test = standardise(rows, test)
        return linear_model(Fold(rows, task.labels, test, task.inner, task.kind, task.fine))


def _level(outputs: Float[ndarray, "row output"]) -> Features:
    """Log odds against the first class, or the value itself."""
    return outputs if outputs.shape[1] == 1 else log_odds(outputs)
