"""Cross-validation: every method on every split of a plan, each test set scored once, as two tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.evaluate.study.splits import Split, split_people
from semantoks.evaluate.study.tasks import Method, Plan, Predicted, Task
from semantoks.evaluate.study.work import Piece, Results, Work, name_of
from semantoks.statistics.scores import balanced_accuracy, class_scores, value_scores
from semantoks.statistics.tables import MAIN, PREDICTION_KEYS, PREDICTION_VALUES, row_key

INNER_FOLDS = 3
"""Inner folds of each training side, used to choose penalties."""
FINE_FOLDS = 10
"""Finer ones, for the penalty of a ridge regression."""
Tick = Callable[[], None]


def cross_validate(
    plan: Plan,
    methods: Mapping[str, Method],
    *,
    seed: int,
    keep: bool = True,
    work: Work = Work(),  # noqa: B008
    tick: Tick | None = None,
) -> Results:
    """Predict and score one plan as `cross_validate_all` does many."""
    return cross_validate_all([(plan, methods)], seed=seed, keep=keep, work=work, tick=tick)


def cross_validate_all(
    plans: Sequence[tuple[Plan, Mapping[str, Method]]],
    *,
    seed: int,
    keep: bool = True,
    work: Work = Work(),  # noqa: B008
    tick: Tick | None = None,
) -> Results:
    """Predict the test people of every split of plans with every method of each, in order, and score the predictions.

    Parameters
    ----------
    keep
        Whether to keep the predictions, too.
    work
        Who computes the splits, all plans' at once. The results are the same for anybody.
    tick
        Called after every split.
    """
    pieces = [
        Piece(
            joblib.delayed(score_split)(plan, methods, number, seed, keep),
            name_of("split", *about_split(plan, number), tuple(methods), seed, keep),
        )
        for plan, methods in plans
        for number in range(len(plan.splits))
    ]
    targets = [plan.target for plan, _ in plans for _ in plan.splits]
    found = Results()

    def doing(done: int) -> str:
        return f" while predicting {targets[min(done, len(targets) - 1)]}, {done} of {len(pieces)} splits done"

    for part in work.results(pieces, doing):
        found.add(part)
        if tick:
            tick()
    return found


def about_split(plan: Plan, number: int) -> tuple[Any, ...]:
    """Return what tells one split of a plan from all others: its question, people, labels and sides."""
    train, test = plan.splits[number]
    arrays = (plan.people, plan.labels, plan.groups, train, test)
    return (plan.analysis, plan.condition, plan.target, plan.kind, number, *(one.tolist() for one in arrays))


def score_split(plan: Plan, methods: Mapping[str, Method], number: int, seed: int, keep: bool) -> Results:
    """Score every method on one split of a plan."""
    split = plan.splits[number]
    task = task_of(plan, split, seed)
    found, predicted = Results(), dict[str, Predicted]()
    for name, method in methods.items():
        predicted[name] = method.predict(task, predicted)
        key = row_key(plan.analysis, plan.condition, plan.target, plan.kind, name, number)
        found.scores.append(
            {**key, "n_train": len(split[0]), "n_test": len(split[1]), **split_scores(plan, split, predicted[name])}
        )
        if keep:
            found.predictions.append(split_predictions(plan, split, predicted[name], key))
    return found


def task_of(plan: Plan, split: Split, seed: int, *, folds: int = INNER_FOLDS) -> Task:
    """Make the task of one split, without the test people's labels; 0 ``folds`` gives no inner splits."""
    train, test = split
    shared, folder = plan.again if plan.again and plan.analysis == "main" else (0, None)
    labels, groups = plan.labels[train], plan.groups[train]
    inner, fine = list[Split](), list[Split]()
    if folds:
        inner = split_people(labels, groups, kind=plan.kind, folds=folds, repeats=1, seed=seed)
    if folds and plan.kind == "value" and (most := min(FINE_FOLDS, len(np.unique(groups)))) > folds:
        fine = split_people(labels, groups, kind=plan.kind, folds=most, repeats=1, seed=seed)
    return Task(
        kind=plan.kind,
        train=plan.people[train],
        test=plan.people[test],
        labels=labels,
        inner=tuple(inner),
        seed=seed,
        fine=tuple(fine),
        components=plan.components,
        rows_in=folder if any(split is one for one in plan.splits[:shared]) else None,
    )


def split_scores(plan: Plan, split: Split, predicted: Predicted) -> dict[str, float]:
    """Score a method's predictions of the test people, and the best of its candidates (``peeked``)."""
    truth = plan.labels[split[1]]
    if plan.kind == "value":
        scores = value_scores(truth, predicted.test[:, 0])
        tried = [value_scores(truth, output[:, 0])[MAIN["value"]] for output in predicted.candidates]
    else:
        everyone = np.unique(plan.labels)
        test, *candidates = (
            spread_classes(output, predicted.classes, everyone) for output in (predicted.test, *predicted.candidates)
        )
        scores = class_scores(truth, test, everyone)
        tried = [balanced_accuracy(truth, output, everyone) for output in candidates]
    return {**scores, "peeked": max(scores[MAIN[plan.kind]], *tried)}


def spread_classes(
    output: Float[ndarray, "row known"], classes: ndarray | None, everyone: ndarray
) -> Float[ndarray, "row class"]:
    """Add classes that the training side lacks, with probability 0."""
    full = np.zeros((len(output), len(everyone)))
    full[:, np.searchsorted(everyone, classes)] = output  # type: ignore[arg-type]
    return full


def split_predictions(plan: Plan, split: Split, predicted: Predicted, key: dict[str, Any]) -> pd.DataFrame:
    """Return the predictions of one split as rows of predictions.parquet."""
    test = split[1]
    truth = plan.labels[test]
    table: dict[str, Any] = {"person": plan.people[test].astype("int64"), "group": plan.groups[test].astype("int64")}
    if plan.kind == "value":
        table |= {"truth": truth.astype(float), "predicted": predicted.test[:, 0], "truth_name": ""}
        table["probability"] = [np.zeros(0, np.float32)] * len(test)
    else:
        everyone = np.unique(plan.labels)
        chances = spread_classes(predicted.test, predicted.classes, everyone)
        table |= {"truth": np.searchsorted(everyone, truth).astype(float), "truth_name": truth.astype(str)}
        table |= {"predicted": chances.argmax(axis=1).astype(float), "probability": list(chances.astype(np.float32))}
    return pd.DataFrame({**key, **table})[[*PREDICTION_KEYS, *PREDICTION_VALUES]]
