"""How the trainings of a study went, beside each other: what is watched for collapse, over the steps, by condition."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from semantoks.curves import Curve, Panel
from semantoks.reporting.content import Block, Figure, Figures, Words
from semantoks.reporting.figures.training import draw_curves
from semantoks.reporting.run.folder import read_metrics

PAINTS = ("blue", "orange", "green", "deep", "muted")
"""At most so many conditions share a figure."""
WATCHED = (
    ("effective_rank", "Effective rank", "directions in use"),
    ("agreement", "Agreement of the two views", "mean cosine of CLS, across views"),
    ("coding_rate", "Coding rate", "coding rate R of CLS (nats)"),
    ("teacher_student_cosine", "Teacher and student", "mean cosine, same view"),
    ("token_similarity_within", "Tokens of one network", "mean cosine of two patches"),
    ("token_similarity_across", "Tokens of two networks", "mean cosine in one patch"),
    ("spread", "Spread over people", "share of the features' size that differs"),
    ("dimensions", "Directions in use", "participation ratio of the features"),
)
"""Columns of ``metrics.jsonl`` with their words."""
HOW = (
    "Mean over the seeds of a condition. A regulariser that prevents collapse early shows in the first steps: without "
    "it effective rank and coding rate stay low, and the agreement of the views is near 1 from the start."
)


def curriculum(runs: Path, conditions: Sequence[tuple[str, Sequence[str]]]) -> list[Block]:
    """Draw each watched column over steps, one line per condition; at most five conditions, the first ones.

    Parameters
    ----------
    runs
        The folder of the run folders.
    conditions
        (condition, names of its runs).
    """
    shown = conditions[: len(PAINTS)]
    tables = {name: [read_metrics(runs / run / "metrics.jsonl")[0] for run in folders] for name, folders in shown}
    found = []
    for column, title, axis in WATCHED:
        lines = {name: line for name, each in tables.items() if len(line := _mean(each, column))}
        if lines:
            curves = tuple(
                Curve(column=name, label=name, paint=paint)  # type: ignore[arg-type]
                for name, paint in zip(tables, PAINTS, strict=False)
                if name in lines
            )
            panel = Panel(
                key=f"curriculum {column}", section="collapse", title=title, axis=axis, caption="", curves=curves
            )
            if drawing := draw_curves(panel, pd.DataFrame(lines).rename_axis("step").reset_index()):
                found.append(Figure(drawing, ""))
    if not found:
        return [Words("No training has logged a step yet.")]
    left = [name for name, _ in conditions[len(PAINTS) :]]
    more = f" Not drawn: {', '.join(left)}." if left else ""
    return [Words(f"{HOW}{more}", tone="quiet"), Figures(found)]


def _mean(tables: Sequence[pd.DataFrame], column: str) -> pd.Series:
    """Average a column over runs, step by step."""
    found = [table.set_index("step")[column].astype(float) for table in tables if column in table]
    return pd.concat(found, axis=1).mean(axis=1).dropna() if found else pd.Series(dtype=float)
