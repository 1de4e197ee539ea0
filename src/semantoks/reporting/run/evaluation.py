"""The folder of an evaluation (a probe or a fine-tuning): its two tables and the numbers in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.counted import MANY, plural
from semantoks.errors import DataError
from semantoks.statistics.methods import ENCODER, FC, FINETUNED, in_order
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import (
    BARS,
    BESIDE,
    MAIN,
    METRICS,
    PREDICTION_KEYS,
    PREDICTION_VALUES,
    PREDICTIONS,
    SCORES,
    read_predictions,
    read_scores,
)
from semantoks.statistics.tested import over_splits

_KEYS = ["analysis", "condition", "target", "method"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A method's row of ``statistics.summary.summarise``, in the main metric of its target; NaN: not known."""

    metric: str
    mean: float
    sd: float
    splits: int
    low: float
    high: float
    diff: float
    diff_low: float
    diff_high: float
    p_holm: float
    p_equal: float
    null_mean: float
    p_null: float
    optimism: float
    verdict: str
    reached_by: tuple[str, ...]


NUMBERS = [one.name for one in fields(Compared) if one.type is float]
"""The columns that are taken as they are."""


@dataclass(frozen=True, kw_only=True)
class OverSplits:
    """Mean, by test people, and standard deviation (n - 1) of a score over its splits."""

    mean: float
    sd: float
    splits: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    key
        Its folder in the run: "probe" or "finetune".
    about
        ``probe.json``: command, targets, methods, settings, notes, checks, what was excluded.
    scores, predictions
        The tables of ``statistics.tables``.
    summary
        ``statistics.summary.summarise`` of both.
    """

    key: str
    about: Mapping[str, Any]
    scores: pd.DataFrame
    predictions: pd.DataFrame
    summary: pd.DataFrame = field(repr=False)

    @property
    def subject(self) -> str:
        """The method that the evaluation is about."""
        return FINETUNED if self.key == "finetune" else ENCODER

    @property
    def bound(self) -> float | None:
        """The difference from FC that would not matter, where one was given."""
        return bound_of(table_of(self.about, "settings"))

    @property
    def unit(self) -> str:
        """What a row is: a person, or a block of a task."""
        return "block" if self.about.get("unit") == "block" else "person"

    @property
    def units(self) -> str:
        """The same of several."""
        return MANY.get(self.unit, f"{self.unit}s")

    def targets(self, analysis: str = "main") -> list[str]:
        """Return the targets of an analysis, in the order of the table."""
        return list(dict.fromkeys(self.scores.loc[self.scores["analysis"] == analysis, "target"]))

    def conditions(self, analysis: str, target: str) -> list[str]:
        """Return the conditions of an analysis for a target, in the order of the table."""
        return list(dict.fromkeys(c for a, c, t, _ in self.all_over_splits if (a, t) == (analysis, target)))

    def methods(self, analysis: str, target: str) -> list[str]:
        """Return the methods of an analysis for a target, in the order of display."""
        return in_order(m for a, _, t, m in self.all_over_splits if (a, t) == (analysis, target))

    def main_predictions(self, target: str) -> pd.DataFrame:
        """Return the predictions of a target in the main analysis."""
        rows = self.predictions
        return rows[(rows["analysis"] == "main") & (rows["target"] == target)]

    def kind(self, target: str, analysis: str = "main") -> str:
        """Return whether a target is a "class" or a "value"."""
        rows = self.scores[(self.scores["target"] == target) & (self.scores["analysis"] == analysis)]
        return str(rows["kind"].iloc[0])

    def classes(self, target: str) -> list[str]:
        """Return the classes of a target, or of a confound that was decoded, as probe.json lists them, if it does."""
        known = table_of(self.about, "decoded") | table_of(self.about, "targets")
        found = table_of(known, target).get("classes")
        return [str(name) for name in found] if isinstance(found, list) else []

    def compared(
        self, target: str, analysis: str = "main", condition: str | None = None, *, bar: str = FC
    ) -> dict[str, Compared]:
        """Return the summary of a target's methods in the order of display; of the first condition, unless given.

        They are compared with ``bar``: FC or tangent FC.
        """
        if condition is None:
            condition = next(iter(self.conditions(analysis, target)), "")
        table = self.summary
        rows = table[(table["analysis"] == analysis) & (table["target"] == target) & (table["condition"] == condition)]
        by_name = {row["method"]: row for row in rows.to_dict("records")}
        return {name: _compared(by_name[name], BARS[bar]) for name in in_order(by_name)}

    def over_splits(self, analysis: str, condition: str, target: str, method: str, metric: str) -> OverSplits | None:
        """Return mean and standard deviation of a score over splits; None where there is none."""
        return self.all_over_splits.get((analysis, condition, target, method), {}).get(metric)

    @cached_property
    def all_over_splits(self) -> dict[tuple[str, str, str, str], dict[str, OverSplits]]:
        """Mean (by test people) and sd over splits of every analysis, condition, target and method, by metric."""
        metrics = [name for name in METRICS if name in self.scores]
        values, people = self.scores[metrics].to_numpy(float), self.scores["n_test"].fillna(1).to_numpy(float)
        groups = self.scores.groupby(_KEYS, sort=False)
        sd, count = groups[metrics].std(), groups[metrics].count()
        all_over_splits: dict[tuple[str, str, str, str], dict[str, OverSplits]] = {}
        for key, sds, counts in zip(sd.index, sd.to_numpy(), count.to_numpy(), strict=True):
            rows = groups.indices[key]
            numbers = zip(metrics, over_splits(values[rows], people[rows]), sds, counts, strict=True)
            analysis, condition, target, method = map(str, key)
            all_over_splits[analysis, condition, target, method] = {
                name: OverSplits(mean=float(mean), sd=float(sd), splits=int(n)) for name, mean, sd, n in numbers if n
            }
        return all_over_splits


def chance_of(metric: str, classes: Sequence[str]) -> float | None:
    """Return what guessing scores on average; None where that depends on a number of classes that is not known."""
    if metric == "balanced_accuracy":
        return 1 / len(classes) if classes else None
    return {"auroc": 0.5, "r": 0.0, "r2": 0.0}.get(metric)


def bound_of(settings: Mapping[str, Any]) -> float | None:
    """Return the bound of the equivalence test that settings hold, if any."""
    bound = settings.get("equivalence")
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        return None
    return float(bound) if bound > 0 else None


def _compared(row: Mapping[Any, Any], prefix: str) -> Compared:
    numbers = {name: float(row[f"{prefix}{name}" if name in BESIDE else name]) for name in NUMBERS}
    return Compared(
        metric=str(row["metric"]),
        splits=int(row["splits"]),
        verdict=str(row[f"{prefix}verdict"]),
        reached_by=tuple(filter(None, str(row["reached_by"]).split(","))),
        **numbers,
    )


def read_evaluation(folder: Path, key: str, about: Mapping[str, Any]) -> tuple[Evaluation | None, list[str]]:
    """Read the folder of an evaluation; None if it cannot be read. Notes name what is missing or damaged."""
    notes: list[str] = []
    try:
        scores = read_scores(folder / SCORES)
    except DataError as error:
        return None, [f"{folder.name}/{SCORES} is not shown: {error}"]
    unknown = ~scores["kind"].isin(MAIN)
    if unknown.any():
        rows = plural(int(unknown.sum()), "row is", "rows are")
        notes.append(f"{rows} of an unknown kind in {folder.name}/{SCORES} and left out.")
    scores = scores[~unknown].reset_index(drop=True)
    try:
        predictions = read_predictions(folder / PREDICTIONS)
    except DataError as error:
        predictions = pd.DataFrame(columns=[*PREDICTION_KEYS, *PREDICTION_VALUES])
        notes.append(f"Without predictions there are no intervals and no paired tests: {error}")
    settings = table_of(about, "settings")
    seed = settings.get("seed")
    try:
        summary = summarise(
            scores,
            predictions,
            bound=bound_of(settings),
            seed=seed if isinstance(seed, int) and seed >= 0 else 0,
        )
    except (DataError, ValueError, KeyError) as error:
        return None, [*notes, f"{folder.name}/{SCORES} and {PREDICTIONS} do not fit together: {error}"]
    found = Evaluation(key=key, about=about, scores=scores, predictions=predictions, summary=summary)
    return found, notes


def table_of(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the table under a key of a JSON file; an empty one where there is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}
