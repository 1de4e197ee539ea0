"""Splits by person: nobody, and no copy of anybody's recording, is on both sides."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from semantoks.errors import DataError

Split = tuple[Int[ndarray, " train"], Int[ndarray, " test"]]
_BINS = 5
"""Quantile bins by which a continuous target is stratified."""


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
    labels: ndarray, groups: Int[ndarray, " row"], *, kind: str, folds: int, repeats: int, seed: int
) -> list[Split]:
    """Return ``repeats`` x ``folds`` stratified (train, test) index pairs; a group is never on both sides.

    Classes are stratified as they are, values by quantile bins.

    Raises
    ------
    DataError
        When a class has fewer groups than there are folds.
    """
    strata = labels if kind == "class" else pd.qcut(labels, _BINS, labels=False, duplicates="drop")
    sizes = pd.DataFrame({"stratum": strata, "group": groups}).groupby("stratum")["group"].nunique()
    if len(sizes) < 2 and kind == "class":
        raise DataError(f"a target needs at least two classes, but everybody is {sizes.index[0]!r}.")
    if (sizes < folds).any():
        small = ", ".join(f"{name!r} ({count})" for name, count in sizes[sizes < folds].items())
        raise DataError(f"every class needs at least {folds} people for {folds} folds; too few in: {small}.")
    splits: list[Split] = []
    for repeat in range(repeats):
        folder: Any = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat)
        splits += list(folder.split(np.zeros(len(labels)), strata, groups))
    for train, test in splits:
        if set(groups[train]) & set(groups[test]):
            raise AssertionError("a group is on both sides of a split")
    return splits
