"""Figures of scores: rows with intervals, bars, and lines over an amount of data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from semantoks.reporting.figures.plot import (
    DASHES,
    NUMBERS,
    PAINTS,
    WIDE,
    Drawing,
    color,
    dots,
    fill,
    finish,
    legend,
    legend_lines,
    name_ends,
    plot,
    row_plot,
    set_title,
    tick,
)
from semantoks.reporting.wording import clip, number, thousandths
from semantoks.statistics.methods import Look


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its interval (NaN where it has none), its name and its look."""

    name: str
    value: float
    low: float = nan
    high: float = nan
    look: Look = field(default_factory=Look)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A vertical line that others are read against: its value, its name, its paint."""

    name: str
    value: float
    paint: str = "muted"


def chance_marks(chance: float | None) -> list[Mark]:
    """Return the mark of chance, none where it is not known."""
    return [] if chance is None else [Mark(name="chance", value=chance)]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Values over an amount of data, with the standard deviation of each (NaN: none)."""

    name: str
    amounts: Sequence[float]
    values: Sequence[float]
    sds: Sequence[float]
    look: Look


Rows = Sequence[tuple[str, Sequence[Estimate]]]


def draw_rows(
    key: str, title: str, axis: str, rows: Rows, marks: Sequence[Mark] = (), *, joined: bool = False
) -> Drawing:
    """Draw one row per label with its estimates: a forest plot, or with ``joined`` a dumbbell plot.

    Several estimates of a row lie below each other, unless they are joined; then they share a line.
    """
    looks, labels = _legend_of(rows), [label for label, _ in rows]
    most = max(len(estimates) for _, estimates in rows)
    step = 0 if joined else min(0.24, 0.6 / max(most - 1, 1))
    inches = 0.3 if joined or most == 1 else 0.2 + 0.18 * most
    with row_plot(key, labels, inches, above=0.32 + 0.22 * legend_lines(looks)) as axes:
        for row, (_, estimates) in enumerate(rows):
            heights = row + step * (np.arange(len(estimates)) - (len(estimates) - 1) / 2)
            if joined:
                known = [e.value for e in estimates if np.isfinite(e.value)]
                axes.plot(known, [row] * len(known), color=PAINTS["grid"], linewidth=3, zorder=1.5)
            for estimate, height in zip(estimates, heights, strict=True):
                axes.plot([estimate.low, estimate.high], [height] * 2, color=color(estimate.look), linewidth=1.6)
                axes.plot([estimate.value], [height], linestyle="none", **dots(estimate.look, 5.5))
        _draw_marks(axes, axis, marks)
        set_title(axes, title, lift=8.0 + 16.0 * legend_lines(looks))
        if looks:
            legend(axes, looks)
        return finish(axes, _rows_in_words("Dot plot", title, axis, rows, marks))


def draw_strip(
    key: str,
    title: str,
    axis: str,
    estimates: Sequence[Estimate],
    marks: Sequence[Mark] = (),
    ends: tuple[float, float] | None = None,
) -> Drawing:
    """Draw one estimate per line without a title, its name at the left and its value at the right, for a table's cell.

    ``ends`` are the ends of the axis, so that the strips of a table can share one.
    """
    left, right, above, below = 1.5 / WIDE, 0.52 / WIDE, 0.06, 0.46
    height = above + 0.2 * len(estimates) + below
    box = (left, below / height, 1 - left - right, 0.2 * len(estimates) / height)
    with plot(key, (WIDE, height), box, grid="x") as axes:
        for row, one in enumerate(estimates):
            axes.plot([one.low, one.high], [row] * 2, color=color(one.look), linewidth=1.6)
            axes.plot([one.value], [row], linestyle="none", **dots(one.look, 5.5))
            value = "n/a" if np.isnan(one.value) else f"{round(one.value, 2) + 0.0:.2f}".replace("-", "−")
            axes.annotate(
                value, (1, row), (5, 0), axes.get_yaxis_transform(), "offset points", va="center", color=PAINTS["ink"]
            )
        axes.set_ylim(len(estimates) - 0.5, -0.5)
        axes.set_yticks(range(len(estimates)), [clip(one.name, 18) for one in estimates])
        axes.tick_params(axis="y", labelcolor=PAINTS["ink"])
        if ends is not None:
            axes.set_xlim(*ends)
        tick(axes.xaxis, 5)
        _draw_marks(axes, axis, marks)
        return finish(axes, _rows_in_words("Dot plot", title, axis, [(one.name, [one]) for one in estimates], marks))


