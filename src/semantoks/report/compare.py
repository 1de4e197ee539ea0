"""Probe scores beside their baselines: mean and spread over splits, and what the paired differences allow to say."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

ENCODER = "encoder"
FC = "fc"
BARS = (FC, "random_weights", "motion")
METHOD_ORDER = (ENCODER, "fc+encoder", *BARS)
METRIC_ORDER = ("balanced_accuracy", "auroc", "r", "r2", "mae")
LOWER_IS_BETTER = frozenset({"mae"})
MIN_SPLITS = 3

Reading = Literal["yes", "no", "not distinguishable"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean and standard deviation (n - 1; NaN for one split) of a method's scores over its splits."""

    mean: float
    sd: float
    splits: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A method minus another on the splits that both have; ``reading`` answers "is the first one better?"."""

    mean: float
    sd: float
    splits: int
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class TargetResult:
    """All that the scores say about one target.

    Attributes
    ----------
    metrics
        The metrics present; the first one is read and drawn.
    scores
        (method, metric) -> mean and spread over splits.
    to_fc, over
        In the first metric: each method minus FC; the encoder minus each baseline that is there.
    best
        Metric -> the method that is better than every other one by the rule of ``paired_difference``, else None.
    """

    target: str
    kind: str
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    scores: dict[tuple[str, str], Score]
    to_fc: dict[str, Difference]
    over: dict[str, Difference]
    best: dict[str, str | None]
    n_train: tuple[int, int]
    n_test: tuple[int, int]


def by_split(scores: pd.DataFrame, target: str, metric: str) -> pd.DataFrame:
    """One target's scores in one metric: a row a split, a column a method, NaN where a method lacks a split."""
    chosen = scores[(scores["target"] == target) & (scores["metric"] == metric)]
    return chosen.pivot(index="split", columns="method", values="value")


def paired_difference(first: pd.Series, second: pd.Series, *, lower_is_better: bool = False) -> Difference | None:
    """Compare two methods on the splits they share (by index); None where they share none.

    The first one is better ("yes") where the mean of the differences is on the better side of zero by more than the
    standard deviation (n - 1) of the differences, worse ("no") likewise on the other side, and anything less, or
    fewer than ``MIN_SPLITS`` shared splits, is "not distinguishable". This is a rule of reading, not a significance
    test: splits share people, so their scores are not independent.
    """
    differences = (first - second).dropna()
    if differences.empty:
        return None
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    gain = -mean if lower_is_better else mean
    reading: Reading = "not distinguishable"
    if len(differences) >= MIN_SPLITS and abs(gain) > sd:
        reading = "yes" if gain > 0 else "no"
    return Difference(mean=mean, sd=sd, splits=len(differences), reading=reading)


def summarise(scores: pd.DataFrame, target: str) -> TargetResult:
    """Summarise one target's scores (long form, as in ``probe/scores.csv``)."""
    rows = scores[scores["target"] == target]
    methods, metrics = _in_order(rows["method"], METHOD_ORDER), _in_order(rows["metric"], METRIC_ORDER)
    tables = {metric: by_split(scores, target, metric) for metric in metrics}
    first = tables[metrics[0]]
    lower = metrics[0] in LOWER_IS_BETTER
    return TargetResult(
        target=target,
        kind=str(rows["kind"].iloc[0]),
        methods=methods,
        metrics=metrics,
        scores={
            (method, metric): Score(mean=float(values.mean()), sd=float(values.std(ddof=1)), splits=len(values))
            for metric, table in tables.items()
            for method in table.columns
            if len(values := table[method].dropna())
        },
        to_fc=_pairs(first, [(method, FC) for method in methods if method != FC], lower),
        over={b: d for b in BARS for d in _pairs(first, [(ENCODER, b)], lower).values()},
        best={metric: _best(table, metric in LOWER_IS_BETTER) for metric, table in tables.items()},
        n_train=_range(rows["n_train"]),
        n_test=_range(rows["n_test"]),
    )


def _pairs(table: pd.DataFrame, pairs: list[tuple[str, str]], lower_is_better: bool) -> dict[str, Difference]:
    found = {}
    for first, second in pairs:
        if first in table and second in table:
            difference = paired_difference(table[first], table[second], lower_is_better=lower_is_better)
            if difference is not None:
                found[first] = difference
    return found


def _best(table: pd.DataFrame, lower_is_better: bool) -> str | None:
    for method in table.columns:
        others = [other for other in table.columns if other != method]
        found = [paired_difference(table[method], table[o], lower_is_better=lower_is_better) for o in others]
        if others and all(d is not None and d.reading == "yes" for d in found):
            return str(method)
    return None


def _in_order(names: pd.Series, order: tuple[str, ...]) -> tuple[str, ...]:
    found = list(dict.fromkeys(names))
    return (*[n for n in order if n in found], *[n for n in found if n not in order])


def _range(counts: pd.Series) -> tuple[int, int]:
    known = counts.dropna()
    return (int(known.min()), int(known.max())) if len(known) else (0, 0)
