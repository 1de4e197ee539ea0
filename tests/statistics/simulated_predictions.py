"""Predictions as an evaluation leaves them, small: random answers, some related to the truth."""

from dataclasses import replace

import numpy as np
import pandas as pd

from semantoks.statistics.scores import class_scores, value_scores
from semantoks.statistics.tested import SplitTested, held_out


def folds_of(n, folds, repeats, rng):
    return [np.sort(part) for _ in range(repeats) for part in np.array_split(rng.permutation(n), folds)]


def said(
    kind="class",
    classes=2,
    methods=("encoder", "fc", "motion"),
    n=40,
    folds=4,
    repeats=2,
    skill=1.0,
    seed=0,
    target="t",
    groups=None,
    **keys,
):
    """Return (scores, predictions) of one target: every method knows the truth up to noise of its own."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) if groups is None else groups
    truth = rng.permutation(np.arange(n) % classes).astype(float) if kind == "class" else rng.normal(size=n)
    scores, predictions = [], []
    for split, test in enumerate(folds_of(n, folds, repeats, rng)):
        for method in methods:
            key = {"analysis": "main", "condition": "", "target": target, "kind": kind, **keys}
            key |= {"method": method, "split": split}
            rows = {"person": test, "group": groups[test], "truth": truth[test], "truth_name": ""}
            if kind == "class":
                odds = rng.normal(size=(len(test), classes))
                odds[np.arange(len(test)), truth[test].astype(int)] += skill
                chance = np.round(np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True), 2)  # rounded: with ties
                found = class_scores(truth[test], chance, np.arange(classes, dtype=float))
                rows |= {"predicted": chance.argmax(axis=1).astype(float), "probability": list(chance)}
            else:
                rows["predicted"] = skill * truth[test] + rng.normal(size=len(test))
                rows["probability"] = [np.zeros(0)] * len(test)
                found = value_scores(truth[test], rows["predicted"])
            main = found["balanced_accuracy" if kind == "class" else "r"]
            sizes = {"n_train": float(n - len(test)), "n_test": float(len(test))}
            scores.append({**key, **sizes, **found, "peeked": main + 0.01})
            predictions.append(pd.DataFrame({**key, **rows}))
    return pd.DataFrame(scores), pd.concat(predictions, ignore_index=True)


def sides(methods=("encoder", "fc", "motion"), **settings):
    return held_out(said(methods=methods, **settings)[1], methods)


def taken(side: SplitTested, rows):
    """Return a side of these rows alone, a row as often as it is named."""
    return replace(
        side,
        unit=side.unit[rows],
        truth=side.truth[rows],
        predicted=side.predicted[:, rows],
        probability=side.probability[:, rows],
    )


def plain_score(side: SplitTested, method: int, metric: str) -> float:
    """Score one method on one side as the evaluation does."""
    if metric in ("r", "r2", "mae"):
        return value_scores(side.truth, side.predicted[method])[metric]
    classes = np.arange(side.probability.shape[2], dtype=float)
    return class_scores(side.truth, side.probability[method], classes)[metric]
