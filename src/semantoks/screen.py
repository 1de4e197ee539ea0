"""What a terminal shows: lines broken between words, and at the end of a probe the table of scores and its notes."""

import shutil
import textwrap
from collections.abc import Collection, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantoks.statistics.methods import ENCODER, FC, FINETUNED, TANGENT, TANGENT_BOTH, in_order
from semantoks.storage.text import read_json

if TYPE_CHECKING:
    import pandas as pd

BESIDE = (ENCODER, FINETUNED, FC, TANGENT)
"""The methods whose scores are tempered below the table."""
HELD_BESIDE = (ENCODER, FINETUNED, TANGENT_BOTH, FC)
"""The methods that are held against tangent FC, too."""
_INTERVALS_FROM, _P_FROM = 80, 64
"""Columns of a terminal from which on the table has the intervals of differences, and p."""

NONE = "-"
"""What stands where there is no number."""
FACTS = 11
"""Columns before what a fact says, as ``info`` and ``doctor`` lay it out."""


def folded(text: str, terminal: bool, indent: int = 2) -> str:
    """Break lines between words for a terminal, ``indent`` columns in from the second on.

    Elsewhere, a line stays a line: what reads it (grep, a log) wants it whole.
    """
    if not terminal:
        return text
    width, below = shutil.get_terminal_size((80, 24)).columns, " " * indent
    lay = textwrap.TextWrapper(width, subsequent_indent=below, break_on_hyphens=False, break_long_words=False).fill
    return "\n".join(lay(line) for line in text.split("\n"))


def score_table(summary: "pd.DataFrame", width: int | None = None) -> str:
    """Lay out ``statistics.summarise`` as text: of each target, one line per method of the main analysis.

    Shows the mean over splits and its 95 % interval over people, then the difference from FC on the same splits, with
    its interval and p (Holm over targets); the encoder and its stacks beside tangent FC; and what should temper the
    scores of the encoder and of both bars: what motion, scan, site or random weights reach, and what is left without
    confounds. It fits a terminal of ``width`` columns (None = the one that there is, else 80), down to 60.
    """
    width = width or shutil.get_terminal_size((80, 24)).columns
    main = summary[summary["analysis"] == "main"]
    place, blocks = main["method"].map(in_order(main["method"]).index), []
    for target, part in main.assign(place=place).groupby("target", sort=False):
        rows = part.sort_values("place").to_dict("records")
        metric = rows[0]["metric"].replace("_", " ")
        blocks.append(f"{target}: {metric}\n{_heading(width)}")
        blocks += [_row(row, "", width) for row in rows]
        if beside := [row for row in rows if row["method"] in HELD_BESIDE and row.get("tangent_verdict")]:
            blocks.append(_heading(width, beside=True))
            blocks += [_row(row, "tangent_", width) for row in beside]
        blocks.append("")
    shown = "\n".join(blocks)
    notes = ["as good: within the bound of --equivalence."] if "as good" in shown else []
    if f" {NONE:>5} " in shown:
        notes.append(f"{NONE}: no p, which needs the scores of two splits at least (more --repeats).")
    cautions = [textwrap.fill(line, width, subsequent_indent="  ") for line in _cautions(summary)]
    return "\n".join([shown, *notes, *[""] * bool(notes), *cautions]).rstrip("\n")


def _heading(width: int, *, beside: bool = False) -> str:
    before = "vs tangent FC" if beside else f"{'method':<17} {'mean':>6} 95 % interval"
    interval = f" {'95 % interval':<16}" if width >= _INTERVALS_FROM else ""
    p = f" {'p':>5}" if width >= _P_FROM else ""
    return f"{before:<38} {'minus it' if beside else 'minus FC'}{interval}{p}"


def _row(row: dict[Any, Any], bar: str, width: int) -> str:
    """Write a method's score and, where it is compared with a bar, the difference, its interval, p and the verdict."""
    from semantoks.statistics.tables import ALPHA  # with pandas, which no help needs

    line = f"{row['method']:<17}"
    if not bar:
        line += f" {row['mean']:6.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    if not row[f"{bar}verdict"]:
        return line
    line = f"{line:<39} {row[f'{bar}diff']:+7.3f}"
    if width >= _INTERVALS_FROM:
        line += f" {_ends(row[f'{bar}diff_low'], row[f'{bar}diff_high']):<16}"
    if width >= _P_FROM:
        p = row[f"{bar}p_holm"]
        line += " <.001" if p < 0.0005 else f" {NONE:>5}" if isnan(p) else f" {p:5.3f}"
    return f"{line} {'as good' if row[f'{bar}p_equal'] < ALPHA else row[f'{bar}verdict']}"


def _ends(low: float, high: float) -> str:
    return f"[{low:+.3f}, {high:+.3f}]"


def _cautions(summary: "pd.DataFrame") -> list[str]:
    """Say of each target what reaches the intervals of the encoder and of FC, and what both score without confounds."""
    lines = []
    rows = {(row["analysis"], row["target"], row["method"]): row for row in summary.to_dict("records")}
    for target in dict.fromkeys(summary["target"]):
        own = [(name, row) for name in BESIDE if (row := rows.get(("main", target, name)))]
        reaching = in_order(name for _, row in own for name in row["reached_by"].split(",") if name)
        for name in reaching:
            whose = [method for method, row in own if name in row["reached_by"].split(",")]
            those = " and ".join(filter(None, [", ".join(whose[:-1]), whose[-1]]))
            mean, ends = rows["main", target, name]["mean"], "interval" if len(whose) == 1 else "intervals"
            lines.append(f"{target}: {name} alone scores {mean:.3f}, within or above the {ends} of {those}.")
        left = [(name, row) for name in BESIDE if (row := rows.get(("deconfounded", target, name)))]
        if left:
            scores = ", ".join(f"{name} {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for name, row in left)
            lines.append(f"{target} without confounds: {scores}.")
    return lines


def probe_notes(folder: Path) -> list[str]:
    """Return the checks and notes of a finished probe, and who was left out."""
    about = read_json(folder / "probe.json")
    left_out = [f"Left out: {count} ({reason})." for reason, count in about["excluded"]]
    return ["", *_together([*about["checks"], *about["notes"]], about.get("targets", ())), *left_out]


def _together(lines: Sequence[str], targets: Collection[str]) -> list[str]:
    """Write once what is said alike of several targets."""
    said: dict[str, list[str]] = {}
    for line in lines:
        name, _, words = line.partition(": ")
        said.setdefault(words if name in targets else line, []).extend([name] * (name in targets))
    return [f"{', '.join(names)}: {words}" if names else words for words, names in said.items()]
