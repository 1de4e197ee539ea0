"""The summary of an evaluation: every method's score with its interval, and how it compares with FC."""

import zlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from semantoks.statistics.intervals import bootstrap, draw, interval
from semantoks.statistics.methods import FC
from semantoks.statistics.paired import corrected_t, holm, paired_permutation, unit_contributions
from semantoks.statistics.tables import LOWER_IS_BETTER, MAIN, QUESTION, SUMMARY
from semantoks.statistics.tested import count_units, held_out, overlap

REFERENCE = FC
"""The method that all others are compared with: functional connectivity."""
COMPARED = ("main", "deconfounded", "motion_matched")
"""The analyses that are summarised."""
LEAST_SPLITS = 3
"""With fewer splits in common, no verdict."""
ALPHA = 0.05
RANGES = {"balanced_accuracy": (0, 1), "auroc": (0, 1), "r": (-1, 1), "r2": (-np.inf, 1), "mae": (0, np.inf)}
_ONE = list(QUESTION)


def summarise(
    scores: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    metrics: Mapping[str, str] = MAIN,
    samples: int = 1000,
    flips: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Summarise scores.csv and predictions.parquet in one metric: one row per analysis, condition, target and method.

    Parameters
    ----------
    metrics
        The metric for each kind of target: of classes ``balanced_accuracy auroc``, of values ``r r2 mae``.
    samples, flips
        Bootstrap samples and sign flips.
    seed
        Of both. The draws of a target depend on its name alone: no other target or method changes its numbers.

    Returns
    -------
    DataFrame
        - ``analysis condition target kind method metric``; sorted, analyses as in ``COMPARED``.
        - ``mean sd splits``: of the scores of the splits (sd: n - 1; spread, not uncertainty).
        - ``low high``: 95 % interval of the mean, people resampled (``intervals.interval``).
        - ``diff diff_low diff_high``: the method minus FC over the splits that both have, and its interval.
        - ``p_t p_flip p``: corrected t test, paired permutation (``paired``), and the larger of both.
        - ``p_holm``: ``p`` by Holm over the targets of the same method, analysis and condition.
        - ``p_null``: of the permutation null (analysis "permutation"); in rows of the main analysis.
        - ``optimism``: what choosing the setting on the test side would have added to the mean; for the main metric.
        - ``verdict``: is the method better than FC? "yes" or "no" (it is worse) where ``p_holm`` < 0.05; else, and with
          fewer than 3 splits in common, "not distinguishable"; empty for FC, and where there is no FC.

        A number that cannot be computed is NaN.
    """
    rows = scores[scores["analysis"].isin(COMPARED)]
    parts = []
    for key, of_one in rows.groupby(_ONE):
        one = [str(part) for part in key]
        predicted = predictions[(predictions[_ONE] == one).all(axis=1)]
        metric, fresh = metrics[one[-1]], np.random.default_rng([seed, zlib.crc32("\t".join(one).encode())])
        n_train, n_test = float(of_one["n_train"].mean()), float(of_one["n_test"].mean())
        again = overlap(predicted["person"].nunique(), n_train, n_test)
        table = _scored(of_one, metric, n_train, n_test)
        table = table.join(_resampled(predicted, list(table.index), metric, again, samples, flips, fresh))
        table = table.rename_axis("method").reset_index().assign(metric=metric)
        table[_ONE] = one
        parts.append(table)
    if not parts:
        return pd.DataFrame(columns=list(SUMMARY))
    found = pd.concat(parts, ignore_index=True)
    found["p"] = found[["p_t", "p_flip"]].max(axis=1, skipna=False)
    alike = found.groupby(["analysis", "condition", "method"])["p"]
    found["p_holm"] = alike.transform(lambda p: holm(p.to_numpy(np.float64)))
    found = found.merge(_nulls(scores), how="left", on=["analysis", "condition", "target", "method"])
    found["verdict"] = _verdicts(found)
    order = found["analysis"].map(COMPARED.index)
    found = found.assign(order=order).sort_values(["order", "condition", "target", "method"], ignore_index=True)
    return found[list(SUMMARY)]


def _scored(rows: pd.DataFrame, metric: str, n_train: float, n_test: float) -> pd.DataFrame:
    """Summarise the scores of one target's splits, one row per method."""
    each = rows.pivot(index="split", columns="method", values=metric)
    table = pd.DataFrame({"mean": each.mean(), "sd": each.std(ddof=1), "splits": each.count()})
    gained = rows["peeked"] - rows[metric] if metric in MAIN.values() and "peeked" in rows else np.nan
    table["optimism"] = rows.assign(gained=gained).groupby("method")["gained"].mean()
    if REFERENCE in each:
        others = each.drop(columns=REFERENCE)
        away = others.sub(each[REFERENCE], axis=0)
        table["diff"], table["shared"] = away.mean(), away.count()
        table["p_t"] = away.apply(lambda each: corrected_t(each.dropna().to_numpy(np.float64), n_train, n_test)[1])
    return table.reindex(columns=[*table.columns, *{"diff", "shared", "p_t"} - set(table.columns)])


def _resampled(
    predicted: pd.DataFrame,
    methods: list[str],
    metric: str,
    again: float,
    samples: int,
    flips: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Summarise the predictions of one target, one row per method; ``again`` is the ``tested.overlap``."""
    table = pd.DataFrame(index=methods, columns=["low", "high", "diff_low", "diff_high", "p_flip"], dtype=float)
    sides = held_out(predicted, methods)
    if not sides:
        return table
    drawn = bootstrap(sides, metric, draw(count_units(sides), samples, rng))
    table[["low", "high"]] = interval(drawn, again).clip(*RANGES[metric])
    if REFERENCE in methods:
        reference, others = methods.index(REFERENCE), [name != REFERENCE for name in methods]
        bounds = interval(drawn - drawn[:, [reference]], again)
        p = paired_permutation(unit_contributions(sides, metric, reference), overlap=again, flips=flips, rng=rng)
        table.loc[others, ["diff_low", "diff_high"]] = bounds[others]
        table.loc[others, "p_flip"] = p[others]
    return table


def _nulls(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the p of each method's permutation null, to be put beside its main score."""
    keys = ["target", "method"]
    if "p" not in scores:
        scores = scores.assign(p=np.nan)
    null = scores.loc[scores["analysis"] == "permutation", [*keys, "p"]].rename(columns={"p": "p_null"})
    return null.assign(analysis="main", condition="")


def _verdicts(found: pd.DataFrame) -> pd.Series:
    gain = found["diff"].where(~found["metric"].isin(LOWER_IS_BETTER), -found["diff"])
    sure = (found["p_holm"] < ALPHA) & (found["shared"] >= LEAST_SPLITS)
    words = np.select(
        [~(found["shared"] > 0), sure & (gain > 0), sure & (gain < 0)], ["", "yes", "no"], "not distinguishable"
    )
    return pd.Series(words, index=found.index, dtype=str)
