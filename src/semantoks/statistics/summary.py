"""The summary of an evaluation: every method's score with its interval, and how it compares with FC and tangent FC."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import ConfigError
from semantoks.statistics.intervals import LEVEL, beyond, bootstrap, draw, interval, stretched
from semantoks.statistics.methods import NUISANCES
from semantoks.statistics.paired import corrected_mean, holm, paired_permutation, unit_contributions
from semantoks.statistics.shown import Scores
from semantoks.statistics.tables import ALPHA, BARS, LOWER_IS_BETTER, MAIN, QUESTION, SUMMARY, Verdict
from semantoks.statistics.tested import SplitTested, count_units, held_out, over_splits, overlap, people_of

COMPARED = ("main", "deconfounded", "motion_matched", "seconds")
"""The analyses that are summarised."""
LEAST_SPLITS = 3
"""With fewer splits in common, no verdict."""
RANGES = {"balanced_accuracy": (0, 1), "auroc": (0, 1), "r": (-1, 1), "r2": (-np.inf, 1), "mae": (0, np.inf)}
_ONE = list(QUESTION)


def summarise(
    scores: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    metrics: Mapping[str, str] = MAIN,
    bound: float | None = None,
    samples: int = 1000,
    flips: int = 10_000,
    seed: int = 0,
) -> Scores:
    """Summarise scores.csv and predictions.parquet in one metric: one row per analysis, condition, target and method.

    Parameters
    ----------
    metrics
        The metric for each kind of target: of classes ``balanced_accuracy auroc``, of values ``r r2 mae``.
    bound
        A difference from FC that would not matter, in the metric's unit: is a method as good as FC?
    samples, flips
        Bootstrap samples and sign flips.
    seed
        Of both. The draws of a target depend on its name alone: no other target or method changes its numbers.

    Returns
    -------
    Scores
        A DataFrame that a notebook shows as the terminal does: of each target, one line per method.

        - ``analysis condition target kind method metric``; sorted, analyses as in ``COMPARED``.
        - ``mean sd splits``: of the scores of the splits; the mean counts each split by its test people (sd: n - 1;
          spread, not uncertainty).
        - ``low high``: 95 % interval of the mean, people resampled (``intervals.stretched``).
        - ``reached_by``: methods that know nothing of brain function (``methods.NUISANCES``) and score within the
          interval or above it, with commas; empty for these themselves.
        - ``diff diff_low diff_high``: the method minus FC over the splits that both have, and its 95 % interval: the
          wider end of two, that of the corrected t test, and people resampled.
        - ``p_t p_flip p``: corrected t test, paired permutation (``paired``), and the larger of both.
        - ``p_holm``: ``p`` by Holm over the targets of the same method, analysis and condition.
        - ``verdict``: is the score "higher" or "lower" than FC's (a higher mae is a worse one)? Only where ``p_holm`` <
          0.05, the interval of the difference excludes zero, and 3 splits are shared; else "undecided", which is not
          "equal"; empty for FC, and where there is no FC.
        - ``p_equal``: of two one-sided tests that the difference from FC is within ``bound``, by the same two models
          as the interval (the larger p), then by Holm like ``p``; below 0.05: as good as FC, within the bound.
        - ``tangent_diff`` to ``tangent_p_equal``: the same nine, beside tangent FC. Each bar is a question of its own,
          with Holm over its targets.
        - ``null_mean p_null``: of the permutation null (analysis "permutation"), in rows of the main analysis: the main
          score of the closed-form ridge whose labels were permuted, and p of that score.
        - ``optimism``: what choosing the setting on the test side would have added to the mean; for the main metric.

        A number that cannot be computed is NaN.

    Raises
    ------
    ConfigError
        For a bound that is not above 0.
    """
    if bound is not None and not bound > 0:
        raise ConfigError(f"the bound of an equivalence test has to be above 0, not {bound}.")
    rows = scores[scores["analysis"].isin(COMPARED)]
    parts = []
    for key, of_one in rows.groupby(_ONE):
        one = [str(part) for part in key]
        predicted = predictions[(predictions[_ONE] == one).all(axis=1)]
        metric, fresh = metrics[one[-1]], np.random.default_rng([seed, zlib.crc32("\t".join(one).encode())])
        again = overlap(predicted["person"].nunique(), float(of_one["n_train"].mean()), float(of_one["n_test"].mean()))
        table = _scored(of_one, metric)
        people = _Resampled.of(predicted, list(table.index), metric, again, draws=samples, rng=fresh)
        table = table.join(people.within())
        for bar, prefix in BARS.items():
            beside = people.beside(bar, bound, flips=flips, rng=fresh)
            table = table.join(_joined(_by_splits(of_one, metric, bar, bound), beside).add_prefix(prefix))
        table["reached_by"] = _reached_by(table, metric)
        table = table.rename_axis("method").reset_index().assign(metric=metric)
        table[_ONE] = one
        parts.append(table)
    if not parts:
        return Scores(columns=list(SUMMARY))
    found = pd.concat(parts, ignore_index=True)
    alike = found.groupby(["analysis", "condition", "method"])
    for prefix in BARS.values():
        found[f"{prefix}p"] = found[[f"{prefix}p_t", f"{prefix}p_flip"]].max(axis=1, skipna=False)
        for corrected, plain in (("p_holm", "p"), ("p_equal", "p_beyond")):
            found[f"{prefix}{corrected}"] = alike[f"{prefix}{plain}"].transform(lambda p: holm(p.to_numpy(np.float64)))
        found[f"{prefix}verdict"] = _verdicts(found, prefix)
    found = found.merge(_nulls(scores), how="left", on=["analysis", "condition", "target", "method"])
    order = found["analysis"].map(COMPARED.index)
    found = found.assign(order=order).sort_values(["order", "condition", "target", "method"], ignore_index=True)
    return Scores(found[list(SUMMARY)])


def _scored(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Summarise the scores of one target's splits, one row per method."""
    each = rows.pivot(index="split", columns="method", values=metric)
    people = rows.groupby("split")["n_test"].first().to_numpy(np.float64)
    table = pd.DataFrame({"sd": each.std(ddof=1), "splits": each.count()})
    table["mean"] = over_splits(each.to_numpy(np.float64), people)
    gained = rows["peeked"] - rows[metric] if metric in MAIN.values() and "peeked" in rows else np.nan
    gained_each = rows.assign(gained=gained).pivot(index="split", columns="method", values="gained")
    table["optimism"] = over_splits(gained_each.to_numpy(np.float64), people)
    return table


