import re

import numpy as np
import pytest

from semantoks.reporting.figures.predictions import Calibration, draw_calibration, draw_confusion, draw_scatter
from semantoks.statistics.methods import Look


def test_a_confusion_matrix_shows_counts_and_the_shares_of_its_rows() -> None:
    drawn = draw_confusion("k", "sex, FC", np.array([[30, 10], [1, 3]]), ["F", "M"])
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn.svg)
    assert [t for t in texts if "%" in t] == ["75\u00a0%", "25\u00a0%", "25\u00a0%", "75\u00a0%"]
    assert [t for t in texts if t.isdigit()] == ["30", "10", "1", "3"]
    assert drawn.alt == (
        "Confusion matrix, sex, FC. Correct: F 75\u00a0%, M 75\u00a0%. Most often mistaken: F for M, 25\u00a0%."
    )


def test_the_darkest_cell_of_a_row_is_its_largest_share() -> None:
    svg = draw_confusion("k", "sex", np.array([[3, 1], [2, 2]]), ["F", "M"]).svg
    shades = [float(a) for a in re.findall(r"fill: var\(--blue\); opacity: ([\d.]+)", svg)]
    assert shades[0] > shades[2] == shades[3] > shades[1]


def test_many_classes_make_a_heat_map_without_numbers() -> None:
    names = [f"site {n}" for n in range(9)]
    svg = draw_confusion("k", "site", 5 * np.eye(9, dtype=int), names).svg
    assert "%" not in re.sub(r"<path[^>]*>", "", svg)
    assert set(names) <= set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_a_class_of_nobody_is_no_error() -> None:
    assert "B 0\u00a0%" in draw_confusion("k", "x", np.array([[2, 0], [0, 0]]), ["A", "B"]).alt


def test_a_scatter_has_a_dot_for_each_person() -> None:
    truth = np.linspace(20.0, 60.0, 37)
    drawn = draw_scatter("k", "age, FC", truth, truth / 2, Look(paint="orange", marker="s"))
    assert len(re.findall("<use", re.sub(r"(?s)<g id.*?matplotlib.axis.*?</g>", "", drawn.svg))) >= 37
    assert drawn.alt == ("Scatter plot, age, FC: 37 people. True values run from 20 to 60, predictions from 10 to 30.")


def test_a_calibrated_method_lies_on_the_line() -> None:
    curve = Calibration(
        name="FC", look=Look(paint="orange"), predicted=np.array([0.5, 1.0]), observed=np.array([0.5, 1.0])
    )
    drawn = draw_calibration("k", "sex", "said", "so", [curve], (0.5, 1.0))
    number = r"(-?[\d.]+ -?[\d.]+)"
    lines = re.findall(rf'd="M {number} L {number}\s*"[^>]*stroke: var\(--(muted|orange)\)', drawn.svg)
    ends = {paint: (start, end) for start, end, paint in lines if paint == "orange"}
    assert ends["orange"] in [(start, end) for start, end, paint in lines if paint == "muted"]
    assert drawn.alt == "Calibration, sex: so, by said. FC: 0.5 at 0.5, 1 at 1."


@pytest.mark.parametrize("count", [2, 15])
def test_class_names_are_neither_markup_nor_mathematics(count: int) -> None:
    names = [f"<b>$x^{n}$" for n in range(count)]
    svg = draw_confusion("k", "<script>$y$", np.eye(count, dtype=int), names).svg
    assert "<b>" not in svg
    assert "<script>" not in svg
    assert "&lt;b&gt;$x^0$" in svg
