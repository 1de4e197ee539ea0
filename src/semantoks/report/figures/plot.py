"""The ground of all figures: inline SVG whose text stays text and whose colours are the page's CSS variables."""

import io
import re
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray

from semantoks.statistics.methods import method_look

# Matplotlib knows no CSS variables: it draws in these stand-ins, and `to_svg` swaps each for var(--name).
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
WIDE, NARROW = 4.0, 3.3
"""Inches: of a figure that shares a line of the page with one other, and of one that shares it with two."""
_EM, _EM_OF_TITLE = 0.078, 0.098  # inches that a character takes, about
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


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as an SVG element, and in words for those who do not see it."""

    svg: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one method or condition is drawn everywhere; shape and dash tell it apart without colour, too."""

    paint: str = "muted"
    marker: str = "o"
    dash: Any = "solid"
    filled: bool = True
    hatch: str = ""

    @property
    def color(self) -> str:
        """The stand-in colour."""
        return PAINTS[self.paint]

    def dots(self, size: float) -> dict[str, Any]:
        """Return the marker's arguments for ``Axes.plot``."""
        face = self.color if self.filled else PAINTS["card"]
        return {
            "marker": self.marker,
            "markersize": size,
            "color": self.color,
            "markerfacecolor": face,
            "markeredgewidth": 1.2,
        }

    def bar(self) -> dict[str, Any]:
        """Return the arguments of a bar or a patch."""
        face = self.color if self.filled and not self.hatch else "none"
        return {"facecolor": face, "edgecolor": self.color, "hatch": self.hatch or None, "linewidth": 0.9}


def look_of(method: str) -> Look:
    """Return the look of a method; all without one of their own share one."""
    return Look(**vars(method_look(method)))


def style(key: str, *, grid: Literal["x", "y"] = "y", bare: bool = False) -> AbstractContextManager[None]:
    """Draw in the page's style; ``bare`` is without grid, axis line and ticks.

    ``key`` must differ between the figures of a page: their ids come from it.
    """
    settings: dict[Any, Any] = _STYLE | {"svg.hashsalt": key, "axes.grid.axis": grid}
    if bare:
        settings |= {"axes.grid": False, "axes.spines.bottom": False, "xtick.major.size": 0}
    return rc_context(settings)


def number(value: float) -> str:
    """Write a number for an axis or a caption: 1,200, 0.0014, 3e-05, with a true minus sign."""
    if value and (abs(value) < 1e-4 or abs(value) >= 1e6):
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    else:
        text = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """Write a share (0 to 1) as ``57 %``."""
    return f"{100 * share:.0f}\u00a0%"


NUMBERS = FuncFormatter(lambda value, _: number(float(value)))


def clip(text: str, most: int) -> str:
    """Cut a name that is longer than ``most`` characters and mark the cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def row_axes(labels: Sequence[str], heights: float, *, head: float) -> tuple[Figure, Axes]:
    """Return a figure with a row for each label, the first on top, and room at the left for the longest one.

    Parameters
    ----------
    heights
        Inches a row.
    head
        Inches above the rows, for title and legend; an axis word and its numbers have 0.52 inches below.
    """
    shown = [textwrap.fill(clip(label, 40), 21) for label in labels]
    if any("\n" in text for text in shown):
        heights = max(heights, 0.38)
    left = 0.15 + _EM * max(len(line) for text in shown for line in text.splitlines() or [""])
    height = head + heights * len(labels) + 0.52
    figure = Figure(figsize=(WIDE, height))
    axes = figure.add_axes((left / WIDE, 0.52 / height, 1 - (left + 0.15) / WIDE, heights * len(labels) / height))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), shown)
    axes.tick_params(axis="y", labelcolor=PAINTS["ink"])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=STEPS))
    axes.xaxis.set_major_formatter(NUMBERS)
    return figure, axes


def head(axes: Axes, title: str, upright: str = "", lift: float = 8.0) -> None:
    """Set the title, and flat above the upright axis its words, both at the left edge of the figure."""
    edge = -axes.get_position().x0 / axes.get_position().width
    room = axes.bbox.width / axes.figure.dpi / axes.get_position().width / _EM_OF_TITLE
    axes.set_title(clip(title, int(room)), pad=lift, x=edge)
    if upright:
        axes.set_ylabel(upright, rotation=0, ha="left", va="bottom")
        axes.yaxis.set_label_coords(edge, 1 + 10 / _points(axes))


def legend(axes: Axes, looks: Sequence[tuple[str, Look]], *, bars: bool = False) -> None:
    """Write a legend in one line between title and plot, from the left edge of the figure."""
    edge = -axes.get_position().x0 / axes.get_position().width
    handles = [
        Patch(label=clip(name, 18), **look.bar())
        if bars
        else Line2D([], [], linestyle="none", label=clip(name, 18), **look.dots(5.0))
        for name, look in looks
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(edge, 1 + 5 / _points(axes)),
        ncols=len(handles),
        labelcolor=PAINTS["muted"],
        fontsize=9,
        handlelength=0.9,
    )


def _points(axes: Axes) -> float:
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


def name_ends(axes: Axes, ends: Sequence[tuple[str, str, float]]) -> None:
    """Write (name, paint, last value) at the right of the plot, at the height of the value, names pushed apart."""
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = np.array([to_axes.transform((axes.get_xlim()[0], value))[1] for _, _, value in ends], dtype=float)
    gap = 13 / _points(axes)
    for (name, paint, _), height in zip(ends, apart(heights, gap), strict=True):
        axes.text(1.025, height, clip(name, 16), color=PAINTS[paint], transform=axes.transAxes, va="center")


def to_svg(figure: Figure) -> str:
    """Write a figure as an SVG element for an HTML page: deterministic, without ids that could meet another's."""
    file = io.StringIO()
    blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=blank)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
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