def draw_bars(key: str, title: str, axis: str, rows: Rows, marks: Sequence[Mark] = ()) -> Drawing:
    """Draw bars from the first mark (zero where there is none) to each estimate, one group of them per label.

    An estimate with an interval has it across the end of its bar.
    """
    looks, labels = _legend_of(rows), [label for label, _ in rows]
    start = marks[0].value if marks else 0.0
    most = max(len(estimates) for _, estimates in rows)
    thick = 0.8 / most
    with row_plot(key, labels, 0.14 + 0.12 * most, above=0.32 + 0.22 * legend_lines(looks)) as axes:
        for row, (_, estimates) in enumerate(rows):
            for n, estimate in enumerate(estimates):
                height = row + thick * (n - (len(estimates) - 1) / 2)
                axes.barh(height, estimate.value - start, 0.82 * thick, left=start, **fill(estimate.look))
                axes.plot([estimate.low, estimate.high], [height] * 2, color=PAINTS["ink"], linewidth=0.9)
        _draw_marks(axes, axis, marks)
        set_title(axes, title, lift=8.0 + 16.0 * legend_lines(looks))
        if looks:
            legend(axes, looks, "bars")
        return finish(axes, _rows_in_words("Bar chart", title, axis, rows, marks))


def draw_lines(
    key: str,
    title: str,
    axis: str,
    across: str,
    lines: Sequence[Line],
    *,
    marks: Sequence[Mark] = (),
    width: float = WIDE,
) -> Drawing:
    """Draw values over an amount of data on a logarithmic axis, each in a ribbon of its standard deviation.

    One mark is named behind the words of the axis, several at their right ends.
    """
    with plot(key, (width, 2.8), (0.55 / width, 0.18, 1 - 2.15 / width, 0.61)) as axes:
        axes.set_xscale("log")
        for line in lines:
            x, y, sd = (np.asarray(values, dtype=float) for values in (line.amounts, line.values, line.sds))
            axes.fill_between(x, y - sd, y + sd, color=color(line.look), alpha=0.14, linewidth=0)
            axes.plot(x, y, linestyle=line.look.dash, linewidth=1.6, **dots(line.look, 4.5))
        for mark in marks:
            axes.axhline(mark.value, color=PAINTS[mark.paint], linewidth=1, linestyle=DASHES)
        set_title(axes, title, above=axis, lift=27.0)
        axes.set_xlabel(across + (named(marks) if len(marks) == 1 else ""))
        axes.xaxis.set_major_locator(FixedLocator(_ticks([x for line in lines for x in line.amounts])))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(NUMBERS)
        tick(axes.yaxis, 4)
        ends = [(line.name, line.look.paint, float(line.values[-1])) for line in lines]
        if len(marks) > 1:
            ends += [(f"{mark.name} {thousandths(mark.value)}", mark.paint, mark.value) for mark in marks]
        name_ends(axes, ends)
        words = " ".join(
            f"{line.name}: {thousandths(line.values[0])} at {number(line.amounts[0])}, "
            f"{thousandths(line.values[-1])} at {number(line.amounts[-1])}."
            for line in lines
        )
        return finish(axes, f"Line plot, {title}: {axis}, over {across}{named(marks)}. {words}")


def _ticks(amounts: Sequence[float], gap: float = 0.11) -> list[float]:
    """Choose ticks among the amounts that were measured, no two closer than ``gap`` of a log axis."""
    known = sorted(set(amounts))
    reach = max(np.log(known[-1] / known[0]), 1e-9)
    ticks = [known[-1]]
    for amount in reversed(known[:-1]):
        if np.log(ticks[-1] / amount) / reach >= gap:
            ticks.append(amount)
    return ticks


def _draw_marks(axes: Axes, axis: str, marks: Sequence[Mark]) -> None:
    """Draw the marks, and name one of them behind the words of the axis; several are for the caption to name."""
    for mark in marks:
        axes.axvline(mark.value, color=PAINTS[mark.paint], linewidth=1.1, linestyle=DASHES, zorder=1.2)
    axes.set_xlabel(axis + (named(marks) if len(marks) == 1 else ""), ha="right", x=1)


def named(marks: Sequence[Mark]) -> str:
    """Name marks with their values, in brackets that follow on other words; nothing if there are none."""
    words = ", ".join(f"{mark.name} = {thousandths(mark.value)}" for mark in marks)
    return f" (dashed: {words})" if words else ""


def _legend_of(rows: Rows) -> list[tuple[str, Look]]:
    """Name the looks where a row has several estimates; where it has one, its label is enough."""
    if all(len(estimates) < 2 for _, estimates in rows):
        return []
    return list({e.name: e.look for _, estimates in rows for e in estimates}.items())


def _rows_in_words(kind: str, title: str, axis: str, rows: Rows, marks: Sequence[Mark]) -> str:
    words = []
    for label, estimates in rows:
        values = []
        for one in estimates:
            interval = f" ({thousandths(one.low)} to {thousandths(one.high)})" if np.isfinite(one.low) else ""
            name = "" if one.name == label else f"{one.name} "
            values.append(f"{name}{thousandths(one.value)}{interval}")
        words.append(f"{label}: {', '.join(values)}.")
    against = " ".join(f"Dashed line: {mark.name} {thousandths(mark.value)}." for mark in marks)
    return f"{kind}, {title}: {axis}. {' '.join(words)} {against}".strip()
