"""The analyses beside the scores: permutation null, learning curve, confounds, single networks, reliability."""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from semantoks.counted import plural
from semantoks.evaluate.analyses.confounds import (
    DECODED,
    DEFAULT,
    HELD,
    confound_table,
    confound_tests,
    confounds_of,
    decode_plans,
    design,
)
from semantoks.evaluate.analyses.deconfounded import LinearWithout
from semantoks.evaluate.analyses.importance import Embedding, network_scores
from semantoks.evaluate.analyses.lengths import length_scores
from semantoks.evaluate.analyses.matching import match_motion
from semantoks.evaluate.analyses.reliability import reliability_scores
from semantoks.evaluate.methods import methods_from, sets_for, stacks_of
from semantoks.evaluate.models.linear import fold_of
from semantoks.evaluate.settings import MOST_COMPARED, Analysis
from semantoks.evaluate.study.crossval import INNER_FOLDS, about_split, cross_validate_all, task_of
from semantoks.evaluate.study.splits import Split
from semantoks.evaluate.study.study import Sets, Study, first_repeats, first_tests
from semantoks.evaluate.study.tasks import FeatureSet, Method, Plan
from semantoks.evaluate.study.work import Piece, Results, Work, name_of
from semantoks.features.encode import Readout, own_readout
from semantoks.statistics.methods import CENTRAL, FC, TANGENT
from semantoks.statistics.null import permutation_null
from semantoks.statistics.tables import MAIN, row_key

CURVE_REPEATS = 2
MOST_KEPT = 2000
"""People of a target up to whom the rows of a split are kept for the permutation null."""


def run_analyses(study: Study, sets: Sets, results: Results) -> None:
    """Run the analyses that the settings name, and add their rows to the results."""
    if study.config.seconds:
        tick = study.stages.ticks(sum(len(first_repeats(plan, study.config).splits) for plan in study.plans))
        length_scores(study, sets, results, readout=_frozen_readout(study), tick=tick)
        study.stages.next()
    if study.config.analyses and study.people.unit == "block":
        study.notes.append("The analyses beside the scores are of people: none is run for blocks.")
    elif study.config.analyses and not study.protocol.analyses:
        study.notes.append(
            "The analyses (permutation null, learning curve, confounds, networks, reliability) need --protocol nested."
        )
    for name in study.analyses:
        _ANALYSES[name](study, sets, results)
        study.stages.next()


def expected_costs(study: Study) -> list[float]:
    """Guess what features, scores, short windows and analyses cost beside each other, in splits of all methods."""
    config, once = study.config, float(sum(len(first_repeats(plan, study.config).splits) for plan in study.plans))
    costs = [2.0, float(sum(len(plan.splits) for plan in study.plans))] + [once] * bool(config.seconds)
    decoding = float(len(DECODED) * config.folds)
    return costs + [once * _COSTS[name] + decoding * (name == "confounds") for name in study.analyses]


def plans_of_null(study: Study) -> list[Plan]:
    """Say of the plans which splits the permutation null takes, too: their standardised rows are worth keeping.

    A file takes 8 bytes x people² for each wide kind of FC. With a baseline of one's own nothing is kept.
    """
    if "permutation" not in study.analyses or study.extra or study.work.arrays is None:
        return list(study.plans)
    return [
        dataclasses.replace(plan, again=(len(first_tests(plan, 1).splits), study.work.arrays))
        if len(plan.people) <= MOST_KEPT
        else plan
        for plan in study.plans
    ]


def _central(sets: Sets) -> Sets:
    return {name: features for name, features in sets.items() if name in CENTRAL}


def _null(study: Study, sets: Sets, results: Results) -> None:
    config = study.config
    # Within a fold of whole sites, people are exchanged, not sites, of which few are of one size.
    plans = [
        (
            dataclasses.replace(first_tests(plan, 1), groups=study.people.groups[plan.people]),
            sets_for(study, sets, plan),
        )
        for plan in study.plans
    ]
    tick = study.stages.ticks(sum(len(features) for _, features in plans))
    rows = null_scores(plans, permutations=config.permutations, seed=config.seed, work=study.work, tick=tick)
    results.scores.extend(rows)


