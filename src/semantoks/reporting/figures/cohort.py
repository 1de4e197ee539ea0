"""Figures of a cohort: how much its people moved, one recording's motion over time, and spectra before and after."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from numpy import ndarray

from semantoks.counted import plural
from semantoks.reporting.figures.plot import (
    DASHES,
    PAINTS,
    WIDE,
    Drawing,
    color,
    fill,
    finish,
    legend,
    plot,
    set_title,
    tick,
)
from semantoks.reporting.figures.scores import Mark
from semantoks.reporting.figures.training import thin
from semantoks.reporting.wording import number, percent, thousandths
from semantoks.statistics.methods import Look

MOST_BINS = 40
BINS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Widths of the bars of a histogram, in mm."""
CENSORED = Look(paint="orange")
KEPT, LOST = Look(paint="blue"), Look(paint="orange", hatch="/////")


@dataclass(frozen=True, kw_only=True, eq=False)
class Quartiles:
    """Median over recordings at each frequency, and the quartiles around it."""

    name: str
    look: Look
    middle: Float[ndarray, " bin"]
    low: Float[ndarray, " bin"]
    high: Float[ndarray, " bin"]


def draw_motion(
    key: str,
    title: str,
    means: Float[ndarray, " recording"],
    gates: Sequence[Mark],
    lost: Float[ndarray, " gone"] | None = None,
) -> Drawing:
    """Draw how many recordings have which mean framewise displacement (mm), with the gates; ``lost`` were left out."""
    gone = np.empty(0) if lost is None else lost
    top = max(float(np.r_[means, gone].max()), BINS[0], *(gate.value * 1.06 for gate in gates))
    width = next((width for width in BINS if top / width <= MOST_BINS), top / MOST_BINS)
    edges = np.arange(0, top + width, width)
    kept, edges = np.histogram(means, bins=edges)
    counts = kept + np.histogram(gone, bins=edges)[0]
    with plot(key, (WIDE, 2.6), (0.45 / WIDE, 0.175, 1 - 0.6 / WIDE, 0.62)) as axes:
        axes.bar(edges[:-1], kept, width=0.9 * width, align="edge", **fill(KEPT))
        if len(gone):
            some = counts > kept
            axes.bar(
                edges[:-1][some],
                (counts - kept)[some],
                width=0.9 * width,
                align="edge",
                bottom=kept[some],
                **fill(LOST),
            )
        axes.set_xlim(0, edges[-1])
        axes.set_ylim(0, counts.max() * (1.3 if gates else 1.05))
        for row, gate in enumerate(gates):
            _draw_gate(axes, gate, 0.98 - 0.1 * row)
        tick(axes.xaxis, 6)
        tick(axes.yaxis, 4, whole=True)
        set_title(axes, title, above="" if len(gone) else "recordings", lift=27.0)
        if len(gone):
            legend(axes, [("recordings kept", KEPT), ("left out", LOST)], "bars")
        axes.set_xlabel("mean framewise displacement (mm)")
        return finish(axes, _motion_in_words(title, means, gates, gone))


def _draw_gate(axes: Axes, gate: Mark, height: float) -> None:
    """Draw a gate with its name beside it, at a height from 0 to 1."""
    axes.axvline(gate.value, color=PAINTS[gate.paint], linewidth=1.1, linestyle=DASHES)
    right = gate.value > 0.45 * axes.get_xlim()[1]
    axes.annotate(
        gate.name,
        (gate.value, height),
        (-4 if right else 4, 0),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        fontsize=9,
        color=PAINTS["muted"],
    )


def _motion_in_words(
    title: str, means: Float[ndarray, " recording"], gates: Sequence[Mark], gone: Float[ndarray, " gone"]
) -> str:
    low, middle, high = (thousandths(np.quantile(means, q)) for q in (0.25, 0.5, 0.75))
    named = [f" {int((means > gate.value).sum())} of {len(means)} are above the line “{gate.name}”." for gate in gates]
    return (
        f"Histogram, {title}: mean framewise displacement of {plural(len(means), 'recording')}. Median {middle} mm, "
        f"quartiles {low} and {high}, largest {thousandths(means.max())}.{''.join(named)}"
        + (
            f" {len(gone)} more were left out, with {thousandths(gone.min())} to {thousandths(gone.max())} mm."
            if len(gone)
            else ""
        )
    )


