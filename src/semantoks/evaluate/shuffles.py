"""Random splits of people by shares, stratified, with no group on both sides."""

import math

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from sklearn.model_selection import StratifiedShuffleSplit

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.splits import Split
from semantoks.evaluate.tasks import Kind

_BINS = 5
"""Most bins of equal size by which a value is stratified."""


def shuffle_people(
    labels: ndarray,
    groups: Int[ndarray, " row"],
    *,
    kind: Kind,
    share: float,
    least: int,
    repeats: int,
    seed: int,
) -> list[Split]:
    """Return ``repeats`` random (training rows, test rows) with a ``share`` of the groups on the test side (0..1).

    Groups are stratified by the class of their first row, or by bins of equal size of their mean value. Split ``r``
    depends on ``seed + r`` alone, and so people are tested a different number of times: folds are the better choice
    where a protocol does not ask for this one.

    Parameters
    ----------
    least
        Groups that every class (of a value: everybody) has to have on the training side.

    Raises
    ------
    ConfigError
        For no repeats, or a seed below 0.
    DataError
        When a class (or, of a value, everybody) has too few groups.
    """
    if repeats < 1 or seed < 0:
        raise ConfigError(f"splits need at least 1 repeat and a seed of at least 0, not {repeats} and {seed}.")
    needed = max(2, math.ceil(least / (1 - share)))
    rows = pd.DataFrame({"group": groups, "label": labels})
    table = rows.groupby("group")["label"]
    if kind == "class":
        strata, sizes = table.first(), rows.groupby("label")["group"].nunique()
        if (sizes < needed).any():
            small = ", ".join(f"{name!r} ({count})" for name, count in sizes[sizes < needed].items())
            raise DataError(
                f"every class needs at least {needed} people for these splits; too few in: {small}. Leave these people "
                "out (--drop-rare), or join their classes."
            )
    else:
        if len(table) < needed:
            raise DataError(f"these splits need at least {needed} people with a value, but there are {len(table)}.")
        ranks = table.mean().rank(method="first") - 1
        strata = ranks * max(1, min(_BINS, int(min(share, 1 - share) * len(ranks)))) // len(ranks)
    shuffled = StratifiedShuffleSplit(1, test_size=share)
    splits: list[Split] = []
    for repeat in range(repeats):
        shuffled.random_state = seed + repeat
        try:
            ((_, test),) = shuffled.split(strata, strata)
        except ValueError as error:
            raise DataError(f"{len(strata)} people are too few for these splits: {error}") from error
        held = np.isin(groups, strata.index[test])
        splits.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return splits
