"""A glass brain with a dot at each ROI, shaded by the score of the ROI's network."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from numpy import ndarray

from semantoks.reporting.figures.plot import PAINTS, WIDE, Drawing, finish, plot
from semantoks.reporting.wording import thousandths

VIEWS = {"l": (1, 2), "z": (0, 1), "r": (1, 2)}
"""Views from the left, above and the right: which of x, y, z (MNI, mm) runs to the right, and which up."""
_FAINT, _ALIKE = 0.12, 0.25
NOT_SHADED = "not shaded: the differences are within noise"
Limits = tuple[float, float]


def draw_brain(
    key: str,
    title: str,
    centroids: Float[ndarray, "roi 3"],
    networks: Sequence[str],
    scores: dict[str, float],
    *,
    shaded: bool = True,
) -> Drawing:
    """Draw every ROI with known coordinates, the darker the higher its network's score; unless ``shaded``, all alike.

    The outlines are the schematic that ships with nilearn; nothing is downloaded.

    Parameters
    ----------
    centroids
        MNI coordinates in mm; NaN where unknown.
    networks
        The network of each ROI.
    scores
        The score of each network; ROIs of other networks are left out.
    """
    low, high = min(scores.values()), max(scores.values())
    with plot(key, (WIDE, 2.0), (0.0, 0.0, 1.0, 1.0), bare=True) as frame:
        for column, (view, (across, up)) in enumerate(VIEWS.items()):
            axes = frame.figure.add_axes((0.01 + 0.345 * column, 0.2, 0.3, 0.68))
            _draw_outline(axes, *outlines()[view])
            for name, score in scores.items():
                places = centroids[[network == name for network in networks]]
                places = places[np.isfinite(places).all(axis=1) & _seen(places, view)]
                share = (score - low) / (high - low) if high > low else 1.0
                alpha = _FAINT + (1 - _FAINT) * (share if shaded else _ALIKE)
                dots, *_ = axes.plot(places[:, across], places[:, up], "o", color=PAINTS["blue"], alpha=alpha)
                dots.set(markersize=4.2, markeredgewidth=0)
        _draw_title(frame, title)
        if shaded:
            _draw_scale(frame, low, high)
        else:
            frame.text(0.5, 0.025, NOT_SHADED, ha="center", va="center", fontsize=9, color=PAINTS["muted"])
        best = sorted(scores, key=lambda name: -scores[name])
        words = ", ".join(f"{name} {thousandths(scores[name])}" for name in best)
        return finish(
            frame, f"Brain seen from left, above and right, {title}. From high to low: {words}.{_unshaded(shaded)}"
        )


def _unshaded(shaded: bool) -> str:
    return "" if shaded else f" {NOT_SHADED}."


@cache
def outlines() -> dict[str, tuple[Outline, Limits, Limits]]:
    """Return nilearn's schematic brain in each view: one path, and how far it reaches across and up (mm)."""
    from nilearn.plotting import plot_glass_brain  # takes seconds to import

    display = plot_glass_brain(None, display_mode="lzr", figure=Figure(), annotate=False, colorbar=False)
    found = {}
    for view in VIEWS:
        axes: Axes = display.axes[view].ax
        to_mm = axes.transData.inverted()
        paths = [(patch.get_transform() + to_mm).transform_path(patch.get_path()) for patch in axes.patches]
        found[view] = (Outline.make_compound_path(*paths), axes.get_xlim(), axes.get_ylim())
    return found


def _draw_outline(axes: Axes, outline: Outline, across: Limits, up: Limits) -> None:
    axes.add_patch(PathPatch(outline, facecolor="none", edgecolor=PAINTS["muted"], linewidth=0.5, alpha=0.55))
    axes.set(xlim=across, ylim=up, aspect="equal")
    axes.set_axis_off()


def _seen(places: Float[ndarray, "roi 3"], view: str) -> ndarray:
    """Mark the ROIs that a view shows: its own hemisphere from a side, all from above."""
    side = {"l": -1, "r": 1}.get(view, 0)
    seen: ndarray = places[:, 0] * side >= 0
    return seen


def _draw_title(axes: Axes, title: str) -> None:
    axes.set_zorder(1)  # above the views
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.text(0, 0.99, title, va="top", fontsize=11, fontweight="bold", color=PAINTS["ink"])
    for middle, name in zip((0.16, 0.505, 0.85), ("left", "above", "right"), strict=True):
        axes.text(middle, 0.145, name, ha="center", va="top", fontsize=9, color=PAINTS["muted"])


def _draw_scale(axes: Axes, low: float, high: float) -> None:
    steps = 12
    for n in range(steps):
        alpha = _FAINT + (1 - _FAINT) * n / (steps - 1)
        axes.add_patch(
            Rectangle((0.36 + 0.28 * n / steps, 0), 0.28 / steps, 0.05, facecolor=PAINTS["blue"], alpha=alpha)
        )
    axes.text(0.35, 0.025, thousandths(low), ha="right", va="center", fontsize=9, color=PAINTS["muted"])
    axes.text(0.65, 0.025, thousandths(high), ha="left", va="center", fontsize=9, color=PAINTS["muted"])
