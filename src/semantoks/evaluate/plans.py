"""From a column of participants.tsv to a plan: who has a label, who is left out and why, and the splits."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.evaluate.brainmarks import BINS, brainmarks_plan
from semantoks.evaluate.crossval import INNER_FOLDS
from semantoks.evaluate.paper import paper_plan
from semantoks.evaluate.people import People
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.splits import Split, check_disjoint, leave_site_out, read_splits, split_people
from semantoks.evaluate.tasks import Plan
from semantoks.signals.phenotypes import Target, binned, target, without_codes

Excluded = list[tuple[str, int]]


def read_targets(participants: pd.DataFrame, names: Sequence[str], config: ProbeConfig) -> list[Target]:
    """Take the targets, with what the settings say of codes, classes and bins."""
    table = without_codes(participants, config.missing)
    bins = config.bins or (BINS if config.protocol == "brainmarks" else None)
    found = []
    for name in dict.fromkeys(names):
        aim = target(table, name, "class" if name in config.as_class else "auto")
        found.append(binned(aim, bins) if bins and aim.kind == "value" else aim)
    return found


def plan_target(
    aim: Target,
    people: People,
    sites: ndarray,
    config: ProbeConfig,
    eligible: Bool[ndarray, " person"],
) -> tuple[Plan, Excluded]:
    """Choose the people and the splits of a target, and say who is left out and why.

    Raises
    ------
    DataError
        Where the target cannot be predicted or split; the message names it.
    """
    values = aim.values.reindex(list(people.ids))
    known = values.notna().to_numpy()
    excluded: Excluded = [(f"no value of {aim.name}", int((~known & eligible).sum()))]
    known = known & eligible
    if aim.kind == "class" and config.drop_rare:
        least = max(config.folds, INNER_FOLDS + 1)
        for name, count in values[known].value_counts().items():
            if count < least:
                known = known & (values != name).to_numpy()
                excluded.append((f"{aim.name}: class {name!r} is rare (under {least} people)", int(count)))
    if values[known].nunique() < 2:
        raise DataError(
            f"target {aim.name!r} cannot be predicted: of the {len(people)} people with recordings, {known.sum()} have "
            f"a value, and these take {values[known].nunique()} different ones."
        )
    where = np.flatnonzero(known)
    labels = values[known].to_numpy(float if aim.kind == "value" else str)
    plan = Plan(target=aim.name, kind=aim.kind, people=where, labels=labels, groups=people.groups[where], splits=())
    try:
        splits = tuple(_splits(plan, people, sites[where], config))
        check_disjoint(splits, plan.groups)
    except DataError as error:
        raise DataError(f"target {aim.name!r}: {error}") from error
    if config.split == "site":
        plan = dataclasses.replace(plan, groups=pd.factorize(sites[where])[0])
    plan = dataclasses.replace(plan, splits=splits)
    return plan, [row for row in excluded if row[1]]


def _splits(plan: Plan, people: People, sites: ndarray, config: ProbeConfig) -> list[Split]:
    if config.protocol == "paper":
        return list(paper_plan(plan, repetitions=config.times, seed=config.seed).splits)
    if config.protocol == "brainmarks":
        return list(brainmarks_plan(plan, trials=config.times, seed=config.seed).splits)
    if config.split == "leave-site-out":
        return leave_site_out(plan.labels, sites, plan.groups, kind=plan.kind)
    if config.split not in ("person", "site"):
        return read_splits(Path(config.split), [people.ids[i] for i in plan.people])
    groups = plan.groups if config.split == "person" else pd.factorize(sites)[0]
    return split_people(
        plan.labels,
        groups,
        kind=plan.kind,
        folds=config.folds,
        repeats=config.times,
        seed=config.seed,
        inner=INNER_FOLDS,
    )


def first_repeats(plan: Plan, config: ProbeConfig, repeats: int = 1) -> Plan:
    """Return a plan with the splits of the first repeats alone (all of them where they are not repeated folds)."""
    repeated = config.split in ("person", "site")
    return dataclasses.replace(plan, splits=plan.splits[: repeats * config.folds] if repeated else plan.splits)
