"""Pictures of a whole recording and of a whole matrix: small PNG images with ROIs ordered by network."""

import base64
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.axes import Axes
from numpy import ndarray
from PIL import Image

from semantoks.atlas.atlas import Atlas
from semantoks.counted import plural
from semantoks.reporting.figures.cohort import mark_censored
from semantoks.reporting.figures.plot import (
    NUMBERS,
    PAINTS,
    WIDE,
    Drawing,
    apart,
    finish,
    plot,
    points_high,
    set_title,
    tick,
)
from semantoks.reporting.wording import clip, number, thousandths

LEVELS = 63
MOST_PIXELS = 500
"""Rows or columns of an image; more are averaged."""
SHARP_TO = 250
"""Longest side, in pixels, of an image whose pixels stay sharp squares when it is enlarged."""
Palette = UInt8[ndarray, "level 4"]
BLUISH, GREYISH = (70, 130, 210, 80), (128, 128, 128, 70)
LIMIT = 2.0
"""Standard deviations from the mean at which a carpet is black or white."""
NAME, GAP, MOST_NAMES = 14, 11.5, 24
"""Characters of a network's name, points from one name to the next, and names that a carpet is made tall for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkOrder:
    """ROIs ordered by network: their order, the networks' names, and how many ROIs there are up to each one's end."""

    order: Int[ndarray, " roi"]
    names: tuple[str, ...]
    ends: Int[ndarray, " network"]

    @property
    def middles(self) -> Float[ndarray, " network"]:
        """The middle of each network, as a share of all ROIs from the first one."""
        middles: Float[ndarray, " network"] = (np.r_[0, self.ends[:-1]] + self.ends) / 2 / self.ends[-1]
        return middles


def by_network(atlas: Atlas) -> NetworkOrder:
    """Order the ROIs of an atlas by network, those of a network as they stand."""
    index = atlas.network_index
    ends = np.cumsum(np.bincount(index, minlength=atlas.n_networks))
    return NetworkOrder(order=np.argsort(index, kind="stable"), names=atlas.network_names, ends=ends)


def draw_carpet(
    key: str,
    title: str,
    series: Float[ndarray, "frame roi"],
    missing: Bool[ndarray, " roi"],
    good: Bool[ndarray, " frame"],
    tr: float,
    rois: NetworkOrder,
    unit: str = "standard deviations from the ROI's mean",
) -> Drawing:
    """Draw all ROIs (rows) of a z-scored recording over time, in greys from -2 to 2; missing ones are bluish.

    ``tr`` is in seconds; ``unit`` names another number of that scale. Censored frames are marked above the picture.
    """
    minutes = len(series) * tr / 60
    tall, left = max(2.27, GAP * min(len(rois.names), MOST_NAMES) / 72 + 0.05), _room_for(rois)
    height = tall + 1.35
    with plot(key, (WIDE, height), (left, 0.9 / height, 0.97 - left, tall / height), bare=True) as axes:
        strip = axes.figure.add_axes((left, (0.93 + tall) / height, 0.97 - left, 0.08 / height))
        axes.set_xlim(0, minutes)
        axes.set_ylim(rois.ends[-1], 0)
        axes.hlines(rois.ends[:-1], 0, minutes, color=PAINTS["card"], linewidth=1.0)
        _name_networks(axes, rois)
        tick(axes.xaxis, 6)
        axes.set_xlabel("minutes")
        strip.set_axis_off()
        strip.set_xlim(0, minutes)
        if not good.all():
            mark_censored(strip, good, tr, alpha=1.0)
        set_title(axes, title, lift=14.0)
        alt = (
            f"Carpet plot, {title}: {int((~missing).sum())} ROIs with signal of {missing.size} over "
            f"{number(round(minutes, 1))} minutes, ordered by network: {_listed(rois)}. {int((~good).sum())} of "
            f"{good.size} frames are censored."
        )
        scale = axes.figure.add_axes((left, 0.42 / height, 0.6 - left / 2, 0.08 / height))
        scale.set_xlim(-LIMIT, LIMIT)
        scale.set_yticks([])
        tick(scale.xaxis, 4, whole=True)
        scale.set_xlabel(unit, fontsize=9)
        shown = np.where(missing, np.nan, series).T[rois.order]
        drawing = lay_below(finish(axes, alt), axes, shown, grey(), limit=LIMIT)
        return lay_below(drawing, scale, np.linspace(-LIMIT, LIMIT, LEVELS)[None], grey(), limit=LIMIT)


def draw_matrix(key: str, title: str, values: Float[ndarray, "roi roi"], rois: NetworkOrder) -> Drawing:
    """Draw a matrix of correlations ordered by network, with the networks' boundaries and the scale below."""
    known = np.abs(values[np.isfinite(values)])
    limit = float(np.ceil(10 * np.quantile(known, 0.98)) / 10) if known.size else 1.0
    alt = f"Matrix of {rois.ends[-1]} by {rois.ends[-1]} correlations, {title}, ordered by network: {_listed(rois)}."
    return _matrix(key, title, values, rois, "Pearson correlation r", min(max(limit, 0.1), 1.0), alt)


