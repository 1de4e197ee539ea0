"""The figures as inline SVG: text stays text, and colours are CSS variables that follow light and dark mode."""

import io
import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy import ndarray

from semantoks.report.compare import ENCODER, FC
from semantoks.report.panels import Curve, Panel

# Matplotlib knows no CSS variables: it draws in these stand-ins, and `_to_svg` swaps each for var(--name).
PAINTS = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "deep": "#040404",
    "blue": "#050505",
    "orange": "#060606",
    "green": "#070707",
}
MOST_POINTS = 1000
SMOOTH_FROM = 50  # a run with fewer points is drawn as it is
_STEPS = [1, 2, 2.5, 5, 10]
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": PAINTS["muted"],
    "axes.labelcolor": PAINTS["muted"],
    "axes.titlecolor": PAINTS["ink"],
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": PAINTS["grid"],
    "grid.linewidth": 0.7,
    "xtick.color": PAINTS["muted"],
    "ytick.color": PAINTS["muted"],
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


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


def number(value: float) -> str:
    """Write a number for an axis or a caption: 1,200, 0.0014, 3e-05, with a true minus sign."""
    if value and (abs(value) < 1e-4 or abs(value) >= 1e6):
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    else:
        text = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def draw_curves(panel: Panel, metrics: pd.DataFrame) -> tuple[str, str] | None:
    """Draw a panel over steps.

    Returns
    -------
    tuple of str, or None
        The SVG, and a description of it in words; None where no curve of the panel has a value.
    """
    found = [(curve, points) for curve in panel.curves if len(points := curve.points(metrics))]
    if all(curve.kind == "bound" for curve, _ in found):
        return None
    with rc_context(_STYLE | {"svg.hashsalt": panel.key}):
        figure = Figure(figsize=(4.7, 2.7))
        named = any(curve.label for curve in panel.curves)
        axes = figure.add_axes((0.115, 0.17, 0.715 if named else 0.855, 0.62))
        for curve, points in found:
            _draw_line(axes, curve, points)
        _dress(axes, panel.title, panel.axis, "step")
        _scale(axes, panel)
        if named:
            _name_ends(axes, found)
        words = [_in_words(curve, points) for curve, points in found]
        return _to_svg(figure), f"Line plot, {panel.title}: {panel.axis}, over steps. {' '.join(words)}"


def _draw_line(axes: Axes, curve: Curve, points: pd.Series) -> None:
    paint, raw = PAINTS[curve.paint], thin(points)
    if curve.kind == "bound":
        axes.plot(raw.index, raw, color=paint, linewidth=1.2, linestyle=(0, (4, 3)))
    elif _smoothed(curve, points):
        line = thin(smooth(points), MOST_POINTS // 4)
        axes.plot(raw.index, raw, color=paint, linewidth=0.6, alpha=0.3)
        axes.plot(line.index, line, color=paint, linewidth=1.8, solid_joinstyle="round")
    else:
        axes.plot(raw.index, raw, color=paint, linewidth=1.8, solid_joinstyle="round")
    if len(points) <= 3:
        axes.plot(points.index, points, color=paint, marker="o", markersize=4, linestyle="none")


def _dress(axes: Axes, title: str, upright: str, across: str) -> None:
    """Title and axis words, all lying flat: the upright axis is named above its top, at the left edge of the figure."""
    edge = -axes.get_position().x0 / axes.get_position().width
    axes.set_title(title, pad=27, x=edge)
    axes.set_ylabel(upright, rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords(edge, 1.075)
    axes.set_xlabel(across)


def _scale(axes: Axes, panel: Panel) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=_STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.margins(x=0.015)
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=_STEPS))
        if panel.from_zero:
            axes.set_ylim(bottom=min(0, axes.dataLim.y0), top=axes.dataLim.y1 * 1.06 or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))


def _name_ends(axes: Axes, found: list[tuple[Curve, pd.Series]]) -> None:
    """Write each curve's name at the height where it ends, names pushed apart where they would touch."""
    low, high = axes.get_ylim()
    heights = np.array([(_ending(curve, points) - low) / (high - low) for curve, points in found], dtype=float)
    for (curve, _), height in zip(found, _apart(heights, gap=0.1), strict=True):
        axes.text(1.025, height, curve.label, color=PAINTS[curve.paint], transform=axes.transAxes, va="center")


