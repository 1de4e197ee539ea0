"""The figure of ``benchmarks.nulls``: p-values without an effect, power, and what motion does."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import beta

ALPHA = 0.05
"""Below it a p-value counts."""
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#555555"
"""Of Okabe and Ito: told apart without colour vision."""


def draw(
    null: pd.DataFrame, dealt: pd.DataFrame, pairs: pd.DataFrame, power: pd.DataFrame, motion: pd.DataFrame, path: Path
) -> None:
    """Draw the p-values against the uniform distribution, the power curves and the scores with and without motion."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_uniformity(left, null, dealt, pairs)
    _draw_power(middle, power)
    _draw_motion(right, motion)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_uniformity(axes: Axes, null: pd.DataFrame, dealt: pd.DataFrame, pairs: pd.DataFrame) -> None:
    places = np.arange(1, len(null) + 1)
    band = beta.ppf([[0.025], [0.975]], places, places[::-1])
    axes.fill_between(places / (len(null) + 1), *band, color="0.85", label=f"95 % of {len(null)} uniform ones")
    lines = {
        "permutation null": (dealt["p"], BLUE, "-"),
        "… twins as blocks": (pairs["as blocks"], BLUE, ":"),
        "… twins as strangers": (pairs["as strangers"], GREY, ":"),
        "paired permutation": (null["p_flip"], ORANGE, "-"),
        "… overlap ignored": (null["p_flip_alone"], ORANGE, ":"),
        "corrected t": (null["p_t"], GREEN, "--"),
    }
    for name, (p, colour, style) in lines.items():
        axes.plot(np.arange(1, len(p) + 1) / (len(p) + 1), np.sort(p), style, color=colour, label=name, linewidth=1.6)
    axes.set(xlabel="p-value expected, uniform", ylabel="p-value found", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title("p-values without an effect")
    axes.legend(frameon=False, fontsize=7.5, loc="upper left", borderaxespad=0.2)


def _draw_power(axes: Axes, power: pd.DataFrame) -> None:
    lines = {
        "permutation null: p < 0.05": ("p_null", BLUE, "o-"),
        "higher than fc": ("higher", ORANGE, "s-"),
        "lower than fc": ("lower", GREY, "x:"),
    }
    for name, (column, colour, style) in lines.items():
        axes.plot(power["effect"], power[column], style, color=colour, label=name, linewidth=1.8, markersize=5)
    axes.axhline(ALPHA, color="0.6", linewidth=0.8, linestyle="--")
    axes.annotate(f"{ALPHA}", (power["effect"].max(), ALPHA), ha="right", va="bottom", fontsize=8, color="0.4")
    axes.set(xlabel="planted effect, sd of each feature", ylabel="share of runs", ylim=(-0.02, 1.02))
    axes.set_title("A planted effect is found")
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.02, 0.06))


def _draw_motion(axes: Axes, motion: pd.DataFrame) -> None:
    cases = list(dict.fromkeys(motion["case"]))
    for place, case in enumerate(cases):
        each = motion[motion["case"] == case]
        for shift, name, colour, marker in ((-0.14, "features", BLUE, "o"), (0.14, "deconfounded", ORANGE, "s")):
            where = place + shift + np.linspace(-0.06, 0.06, len(each))
            rejected = (each["p " + name] < ALPHA).mean()
            axes.plot(where, each[name], marker, color=colour, markersize=3, label=None if place else name)
            axes.annotate(f"{rejected:.0%}", (place + 1.6 * shift, 1.03), ha="center", fontsize=9, color=colour)
    axes.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--")
    axes.text(
        0.02, 0.95, "runs in which the confounder test rejects:", transform=axes.transAxes, fontsize=9, color="0.3"
    )
    axes.set_xticks(range(len(cases)), [name.replace("; ", "\n") for name in cases], fontsize=9)
    axes.set(
        ylabel="balanced accuracy", xlim=(-0.5, 2.5), ylim=(0.35, 1.15), yticks=[0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    )
    axes.set_title("Head motion as the label")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
