"""The people of a cohort: who they are, which recordings are theirs, and who counts as one with whom."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.evaluate.models.brainmarks import BINS, brainmarks_plan
from semantoks.evaluate.models.paper import paper_plan
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.crossval import INNER_FOLDS
from semantoks.evaluate.study.splits import Split, check_disjoint, groups_of, leave_site_out, read_splits, split_people
from semantoks.evaluate.study.tasks import Plan
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import Target, binned, target, without_codes


@dataclass(frozen=True, kw_only=True)
class People:
    """Everybody who has a recording, sorted by participant_id; everywhere in evaluate, a person is a place in here.

    Attributes
    ----------
    ids
        participant_id of each person.
    owner
        The person of each recording, in the order of ``Cohort.recordings``.
    groups
        Group of each person: people who share a byte-identical recording (or, where asked, a family) are one group.
    """

    ids: tuple[str, ...]
    owner: Int[ndarray, " recording"]
    groups: Int[ndarray, " person"]

    def __len__(self) -> int:
        """Count them."""
        return len(self.ids)

    def average(self, values: ndarray) -> ndarray:
        """Average what each recording has [recording, ...] over each person's recordings: [person, ...], NaN left out.

        NaN where none of a person's recordings has a value.
        """
        known = ~np.isnan(values)
        total = np.zeros((len(self), *values.shape[1:]))
        count = np.zeros_like(total)
        np.add.at(total, self.owner, np.where(known, values, 0))
        np.add.at(count, self.owner, known)
        with np.errstate(invalid="ignore"):
            mean: ndarray = (total / count).astype(np.result_type(values.dtype, np.float32))
        return mean

    def first(self, values: Sequence[Any]) -> ndarray:
        """Take what the first recording of each person has."""
        _, where = np.unique(self.owner, return_index=True)
        return np.asarray(values)[where]


def people_of(cohort: Cohort, families: pd.Series | None = None) -> People:
    """Return the people of a cohort, grouped by copies of recordings and by family (indexed by participant_id)."""
    groups = groups_of(cohort.recordings, families)
    ids, owner = np.unique(cohort.recordings["participant_id"].to_numpy(str), return_inverse=True)
    return People(ids=tuple(map(str, ids)), owner=owner, groups=groups.loc[list(ids)].to_numpy())


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
