"""What the command line shows: progress bars (a line every 30 s if there is no terminal) and tables of scores."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from semantoks.statistics.methods import ENCODER, FC, FINETUNED, TANGENT, TANGENT_BOTH, in_order
from semantoks.storage.text import read_json

if TYPE_CHECKING:
    import pandas as pd

BESIDE = (ENCODER, FINETUNED, FC, TANGENT)
"""The methods whose scores are tempered below the table."""
_SECONDS_PER_LINE = 30.0
Report = Callable[[int, int], None]


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """Yield a function of (done, total) that draws a bar on a terminal and prints an occasional line elsewhere."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TextColumn("·"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(title: str) -> Report:
    begin = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_PER_LINE or done == total:
            last = now
            sys.stderr.write(f"{title}: {done} of {total}, {now - begin:.0f} s\n")
            sys.stderr.flush()

    return report


def score_table(summary: "pd.DataFrame") -> str:
    """Lay out ``statistics.summarise`` as text: one line per target and method of the main analysis.

    Shows the mean over splits and its 95 % interval over people, then the difference from FC on the same splits, with
    its interval and p (Holm over targets). Below it stand the encoder and its stacks beside tangent FC, and what should
    temper the scores of the encoder and of both bars: what motion, scan, site or random weights reach, and what is left
    without confounds.
    """
    from semantoks.statistics.tables import ALPHA  # with pandas, which no help needs

    lines = [
        f"{'target':<12} {'score':<18} {'method':<17} {'mean':>6}  {'95 % interval':<16} {'minus FC':>8}  "
        f"{'95 % interval':<17} {'p Holm':>6}  score beside FC's"
    ]
    main = summary[summary["analysis"] == "main"]
    place = main["method"].map(in_order(main["method"]).index)
    for _, part in main.assign(place=place).groupby("target", sort=False):
        for row in part.sort_values("place").to_dict("records"):
            line = f"{row['target']:<12} {row['metric']:<18} {row['method']:<17} {row['mean']:6.3f}  "
            line += f"[{row['low']:.3f}, {row['high']:.3f}]"
            if row["verdict"]:
                line = f"{line:<74} {row['diff']:+8.3f}  {_ends(row['diff_low'], row['diff_high']):<17} "
                line += f"{row['p_holm']:6.3f}  {row['verdict']}"
                line += ", as good within the bound" if row["p_equal"] < ALPHA else ""
            lines.append(line)
    return "\n".join([*lines, *_beside_tangent(main), *_cautions(summary)])


def _beside_tangent(main: "pd.DataFrame") -> list[str]:
    """Compare the encoder, alone and stacked, and FC with tangent FC, the harder bar; nothing where it was not run."""
    from semantoks.statistics.tables import ALPHA

    if "tangent_verdict" not in main:
        return []
    rows = main[main["method"].isin([ENCODER, FINETUNED, TANGENT_BOTH, FC]) & (main["tangent_verdict"] != "")]
    lines = [
        f"{row['target']:<12} {row['method']:<17} {row['tangent_diff']:+8.3f}  "
        f"{_ends(row['tangent_diff_low'], row['tangent_diff_high']):<17} {row['tangent_p_holm']:6.3f}  "
        f"{row['tangent_verdict']}{', as good within the bound' * (row['tangent_p_equal'] < ALPHA)}"
        for row in rows.to_dict("records")
    ]
    title = f"{'beside tangent FC':<30} {'minus it':>8}  {'95 % interval':<17} {'p Holm':>6}  score beside tangent FC's"
    return ["", title, *lines] if lines else []


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
            whose = " and ".join(method for method, row in own if name in row["reached_by"].split(","))
            mean = rows["main", target, name]["mean"]
            lines.append(f"{target}: {name} alone scores {mean:.3f}, within or above the interval of {whose}.")
        left = [(name, row) for name in BESIDE if (row := rows.get(("deconfounded", target, name)))]
        if left:
            scores = ", ".join(f"{name} {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for name, row in left)
            lines.append(f"{target} without confounds: {scores}.")
    return ["", *lines] if lines else []


def probe_notes(folder: Path) -> list[str]:
    """Return the checks and notes of a finished probe, and who was left out."""
    about = read_json(folder / "probe.json")
    left_out = [f"Left out: {count} ({reason})." for reason, count in about["excluded"]]
    return ["", *about["checks"], *about["notes"], *left_out]
