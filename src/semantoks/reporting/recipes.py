"""What the page about recipes side by side draws: scores compared with FC, re-identification, cost, collapse."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from semantoks.reporting.content import Block, Cell, Figure, Figures, Pairs, Table, Words
from semantoks.reporting.figures.scores import Estimate, Mark, draw_rows, named
from semantoks.reporting.wording import duration, interval, number, p_value, score
from semantoks.statistics.methods import ENCODER, FC, MOTION, TANGENT, method_look, method_name
from semantoks.statistics.tables import METRICS

LINES = (FC, TANGENT, MOTION)
"""Methods that know no encoder: one value for a whole study."""
NOTHING = float("nan")


def drawn_scores(summary: pd.DataFrame) -> list[Block]:
    """Draw the score of every recipe, target by target, with FC, tangent FC and motion as lines."""
    found = []
    for target, rows in summary.groupby("target", sort=False) if len(summary) else ():
        metric, look = str(rows["metric"].iloc[0]), method_look(ENCODER)
        estimates = [
            (
                row["condition"],
                [Estimate(name=row["condition"], value=row["score"], low=row["low"], high=row["high"], look=look)],
            )
            for row in rows.to_dict("records")
        ]
        marks = [
            Mark(name=method_name(method), value=value, paint=method_look(method).paint)
            for method in LINES
            if isfinite(value := float(rows.get(method, pd.Series([NOTHING])).iloc[0]))
        ]
        axis = METRICS.get(metric, metric)
        drawing = draw_rows(f"recipes {target}", str(target), axis, estimates, marks)
        found.append(
            Figure(drawing, f"Mean over seeds, with its 95\u00a0% interval over seeds and test people{named(marks)}.")
        )
    return [Figures(found)] if found else []


def numbers(summary: pd.DataFrame, recipes: pd.DataFrame, reference: str) -> list[Block]:
    """Return the table of scores and differences, and that of what recipes cost."""
    if not len(summary):
        return [Words("There are none yet."), *_of_recipes(recipes)]
    rows = [
        [
            Cell(f"{row['target']}: {row['condition']}"),
            Cell(score(row["score"], row["metric"]), under=interval(row["low"], row["high"], row["metric"])),
            *(_away(row, bar) for bar in ("fc_", "tangent_", "")),
            Cell(
                score(row["gain"], row["metric"], sign=True),
                under=interval(row["gain_low"], row["gain_high"], row["metric"], sign=True),
            ),
            Cell(f"{row['seeds']:.0f}"),
        ]
        for row in summary.to_dict("records")
    ]
    beside = ("minus FC", "minus tangent FC", f"minus {reference}", "over random weights")
    table = Table(
        label="All recipes",
        caption="Mean over seeds, with its 95\u00a0% interval over seeds and test people below; p by Holm over the "
        "recipes of a target.",
        columns=("Target and recipe", "Encoder", *beside, "Seeds"),
        rows=rows,
    )
    differs = dict(zip(summary["condition"], summary["differs"], strict=True))
    said = Pairs(f"How each differs from {reference}", [(name, words) for name, words in differs.items() if words])
    return [table, *_of_recipes(recipes), *([said] if said.rows else [])]


def _away(row: Mapping[Any, Any], bar: str) -> Cell:
    """Return a difference with its interval, p and verdict."""
    difference, metric = row.get(f"{bar}diff", NOTHING), row["metric"]
    if not isfinite(difference):
        return Cell("")
    ends = interval(row[f"{bar}diff_low"], row[f"{bar}diff_high"], metric, sign=True)
    return Cell(
        score(difference, metric, sign=True),
        under=ends,
        notes=[f"{row[f'{bar}verdict']}, {p_value(row[f'{bar}p_holm'])}"],
    )


def _of_recipes(recipes: pd.DataFrame) -> Sequence[Block]:
    if not len(recipes):
        return []
    rows = []
    for row in recipes.to_dict("records"):
        seen = {name: float(row.get(name, NOTHING)) for name in recipes if name != "condition"}
        bad = [f"{seen[name]:.0f} {name}" for name in ("collapsed", "failed") if seen.get(name, 0.0) > 0]
        rows.append(
            [
                Cell(row["condition"], notes=bad),
                _found(seen),
                _shown(seen, "steps", ",.0f"),
                _shown(seen, "tflop", ",.3g"),
                Cell(duration(seen["seconds"]) if isfinite(seen.get("seconds", NOTHING)) else ""),
                _shown(seen, "peak_memory_gib", ".2f"),
                _shown(seen, "spread", ".3f"),
                _shown(seen, "dimensions", ".1f"),
            ]
        )
    again = recipes.dropna(subset=["found_again"]) if "found_again" in recipes else recipes[:0]
    who = f"{again['people'].iloc[0]:.0f} test people" if len(again) else "test people"
    when = f" from {number(again['minutes'].iloc[0])} min of each part" if len(again) else ""
    caption = (
        f"Means over seeds. People re-identified: the share of the {who}, whom no training saw, who resemble "
        f"themselves most{when}; lowest and highest seed below. Spread: how much of the size of an embedding "
        "differs between test recordings; directions: the participation ratio of their covariance. Times can be "
        "compared only where all ran alone on one machine."
    )
    columns = (
        "Recipe",
        "People re-identified",
        "Steps",
        "TFLOP",
        "Training",
        "Peak memory, GiB",
        "Spread",
        "Directions",
    )
    return [Table(label="What they keep and cost", caption=caption, columns=columns, rows=rows)]


def _found(row: Mapping[Any, float]) -> Cell:
    if not isfinite(row.get("found_again", NOTHING)):
        return Cell("")
    return Cell(f"{row['found_again']:.2f}", under=f"{row['found_low']:.2f} to {row['found_high']:.2f}")


def _shown(row: Mapping[Any, float], name: str, form: str) -> Cell:
    value = row.get(name, NOTHING)
    return Cell(format(value, form) if isfinite(value) else "")
