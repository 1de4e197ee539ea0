"""Figures of single predictions: which classes are taken for which, values against truth, and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy import ndarray

from semantoks.counted import plural
from semantoks.reporting.figures.plot import (
    DASHES,
    NARROW,
    PAINTS,
    Drawing,
    color,
    dots,
    finish,
    legend,
    plot,
    set_title,
    tick,
)
from semantoks.reporting.wording import clip, number, percent
from semantoks.statistics.methods import Look

MOST_NUMBERED = 8
"""Classes beyond which a confusion matrix is a heat map without numbers."""
MOST_DOTS = 400
Counts = Int[ndarray, "truth predicted"]


def draw_confusion(key: str, title: str, counts: Counts, classes: Sequence[str]) -> Drawing:
    """Draw how often each class (row) is taken for each (column); the shade is the share of the row."""
    numbered = len(classes) <= MOST_NUMBERED
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [clip(name, 12) for name in classes]
    longest, size = max(map(len, names)), 10 if numbered else 8
    left = 0.42 + 0.0078 * size * longest
    cell = (NARROW - left - 0.1) / len(classes)
    turned = 0.08 * longest > cell
    below = 0.4 + (0.0078 * size * longest if turned else 0.2)
    tall = min(cell, 0.55)
    height = 0.42 + tall * len(classes) + below
    box = (left / NARROW, below / height, cell * len(classes) / NARROW, tall * len(classes) / height)
    with plot(key, (NARROW, height), box, bare=True) as axes:
        whole = Rectangle((-0.5, -0.5), len(classes), len(classes), facecolor=PAINTS["grid"], alpha=0.4, linewidth=0)
        axes.add_patch(whole)
        for i, j in np.ndindex(counts.shape):
            _cell(axes, i, j, float(shares[i, j]), int(counts[i, j]), numbered)
        axes.set_xlim(-0.5, len(classes) - 0.5)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.set_xticks(range(len(classes)), names, fontsize=size, color=PAINTS["ink"], rotation=90 if turned else 0)
        axes.set_yticks(range(len(classes)), names, fontsize=size, color=PAINTS["ink"])
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        set_title(axes, title)
        return finish(axes, _confusion_in_words(title, shares, classes))


def _cell(axes: Axes, i: int, j: int, share: float, count: int, numbered: bool) -> None:
    if share:
        alpha = 0.05 + (0.47 if numbered else 0.9) * share  # numbers must stay readable on it, in dark mode too
        axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, facecolor=PAINTS["blue"], alpha=alpha, linewidth=0))
    if numbered:
        ink = PAINTS["ink"]
        axes.text(j, i - 0.04, percent(share), ha="center", va="bottom", color=ink, fontweight="bold")
        axes.text(j, i + 0.06, f"{count:,}", ha="center", va="top", color=ink, fontsize=8)


def _confusion_in_words(title: str, shares: Float[ndarray, "truth predicted"], classes: Sequence[str]) -> str:
    right = ", ".join(f"{name} {percent(float(shares[i, i]))}" for i, name in enumerate(classes))
    wrong = shares - np.diag(np.diag(shares))
    i, j = divmod(int(wrong.argmax()), len(classes))
    worst = (
        f" Most often mistaken: {classes[i]} for {classes[j]}, {percent(float(wrong[i, j]))}." if wrong.any() else ""
    )
    return f"Confusion matrix, {title}. Correct: {right}.{worst}"


def draw_scatter(
    key: str,
    title: str,
    truth: Float[ndarray, " row"],
    predicted: Float[ndarray, " row"],
    look: Look,
    axes_words: tuple[str, str] = ("true value", "predicted"),
    unit: str = "person",
) -> Drawing:
    """Draw predicted against true values, one dot per row, with the line on which a prediction is right."""
    ends = (float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max())))
    with plot(key, (NARROW, 2.9), (0.15, 0.175, 0.81, 0.6)) as axes:
        _draw_diagonal(axes, ends)
        markers, *_ = axes.plot(truth, predicted, linestyle="none", marker=look.marker, color=color(look), alpha=0.5)
        markers.set(markersize=3.6, markeredgewidth=0)
        set_title(axes, title, above=axes_words[1], lift=27.0)
        axes.set_xlabel(axes_words[0])
        runs = [f"{number(float(x.min()))} to {number(float(x.max()))}" for x in (truth, predicted)]
        words = f"{title}: {plural(len(truth), unit)}. True values run from {runs[0]}, predictions from {runs[1]}."
        return finish(axes, f"Scatter plot, {words}")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A method's calibration, bin by bin: what it predicts, and what is observed.

    Either its confidence and the share that is right, or the mean predicted and the mean true value.
    """

    name: str
    look: Look
    predicted: Float[ndarray, " bin"]
    observed: Float[ndarray, " bin"]


def draw_calibration(
    key: str, title: str, across: str, upright: str, curves: Sequence[Calibration], ends: tuple[float, float]
) -> Drawing:
    """Draw what is observed against what a method predicts, with the line (between ``ends``) on which both agree."""
    with plot(key, (NARROW, 2.9), (0.17, 0.175, 0.79, 0.61)) as axes:
        _draw_diagonal(axes, ends)
        words = []
        for one in curves:
            axes.plot(one.predicted, one.observed, linewidth=1.4, **dots(one.look, 5.0))
            pairs = zip(one.predicted, one.observed, strict=True)
            words.append(f"{one.name}: {', '.join(f'{_rounded(y)} at {_rounded(x)}' for x, y in pairs)}.")
        set_title(axes, title, lift=24.0)
        legend(axes, [(one.name, one.look) for one in curves])
        axes.set_xlabel(across)
        axes.set_ylabel(upright)
        return finish(axes, f"Calibration, {title}: {upright}, by {across}. {' '.join(words)}")


def _rounded(value: float) -> str:
    return number(float(f"{value:.3g}"))


def _draw_diagonal(axes: Axes, ends: tuple[float, float]) -> None:
    """Draw the line on which both axes are equal, and round numbers on both."""
    axes.plot(ends, ends, color=PAINTS["muted"], linewidth=1, linestyle=DASHES)
    tick(axes.xaxis, 5)
    tick(axes.yaxis, 5)
