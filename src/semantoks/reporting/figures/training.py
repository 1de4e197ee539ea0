"""The curves of a training run over its steps."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from semantoks.curves import Curve, Panel
from semantoks.reporting.figures.plot import (
    DASHES,
    NUMBERS,
    PAINTS,
    STEPS,
    WIDE,
    Drawing,
    finish,
    name_ends,
    plot,
    room_for_ends,
    set_title,
    tick,
)
from semantoks.reporting.wording import number

MOST_POINTS = 1000
SMOOTH_FROM = 50  # a run with fewer points is drawn as it is


def thin(values: pd.Series, most: int = MOST_POINTS) -> pd.Series:
    """Keep about ``most`` points: the first, the last, the lowest and highest of each stretch; no peak is lost."""
    if len(values) <= most:
        return values
    edges = np.linspace(0, len(values), most // 2 + 1).astype(int)
    array = values.to_numpy()
    keep = {0, len(values) - 1}
    for start, stop in itertools.pairwise(edges):
        keep |= {start + int(array[start:stop].argmin()), start + int(array[start:stop].argmax())}
    return values.iloc[sorted(keep)]


def smooth(values: pd.Series) -> pd.Series:
    """Average over a centred window of about a thirtieth of the points (shorter at both ends)."""
    return values.rolling(max(3, len(values) // 30 | 1), center=True, min_periods=1).mean()


def points_of(curve: Curve, metrics: pd.DataFrame) -> pd.Series:
    """Return a curve's finite values as float, indexed by step; empty where the column is missing."""
    if curve.column not in metrics:
        return pd.Series(dtype=float)
    values = metrics.set_index("step")[curve.column]
    if curve.only_where in metrics:
        values = values[metrics[curve.only_where].fillna(0).to_numpy() != 0]
    return values[values.abs() < float("inf")]


def draw_curves(panel: Panel, metrics: pd.DataFrame) -> Drawing | None:
    """Draw a panel over steps; None where no curve of it has a value."""
    found = [(curve, points) for curve in panel.curves if len(points := points_of(curve, metrics))]
    if all(curve.kind == "bound" for curve, _ in found):
        return None
    named = any(curve.label for curve in panel.curves)
    right = max(0.97, room_for_ends([curve.label for curve, _ in found])) if named else 0.22
    with plot(panel.key, (WIDE, 2.6), (0.58 / WIDE, 0.175, 1 - (0.58 + right) / WIDE, 0.61)) as axes:
        for curve, points in found:
            _draw_line(axes, curve, points)
        set_title(axes, panel.title, above=panel.axis, lift=27.0)
        axes.set_xlabel("step")
        _scale(axes, panel)
        if named:
            name_ends(axes, [(curve.label, curve.paint, _ending(curve, points)) for curve, points in found])
        words = " ".join(_in_words(curve, points) for curve, points in found)
        return finish(axes, f"Line plot, {panel.title}: {panel.axis}, over steps. {words}")


def _draw_line(axes: Axes, curve: Curve, points: pd.Series) -> None:
    paint, raw = PAINTS[curve.paint], thin(points)
    if curve.kind == "bound":
        axes.plot(raw.index, raw, color=paint, linewidth=1.2, linestyle=DASHES)
    elif _smoothed(curve, points):
        line = thin(smooth(points), MOST_POINTS // 4)
        axes.plot(raw.index, raw, color=paint, linewidth=0.6, alpha=0.3)
        axes.plot(line.index, line, color=paint, linewidth=1.8, solid_joinstyle="round")
    else:
        axes.plot(raw.index, raw, color=paint, linewidth=1.8, solid_joinstyle="round")
    if len(points) <= 3:
        axes.plot(points.index, points, color=paint, marker="o", markersize=4, linestyle="none")


def _scale(axes: Axes, panel: Panel) -> None:
    tick(axes.xaxis, 5, whole=True)
    axes.margins(x=0.015)
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=STEPS))
        if panel.from_zero:
            axes.set_ylim(bottom=min(0, axes.dataLim.y0), top=axes.dataLim.y1 * 1.06 or 1)
    axes.yaxis.set_major_formatter(NUMBERS)


def _ending(curve: Curve, points: pd.Series) -> float:
    return float((smooth(points) if _smoothed(curve, points) else points).iloc[-1])


def _smoothed(curve: Curve, points: pd.Series) -> bool:
    return curve.kind == "noisy" and len(points) >= SMOOTH_FROM


def _in_words(curve: Curve, points: pd.Series) -> str:
    first, last = (number(float(step)) for step in (points.index[0], points.index[-1]))
    start, end = number(float(points.iloc[0])), number(_ending(curve, points))
    return f"{curve.label or curve.column.replace('_', ' ')}: {start} at step {first}, {end} at step {last}."