def _by_splits(rows: pd.DataFrame, metric: str, bar: str, bound: float | None) -> pd.DataFrame:
    """Compare the scores of one target's splits with those of a bar by the corrected t test, one row per method."""
    each = rows.pivot(index="split", columns="method", values=metric)
    people = rows.groupby("split")["n_test"].first().to_numpy(np.float64)
    compared = {}
    for method in each.columns.drop(bar) if bar in each else []:
        away = (each[method] - each[bar]).to_numpy(np.float64)
        has, n_train = ~np.isnan(away), float(rows["n_train"].mean())
        found = corrected_mean(away[has], n_train, people[has])
        low, high = found.interval(LEVEL)
        compared[method] = {"diff": found.mean, "shared": has.sum(), "p_t": found.p, "diff_low": low, "diff_high": high}
        compared[method]["p_beyond"] = np.nan if bound is None else found.p_within(bound)
    columns = ["diff", "shared", "p_t", "diff_low", "diff_high", "p_beyond"]
    return pd.DataFrame.from_dict(compared, orient="index", columns=columns, dtype=float).reindex(each.columns)


@dataclass(frozen=True, kw_only=True)
class _Resampled:
    """One target's people, resampled; ``overlap`` is that of ``tested.overlap``, ``drawn`` the scores of each draw."""

    metric: str
    methods: list[str]
    overlap: float
    sides: list[SplitTested]
    drawn: Float[ndarray, "split method sample"] | None

    @classmethod
    def of(
        cls,
        predicted: pd.DataFrame,
        methods: list[str],
        metric: str,
        overlap: float,
        *,
        draws: int,
        rng: np.random.Generator,
    ) -> "_Resampled":
        """Resample the people of a target's predictions."""
        sides = held_out(predicted, methods)
        drawn = bootstrap(sides, metric, draw(count_units(sides), draws, rng)) if sides else None
        return cls(metric=metric, methods=methods, overlap=overlap, sides=sides, drawn=drawn)

    def within(self) -> pd.DataFrame:
        """Return the interval of each method's score."""
        table = pd.DataFrame(index=self.methods, columns=["low", "high"], dtype=float)
        if self.drawn is not None:
            spread = stretched(self.drawn, people_of(self.sides), self.overlap)
            table[["low", "high"]] = interval(spread).clip(*RANGES[self.metric])
        return table

    def beside(self, bar: str, bound: float | None, *, flips: int, rng: np.random.Generator) -> pd.DataFrame:
        """Compare each method with a bar."""
        names = ["diff_low", "diff_high", "p_flip", "p_beyond"]
        table = pd.DataFrame(index=self.methods, columns=names, dtype=float)
        if self.drawn is not None and bar in self.methods:
            place, others = self.methods.index(bar), [name != bar for name in self.methods]
            away = stretched(self.drawn - self.drawn[:, [place]], people_of(self.sides), self.overlap)[others]
            parts = unit_contributions(self.sides, self.metric, place)
            p = paired_permutation(parts, overlap=self.overlap, flips=flips, rng=rng)
            table.loc[others, ["diff_low", "diff_high"]] = interval(away)
            table.loc[others, "p_flip"] = p[others]
            table.loc[others, "p_beyond"] = np.nan if bound is None else beyond(away, bound)
        return table


