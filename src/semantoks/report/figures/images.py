"""Pictures of a whole recording and of a whole matrix, ROIs ordered by network, with the networks' names beside."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.report.figures.cohort import mark_censored
from semantoks.report.figures.plot import (
    NUMBERS,
    PAINTS,
    STEPS,
    WIDE,
    Drawing,
    apart,
    clip,
    head,
    number,
    style,
    to_svg,
)
from semantoks.report.figures.raster import LEVELS, diverging, grey, lay_below

LIMIT = 2.0
"""Standard deviations from the mean at which a carpet is black or white."""
NAME, GAP, MOST_NAMES = 14, 11.5, 24
"""Characters of a network's name, points from one name to the next, and names that a carpet is made tall for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bands:
    """The ROIs ordered by network: their order, the networks' names, and where each ends (ROIs from the first)."""

    order: Int[ndarray, " roi"]
    names: tuple[str, ...]
    ends: Int[ndarray, " network"]

    @property
    def middles(self) -> Float[ndarray, " network"]:
        """The middle of each network, as a share of all ROIs from the first one."""
        middles: Float[ndarray, " network"] = (np.r_[0, self.ends[:-1]] + self.ends) / 2 / self.ends[-1]
        return middles


def bands_of(atlas: Atlas) -> Bands:
    """Order the ROIs of an atlas by network, those of a network as they stand."""
    index = atlas.network_index
    ends = np.cumsum(np.bincount(index, minlength=atlas.n_networks))
    return Bands(order=np.argsort(index, kind="stable"), names=atlas.network_names, ends=ends)


def draw_carpet(
    key: str,
    title: str,
    series: Float[ndarray, "frame roi"],
    missing: Bool[ndarray, " roi"],
    good: Bool[ndarray, " frame"],
    tr: float,
    bands: Bands,
) -> Drawing:
    """Draw all ROIs (rows) of a z-scored recording over time, in greys from -2 to 2; missing ones are bluish.

    ``tr`` is in seconds. Censored frames are marked above the picture.
    """
    minutes = len(series) * tr / 60
    with style(key, bare=True):
        tall, left = max(2.27, GAP * min(len(bands.names), MOST_NAMES) / 72 + 0.05), _room_for(bands)
        height = tall + 0.93
        figure = Figure(figsize=(WIDE, height))
        axes = figure.add_axes((left, 0.48 / height, 0.97 - left, tall / height))
        strip = figure.add_axes((left, (0.51 + tall) / height, 0.97 - left, 0.08 / height))
        axes.set_xlim(0, minutes)
        axes.set_ylim(bands.ends[-1], 0)
        axes.hlines(bands.ends[:-1], 0, minutes, color=PAINTS["card"], linewidth=1.0)
        _name_bands(axes, bands)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
        axes.xaxis.set_major_formatter(NUMBERS)
        axes.set_xlabel("minutes")
        strip.set_axis_off()
        strip.set_xlim(0, minutes)
        if not good.all():
            mark_censored(strip, good, tr, alpha=1.0)
        head(axes, title, lift=14.0)
        shown = np.where(missing, np.nan, series).T[bands.order]
        svg = lay_below(to_svg(figure), axes, shown, grey(), limit=LIMIT)
        alt = (
            f"Carpet plot, {title}: {int((~missing).sum())} ROIs with signal of {missing.size} over "
            f"{number(round(minutes, 1))} minutes, ordered by network: {_listed(bands)}. {int((~good).sum())} of "
            f"{good.size} frames are censored."
        )
        return Drawing(svg=svg, alt=alt)


def draw_matrix(key: str, title: str, values: Float[ndarray, "roi roi"], bands: Bands) -> Drawing:
    """Draw a matrix of correlations ordered by network, with the networks' boundaries and the scale below."""
    known = np.abs(values[np.isfinite(values)])
    limit = float(np.ceil(10 * np.quantile(known, 0.98)) / 10) if known.size else 1.0
    limit = min(max(limit, 0.1), 1.0)
    with style(key, bare=True):
        left = _room_for(bands)
        side = (0.97 - left) * WIDE
        height = side + 0.85
        figure = Figure(figsize=(WIDE, height))
        axes = figure.add_axes((left, 0.55 / height, 0.97 - left, side / height))
        count = bands.ends[-1]
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        for lines in (axes.hlines, axes.vlines):
            lines(bands.ends[:-1], 0, count, color=PAINTS["muted"], linewidth=0.5, alpha=0.6)
        axes.set_xticks([])
        _name_bands(axes, bands)
        head(axes, title, lift=8.0)
        scale = figure.add_axes((left, 0.3 / height, 0.97 - left, 0.1 / height))
        scale.set_xlim(-limit, limit)
        scale.set_yticks([])
        scale.set_xticks([-limit, -limit / 2, 0, limit / 2, limit])
        scale.xaxis.set_major_formatter(NUMBERS)
        svg = to_svg(figure)
        svg = lay_below(svg, axes, values[np.ix_(bands.order, bands.order)], diverging(), limit=limit)
        svg = lay_below(svg, scale, np.linspace(-limit, limit, LEVELS)[None], diverging(), limit=limit)
        alt = f"Matrix of {count} by {count} correlations, {title}, ordered by network: {_listed(bands)}."
        return Drawing(svg=svg, alt=alt)


def _room_for(bands: Bands) -> float:
    """Room at the left for the longest name, as a share of the width."""
    return (0.22 + 0.07 * max(len(clip(name, NAME)) for name in bands.names)) / WIDE


def _name_bands(axes: Axes, bands: Bands) -> None:
    """Write networks' names at the left, with a line to the middle of each; only the largest if not all fit."""
    axes.set_yticks([])
    gap = GAP / (axes.bbox.height * 72 / axes.figure.dpi)
    sizes = np.diff(bands.ends, prepend=0)
    shown = np.sort(np.argsort(-sizes, kind="stable")[: int(1 / gap)])
    middles = 1 - bands.middles[shown]
    for network, middle, place in zip(shown, middles, apart(middles, gap), strict=True):
        axes.plot(
            [-0.005, -0.02, -0.03],
            [middle, place, place],
            color=PAINTS["muted"],
            linewidth=0.7,
            transform=axes.transAxes,
            clip_on=False,
        )
        axes.text(
            -0.04,
            place,
            clip(bands.names[network], NAME),
            ha="right",
            va="center",
            fontsize=9,
            color=PAINTS["ink"],
            transform=axes.transAxes,
        )


def _listed(bands: Bands) -> str:
    sizes = np.diff(bands.ends, prepend=0)
    shown = [f"{name} ({size} ROIs)" for name, size in zip(bands.names, sizes, strict=True)]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