def _learning_curve(study: Study, sets: Sets, results: Results) -> None:
    # Tangent FC would take as long as everything else here: it is fitted anew for every number of people.
    methods = methods_from({name: features for name, features in _central(sets).items() if name != TANGENT}, CENTRAL)
    plans = [
        sized
        for plan in study.plans
        for sized in learning_plans(first_repeats(plan, study.config, CURVE_REPEATS), seed=study.config.seed)
    ]
    tick = study.stages.ticks(sum(len(plan.splits) for plan in plans))
    sized = [(plan, methods) for plan in plans]
    results.add(cross_validate_all(sized, seed=study.config.seed, keep=False, work=study.work, tick=tick))


def _confounds(study: Study, sets: Sets, results: Results) -> None:
    """Decode confounds from every feature set; score targets without them, and among people matched for motion."""
    config = study.config
    auto = config.confounds == ("auto",)
    table = confound_table(study.cohort, study.people, () if auto else config.confounds)
    decoded, notes = decode_plans(table, study.people.groups, folds=config.folds, repeats=1, seed=config.seed)
    decoded = [dataclasses.replace(plan, components=config.components) for plan in decoded]
    study.notes.extend(notes)
    study.confounds = [name for name in (DEFAULT if auto else config.confounds) if name in table]
    study.decoded = {
        plan.target: {
            "kind": plan.kind,
            "n": len(plan.people),
            "classes": np.unique(plan.labels).tolist() if plan.kind == "class" else None,
        }
        for plan in decoded
    }
    predictions = results.tables()[1]
    decoding, without, matched = [], [], []
    for plan in decoded:
        chosen = {name: features for name, features in sets.items() if plan.target not in HELD.get(name, ())}
        decoding.append((plan, methods_from(chosen, ())))
    for plan in study.plans:
        names = confounds_of(table, plan, study.confounds)
        own = predictions[predictions["target"] == plan.target]
        results.scores.extend(
            confound_tests(own, table, names, study.people.groups, permutations=config.permutations, seed=config.seed)
        )
        once = first_repeats(plan, config)
        if names:
            columns = design(table, names)
            methods: dict[str, Method] = {
                name: LinearWithout(features, columns) for name, features in _central(sets).items()
            }
            methods |= stacks_of(methods)
            plain = dataclasses.replace(once, analysis="deconfounded", condition="+".join(sorted(names)))
            without.append((plain, methods))
        matched += [(found, methods_from(_central(sets), ())) for found in _matched(study, once, table)]
    tick = study.stages.ticks(sum(len(plan.splits) for plan, _ in (*decoding, *without, *matched)))
    results.add(cross_validate_all(decoding, seed=config.seed, keep=False, work=study.work, tick=tick))
    results.add(cross_validate_all([*without, *matched], seed=config.seed, work=study.work, tick=tick))


def _matched(study: Study, plan: Plan, table: pd.DataFrame) -> list[Plan]:
    """Choose a subset of a target's people whose motion does not predict it, if there is one."""
    if "mean_fd" not in table:
        study.notes.append(f"{plan.target}: no motion-matched subset, because mean FD is not known.")
        return []
    log_fd = table["mean_fd"].to_numpy(np.float64)
    found = match_motion(plan, log_fd, study.people.groups, seed=study.config.seed)
    study.notes.append(found.words)
    return [] if found.plan is None else [found.plan]


def _networks(study: Study, sets: Sets, results: Results) -> None:
    """Show the encoder one network at a time."""
    embedding = Embedding(
        encoders=study.encoders,
        cohort=study.embedded,
        people=study.people,
        readout=_frozen_readout(study),
        crops=study.config.crops,
        device=study.device,
    )
    found, notes = network_scores(
        embedding,
        [first_repeats(plan, study.config) for plan in study.plans],
        sets[FC].matrix(np.arange(0), np.arange(len(study.people)))[:, :],
        seed=study.config.seed,
        work=study.work,
        progress=study.stages.step,
    )
    results.add(found)
    study.notes.extend(notes)