def _ending(curve: Curve, points: pd.Series) -> float:
    return float((smooth(points) if _smoothed(curve, points) else points).iloc[-1])


def _smoothed(curve: Curve, points: pd.Series) -> bool:
    return curve.kind == "noisy" and len(points) >= SMOOTH_FROM


def _apart(heights: Float[ndarray, " label"], gap: float) -> Float[ndarray, " label"]:
    order: Int[ndarray, " label"] = np.argsort(heights, kind="stable")
    ranked = heights[order]
    for i in range(1, len(ranked)):
        ranked[i] = max(ranked[i], ranked[i - 1] + gap)
    ranked -= max(0.0, float(ranked[-1]) - 1.0)
    return np.asarray(ranked[np.argsort(order)])


def _in_words(curve: Curve, points: pd.Series) -> str:
    first, last = (number(float(step)) for step in (points.index[0], points.index[-1]))
    start, end = number(float(points.iloc[0])), number(_ending(curve, points))
    return f"{curve.label or curve.column}: {start} at step {first}, {end} at step {last}."


def draw_scores(
    table: pd.DataFrame, title: str, metric: str, names: dict[str, str], chance: float | None
) -> tuple[str, str]:
    """Draw one target's scores: a row a method, a dot a split, a bar at the mean.

    Parameters
    ----------
    table
        A row a split, a column a method (``compare.by_split``), in the order of drawing.
    names
        The words for each method.
    chance
        The score of guessing, drawn as a dashed line.

    Returns
    -------
    tuple of str
        The SVG, and a description of it in words.
    """
    with rc_context(_STYLE | {"svg.hashsalt": f"scores of {title}", "axes.grid.axis": "x"}):
        figure = Figure(figsize=(4.7, 1.25 + 0.36 * len(table.columns)))
        height = figure.get_figheight()
        axes = figure.add_axes((0.29, 0.52 / height, 0.67, 1 - 0.95 / height))
        words = []
        for row, method in enumerate(table.columns):
            values = table[method].dropna()
            paint = PAINTS[{ENCODER: "blue", "fc+encoder": "green", FC: "orange"}.get(method, "muted")]
            spread = row + 0.2 * np.linspace(-1, 1, len(values)) * (len(values) > 1)
            axes.plot(values, spread, "o", color=paint, markersize=4.5, markeredgewidth=0, alpha=0.6)
            axes.plot([values.mean()] * 2, [row - 0.34, row + 0.34], color=PAINTS["ink"], linewidth=2)
            words.append(f"{names[method]}: mean {number(round(float(values.mean()), 3))} over {len(values)} splits.")
        if chance is not None:
            axes.axvline(chance, color=PAINTS["muted"], linewidth=1, linestyle=(0, (4, 3)))
        axes.set_ylim(len(table.columns) - 0.45, -0.55)
        axes.set_yticks(range(len(table.columns)), [names[method] for method in table.columns])
        axes.tick_params(axis="y", labelcolor=PAINTS["ink"])
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=_STEPS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
        axes.set_title(f"{title if len(title) <= 30 else title[:29] + '…'}, split by split", x=-0.29 / 0.67, pad=8)
        axes.set_xlabel(metric + ("" if chance is None else f" (dashed: chance, {number(round(chance, 3))})"))
        return _to_svg(figure), f"Dot plot, {title}: {metric} of each method, one dot a split. {' '.join(words)}"


def _to_svg(figure: Figure) -> str:
    """Write a figure as an SVG element for an HTML page: deterministic, without ids that could meet another's."""
    file = io.StringIO()
    blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=blank)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' d="([^"]*)"', lambda path: f' d="{_shorter(path[1])}"', text)
    for name, stand_in in PAINTS.items():
        text = re.sub(rf"(fill|stroke): {stand_in}", rf"\1: var(--{name})", text)
    return text.strip()


def _shorter(path: str) -> str:
    """Round the coordinates of an SVG path to a tenth of a point, a third of the thinnest line."""
    return re.sub(r"-?\d+\.\d+", lambda part: f"{float(part[0]):.1f}", " ".join(path.split()))
