"""What a method gets and returns: plans, tasks, predictions, and the protocols of feature sets and methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.evaluate.study.splits import Split
from semantoks.statistics.tables import TargetKind
from semantoks.types import Features


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One target under one analysis: who has it, and the splits that all methods share.

    Attributes
    ----------
    target, kind
        Name and kind of the target.
    people
        Places in ``People`` of those who have a label, ascending; "row" below counts along them.
    labels
        Text of a class, or float64, for each row.
    groups
        Rows of one group are never on both sides.
    splits
        (training rows, test rows).
    analysis, condition
        Which part of the evaluation this is: see ``statistics.tables.ANALYSES``.
    """

    target: str
    kind: TargetKind
    people: Int[ndarray, " row"]
    labels: ndarray
    groups: Int[ndarray, " row"]
    splits: tuple[Split, ...]
    analysis: str = "main"
    condition: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One split of a plan: fit on the training people, predict the test people.

    Attributes
    ----------
    train, test
        People, as places in ``People``.
    labels
        Of the training people. A method never gets the labels of the test people.
    inner
        Splits of the training side (indices into ``train``), by groups: for choosing penalties and nothing else.
    seed
        Of everything random in the method.
    """

    kind: TargetKind
    train: Int[ndarray, " train"]
    test: Int[ndarray, " test"]
    labels: ndarray
    inner: tuple[Split, ...]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A method's predictions: probabilities [row, class] in the order of ``classes``, or values [row, 1].

    Attributes
    ----------
    classes
        Sorted classes of the training side; None for a value.
    test
        For the test people.
    inner
        For the training people, each by a model of the inner splits that did not see them; stacking needs it.
    candidates
        For the test people, by every setting that was tried: what peeking at the test side could have chosen from.
    """

    classes: ndarray | None
    test: Float[ndarray, "test output"]
    inner: Float[ndarray, "train output"]
    candidates: Float[ndarray, "candidate test output"]


@runtime_checkable
class FeatureSet(Protocol):
    """Features of people; a set that has to be fitted is fitted on the training people alone."""

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return the features of ``people``, after fitting on ``train`` whatever has to be fitted."""


@runtime_checkable
class Method(Protocol):
    """Anything that predicts: a feature set with a linear model, neighbours, a stack of other methods."""

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:
        """Predict the test people of a task; ``before`` has the predictions of the methods earlier in the list."""
