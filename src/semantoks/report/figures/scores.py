"""Figures of scores: rows with intervals, bars, and lines over an amount of data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from semantoks.report.figures.plot import (
    DASHES,
    NUMBERS,
    PAINTS,
    STEPS,
    WIDE,
    Drawing,
    Look,
    head,
    legend,
    name_ends,
    number,
    row_axes,
    style,
    to_svg,
)


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


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over an amount of data, with the spread of each (NaN: none)."""

    name: str
    across: Sequence[float]
    values: Sequence[float]
    spreads: Sequence[float]
    look: Look


Rows = Sequence[tuple[str, Sequence[Estimate]]]


def draw_rows(
    key: str, title: str, axis: str, rows: Rows, marks: Sequence[Mark] = (), *, joined: bool = False
) -> Drawing:
    """Draw a row for each label with its estimates: a forest plot, or with ``joined`` a dumbbell plot.

    Several estimates of a row lie below each other, unless they are joined; then they share a line.
    """
    looks = _legend_of(rows)
    most = max(len(estimates) for _, estimates in rows)
    step = 0 if joined else 0.24
    with style(key, grid="x"):
        inches = 0.3 if joined or most == 1 else 0.12 + 0.17 * most
        figure, axes = row_axes([label for label, _ in rows], inches, head=0.54 if looks else 0.32)
        for place, (_, estimates) in enumerate(rows):
            heights = place + step * (np.arange(len(estimates)) - (len(estimates) - 1) / 2)
            if joined:
                known = [e.value for e in estimates if np.isfinite(e.value)]
                axes.plot(known, [place] * len(known), color=PAINTS["grid"], linewidth=3, zorder=1.5)
            for estimate, height in zip(estimates, heights, strict=True):
                axes.plot([estimate.low, estimate.high], [height] * 2, color=estimate.look.color, linewidth=1.6)
                axes.plot([estimate.value], [height], linestyle="none", **estimate.look.dots(5.5))
        _finish(axes, title, axis, marks, looks)
        return Drawing(svg=to_svg(figure), alt=_rows_in_words("Dot plot", title, axis, rows, marks))


def draw_bars(key: str, title: str, axis: str, rows: Rows, marks: Sequence[Mark] = ()) -> Drawing:
    """Draw bars from the first mark (zero where there is none) to each estimate, a group of them for each label."""
    looks, start = _legend_of(rows), marks[0].value if marks else 0.0
    with style(key, grid="x"):
        most = max(len(estimates) for _, estimates in rows)
        figure, axes = row_axes([label for label, _ in rows], 0.14 + 0.12 * most, head=0.54 if looks else 0.32)
        thick = 0.8 / most
        for place, (_, estimates) in enumerate(rows):
            for n, estimate in enumerate(estimates):
                height = place + thick * (n - (len(estimates) - 1) / 2)
                axes.barh(height, estimate.value - start, 0.82 * thick, left=start, **estimate.look.bar())
        _finish(axes, title, axis, marks, looks, bars=True)
        return Drawing(svg=to_svg(figure), alt=_rows_in_words("Bar chart", title, axis, rows, marks))


def draw_lines(
    key: str,
    title: str,
    axis: str,
    across: str,
    found: Sequence[Series],
    *,
    mark: Mark | None = None,
    width: float = WIDE,
) -> Drawing:
    """Draw values over an amount of data on a logarithmic axis, each with a ribbon of its spread."""
    with style(key):
        figure = Figure(figsize=(width, 2.8))
        axes = figure.add_axes((0.55 / width, 0.18, 1 - 1.8 / width, 0.61))
        axes.set_xscale("log")
        for one in found:
            x, y, spread = (np.asarray(values, dtype=float) for values in (one.across, one.values, one.spreads))
            axes.fill_between(x, y - spread, y + spread, color=one.look.color, alpha=0.14, linewidth=0)
            axes.plot(x, y, linestyle=one.look.dash, linewidth=1.6, **one.look.dots(4.5))
        if mark is not None:
            axes.axhline(mark.value, color=PAINTS[mark.paint], linewidth=1, linestyle=DASHES)
        head(axes, title, axis, lift=27.0)
        axes.set_xlabel(across + ("" if mark is None else f" (dashed: {mark.name} = {number(round(mark.value, 3))})"))
        axes.xaxis.set_major_locator(FixedLocator(_ticks([x for one in found for x in one.across])))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(NUMBERS)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=STEPS))
        axes.yaxis.set_major_formatter(NUMBERS)
        name_ends(axes, [(one.name, one.look.paint, float(one.values[-1])) for one in found])
        words = " ".join(
            f"{one.name}: {number(round(one.values[0], 3))} at {number(one.across[0])}, "
            f"{number(round(one.values[-1], 3))} at {number(one.across[-1])}."
            for one in found
        )
        return Drawing(svg=to_svg(figure), alt=f"Line plot, {title}: {axis}, over {across}. {words}")


def _ticks(places: Sequence[float], gap: float = 0.11) -> list[float]:
    """Choose ticks among the places where something was measured, no two closer than ``gap`` of a log axis."""
    known = sorted(set(places))
    reach = max(np.log(known[-1] / known[0]), 1e-9)
    ticks = [known[-1]]
    for place in reversed(known[:-1]):
        if np.log(ticks[-1] / place) / reach >= gap:
            ticks.append(place)
    return ticks


def _finish(
    axes: Axes, title: str, axis: str, marks: Sequence[Mark], looks: Sequence[tuple[str, Look]], bars: bool = False
) -> None:
    for mark in marks:
        axes.axvline(mark.value, color=PAINTS[mark.paint], linewidth=1.1, linestyle=DASHES, zorder=1.2)
    named = ", ".join(f"{mark.name} = {number(round(mark.value, 3))}" for mark in marks)
    axes.set_xlabel(axis + (f" (dashed: {named})" if named else ""), ha="right", x=1)
    head(axes, title, lift=24.0 if looks else 8.0)
    if looks:
        legend(axes, looks, bars=bars)


def _legend_of(rows: Rows) -> list[tuple[str, Look]]:
    """Name the looks where a row holds several estimates; a row's label says it all where it holds one."""
    if all(len(estimates) < 2 for _, estimates in rows):
        return []
    return list({e.name: e.look for _, estimates in rows for e in estimates}.items())


def _rows_in_words(kind: str, title: str, axis: str, rows: Rows, marks: Sequence[Mark]) -> str:
    words = []
    for label, estimates in rows:
        said = []
        for one in estimates:
            interval = f" ({number(round(one.low, 3))} to {number(round(one.high, 3))})" if np.isfinite(one.low) else ""
            name = "" if one.name == label else f"{one.name} "
            said.append(f"{name}{number(round(one.value, 3))}{interval}")
        words.append(f"{label}: {', '.join(said)}.")
    against = " ".join(f"Dashed line: {mark.name} {number(round(mark.value, 3))}." for mark in marks)
    return f"{kind}, {title}: {axis}. {' '.join(words)} {against}".strip()
