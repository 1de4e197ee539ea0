"""The splits that the settings of a probe ask for, and those that could be made where they cannot."""

import dataclasses
from contextlib import suppress
from pathlib import Path

import pandas as pd

from semantoks.errors import DataError
from semantoks.evaluate.protocols import PROTOCOLS
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.crossval import INNER_FOLDS
from semantoks.evaluate.study.people import People, Sites
from semantoks.evaluate.study.splits import (
    Split,
    leave_site_out,
    needed_of_a_test_side,
    read_splits,
    split_people,
    without_leaks,
)
from semantoks.evaluate.study.tasks import Plan


def another_split(plan: Plan, people: People, sites: Sites, config: ProbeConfig) -> list[str]:
    """Name a way to split that works where folds of whole sites cannot be made, if there is one."""
    for split in ("leave-site-out", "person") if config.split == "site" else ():
        with suppress(DataError):
            splits_of(plan, people, sites, dataclasses.replace(config, split=split))
            return [f"--split {split} can be made."]
    return []


def nothing_scored(plan: Plan, people: People, sites: Sites, config: ProbeConfig) -> str:
    """Say why no split can be scored, and with how many folds all could."""
    sizes = sorted({len(test) for test in plan.unscored})
    said = (
        f"target {plan.target!r}: a test side needs {needed_of_a_test_side(plan.kind)} to be scored, but none of the "
        f"{len(plan.unscored)} has them (test people: {', '.join(map(str, sizes[:5]))})."
    )
    for folds in range(config.folds - 1, 1, -1) if config.split in ("person", "site") else ():
        with suppress(DataError):
            if not plan.with_splits(splits_of(plan, people, sites, dataclasses.replace(config, folds=folds))).unscored:
                return f"{said} Use --folds {folds}."
    return f"{said} More people are needed{', or other splits' if config.split != 'person' else ''}."


def splits_of(plan: Plan, people: People, sites: Sites, config: ProbeConfig) -> list[Split]:
    """Split the people of a plan, as its settings ask; DataError where that cannot be."""
    protocol = PROTOCOLS[config.protocol]
    repeats = config.repeats or protocol.repeats
    if protocol.splits is not None:
        return protocol.splits(plan, repeats, config.seed)
    if config.split == "leave-site-out":
        return leave_site_out(plan.labels, sites, plan.groups, kind=plan.kind)
    if config.split not in ("person", "site"):
        return read_splits(Path(config.split), [people.ids[i] for i in plan.people])
    groups = plan.groups if config.split == "person" else pd.factorize(sites.home)[0]
    splits = split_people(
        plan.labels,
        groups,
        kind=plan.kind,
        folds=config.folds,
        repeats=repeats,
        seed=config.seed,
        inner=INNER_FOLDS,
    )
    return splits if config.split == "person" else without_leaks(splits, plan.labels, sites, plan.groups)
