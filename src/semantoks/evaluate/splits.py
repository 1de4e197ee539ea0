"""Splits by person: nobody, and no copy of anybody's recording, is on both sides."""

import math

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedKFold

from semantoks.errors import ConfigError, DataError

Split = tuple[Int[ndarray, " _"], Int[ndarray, " _"]]
"""Rows of the training side and of the test side."""
_BINS = 5
"""Most bins of equal size by which a continuous target is stratified."""


def groups_of(recordings: pd.DataFrame) -> pd.Series:
    """Return a group for every participant: people who share a byte-identical recording are one group.

    ``recordings`` has ``participant_id`` and ``sha256``; the result is indexed by participant_id.
    """
    people, who = np.unique(recordings["participant_id"].to_numpy(str), return_inverse=True)
    _, what = np.unique(recordings["sha256"].to_numpy(str), return_inverse=True)
    size = len(people) + int(what.max()) + 1
    links = coo_array((np.ones(len(who)), (who, len(people) + what)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    return pd.Series(component[: len(people)], index=pd.Index(people, name="participant_id"))


def split_people(
    labels: ndarray,
    groups: Int[ndarray, " row"],
    *,
    kind: str,
    folds: int,
    repeats: int,
    seed: int,
    inner: int = 0,
) -> list[Split]:
    """Return ``repeats`` x ``folds`` stratified (train, test) index pairs; a group is never on both sides.

    Classes are stratified as they are, values by bins of equal size. Every class is on both sides of every split, and
    every training side can itself be split into ``inner`` folds.

    Raises
    ------
    ConfigError
        For fewer than two folds, no repeats, or a seed below 0.
    DataError
        When a class (or, for a value, everybody) has too few groups for the folds.
    """
    if folds < 2 or repeats < 1 or seed < 0:
        raise ConfigError(
            f"splits need at least 2 folds, 1 repeat and a seed of at least 0, not {folds}, {repeats} and {seed}."
        )
    least = max(folds, math.ceil(inner * folds / (folds - 1)))
    table = pd.DataFrame({"group": groups, "label": labels}).groupby("group")["label"]
    if kind == "class":
        strata = table.first()
        sizes = strata.value_counts().reindex(pd.unique(labels), fill_value=0)
        if (sizes < least).any():
            small = ", ".join(f"{name!r} ({count})" for name, count in sizes[sizes < least].items())
            raise DataError(
                f"every class needs at least {least} people for {folds} folds; too few in: {small}. Leave these "
                "people out, join their classes, or use fewer folds."
            )
    else:
        ranks = table.mean().rank(method="first") - 1
        if len(ranks) < least:
            raise DataError(f"{folds} folds need at least {least} people with a value, but there are {len(ranks)}.")
        strata = ranks * min(_BINS, len(ranks) // folds) // len(ranks)
    splits: list[Split] = []
    for repeat in range(repeats):
        folder = StratifiedKFold(folds, shuffle=True, random_state=seed + repeat)
        for _, test in folder.split(np.zeros(len(strata)), strata):
            held = np.isin(groups, strata.index[test])
            splits.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return splits
