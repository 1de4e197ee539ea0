import re

import numpy as np
import pandas as pd
import pytest
from simulated_run import metrics_table

from semantoks.curves import Curve, Panel
from semantoks.objective.self_distillation import CURVES as OF_THE_OBJECTIVE
from semantoks.reporting.figures.training import draw_curves, smooth, thin
from semantoks.train.monitor import CURVES as OF_THE_TRAINER

PANELS = {panel.key: panel for panel in (*OF_THE_TRAINER, *OF_THE_OBJECTIVE)}


def test_thinning_keeps_both_ends_and_every_peak() -> None:
    rng = np.random.default_rng(0)
    values = pd.Series(rng.normal(size=40_000), index=np.arange(1.0, 40_001.0))
    values.iloc[12_345], values.iloc[30_001] = 99.0, -99.0
    kept = thin(values)
    assert 900 <= len(kept) <= 1002
    assert (kept.index[0], kept.index[-1]) == (1.0, 40_000.0)
    assert (kept.max(), kept.min()) == (99.0, -99.0)
    assert kept.index.is_monotonic_increasing
    assert (values[kept.index] == kept).all()


def test_a_short_curve_is_not_thinned() -> None:
    values = pd.Series(np.arange(1000.0))
    assert thin(values) is values


def test_smoothing_averages_over_a_centred_window_and_keeps_a_line_straight() -> None:
    line = pd.Series(np.arange(300.0))
    assert smooth(line)[5:-5].to_numpy() == pytest.approx(line[5:-5].to_numpy())
    noisy = pd.Series(np.random.default_rng(0).normal(size=300))
    naive = [np.mean(noisy[max(0, i - 5) : i + 6]) for i in range(300)]
    assert smooth(noisy).to_numpy() == pytest.approx(np.array(naive))


@pytest.mark.parametrize("panel", PANELS.values(), ids=lambda panel: panel.key)
def test_each_training_figure_has_title_axis_words_and_names_as_text(panel: Panel) -> None:
    drawn = draw_curves(panel, metrics_table(120, 120))
    assert drawn is not None
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn.svg)
    assert {panel.title, panel.axis, "step"} <= set(texts)
    assert {curve.label for curve in panel.curves if curve.label} <= set(texts)
    assert drawn.alt.startswith(f"Line plot, {panel.title}: {panel.axis}, over steps.")


def test_the_description_says_where_a_curve_starts_and_ends() -> None:
    table = pd.DataFrame({"step": [1.0, 2.0, 3.0], "loss": [-1.0, -1.2, -1.5]})
    drawn = draw_curves(PANELS["loss"], table)
    assert drawn is not None
    assert drawn.alt.endswith("loss: −1 at step 1, −1.5 at step 3.")


def test_a_panel_without_values_is_not_drawn() -> None:
    assert draw_curves(PANELS["coding_rate"], pd.DataFrame()) is None
    only_bound = pd.DataFrame({"step": [1.0], "coding_rate_max": [1.9]})
    assert draw_curves(PANELS["coding_rate"], only_bound) is None


def test_one_step_is_drawn_as_a_dot() -> None:
    panel = Panel(
        key="x", section="loss", title="X", axis="x", caption="", curves=(Curve(column="loss"),), from_zero=True
    )
    drawn = draw_curves(panel, pd.DataFrame({"step": [1.0], "loss": [0.0]}))
    assert drawn is not None
    assert "<use" in drawn.svg