def _reliability(study: Study, sets: Sets, results: Results) -> None:  # noqa: ARG001
    """Identify people from another part of their data; a note says how many of them the encoder has seen."""
    eligible = ~study.seen if study.config.exclude_pretrained else np.ones_like(study.seen)
    if (there := int(eligible.sum())) > MOST_COMPARED:
        drawn = np.random.default_rng(study.config.seed).choice(np.flatnonzero(eligible), MOST_COMPARED, replace=False)
        eligible = np.isin(np.arange(len(eligible)), drawn)
        study.notes.append(f"Reliability is that of {MOST_COMPARED:,} people, drawn at random from {there:,}.")
    rows, notes = reliability_scores(
        study.encoders,
        study.embedded,
        readout=_frozen_readout(study),
        device=study.device,
        only=[name for name, counts in zip(study.people.ids, eligible, strict=True) if counts],
        work=dataclasses.replace(study.work, scheduler=None),  # a cluster's workers need not see the cohort
        progress=study.stages.step,
    )
    results.scores.extend(rows)
    study.notes.extend(notes)
    if rows and (known := int((study.seen & eligible).sum())):
        study.notes.append(
            f"Reliability is inflated: {plural(known, 'person was', 'people were')} seen in pretraining, which "
            "deliberately makes windows of one person alike. It says little about new people: pretrain on others, or "
            "pass --exclude-pretrained."
        )


def _frozen_readout(study: Study) -> Readout:
    """Return the first readout that needs no target; an attention probe is trained on one."""
    return next((name for name in study.readouts if name != "attention"), own_readout(study.encoder))


_ANALYSES: Mapping[Analysis, Callable[[Study, Sets, Results], None]] = {
    "permutation": _null,
    "learning_curve": _learning_curve,
    "confounds": _confounds,
    "networks": _networks,
    "reliability": _reliability,
}
_COSTS: Mapping[Analysis, float] = {
    "permutation": 0.7,
    "learning_curve": 0.7,
    "confounds": 1.0,
    "networks": 1.5,
    "reliability": 0.3,
}
"""Of a split with all methods, as ABIDE's 858 people cost; for decoding the confounds see `expected_costs`."""


SMALLEST = 50
"""Labelled people at the start of a curve; the number doubles up to the size of the smallest training side."""
Rows = Int[ndarray, " _"]
FEWEST_OF_A_CLASS = 2 * INNER_FOLDS


def learning_plans(plan: Plan, *, seed: int) -> list[Plan]:
    """Return one plan per number of labelled people: stratified draws from every training side, unchanged test sides.

    The draw of n people is part of the draw of 2 n. Numbers that would leave a class fewer than six people are skipped;
    the last number is the size of the smallest training side.
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
    """Draw ``size`` people of a training side, stratified; a smaller draw is part of a larger one."""
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


def null_scores(
    plans: Sequence[tuple[Plan, Mapping[str, FeatureSet]]],
    *,
    permutations: int,
    seed: int,
    work: Work = Work(),  # noqa: B008
    tick: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Return one row of scores.csv per feature set (analysis ``permutation``): p, and the score of the null's model.

    All sets see the same permutations, which depend only on the seed and the target's name. A plan has one repeat.
    """
    pieces = [
        Piece(
            joblib.delayed(_null_score)(plan, name, features, permutations, seed),
            name_of(
                "null", *(about_split(plan, number) for number in range(len(plan.splits))), name, permutations, seed
            ),
        )
        for plan, sets in plans
        for name, features in sets.items()
    ]
    rows = []
    for found in work.results(pieces, lambda _: " in the permutations"):
        rows.extend(found.scores)
        tick()
    return rows


def _null_score(plan: Plan, name: str, features: FeatureSet, permutations: int, seed: int) -> Results:
    folds = [fold_of(features, task_of(plan, split, seed, folds=0)) for split in plan.splits]
    rows = [(fold.rows.astype(np.float64), fold.test.astype(np.float64)) for fold in folds]
    rng = np.random.default_rng([seed, zlib.crc32(plan.target.encode())])
    found = permutation_null(rows, plan.splits, plan.labels, plan.groups, plan.kind, permutations=permutations, rng=rng)
    key = row_key("permutation", "", plan.target, plan.kind, name, -1)
    sizes = {"n_train": len(plan.splits[0][0]), "n_test": len(plan.labels)}
    return Results([{**key, **sizes, MAIN[plan.kind]: found.observed, "p": found.p}])
