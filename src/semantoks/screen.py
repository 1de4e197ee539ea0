"""What a person sees while a job runs: progress bars, or a line every half minute where there is no terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_SECONDS_A_LINE = 30.0
Report = Callable[[int, int], None]


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """Give a function of (done, total) that draws a bar on a terminal and prints a line now and then elsewhere."""
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
        if now - last >= _SECONDS_A_LINE or done == total:
            last = now
            sys.stderr.write(f"{title}: {done} of {total}, {now - begin:.0f} s\n")
            sys.stderr.flush()

    return report


def score_table(scores: "pd.DataFrame", main: dict[str, str]) -> str:
    """Lay out a probe's scores as text: a line a target and method, mean and sd over splits, difference to FC.

    ``scores`` is ``probe``'s result; ``main`` names the score to show for each kind of target.
    """
    shown = scores[scores["metric"] == scores["kind"].map(main)]
    lines = [f"{'target':<12} {'score':<18} {'features':<15} {'mean':>7} {'sd':>6}   minus FC, paired (mean, sd)"]
    for target, part in shown.groupby("target", sort=False):
        wide = part.pivot_table(index="method", columns="split", values="value", sort=False)
        for method in wide.index:
            row = wide.loc[method]
            line = f"{target!s:<12} {part['metric'].iloc[0]:<18} {method:<15} {row.mean():7.3f} {row.std():6.3f}"
            difference = row - wide.loc["fc"]
            line += "" if method == "fc" else f"   {difference.mean():+.3f} {difference.std():.3f}"
            lines.append(line)
    return "\n".join(lines)
