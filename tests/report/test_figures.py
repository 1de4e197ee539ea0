import re

import numpy as np
import pandas as pd
import pytest
from simulated_run import metrics_table, scores_table

from semantoks.report.compare import by_split
from semantoks.report.figures import PAINTS, _apart, draw_curves, draw_scores, number, smooth, thin
from semantoks.report.panels import COLLAPSE, LOSS, MACHINE, SCHEDULES, Curve, Panel

NAMES = {m: m for m in ("encoder", "fc+encoder", "fc", "random_weights", "motion")}


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


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1200.0, "1,200"), (-0.5, "−0.5"), (0.00035, "0.00035"), (3e-5, "3e−5"), (2.5e7, "2.5e7")],
)
def test_numbers_are_written_short_with_a_true_minus(value: float, words: str) -> None:
    assert number(value) == words


def test_names_at_line_ends_keep_their_order_and_never_touch() -> None:
    heights = _apart(np.array([0.95, 0.93, 0.2, 0.94]), gap=0.1)
    assert heights.argsort().tolist() == [2, 1, 3, 0]
    assert np.diff(np.sort(heights)).min() > 0.1 - 1e-12
    assert heights.max() <= 1 + 1e-12


@pytest.mark.parametrize("panel", [*LOSS, *COLLAPSE, *SCHEDULES, *MACHINE], ids=lambda panel: panel.key)
def test_each_training_figure_has_title_axis_words_and_names_as_text(panel: Panel) -> None:
    drawn = draw_curves(panel, metrics_table(120, 120))
    assert drawn is not None
    svg, alt = drawn
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {panel.title, panel.axis, "step"} <= set(texts)
    assert {curve.label for curve in panel.curves if curve.label} <= set(texts)
    assert alt.startswith(f"Line plot, {panel.title}: {panel.axis}, over steps.")


def test_the_description_says_where_a_curve_starts_and_ends() -> None:
    table = pd.DataFrame({"step": [1.0, 2.0, 3.0], "loss": [-1.0, -1.2, -1.5]})
    drawn = draw_curves(LOSS[0], table)
    assert drawn is not None
    assert drawn[1].endswith("loss: −1 at step 1, −1.5 at step 3.")


def test_figures_follow_the_page_colours_and_carry_no_fixed_ones() -> None:
    drawn = draw_curves(LOSS[1], metrics_table(120, 120))
    assert drawn is not None
    assert set(re.findall(r"var\(--(\w+)\)", drawn[0])) == {"ink", "muted", "grid", "blue", "orange", "green"}
    assert not any(stand_in in drawn[0] for stand_in in PAINTS.values())
    assert not re.findall(r"(?:fill|stroke): #", drawn[0])


def test_a_figure_is_the_same_every_time_and_points_nowhere() -> None:
    table = metrics_table(120, 120)
    first, second = draw_curves(LOSS[0], table), draw_curves(LOSS[0], table)
    assert first == second
    assert first is not None
    assert "http" not in first[0]


def test_a_panel_without_values_is_not_drawn() -> None:
    assert draw_curves(COLLAPSE[0], pd.DataFrame()) is None
    only_bound = pd.DataFrame({"step": [1.0], "coding_rate_max": [1.9]})
    assert draw_curves(COLLAPSE[0], only_bound) is None


def test_one_step_is_drawn_as_a_dot() -> None:
    panel = Panel(key="x", title="X", axis="x", caption="", curves=(Curve(column="loss"),), from_zero=True)
    drawn = draw_curves(panel, pd.DataFrame({"step": [1.0], "loss": [0.0]}))
    assert drawn is not None
    assert "<use" in drawn[0]


def test_scores_are_drawn_one_dot_a_split_with_method_names() -> None:
    table = by_split(scores_table(splits=7), "sex", "balanced_accuracy")[list(NAMES)]
    svg, alt = draw_scores(table, "sex", "balanced accuracy", NAMES, 0.5)
    dots = re.findall(r"<use [^>]*var\(--blue\)", svg)
    assert len(dots) == 7
    assert {"sex, split by split", *NAMES} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    assert f"encoder: mean {table['encoder'].mean():.3g} over 7 splits." in alt
    assert "dashed: chance, 0.5" in svg


def test_a_target_name_is_neither_markup_nor_mathematics() -> None:
    table = by_split(scores_table(splits=3), "sex", "balanced_accuracy")[list(NAMES)]
    svg, _ = draw_scores(table, "<script>$x^2$", "balanced accuracy", NAMES, None)
    assert "<script>" not in svg
    assert "&lt;script&gt;$x^2$" in svg
