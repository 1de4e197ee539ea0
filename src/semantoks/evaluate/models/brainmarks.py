"""The protocol of the Brainmarks benchmark: StandardScaler and LogisticRegressionCV on resampled trials.

What its published tables fix: scikit-learn's StandardScaler and LogisticRegressionCV, classes alone, and the balanced
accuracy of the test side, mean and standard deviation over 100 resampled trials. What they do not fix, and is ours:

- a trial is a random split, 80 % training, stratified, with no group on both sides;
- LogisticRegressionCV as it comes (ten penalties from 1e-4 to 1e4, unweighted classes, the penalty of best accuracy,
  the strongest among equals), but its folds are the inner splits, which keep groups whole, and it may take 1,000 steps;
- a value becomes three classes of equal size (``phenotypes.binned``). The edges are quantiles of everybody who has a
  value, so that a class means the same people in every trial: the distribution of the test people's values is known
  beforehand, but never who has which.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from semantoks.errors import ConfigError
from semantoks.evaluate.models.linear import Fold, Outputs, fit_path, one_by_one, standardised_rows
from semantoks.evaluate.study.crossval import INNER_FOLDS
from semantoks.evaluate.study.splits import Split, shuffle_people
from semantoks.evaluate.study.tasks import FeatureSet, Plan, Predicted, Task
from semantoks.types import Features

TEST, BINS = 0.2, 3
PENALTIES = np.logspace(-4, 4, 10)
"""C of the logistic regression, as ``LogisticRegressionCV(Cs=10)`` has them."""
_ITERATIONS = 1000


def brainmarks_splits(plan: Plan, trials: int, seed: int) -> list[Split]:
    """Return the trials of a plan, whose target is a class.

    Raises
    ------
    ConfigError
        For a value, no trials, or a seed below 0.
    DataError
        When a class has too few groups for inner folds of the training sides.
    """
    if plan.kind == "value":
        raise ConfigError(
            f"the Brainmarks protocol takes classes only: cut {plan.target} into classes (--bins {BINS})."
        )
    return shuffle_people(
        plan.labels, plan.groups, kind=plan.kind, share=TEST, least=INNER_FOLDS, repeats=trials, seed=seed
    )


@dataclass(frozen=True)
class LogisticCV:
    """StandardScaler and LogisticRegressionCV, fitted in the span of the training rows, where the fit is the same.

    It is LogisticRegressionCV step by step, which itself keeps neither what its folds predict of the people they had
    not seen nor the models of the penalties that it did not choose. About 0.5 s for 640 people x 1,536 features.
    """

    features: FeatureSet

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Fit on the training people, the penalty chosen by the inner splits, and predict the test people."""
        everybody = self.features.matrix(task.train, np.concatenate([task.train, task.test]))
        rows, test = standardised_rows(everybody, len(task.train))
        # ``standardise`` divides by the root of the number of features, StandardScaler does not.
        rows, test = rows * np.sqrt(everybody.shape[1]), test * np.sqrt(everybody.shape[1])
        return fit_path(
            one_by_one(_path), _error_rate, Fold(rows, task.labels, test, task.inner, task.kind), PENALTIES
        )[0]


def _path(rows: Features, labels: ndarray, penalties: ndarray) -> Iterator[Callable[[Features], Outputs]]:
    """Fit from the strongest penalty to the weakest, each from where the one before ended, as LogisticRegressionCV."""
    model = LogisticRegression(max_iter=_ITERATIONS, warm_start=True)
    for penalty in penalties:
        with warnings.catch_warnings():
            # A fit that stops short of its optimum is a candidate like any other: the inner splits judge it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield model.set_params(C=penalty).fit(rows, labels).predict_proba


def _error_rate(labels: ndarray, chances: Outputs, classes: ndarray | None) -> float:
    """Share of rows whose most probable class is another, however frequent the classes are."""
    return float(np.mean(np.asarray(classes)[chances.argmax(axis=1)] != labels))
