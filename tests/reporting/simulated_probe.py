"""The folder of a probe as the evaluation writes it: predictions are made up, and every score is computed from them."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semantoks.statistics.scores import class_scores, value_scores
from semantoks.statistics.tables import MAIN, PREDICTION_KEYS, PREDICTION_VALUES, PREDICTIONS, SCORE_KEYS, SCORES

METHODS = ("encoder", "fc+encoder", "random_weights", "fc", "fc_tangent", "motion", "tangent+encoder")
SIGNAL = {
    "sex": (0.4, 1.7, 0.2, 1.8, 1.7, 0.1, 1.7),
    "site": (2.0, 3.1, 1.2, 2.1, 3.0, 1.0, 3.1),
    "age": (0.7, 1.4, 0.4, 1.3, 1.2, 0.1, 1.3),
    "sequence": (1.4, 1.4, 0.5, 0.06, 0.1, 0.02, 1.4),
}
"""How much each method knows of each target, in standard deviations of its noise."""
CLASSES = {"sex": ["F", "M"], "site": [f"SITE_{letter}" for letter in "ABCDEFGHIJKLMNO"]}
CONFOUNDED = ("sex", "age")
"""The targets that are also scored without confounds."""
NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
MINUTES = (1.0, 2.5, 5.0)
SECONDS = {"30": 0.3, "60": 0.5, "all": 1.0}


@dataclass(frozen=True)
class Size:
    people: int = 90
    folds: int = 3
    repeats: int = 2
    methods: tuple[str, ...] = METHODS
    targets: tuple[str, ...] = tuple(SIGNAL)


SMALL = Size(people=40, folds=2, repeats=2, methods=("encoder", "fc"), targets=("sex", "age"))


@cache
def tables(size: Size = Size()) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores.csv and predictions.parquet; nobody may change them."""
    rng = np.random.default_rng(5)
    scores: list[dict[str, Any]] = []
    predictions: list[pd.DataFrame] = []
    for target in size.targets:
        truth = truth_of(target, size)
        for analysis, condition, share, kept in (
            ("main", "", 1.0, np.arange(size.people)),
            ("deconfounded", "mean_fd+site", 0.6, np.arange(size.people)),
            ("motion_matched", "", 0.9, np.arange(0, size.people, 2)),
        ):
            if analysis != "main" and target not in CONFOUNDED:
                continue
            for split, test in splits(size, kept):
                for method in size.methods:
                    key = {
                        "analysis": analysis,
                        "condition": condition,
                        "target": target,
                        "method": method,
                        "split": split,
                    }
                    table, found = predict(rng, target, truth, test, share * signal(target, method, size))
                    sizes = {"n_train": len(kept) - len(test), "n_test": len(test)}
                    scores.append({**key, **sizes, "kind": kind_of(target), **found, "p": np.nan})
                    predictions.append(table.assign(**key, kind=kind_of(target)))
    scores += list(further(rng, size))
    for target in CONFOUNDED if "age" in size.targets else ():
        for seconds, share in SECONDS.items():
            for split, test in splits(dataclasses.replace(size, repeats=1), np.arange(size.people)):
                for method in size.methods if seconds != "30" else ("fc", "fc_tangent")[: len(size.methods) - 1]:
                    table, found = predict(rng, target, truth_of(target, size), test, share)
                    key = {"analysis": "seconds", "condition": seconds, "target": target, "method": method}
                    sizes = {"split": split, "n_train": size.people - len(test), "n_test": len(test)}
                    scores.append({**key, **sizes, "kind": kind_of(target), **found, "p": np.nan})
                    predictions.append(table.assign(**key, split=split, kind=kind_of(target)))
    table = pd.DataFrame(scores)
    columns = [*SCORE_KEYS, *(name for name in table if name not in SCORE_KEYS)]
    return table[columns], pd.concat(predictions, ignore_index=True)[[*PREDICTION_KEYS, *PREDICTION_VALUES]]


def kind_of(target: str) -> str:
    return "class" if target in CLASSES else "value"


def signal(target: str, method: str, size: Size) -> float:
    return SIGNAL[target][size.methods.index(method) % len(METHODS)]


def truth_of(target: str, size: Size) -> np.ndarray:
    if target in CLASSES:
        return np.arange(size.people) % len(CLASSES[target])
    return 40 + 12 * np.random.default_rng(sum(map(ord, target))).normal(size=size.people)