def draw_trace(
    key: str,
    title: str,
    fd: Float[ndarray, " scan"],
    source_tr: float,
    good: Bool[ndarray, " frame"],
    tr: float,
    top: float,
) -> Drawing:
    """Draw one recording's framewise displacement (mm) over time, and which frames of the cohort are censored.

    Parameters
    ----------
    fd, source_tr
        One value per frame of the source, NaN where unknown, and the source's repetition time in seconds.
    good, tr
        False where a frame of the cohort is censored, and its interval in seconds.
    top
        Where the upright axis ends, in mm.
    """
    with plot(key, (WIDE, 2.3), (0.58 / WIDE, 0.2, 1 - 0.73 / WIDE, 0.56)) as axes:
        minutes = np.arange(len(fd)) * source_tr / 60
        line = thin(pd.Series(fd, index=minutes).dropna())
        axes.plot(line.index, line, color=PAINTS["blue"], linewidth=1.0)
        axes.set_xlim(0, max(len(fd) * source_tr, len(good) * tr) / 60)
        axes.set_ylim(0, top)
        if not good.all():
            mark_censored(axes, good, tr)
            legend(axes, [("censored", CENSORED)], "bars")
        tick(axes.xaxis, 6)
        tick(axes.yaxis, 4)
        set_title(axes, title, lift=24.0)
        axes.set_xlabel("minutes")
        axes.set_ylabel("FD (mm)")
        known, length = fd[np.isfinite(fd)], number(round(len(fd) * source_tr / 60, 1))
        alt = (
            f"Line plot, {title}: framewise displacement over {length} minutes. Median "
            f"{number(round(float(np.median(known)), 2))} mm, largest {number(round(float(known.max()), 2))} mm. "
            f"{percent(float((~good).mean()))} of its frames are censored."
        )
        return finish(axes, alt)


def mark_censored(axes: Axes, good: Bool[ndarray, " frame"], tr: float, alpha: float = 0.35) -> None:
    """Shade the frames that are not good from bottom to top of the plot; the axis is in minutes, ``tr`` in seconds."""
    changes = np.flatnonzero(np.diff(~good, prepend=False, append=False)).reshape(-1, 2) * tr / 60
    low, high = axes.get_ylim()
    spans = [(float(begin), float(end - begin)) for begin, end in changes]
    axes.broken_barh(spans, (low, high - low), facecolor=PAINTS["orange"], alpha=alpha, linewidth=0)


def quartiles_of(name: str, look: Look, spectra: Float[ndarray, "recording bin"]) -> Quartiles:
    """Take median and quartiles over recordings; NaN at frequencies that fewer than half of them have."""
    few = np.isfinite(spectra).mean(axis=0) < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a frequency that no recording has
        low, middle, high = np.where(few, np.nan, np.nanquantile(spectra.astype(float), (0.25, 0.5, 0.75), axis=0))
    return Quartiles(name=name, look=look, middle=middle, low=low, high=high)


def draw_spectra(
    key: str,
    title: str,
    frequencies: Float[ndarray, " bin"],
    stages: Sequence[Quartiles],
    band: tuple[float, float] | None,
) -> Drawing:
    """Draw the share of power per Hz over frequency (Hz): median and middle half of the recordings, and the band."""
    with plot(key, (WIDE, 2.8), (0.58 / WIDE, 0.175, 1 - 0.73 / WIDE, 0.65)) as axes:
        if band is not None:
            axes.axvspan(*band, facecolor=PAINTS["muted"], alpha=0.14, linewidth=0)
        for one in stages:
            axes.fill_between(frequencies, one.low, one.high, color=color(one.look), alpha=0.22, linewidth=0)
            axes.plot(frequencies, one.middle, color=color(one.look), linestyle=one.look.dash, linewidth=1.7)
        axes.set_xlim(frequencies[0], frequencies[-1])
        axes.set_ylim(bottom=0)
        tick(axes.xaxis, 6)
        tick(axes.yaxis, 4)
        set_title(axes, title, lift=24.0)
        legend(axes, [(one.name, one.look) for one in stages], "lines")
        axes.set_xlabel("frequency (Hz)")
        axes.set_ylabel("share of power per Hz")
        return finish(axes, _spectra_in_words(title, frequencies, stages, band))


def _spectra_in_words(
    title: str, frequencies: Float[ndarray, " bin"], stages: Sequence[Quartiles], band: tuple[float, float] | None
) -> str:
    words = []
    for one in stages:
        peak = int(np.nanargmax(one.middle)) if np.isfinite(one.middle).any() else 0
        words.append(f"{one.name}: the median is largest at {thousandths(frequencies[peak])} Hz.")
    shaded = "" if band is None else f" The band from {band[0]:g} to {band[1]:g} Hz is shaded."
    return f"Line plot, {title}: share of power per Hz, over frequency. {' '.join(words)}{shaded}"
