"""How many labelled people does it take? Learning curves on the test sides of the main splits."""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from semantoks.evaluate.crossval import INNER_FOLDS
from semantoks.evaluate.splits import Split
from semantoks.evaluate.tasks import Plan

SMALLEST = 50
"""Labelled people at which a curve begins; they double from there to all of the smallest training side."""
Rows = Int[ndarray, " _"]
FEWEST_OF_A_CLASS = 2 * INNER_FOLDS


def learning_plans(plan: Plan, *, seed: int) -> list[Plan]:
    """Return a plan for each number of labelled people: stratified draws from every training side, test sides as given.

    A draw of n people is part of the draw of 2 n. Numbers at which a class would have fewer than six people are left
    out; the last is the whole of the smallest training side.
    """
    most = min(len(train) for train, _ in plan.splits)
    sizes = [int(SMALLEST * 2**k) for k in range(20) if SMALLEST * 2**k < most] + [most]
    plans = []
    for size in sizes:
        splits = [_draw(plan, train, test, size, seed) for train, test in plan.splits]
        if all(_is_enough(plan, train) for train, _ in splits):
            plans.append(
                dataclasses.replace(plan, splits=tuple(splits), analysis="learning_curve", condition=str(size))
            )
    return plans


def _draw(plan: Plan, train: Rows, test: Rows, size: int, seed: int) -> Split:
    """Draw ``size`` people of a training side, every stratum by its share; a smaller draw is part of a larger one."""
    labels = plan.labels[train]
    strata = labels if plan.kind == "class" else np.argsort(np.argsort(labels)) * 5 // len(labels)
    place = pd.Series(np.random.default_rng(seed).permutation(len(train)))
    share = place.groupby(strata).rank(pct=True)
    return np.sort(train[np.lexsort([place, share])[:size]]), test


def _is_enough(plan: Plan, train: Rows) -> bool:
    if plan.kind == "value":
        return True
    counts = [(plan.labels[train] == name).sum() for name in np.unique(plan.labels)]
    return bool(min(counts) >= FEWEST_OF_A_CLASS)
