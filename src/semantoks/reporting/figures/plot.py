"""The one way to draw a figure: axes in the page's style, their words, ticks and legend, and an SVG that follows it."""

import io
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray

from semantoks.reporting.wording import clip, number
from semantoks.statistics.methods import Look

# Matplotlib knows no CSS variables: it draws in these stand-ins, and `to_svg` replaces each with var(--name).
PAINTS = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "deep": "#040404",
    "blue": "#050505",
    "orange": "#060606",
    "green": "#070707",
    "card": "#080808",
}
STEPS = [1, 2, 2.5, 5, 10]
DASHES = (0, (4, 3))
NUMBERS = FuncFormatter(lambda value, _: number(float(value)))
WIDE, NARROW = 4.0, 3.3
"""Width in inches of a figure that shares a line of the page with one other, and of one that shares it with two."""
_EM, _EM_OF_TITLE = 0.078, 0.098  # approximate width of a character in inches
_LEGEND_MARK = 0.3  # and of what stands before a name in a legend
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": PAINTS["muted"],
    "axes.labelcolor": PAINTS["muted"],
    "axes.labelsize": 9.5,
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
    "hatch.linewidth": 0.9,
    "legend.frameon": False,
    "legend.handletextpad": 0.35,
    "legend.columnspacing": 1.3,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0,
    "xtick.color": PAINTS["muted"],
    "ytick.color": PAINTS["muted"],
    "xtick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


REM_PER_INCH = 6.875
"""Size at which a figure is shown at most, so that its words are as large as those of all others."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as an SVG element, and in words for those who do not see it; its height in inches."""

    svg: str
    alt: str
    height: float = 0.0


def color(look: Look) -> str:
    """Return the stand-in colour of a look."""
    return PAINTS[look.paint]


def dots(look: Look, size: float) -> dict[str, Any]:
    """Return the arguments for ``Axes.plot`` that draw a look's markers."""
    return {
        "marker": look.marker,
        "markersize": size,
        "color": color(look),
        "markerfacecolor": color(look) if look.filled else PAINTS["card"],
        "markeredgewidth": 1.2,
    }


def fill(look: Look) -> dict[str, Any]:
    """Return the arguments that draw a bar or a patch in a look."""
    face = color(look) if look.filled and not look.hatch else "none"
    return {"facecolor": face, "edgecolor": color(look), "hatch": look.hatch or None, "linewidth": 0.9}


@contextmanager
def plot(
    key: str,
    size: tuple[float, float],
    box: tuple[float, float, float, float],
    *,
    grid: Literal["x", "y"] = "y",
    bare: bool = False,
) -> Iterator[Axes]:
    """Give the axes of a new figure; until the block ends, everything is drawn in the page's style.

    Parameters
    ----------
    key
        Differs between the figures of a page: the ids in the SVG come from it.
    size
        Width and height in inches.
    box
        Left, bottom, width and height of the axes, as shares of the figure.
    grid
        The axis whose ticks have lines across the plot.
    bare
        Leave out grid, axis line and ticks.
    """
    settings: dict[Any, Any] = _STYLE | {"svg.hashsalt": key, "axes.grid.axis": grid}
    if bare:
        settings |= {"axes.grid": False, "axes.spines.bottom": False, "xtick.major.size": 0}
    with rc_context(settings):
        yield Figure(figsize=size).add_axes(box)


@contextmanager
def row_plot(key: str, labels: Sequence[str], heights: float, *, above: float) -> Iterator[Axes]:
    """Give axes with one row per label, the first on top, and room at the left for the longest one.

    Parameters
    ----------
    heights
        Inches per row.
    above
        Inches above the rows, for title and legend; the numbers of the axis and its words have 0.52 inches below.
    """
    shown = [textwrap.fill(clip(label, 40), 21) for label in labels]
    if any("\n" in text for text in shown):
        heights = max(heights, 0.38)
    left = 0.15 + _EM * max(len(line) for text in shown for line in text.splitlines() or [""])
    height = above + heights * len(labels) + 0.52
    box = (left / WIDE, 0.52 / height, 1 - (left + 0.15) / WIDE, heights * len(labels) / height)
    with plot(key, (WIDE, height), box, grid="x") as axes:
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_yticks(range(len(labels)), shown)
        axes.tick_params(axis="y", labelcolor=PAINTS["ink"])
        tick(axes.xaxis, 5)
        yield axes