def splits(size: Size, kept: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for repeat in range(size.repeats):
        order = np.random.default_rng(repeat).permutation(kept)
        for fold in range(size.folds):
            yield repeat * size.folds + fold, np.sort(order[fold :: size.folds])


def predict(
    rng: np.random.Generator, target: str, truth: np.ndarray, test: np.ndarray, strength: float
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Predict the test people and score the predictions."""
    true = truth[test].astype(float)
    said: dict[str, Any] = {"person": test, "group": np.where(test == 1, 0, test), "truth": true}
    if target not in CLASSES:
        guess = 40 + 12 * strength / (1 + strength**2) * (strength * (true - 40) / 12 + rng.normal(size=len(test)))
        found = value_scores(true, guess)
        said |= {"predicted": guess, "truth_name": "", "probability": [np.zeros(0, np.float32)] * len(test)}
    else:
        names = np.array(CLASSES[target])
        hint = strength * np.eye(len(names))[true.astype(int)] + rng.normal(size=(len(test), len(names)))
        odds = np.exp(hint)
        chances = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        found = class_scores(names[true.astype(int)], chances.astype(float), names)
        said |= {"predicted": chances.argmax(axis=1).astype(float), "truth_name": names[true.astype(int)]}
        said["probability"] = list(chances)
    return pd.DataFrame(said), {**found, "peeked": found[MAIN[kind_of(target)]] + 0.02 * rng.random()}


def further(rng: np.random.Generator, size: Size) -> Iterator[dict[str, Any]]:
    """Return the rows of the analyses that leave no predictions."""

    def row(analysis: str, condition: str, target: str, kind: str, method: str, split: int = 0, **found: float) -> dict:
        key = {"analysis": analysis, "condition": condition, "target": target, "kind": kind, "method": method}
        return {**key, "split": split, "n_train": size.people * 2 // 3, "n_test": size.people // 3, **found}

    for target in size.targets:
        kind = kind_of(target)
        for method in size.methods:
            base = signal(target, method, size)
            yield row("permutation", "", target, kind, method, -1, p=0.001 if base > 0.3 else 0.4)
            for name in ("site", "mean_fd"):
                if method in ("encoder", "fc"):
                    yield row("confound_test", name, target, kind, method, -1, p=0.003 if name == "mean_fd" else 0.31)
            for split in range(size.folds):
                for people in (10, 20, 40):
                    score = 0.4 + 0.1 * base * np.log10(people) + 0.03 * rng.normal()
                    yield row("learning_curve", str(people), target, kind, method, split, **{MAIN[kind]: score})
                for place, network in enumerate(NETWORKS):
                    if method in ("encoder", "random_weights", "fc"):
                        score = 0.5 + 0.02 * place * base + 0.03 * rng.normal()
                        yield row("network", network, target, kind, method, split, **{MAIN[kind]: score})
    for method in size.methods:
        for split in range(size.folds):
            yield row("decode", "", "site", "class", method, split, balanced_accuracy=0.5 + 0.02 * rng.normal())
            yield row("decode", "", "mean_fd", "value", method, split, r=0.01 + 0.1 * rng.normal())
    for kind, harder in (("sessions", 0.6), ("halves", 1.0)):
        for method, best in (("encoder", 0.8), ("random_weights", 0.5), ("fc", 0.9)):
            for minutes in MINUTES:
                grown = harder * best * (1 - np.exp(-minutes / 2))
                found = {"identification": grown, "i_diff": 0.3 * grown, "icc": 0.7 * grown}
                yield row("reliability", f"{minutes:g}", f"identity, {kind}", "value", method, **found)


def about(size: Size = Size()) -> dict[str, Any]:
    """Return probe.json."""
    targets = {t: {"kind": kind_of(t), "n": size.people, "classes": CLASSES.get(t)} for t in size.targets}
    return {
        "command": "semantoks probe runs/a cohorts/abide --target sex site age sequence --out runs/a/probe",
        "protocol": "nested",
        "targets": targets,
        "decoded": {"site": {"kind": "class", "n": size.people, "classes": CLASSES["site"]}},
        "methods": {
            "encoder": "the pretrained encoder, mean over 8 crops",
            "fc": "Pearson, 19,900 edges",
            "motion": "mean FD",
        },
        "settings": {
            **{"folds": size.folds, "repeats": size.repeats, "seed": 0, "readouts": ["cls_avg", "network"]},
            **{"methods": ["random_weights", "fc_tangent"], "analyses": ["learning_curve"], "drop_rare": False},
        },
        "notes": ["Splits are by participant, stratified by site."],
        "environment": {"python": "3.11.2", "numpy": "2.4.0"},
        "checks": [f"0 people (0 groups) on both sides of any of {size.folds * size.repeats} splits"],
        "excluded": [["no label for sex", 12], ["fewer than 100 frames", 3]],
        "confounds": ["mean_fd", "site"],
    }


def write_probe(folder: Path, size: Size = Size()) -> Path:
    """Write a probe's folder."""
    scores, predictions = tables(size)
    folder.mkdir(parents=True)
    scores.to_csv(folder / SCORES, index=False)
    predictions.to_parquet(folder / PREDICTIONS, index=False)
    (folder / "probe.json").write_text(json.dumps(about(size)))
    return folder
