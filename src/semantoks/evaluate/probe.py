"""Linear probes: an encoder's features beside functional connectivity, motion and random weights, same splits."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.baselines import by_person, functional_connectivity, motion, random_encoder
from semantoks.evaluate.embed import BATCH, Readout, check_fit, embed_crops, find_device, open_encoder
from semantoks.evaluate.linear import fit_classes, fit_values, row_space, standardise
from semantoks.evaluate.scores import class_scores, value_scores
from semantoks.evaluate.splits import Split, groups_of, split_people
from semantoks.model.encoder import Encoder
from semantoks.model.weights import EncoderCard, hash_participant
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import Target, target
from semantoks.types import Features

INNER_FOLDS = 3
"""Folds of each training side, among which the penalty is chosen."""
METHODS = {
    "encoder": "the pretrained encoder: readout averaged over evenly spaced crops and over a person's recordings",
    "random_weights": "the same encoder with the random weights that its pretraining started from",
    "fc": "functional connectivity: Fisher-z Pearson correlations of all pairs of ROIs, all frames",
    "motion": "mean framewise displacement, its logarithm, and the number of good frames",
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One target: who has it (values and groups by person, sorted by id) and the splits that all methods share."""

    aim: Target
    values: pd.Series
    groups: Int[ndarray, " person"]
    splits: list[Split]


def plan_target(aim: Target, groups: pd.Series, *, folds: int, repeats: int, seed: int) -> Plan:
    """Choose the people and splits of a target; ``groups`` is indexed by the people of the cohort."""
    values = aim.values.reindex(groups.index).dropna()
    if values.nunique() < 2:
        raise DataError(
            f"target {aim.name!r} cannot be predicted: of the {len(groups)} people with recordings, {len(values)} have "
            f"a value, and these take {values.nunique()} different ones."
        )
    group = groups[values.index].to_numpy()
    try:
        splits = split_people(
            values.to_numpy(), group, kind=aim.kind, folds=folds, repeats=repeats, seed=seed, inner=INNER_FOLDS
        )
    except DataError as error:
        raise DataError(f"target {aim.name!r}: {error}") from error
    return Plan(aim=aim, values=values, groups=group, splits=splits)


def score_split(features: Features, plan: Plan, split: Split, seed: int) -> dict[str, float]:
    """Fit everything on the training side of one split and score the test side once."""
    train, test = split
    labels, kind = plan.values.to_numpy(), plan.aim.kind
    inner = split_people(labels[train], plan.groups[train], kind=kind, folds=INNER_FOLDS, repeats=1, seed=seed)
    rows, held = row_space(*standardise(features[train], features[test]))
    if kind == "class":
        model = fit_classes(rows, labels[train], inner)
        return class_scores(labels[test], model.predict_proba(held), model.classes_)
    return value_scores(labels[test], fit_values(rows, labels[train], inner).predict(held))


def feature_sets(
    encoder: Encoder,
    card: EncoderCard,
    cohort: Cohort,
    *,
    readout: Readout,
    crops: int,
    device: torch.device,
    tick: Callable[[], None],
) -> dict[str, pd.DataFrame]:
    """Return each method's features, a row a person; ``tick`` is called after every batch that a network embeds."""
    features: dict[str, Float[ndarray, "recording feature"]] = {}
    for name, network in (("encoder", encoder), ("random_weights", random_encoder(card))):
        found, _ = embed_crops(
            network, cohort, readout=readout, crops=crops, device=device, progress=lambda _done, _total: tick()
        )
        features[name] = found.mean(axis=1)
    features["fc"] = functional_connectivity(cohort)
    moved = motion(cohort)
    if moved is not None:
        features["motion"] = moved
    return {name: by_person(values, cohort) for name, values in features.items()}


def probe(
    model: str | Path,
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str],
    out: str | Path,
    readout: Readout = "cls_avg",
    crops: int = 8,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    device: str = "cpu",
    command: str = "",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Predict ``targets`` from the encoder and from every baseline on the same people and splits.

    L2 logistic regression (classes, balanced weights) or ridge (values); scaling and penalty are fitted inside each
    training fold; each test fold is scored once. A person's recordings are averaged, so that a row is a person.

    Returns
    -------
    DataFrame
        One row a target x method x split x metric (``scores.csv`` in ``out``, beside ``probe.json``).

    Raises
    ------
    ConfigError
        Without a target, or for folds, repeats, crops or a device out of their range.
    DataError
        For an unknown target, too few people in a class, or a label that varies within a person.
    WeightsError
        When there is no encoder, or its atlas is not the cohort's.
    """
    if not targets:
        raise ConfigError("probe needs at least one target: a column of the cohort's participants.tsv.")
    cohort = cohort if isinstance(cohort, Cohort) else Cohort(Path(cohort))
    aims = [target(cohort.participants, name) for name in dict.fromkeys(targets)]
    encoder, card = open_encoder(model)
    check_fit(card, cohort)
    where, out = find_device(device), Path(out)
    groups = groups_of(cohort.recordings)
    plans = [plan_target(aim, groups, folds=folds, repeats=repeats, seed=seed) for aim in aims]
    out.mkdir(parents=True, exist_ok=True)
    methods = [name for name in METHODS if name != "motion" or motion(cohort) is not None]
    batches, fits = 2 * math.ceil(len(cohort) * crops / BATCH), len(plans) * len(methods) * folds * repeats
    tick = _ticks(progress, batches + fits)
    features = feature_sets(encoder, card, cohort, readout=readout, crops=crops, device=where, tick=tick)
    scores = _scores(plans, features, seed, tick)
    scores.to_csv(out / "scores.csv", index=False)
    about = {
        "command": command,
        "targets": {p.aim.name: {"kind": p.aim.kind, "n": len(p.values), "classes": p.aim.classes} for p in plans},
        "methods": {name: METHODS[name] for name in methods},
        "settings": {"readout": readout, "crops": crops, "folds": folds, "repeats": repeats, "seed": seed},
        "notes": list(_notes(card, groups, "motion" in methods)),
    }
    (out / "probe.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return scores


def _ticks(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return a function that tells ``progress`` of one more piece of work done."""
    count = iter(range(1, total + 1))

    def tick() -> None:
        if progress:
            progress(next(count), total)

    return tick


def _scores(
    plans: Sequence[Plan], features: dict[str, pd.DataFrame], seed: int, tick: Callable[[], None]
) -> pd.DataFrame:
    """Score every method on every split of every target."""
    rows: list[dict[str, Any]] = []
    for plan in plans:
        for method, table in features.items():
            matrix = table.loc[plan.values.index].to_numpy()
            for number, split in enumerate(plan.splits):
                base = {"target": plan.aim.name, "kind": plan.aim.kind, "method": method, "split": number}
                sizes = {"n_train": len(split[0]), "n_test": len(split[1])}
                found = score_split(matrix, plan, split, seed)
                rows += [{**base, **sizes, "metric": metric, "value": value} for metric, value in found.items()]
                tick()
    return pd.DataFrame(rows)


def _notes(card: EncoderCard, groups: pd.Series, has_motion: bool) -> Iterator[str]:
    """Say what a reader of the scores has to know."""
    known = set(card.participants)
    seen = sum(hash_participant(card.salt, person) in known for person in groups.index)
    yield f"{seen} of {len(groups)} people were seen, without labels, in pretraining."
    if copies := len(groups) - groups.nunique():
        yield f"{copies} people have a recording that is byte for byte another's: they stay on its side of every split."
    if not has_motion:
        yield "No motion row: the cohort has no mean framewise displacement (column mean_fd)."