def draw_grid(
    key: str,
    title: str,
    unit: str,
    values: Float[ndarray, "network network"],
    names: Sequence[str],
    most: float | None = None,
    *,
    from_zero: bool = False,
) -> Drawing:
    """Draw one value for each pair of networks, rows and columns in the same order, with the scale below.

    ``most`` is the end of the scale; None = the largest value either way. ``from_zero``: no value is below zero.
    """
    known = np.abs(values[np.isfinite(values)])
    end = float(known.max(initial=0.0)) if most is None else float(most)
    unit_of_end = 10.0 ** np.floor(np.log10(end)) if end > 0 else 1.0
    limit = float(max(1.0, np.ceil(end / unit_of_end)) * unit_of_end)
    one_each = NetworkOrder(order=np.arange(len(names)), names=tuple(names), ends=np.arange(1, len(names) + 1))
    rows = [
        f"{name}: {', '.join(thousandths(value) if np.isfinite(value) else 'none' for value in row)}."
        for name, row in zip(names, values, strict=True)
    ]
    shown = rows[:MOST_NAMES] + [f"And {len(rows) - MOST_NAMES} more."] * (len(rows) > MOST_NAMES)
    alt = f"Heat map, {title}: {unit}, row by row, columns in the same order. {' '.join(shown)}"
    return _matrix(key, title, values, one_each, unit, limit, alt, low=0.0 if from_zero else -limit)


def _matrix(
    key: str,
    title: str,
    values: Float[ndarray, "row column"],
    rois: NetworkOrder,
    unit: str,
    limit: float,
    alt: str,
    low: float | None = None,
) -> Drawing:
    left, count = _room_for(rois), rois.ends[-1]
    side = (0.97 - left) * WIDE
    height = side + 1.03
    with plot(key, (WIDE, height), (left, 0.73 / height, 0.97 - left, side / height), bare=True) as axes:
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        for lines in (axes.hlines, axes.vlines):
            lines(rois.ends[:-1], 0, count, color=PAINTS["muted"], linewidth=0.5, alpha=0.6)
        axes.set_xticks([])
        _name_networks(axes, rois)
        set_title(axes, title)
        scale = axes.figure.add_axes((left, 0.48 / height, 0.92 - left, 0.1 / height))
        low = -limit if low is None else low
        scale.set_xlim(low, limit)
        scale.set_yticks([])
        scale.set_xticks([-limit, -limit / 2, 0, limit / 2, limit] if low < 0 else [0, limit / 2, limit])
        scale.xaxis.set_major_formatter(NUMBERS)
        scale.set_xlabel(unit, fontsize=9)
        drawing = lay_below(finish(axes, alt), axes, values[np.ix_(rois.order, rois.order)], diverging(), limit=limit)
        return lay_below(drawing, scale, np.linspace(low, limit, LEVELS)[None], diverging(), limit=limit)


def _room_for(rois: NetworkOrder) -> float:
    """Return the room at the left for the longest name, as a share of the width."""
    return (0.22 + 0.07 * max(len(clip(name, NAME)) for name in rois.names)) / WIDE


