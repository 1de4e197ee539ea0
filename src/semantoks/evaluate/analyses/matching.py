"""The motion-matched subset: people in whom head motion does not predict the target."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from semantoks.counted import plural
from semantoks.evaluate.study.crossval import INNER_FOLDS
from semantoks.evaluate.study.splits import Split, can_be_scored
from semantoks.evaluate.study.tasks import Plan

BINS = 10
"""Maximum number of equally large bins of log FD."""
TERCILES = 3
LEAST_PEOPLE = 60
LEAST_SHARE = 0.25
"""A subset with fewer people, or a smaller share of them, would show the effect of sample size, not of motion."""
MOST_LEFT = {"class": 0.25, "value": 0.125}
"""Largest imbalance that counts as matched: a quarter of an sd (Stuart 2010), or the corresponding r."""
_PEOPLE_PER_CELL = 8


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A subset of a plan's people, and how well motion predicted the target before and after.

    Attributes
    ----------
    plan
        The plan restricted to these people (analysis ``motion_matched``), each on the same side of every split as
        before; None if too few are left.
    before, after
        ``imbalance``; ``after`` is NaN without a plan.
    words
        A sentence for the reader: the numbers, or why there is no subset.
    """

    plan: Plan | None
    before: float
    after: float
    words: str


def match_motion(
    plan: Plan, log_fd: Float[ndarray, " person"], groups: Int[ndarray, " person"], *, seed: int
) -> Matched:
    """Choose people of a plan by coarsened exact matching of log mean FD over the target (Iacus, King & Porro 2012).

    The target's classes (terciles for values) are crossed with quantile bins of log FD. In every bin, people drawn with
    ``seed`` are left out until the classes have the same shares as overall: motion then cannot predict the class, and a
    rare class costs the others no more people than necessary. A group (copies, a family: ``People.groups``) is binned
    by its first person and kept or left out as a whole. ``log_fd`` and ``groups`` cover everybody; people whose motion
    is unknown are left out.
    """
    motion = log_fd[plan.people]
    there = np.flatnonzero(~np.isnan(motion))
    before = imbalance(motion[there], plan.labels[there])
    if len(there) < LEAST_PEOPLE:
        return _refused(
            plan, before, f"motion is known for {plural(len(there), 'person')}, but {LEAST_PEOPLE} are needed"
        )
    stratum = _strata(plan, there)
    rows = there[_keep(stratum, motion[there], groups[plan.people[there]], np.random.default_rng(seed))]
    splits = _restricted(plan, rows)
    if len(rows) < max(LEAST_PEOPLE, LEAST_SHARE * len(there)) or not splits:
        classes = plural(len(np.unique(stratum)), "class", "classes")
        left = f"{len(rows)} of {plural(len(there), 'person')} in {classes} would be left"
        return _refused(plan, before, f"{left}, too few for {plural(len(plan.splits), 'split')}")
    kept = dataclasses.replace(
        plan,
        people=plan.people[rows],
        labels=plan.labels[rows],
        groups=plan.groups[rows],
        splits=splits,
        analysis="motion_matched",
    )
    after = imbalance(motion[rows], kept.labels)
    if after > MOST_LEFT[plan.kind]:
        among = plural(len(rows), "matched person", "matched people")
        left = f"the imbalance in log FD among {among} is still {after:.2f}"
        return _refused(plan, before, f"{left} (at most {MOST_LEFT[plan.kind]:g} is allowed)")
    what = "the largest class difference in log FD (in sd)" if plan.kind == "class" else "|r| with log FD"
    words = f"{plan.target}: {len(rows)} of {len(plan.people)} people are matched for motion; {what} is {before:.2f}"
    return Matched(plan=kept, before=before, after=after, words=f"{words} in all people and {after:.2f} in these.")


def imbalance(motion: Float[ndarray, " row"], labels: Shaped[ndarray, " row"]) -> float:
    """Return how well log FD predicts the target.

    Returns
    -------
    float
        For classes (text), the largest difference between two class means, divided by the sd within classes; for
        values, the absolute correlation. NaN if either is constant.
    """
    if labels.dtype.kind == "f":
        flat = not len(labels) or min(np.ptp(motion), np.ptp(labels)) == 0
        return float("nan") if flat else float(abs(np.corrcoef(motion, labels)[0, 1]))
    by_class = pd.Series(motion).groupby(labels)
    within = np.sqrt(np.mean((motion - by_class.transform("mean").to_numpy()) ** 2)) if len(labels) else 0.0
    means = by_class.mean()
    return float((means.max() - means.min()) / within) if within > 0 else float("nan")


def _refused(plan: Plan, before: float, reason: str) -> Matched:
    words = f"{plan.target}: no motion-matched subset, because {reason}."
    return Matched(plan=None, before=before, after=float("nan"), words=words)


def _strata(plan: Plan, rows: Int[ndarray, " kept"]) -> Int[ndarray, " kept"]:
    """Number the classes of a target, or the terciles of a value (equal values stay together)."""
    labels = pd.Series(plan.labels[rows])
    if plan.kind == "class":
        return np.asarray(pd.factorize(labels, sort=True)[0], dtype=np.int64)
    return np.asarray(np.ceil(labels.rank(pct=True) * TERCILES) - 1, dtype=np.int64)


def _keep(
    stratum: Int[ndarray, " row"],
    motion: Float[ndarray, " row"],
    groups: Int[ndarray, " row"],
    rng: np.random.Generator,
) -> ndarray:
    """Return whether each row's group is drawn."""
    units = pd.DataFrame({"group": groups, "stratum": stratum, "motion": motion}).drop_duplicates("group")
    shares = units["stratum"].value_counts(normalize=True).sort_index()
    bins = int(np.clip(len(units) * shares.min() // _PEOPLE_PER_CELL, 2, BINS))
    units["bin"] = pd.qcut(units["motion"].rank(method="first"), bins, labels=False)
    drawn = []
    for _, cell in units.groupby("bin"):
        counts = cell["stratum"].value_counts().reindex(shares.index, fill_value=0)
        most = (counts / shares).min()
        for name, share in shares.items():
            drawn.append(cell.loc[cell["stratum"] == name, "group"].sample(round(most * share), random_state=rng))
    return np.isin(groups, np.concatenate(drawn))


def _restricted(plan: Plan, rows: Int[ndarray, " kept"]) -> tuple[Split, ...]:
    """Keep ``rows`` of every split that still has enough of every class to train on, and somebody to test."""
    found = []
    classes = len(np.unique(plan.labels)) if plan.kind == "class" else 0
    for sides in plan.splits:
        train, test = (np.flatnonzero(np.isin(rows, side)) for side in sides)
        _, counts = np.unique(plan.labels[rows[train]], return_counts=True)
        trained = not classes or (len(counts) == classes and counts.min() >= 2 * INNER_FOLDS)
        if trained and can_be_scored(plan.labels[rows[test]], np.unique(plan.labels) if classes else None):
            found.append((train, test))
    return tuple(found)
