"""Splits by person: no person, family or copy of a recording is on both sides."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.study.people import Sites
from semantoks.statistics.tables import TargetKind
from semantoks.storage.tables import read_table

Split = tuple[Int[ndarray, " _"], Int[ndarray, " _"]]
"""Rows of the training side and of the test side."""
_BINS = 5
"""Maximum number of equally large bins for stratifying a value."""
SHOWN = 5
"""Classes that a message names."""
SITE_PEOPLE = 10
"""A site with fewer people is not tested on its own."""
LEAST_TESTED = 4
"""A test side with fewer people has no score worth the name."""


def split_people(
    labels: ndarray,
    groups: Int[ndarray, " row"],
    *,
    kind: TargetKind,
    folds: int,
    repeats: int,
    seed: int,
    inner: int = 0,
) -> list[Split]:
    """Return ``repeats`` x ``folds`` stratified (train, test) index pairs; a group is never on both sides.

    Folds are stratified by class, or by equally large bins of a value. Every class is on both sides of every split, and
    every training side can itself be split into ``inner`` folds. If a group (a family, a site) has people of several
    classes, the folds are stratified as closely as whole groups allow.

    Raises
    ------
    ConfigError
        For fewer than two folds, no repeats, or a negative seed.
    DataError
        If a class (for a value: the sample) has too few groups for the folds.
    """
    if folds < 2 or repeats < 1 or seed < 0:
        raise ConfigError(
            f"splits need at least 2 folds, 1 repeat and a seed of at least 0, not {folds}, {repeats} and {seed}."
        )
    least = _least_groups(folds, inner)
    table = pd.DataFrame({"group": groups, "label": labels}).groupby("group")["label"]
    if kind == "class" and (table.nunique() > 1).any():
        return _mixed_groups(labels, groups, folds, repeats, seed, inner)
    if kind == "class":
        strata = table.first()
        check_sizes(strata.value_counts().reindex(pd.unique(labels), fill_value=0), folds, inner)
    else:
        ranks = table.mean().rank(method="first") - 1
        if len(ranks) < min(least, len(labels)):
            raise DataError(_few_groups(len(ranks), folds, inner))
        if len(ranks) < least:
            raise DataError(f"{folds} folds need at least {least} people with a value, but there are {len(ranks)}.")
        strata = ranks * min(_BINS, len(ranks) // folds) // len(ranks)
    splits: list[Split] = []
    for repeat in range(repeats):
        folder = StratifiedKFold(folds, shuffle=True, random_state=seed + repeat)
        for _, test in folder.split(np.zeros(len(strata)), strata):
            test_side = np.isin(groups, strata.index[test])
            splits.append((np.flatnonzero(~test_side), np.flatnonzero(test_side)))
    return splits


def check_sizes(sizes: pd.Series, folds: int, inner: int) -> None:
    """Raise DataError where a class has too few people for the folds, and the inner ones; ``sizes`` is by class."""
    least = _least_groups(folds, inner)
    if (sizes < least).any():
        small = _some([f"{name!r} ({count})" for name, count in sizes[sizes < least].items()])
        raise DataError(
            f"every class needs at least {least} people for {folds} folds; too few in: {small}. "
            f"{_remedy(sizes, folds, inner)}"
        )


def _least_groups(folds: int, inner: int) -> int:
    """Return how many groups a class needs for a test side of every fold, and of every inner fold of the rest."""
    return max(folds, math.ceil(inner * folds / (folds - 1)))


def _remedy(sizes: pd.Series, folds: int, inner: int) -> str:
    """Say what helps against classes that are too small for the folds."""
    ways = [f"use --folds {k}" for k in range(folds - 1, 1, -1) if sizes.min() >= _least_groups(k, inner)][:1]
    if (sizes >= _least_groups(folds, inner)).sum() > 1:
        ways.append("leave these classes out (--drop-rare)")
    if len(sizes) > 2:
        ways.append("merge classes")
    words = ", or ".join(ways) or "more people are needed, or another target; fewer folds do not help"
    return f"{words[:1].upper()}{words[1:]}."


def _few_groups(number: int, folds: int, inner: int) -> str:
    """Say that so many groups are too few for the folds, or for the inner ones of a training side; and what is not."""
    enough = [k for k in range(2, number + 1) if number - math.ceil(number / k) >= inner]
    way = f"use --folds {min(enough, key=lambda k: abs(k - folds))}" if enough else "more groups are needed"
    if number < folds:
        return f"{folds} folds need at least {folds} groups (families, sites), but there are {number}: {way}."
    left = number - math.ceil(number / folds)
    return (
        f"groups (families, sites) stay whole, and {folds} folds of {number} of them leave {left} on a training side, "
        f"which is split again into {inner} inner folds, by which penalties are chosen: {way}."
    )


def _mixed_groups(
    labels: ndarray, groups: Int[ndarray, " row"], folds: int, repeats: int, seed: int, inner: int
) -> list[Split]:
    """Split groups that contain people of several classes."""
    number = len(np.unique(groups))
    if number < folds or number - math.ceil(number / folds) < inner:
        raise DataError(_few_groups(number, folds, inner))
    classes = set(labels)
    splits: list[Split] = []
    for repeat in range(repeats):
        folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about rare classes: the check that matters is below
            parts = list(folder.split(labels, labels, groups))
        for train, test in parts:
            if lacking := classes - set(labels[train]):
                raise DataError(
                    f"keeping groups (families, sites) whole leaves a training side without class "
                    f"{', '.join(repr(str(name)) for name in sorted(lacking))}: use fewer folds, or other groups."
                )
            splits.append((train, test))
    return splits


def leave_site_out(labels: ndarray, sites: Sites, groups: Int[ndarray, " row"], *, kind: TargetKind) -> list[Split]:
    """Return one split per site; that site's people are the test set, everybody outside their groups the training set.

    People who were scanned at several sites are tested with the first; they and their groups are never trained on when
    any of their sites is tested. A site is tested only if it has at least ten people and, for a class target, at least
    two people of every class; people from other sites are always on the training side.

    Raises
    ------
    DataError
        When fewer than two sites can be tested.
    """
    splits: list[Split] = []
    classes = len(np.unique(labels))
    for site in np.unique(sites.home):
        tested = sites.home == site
        _, counts = np.unique(labels[tested], return_counts=True)
        if tested.sum() < SITE_PEOPLE or (kind == "class" and (counts >= 2).sum() < classes):
            continue
        train = ~np.isin(groups, groups[tested | sites.scanned_at([site])])
        if kind == "class" and set(labels[tested]) - set(labels[train]):
            continue
        splits.append((np.flatnonzero(train), np.flatnonzero(tested)))
    if len(splits) < 2:
        raise DataError(
            f"leave-site-out needs two sites of at least {SITE_PEOPLE} people (two of every class), but of "
            f"{len(np.unique(sites.home))} sites {len(splits)} can be tested: use --split site, or person."
        )
    return splits


def without_leaks(splits: Sequence[Split], labels: ndarray, sites: Sites, groups: Int[ndarray, " row"]) -> list[Split]:
    """Take off the training side whoever has a recording from a tested site, and the groups of such people.

    Raises
    ------
    DataError
        If a training side is left with fewer than two different labels.
    """
    kept: list[Split] = []
    for train, test in splits:
        tied = sites.scanned_at(np.unique(sites.home[test]))
        tied[test] = True
        train = train[~np.isin(groups[train], groups[tied])]
        if len(np.unique(labels[train])) < 2:
            raise DataError(
                "too many people were scanned at several sites, or have relatives at others: a training side is left "
                "without two different labels. Use --split person, or fewer folds."
            )
        kept.append((train, test))
    return kept


def read_splits(path: Path, ids: Sequence[str]) -> list[Split]:
    """Read splits from a table: participant_id, and one column per split; a cell is ``train``, ``test`` or empty.

    Returns
    -------
    list of Split
        Positions in ``ids``; people in the file who are not in ``ids`` are left out.

    Raises
    ------
    DataError
        If the file is missing, has no split, repeats a participant, contains another word, or leaves a side empty.
    """
    table = read_table(path, what="a table of splits")
    if "participant_id" not in table or len(table.columns) < 2:
        raise DataError(f"{path} needs participant_id and one column per split, but has {', '.join(map(str, table))}.")
    who = table.pop("participant_id").str.strip().str.removeprefix("sub-")
    if who.duplicated().any():
        raise DataError(
            f"{path} names participant {who[who.duplicated()].iloc[0]} twice: keep one row per participant."
        )
    sides = table.set_axis(who).apply(lambda column: column.str.strip().str.lower()).reindex(ids, fill_value="")
    splits: list[Split] = []
    for name, column in sides.items():
        if other := set(column) - {"train", "test", "", "n/a"}:
            raise DataError(f"{path}, column {name}: a cell is train, test or empty, not {sorted(other)[0]!r}.")
        train, test = (np.flatnonzero(column == side) for side in ("train", "test"))
        if not len(train) or not len(test):
            raise DataError(
                f"{path}, column {name}: {len(train)} people train and {len(test)} test; both sides need people."
            )
        splits.append((train, test))
    return splits


def can_be_scored(tested: ndarray, classes: ndarray | None) -> bool:
    """Return whether a test side with these labels has at least four people, and every class or two different values.

    Without a class, balanced accuracy is the recall of the others: naming one of them for everybody would be perfect.
    """
    enough = len(tested) >= LEAST_TESTED
    return enough and (len(np.unique(tested)) > 1 if classes is None else set(tested) == set(classes))


def needed_of_a_test_side(kind: TargetKind, of: str = "people") -> str:
    """Say in words what ``can_be_scored`` asks for."""
    return f"{'every class' if kind == 'class' else 'two different values'} and at least {LEAST_TESTED} {of}"


def check_disjoint(splits: Sequence[Split], groups: Int[ndarray, " row"]) -> None:
    """Raise DataError if a person or a group is on both sides of a split."""
    for number, (train, test) in enumerate(splits):
        if shared := set(groups[train]) & set(groups[test]):
            one, many = "person, family or copy of a recording is", "people, families or copies of a recording are"
            raise DataError(f"split {number}: {plural(len(shared), one, many)} on both sides. Move each to one side.")


def shuffle_people(
    labels: ndarray,
    groups: Int[ndarray, " row"],
    *,
    kind: TargetKind,
    share: float,
    least: int,
    repeats: int,
    seed: int,
) -> list[Split]:
    """Return ``repeats`` random (training rows, test rows) with a ``share`` of the groups on the test side (0..1).

    Groups are stratified by the class of their first row, or by equally large bins of their mean value. Split ``r``
    depends only on ``seed + r``, so people are tested different numbers of times: prefer folds unless a protocol
    prescribes these splits.

    Parameters
    ----------
    least
        Groups that every class (for a value: the sample) needs on the training side.

    Raises
    ------
    ConfigError
        For no repeats, or a negative seed.
    DataError
        If a class (for a value: the sample) has too few groups.
    """
    if repeats < 1 or seed < 0:
        raise ConfigError(f"splits need at least 1 repeat and a seed of at least 0, not {repeats} and {seed}.")
    needed = max(2, math.ceil(least / (1 - share)))
    rows = pd.DataFrame({"group": groups, "label": labels})
    table = rows.groupby("group")["label"]
    if kind == "class":
        strata, sizes = table.first(), rows.groupby("label")["group"].nunique()
        if (sizes < needed).any():
            small = _some([f"{name!r} ({count})" for name, count in sizes[sizes < needed].items()])
            raise DataError(
                f"every class needs at least {needed} people for these splits; too few in: {small}. Leave these "
                "classes out (--drop-rare), or merge them."
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
        test_side = np.isin(groups, strata.index[test])
        splits.append((np.flatnonzero(~test_side), np.flatnonzero(test_side)))
    return splits


def _some(words: list[str]) -> str:
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")
