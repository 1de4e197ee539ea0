"""What a method takes and returns: plans, tasks, predictions, and the protocols for feature sets and methods."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.counted import plural
from semantoks.evaluate.study.splits import Split, can_be_scored, needed_of_a_test_side
from semantoks.statistics.tables import TargetKind
from semantoks.types import Columns, Features


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One target in one analysis: the people who have it, and the splits that all methods share.

    Attributes
    ----------
    target, kind
        Name and kind of the target.
    people
        Indices into ``People`` of those who have a label, ascending; "row" below is an index into these.
    labels
        Class (text) or value (float64) of each row.
    groups
        Rows of one group are never on both sides of a split.
    splits
        (training rows, test rows); only those whose test side can be scored.
    unscored
        Test rows of the splits that were left out.
    unit
        What a row is.
    components
        Principal components of the training people that wide features are reduced to; None = none.
    again
        How many of the first splits another analysis takes, too, and the folder in which standardised features are kept
        for it; None = none does.
    analysis, condition
        The part of the evaluation: see ``statistics.tables.ANALYSES``.
    """

    target: str
    kind: TargetKind
    people: Int[ndarray, " row"]
    labels: ndarray
    groups: Int[ndarray, " row"]
    splits: tuple[Split, ...]
    analysis: str = "main"
    condition: str = ""
    unscored: tuple[Int[ndarray, " _"], ...] = ()
    unit: Literal["person", "block"] = "person"
    components: int | None = None
    again: tuple[int, Path] | None = None

    def with_splits(self, splits: Sequence[Split]) -> "Plan":
        """Return the plan with those splits that can be scored (``splits.can_be_scored``)."""
        classes = np.unique(self.labels) if self.kind == "class" else None
        scored = [can_be_scored(self.labels[test], classes) for _, test in splits]
        kept = tuple(split for split, has in zip(splits, scored, strict=True) if has)
        unscored = tuple(test for (_, test), has in zip(splits, scored, strict=True) if not has)
        return dataclasses.replace(self, splits=kept, unscored=unscored)

    def untested(self) -> int:
        """Count the people of left out splits whom no other split tests."""
        tested = np.concatenate([np.empty(0, np.int64), *(test for _, test in self.splits)])
        return len(np.setdiff1d(np.concatenate([np.empty(0, np.int64), *self.unscored]), tested))

    def unscored_words(self) -> str:
        """Say which splits were left out, and why; nothing where all were scored."""
        if not self.unscored:
            return ""
        sizes, every = sorted({len(test) for test in self.unscored}), len(self.splits) + len(self.unscored)
        many = "people" if self.unit == "person" else "blocks"
        return (
            f"{self.target}: {len(self.unscored)} of {plural(every, 'split')} "
            f"{'was' if len(self.unscored) == 1 else 'were'} left out, with {' or '.join(map(str, sizes[:5]))} test "
            f"{self.unit if sizes == [1] else many}: a test side needs {needed_of_a_test_side(self.kind, many)}. "
            f"{plural(self.untested(), f'{self.unit} is', f'{many} are')} never tested."
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """One split of a plan: fit on the training people, predict the test people.

    Attributes
    ----------
    train, test
        People, as indices into ``People``.
    labels
        Labels of the training people. A method never sees the labels of the test people.
    inner
        Splits of the training side (indices into ``train``), by groups, used only to choose penalties.
    fine
        Finer ones, of a value; they cost a ridge regression nothing (``linear.ridge``). Empty = ``inner``.
    components
        As in ``Plan``.
    rows_in
        The folder of ``Plan.again``, if this is one of these splits.
    seed
        Seed for everything random in the method.
    """

    kind: TargetKind
    train: Int[ndarray, " train"]
    test: Int[ndarray, " test"]
    labels: ndarray
    inner: tuple[Split, ...]
    seed: int
    fine: tuple[Split, ...] = ()
    components: int | None = None
    rows_in: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A method's predictions: probabilities [row, class] in the order of ``classes``, or values [row, 1].

    Attributes
    ----------
    classes
        Sorted classes of the training people; None for a value.
    test
        Predictions for the test people.
    inner
        Predictions for the training people, each from an inner-split model that did not see them; used by stacking.
    candidates
        Predictions for the test people by every setting that was tried; used to measure the gain from peeking.
    """

    classes: ndarray | None
    test: Float[ndarray, "test output"]
    inner: Float[ndarray, "train output"]
    candidates: Float[ndarray, "candidate test output"]


@runtime_checkable
class FeatureSet(Protocol):
    """Features of people; a set that has to be fitted is fitted on the training people only."""

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features | Columns:
        """Return the features of ``people``, after fitting on ``train`` if anything has to be fitted.

        What may be larger than memory is read a block of columns at a time (``storage.arrays.Chosen``).
        """


@runtime_checkable
class Method(Protocol):
    """Anything that predicts: a feature set with a linear model or neighbours, or a stack of other methods."""

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:
        """Predict the test people of a task; ``before`` has the predictions of the methods before this one."""