def _joined(by_splits: pd.DataFrame, by_people: pd.DataFrame) -> pd.DataFrame:
    """Join what two models of uncertainty say of a difference: the wider end of both, and the larger p."""
    table = by_splits.join(by_people["p_flip"])
    for name, further in (("diff_low", np.fmin), ("diff_high", np.fmax), ("p_beyond", np.maximum)):
        table[name] = further(by_splits[name], by_people[name])
    return table


def _reached_by(table: pd.DataFrame, metric: str) -> list[str]:
    """Name the nuisances that score within each method's interval, or better."""
    found = []
    for method, row in table.iterrows():
        others = [name for name in NUISANCES if name in table.index and method not in NUISANCES]
        means = table.loc[others, "mean"]
        reach = means <= row["high"] if metric in LOWER_IS_BETTER else means >= row["low"]
        found.append(",".join(name for name in others if reach[name]))
    return found


def _nulls(scores: pd.DataFrame) -> pd.DataFrame:
    """Return score and p of each method's permutation null, to be put beside its main score."""
    null = scores[scores["analysis"] == "permutation"].reindex(
        columns=[*scores.columns, *{"p", *MAIN.values()} - {*scores.columns}]
    )
    means = null["r"].where(null["kind"] == "value", null["balanced_accuracy"])
    null = null.assign(null_mean=means, p_null=null["p"], analysis="main", condition="")
    return null[["analysis", "condition", "target", "method", "null_mean", "p_null"]]


def _verdicts(found: pd.DataFrame, prefix: str) -> pd.Series:
    of = {name: found[f"{prefix}{name}"] for name in ("p_holm", "shared", "diff_low", "diff_high")}
    sure = (of["p_holm"] < ALPHA) & (of["shared"] >= LEAST_SPLITS)
    words: list[Verdict] = ["", "higher", "lower"]
    cases = [~(of["shared"] > 0), sure & (of["diff_low"] > 0), sure & (of["diff_high"] < 0)]
    return pd.Series(np.select(cases, words, "undecided"), index=found.index, dtype=str)