def _name_networks(axes: Axes, rois: NetworkOrder) -> None:
    """Write networks' names at the left, with a line to the middle of each; only the largest if not all fit."""
    axes.set_yticks([])
    gap = GAP / points_high(axes)
    sizes = np.diff(rois.ends, prepend=0)
    shown = np.sort(np.argsort(-sizes, kind="stable")[: int(1 / gap)])
    middles = 1 - rois.middles[shown]
    for network, middle, height in zip(shown, middles, apart(middles, gap), strict=True):
        axes.plot(
            [-0.005, -0.02, -0.03],
            [middle, height, height],
            color=PAINTS["muted"],
            linewidth=0.7,
            transform=axes.transAxes,
            clip_on=False,
        )
        axes.text(
            -0.04,
            height,
            clip(rois.names[network], NAME),
            ha="right",
            va="center",
            fontsize=9,
            color=PAINTS["ink"],
            transform=axes.transAxes,
        )


def _listed(rois: NetworkOrder) -> str:
    sizes = np.diff(rois.ends, prepend=0)
    shown = [f"{name} ({plural(size, 'ROI')})" for name, size in zip(rois.names, sizes, strict=True)]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def grey() -> Palette:
    """Dark to bright, opaque, the same on paper and on screen; what is not known (last) has a blue veil."""
    steps = np.linspace(12, 243, LEVELS).round()
    return np.vstack([np.column_stack([steps, steps, steps, np.full(LEVELS, 255)]), BLUISH]).astype(np.uint8)


def diverging() -> Palette:
    """Blue below zero, orange above, at zero the colour of the page; what is not known (last) has a grey veil."""
    signed = np.linspace(-1, 1, LEVELS)
    blue, orange = np.array([46, 116, 208]), np.array([214, 104, 20])
    paint = np.where(signed[:, None] < 0, blue, orange)
    return np.vstack([np.column_stack([paint, np.abs(signed) * 255]), GREYISH]).round().astype(np.uint8)


def levels(values: Float[ndarray, "row column"], limit: float) -> UInt8[ndarray, "row column"]:
    """Number the steps of a palette from -limit to limit; NaN is the entry after the last step."""
    steps = np.nan_to_num((values / limit + 1) / 2 * (LEVELS - 1), nan=0.0)
    numbered = np.clip(steps.round(), 0, LEVELS - 1).astype(np.uint8)
    return np.where(np.isfinite(values), numbered, np.uint8(LEVELS)).astype(np.uint8)


def shrink(values: Float[ndarray, "row column"], most: int = MOST_PIXELS) -> Float[ndarray, "less_row less_column"]:
    """Average neighbours until no side is longer than ``most``; NaN where none of them is known."""
    for axis in (0, 1):
        length = values.shape[axis]
        if length > most:
            edges = np.linspace(0, length, most + 1).astype(int)[:-1]
            known = np.isfinite(values)
            total = np.add.reduceat(np.where(known, values, 0.0), edges, axis=axis)
            count = np.add.reduceat(known.astype(int), edges, axis=axis)
            values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return values


def png(numbered: UInt8[ndarray, "row column"], palette: Palette) -> bytes:
    """Write an image of numbers in a palette as PNG."""
    image = Image.fromarray(numbered)
    image.putpalette(palette.tobytes(), "RGBA")
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()


def lay_below(
    drawing: Drawing, axes: Axes, values: Float[ndarray, "row column"], palette: Palette, *, limit: float = 1.0
) -> Drawing:
    """Put an image of values (-limit to limit, first row on top) where the axes are, below all that is drawn there."""
    small = shrink(values)
    image = base64.b64encode(png(levels(small, limit), palette)).decode()
    inch, box = axes.figure.dpi, axes.get_position()
    width, height = axes.figure.bbox.width * 72 / inch, axes.figure.bbox.height * 72 / inch
    corner = f'x="{box.x0 * width:.1f}" y="{(1 - box.y1) * height:.1f}"'
    size = f'width="{box.width * width:.1f}" height="{box.height * height:.1f}" preserveAspectRatio="none"'
    sharp = ' style="image-rendering: pixelated"' if max(small.shape) <= SHARP_TO else ""
    opening, mark, rest = drawing.svg.partition(">")
    svg = f'{opening}{mark}\n<image {corner} {size}{sharp} href="data:image/png;base64,{image}"/>{rest}'
    return dataclasses.replace(drawing, svg=svg)