def finish(axes: Axes, alt: str) -> Drawing:
    """Return the figure of some axes as it is now."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    return Drawing(svg=to_svg(figure), alt=alt, height=float(figure.get_figheight()))


def tick(axis: Axis, most: int, *, whole: bool = False) -> None:
    """Put at most ``most`` steps between round numbers on an axis."""
    axis.set_major_locator(MaxNLocator(nbins=most, steps=STEPS, integer=whole))
    axis.set_major_formatter(NUMBERS)


def set_title(axes: Axes, text: str, *, above: str = "", lift: float = 8.0) -> None:
    """Set the title ``lift`` points above the plot and, flat below it, the upright axis's words ``above`` the plot.

    Both begin at the left edge of the figure.
    """
    edge = left_edge(axes)
    room = axes.bbox.width / axes.figure.dpi / axes.get_position().width / _EM_OF_TITLE
    axes.set_title(clip(text, int(room)), pad=lift, x=edge)
    if above:
        axes.set_ylabel(above, rotation=0, ha="left", va="bottom")
        axes.yaxis.set_label_coords(edge, 1 + 10 / points_high(axes))


def legend(axes: Axes, looks: Sequence[tuple[str, Look]], kind: Literal["dots", "bars", "lines"] = "dots") -> None:
    """Write a legend between title and plot, from the left edge of the figure, in ``legend_lines``."""
    axes.legend(
        handles=[_handle(clip(name, 20), look, kind) for name, look in looks],
        loc="lower left",
        bbox_to_anchor=(left_edge(axes), 1.03 if kind == "lines" else 1 + 5 / points_high(axes)),
        ncols=-(-len(looks) // legend_lines(looks, axes.figure.bbox.width / axes.figure.dpi)),
        labelcolor=PAINTS["muted"],
        fontsize=9,
        handlelength=1.8 if kind == "lines" else 0.9,
    )


def legend_lines(looks: Sequence[tuple[str, Look]], inches: float = WIDE) -> int:
    """Return how many lines a legend takes in a figure so wide."""
    return math.ceil(sum(_LEGEND_MARK + _EM * len(clip(name, 20)) for name, _ in looks) / inches)


def _handle(name: str, look: Look, kind: str) -> Artist:
    if kind == "bars":
        return Patch(label=name, **fill(look))
    if kind == "lines":
        return Line2D([], [], color=color(look), linestyle=look.dash, label=name)
    return Line2D([], [], linestyle="none", label=name, **dots(look, 5.0))


def left_edge(axes: Axes) -> float:
    """Return where the left edge of the figure is, in widths of the plot from its left side."""
    return float(-axes.get_position().x0 / axes.get_position().width)


def points_high(axes: Axes) -> float:
    """Return the height of the plot in points."""
    return float(axes.bbox.height * 72 / axes.figure.dpi)


def apart(heights: Float[ndarray, " label"], gap: float) -> Float[ndarray, " label"]:
    """Push heights apart where they are closer than ``gap``, keeping their order; the highest is at most 1."""
    order: Int[ndarray, " label"] = np.argsort(heights, kind="stable")
    ranked = heights[order]
    for i in range(1, len(ranked)):
        ranked[i] = max(ranked[i], ranked[i - 1] + gap)
    ranked -= max(0.0, float(ranked[-1]) - 1.0)
    return np.asarray(ranked[np.argsort(order)])


def end_name(name: str) -> str:
    """Break a name that `name_ends` writes into lines of at most 21 characters."""
    return textwrap.fill(clip(name, 40), 21)


def room_for_ends(names: Sequence[str]) -> float:
    """Return the inches at the right of a plot that the longest of these names takes."""
    return 0.2 + _EM * max(len(line) for name in names for line in end_name(name).splitlines() or [""])


def name_ends(axes: Axes, ends: Sequence[tuple[str, str, float]]) -> None:
    """Write (name, paint, last value) at the right of the plot, at the height of the value, names pushed apart.

    Long names have two lines, unless there are so many names that these would not fit.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = np.array([to_axes.transform((axes.get_xlim()[0], value))[1] for _, _, value in ends], dtype=float)
    names = [end_name(name) for name, _, _ in ends]
    gap = 13 * max(name.count("\n") + 1 for name in names) / points_high(axes)
    if len(ends) * gap > 1:
        names, gap = [clip(name, 20) for name, _, _ in ends], 13 / points_high(axes)
    for name, (_, paint, _), height in zip(names, ends, apart(heights, gap), strict=True):
        axes.text(1.025, height, name, color=PAINTS[paint], transform=axes.transAxes, va="center")


def to_svg(figure: Figure) -> str:
    """Write a figure as an SVG element for an HTML page: deterministic, without ids that could meet another's."""
    file = io.StringIO()
    blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=blank)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    most = f"max-width: {REM_PER_INCH * figure.get_figwidth():.4g}rem"
    text = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" style="{most}" aria-hidden="true">', text, count=1
    )
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' d="([^"]*)"', lambda path: f' d="{_shorter(path[1])}"', text)
    text = re.sub(r'(<use xlink:href="#\w+" )x="([^"]*)" y="([^"]*)"', _shorter_use, text)
    text = re.sub(r"<g([^<>]*)>\s*((?:<use [^>]*/>\s*){2,})</g>", _share_style, text)
    for name, stand_in in PAINTS.items():
        text = re.sub(rf"(fill|stroke): {stand_in}", rf"\1: var(--{name})", text)
    return re.sub(r">\s*\n\s*<", ">\n<", text).strip()


def _shorter(path: str) -> str:
    """Round the coordinates of an SVG path to a tenth of a point, a third of the thinnest line."""
    return re.sub(r"-?\d+\.\d+", lambda part: f"{float(part[0]):.1f}", " ".join(path.split()))


def _shorter_use(found: re.Match[str]) -> str:
    return f'{found[1]}x="{float(found[2]):.1f}" y="{float(found[3]):.1f}"'


def _share_style(found: re.Match[str]) -> str:
    """Write the style that all markers of a group share once."""
    styles = set(re.findall(r' style="([^"]*)"', found[2]))
    if len(styles) != 1 or "style" in found[1]:
        return found[0]
    bare = re.sub(r' style="[^"]*"', "", found[2])
    return f'<g{found[1]} style="{styles.pop()}">{bare}</g>'
