import re
from math import nan

import pytest

from semantoks.reporting.figures.scores import Estimate, Line, Mark, draw_bars, draw_lines, draw_rows
from semantoks.statistics.methods import Look

BLUE, ORANGE = Look(paint="blue"), Look(paint="orange", marker="s", hatch="////")


def segments(svg: str, paint: str) -> list[tuple[float, float, float, float]]:
    """The straight two-point lines of a colour: x and y of both ends."""
    number = r"(-?[\d.]+)"
    found = re.findall(rf'd="M {number} {number} L {number} {number}\s*"[^>]*style="[^"]*stroke: var\(--{paint}\)', svg)
    return [tuple(map(float, ends)) for ends in found]  # type: ignore[misc]


def test_an_interval_reaches_from_low_to_high_and_the_mark_lies_where_it_says() -> None:
    one = Estimate(name="encoder", value=0.5, low=0.4, high=0.7, look=BLUE)
    two = Estimate(name="FC", value=0.6, low=0.5, high=0.6, look=ORANGE)
    rows = [("encoder", [one]), ("FC", [two])]
    drawn = draw_rows("k", "sex", "score", rows, [Mark(name="chance", value=0.4, paint="deep")])
    (left, _, right, _), (start, _, end, _) = *segments(drawn.svg, "blue"), *segments(drawn.svg, "orange")
    ((mark, _, _, _),) = segments(drawn.svg, "deep")
    per_unit = (right - left) / 0.3
    assert (end - start) / per_unit == pytest.approx(0.1, abs=0.002)
    assert (start - left) / per_unit == pytest.approx(0.1, abs=0.002)
    assert mark == pytest.approx(left, abs=0.2)


def test_rows_are_described_in_words_with_their_intervals_and_the_marks() -> None:
    one = Estimate(name="encoder", value=0.51234, low=0.4, high=0.7, look=BLUE)
    two = Estimate(name="FC", value=-0.25, look=ORANGE)
    drawn = draw_rows("k", "T", "score", [("sex", [one, two])], [Mark(name="chance", value=0.5)])
    assert drawn.alt == ("Dot plot, T: score. sex: encoder 0.512 (0.4 to 0.7), FC −0.25. Dashed line: chance 0.5.")
    assert "score (dashed: chance = 0.5)" in drawn.svg


def test_a_dumbbell_s_estimates_share_a_line() -> None:
    values = [Estimate(name=name, value=v, look=BLUE) for name, v in (("a", 0.1), ("b", 0.9), ("c", nan))]
    svg = draw_rows("k", "T", "score", [("x", values)], joined=True).svg
    heights = {y for _, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="[^"]*--blue', svg)}
    assert len(heights) <= 2  # the row's, and the legend's


def test_bars_begin_at_chance() -> None:
    rows = [("Vis", [Estimate(name="encoder", value=0.7, look=BLUE), Estimate(name="FC", value=0.4, look=ORANGE)])]
    drawn = draw_bars("k", "T", "score", rows, [Mark(name="chance", value=0.5, paint="deep")])
    ((chance, _, _, _),) = segments(drawn.svg, "deep")
    up, down = re.findall(r'd="M ([\d.]+) [\d.]+ L ([\d.]+) [\d.]+ L [^"]*" clip-path', drawn.svg)
    assert float(up[0]) == pytest.approx(chance, abs=0.2)
    assert float(down[0]) == pytest.approx(chance, abs=0.2)
    assert float(up[1]) - chance == pytest.approx(2 * (chance - float(down[1])), abs=0.3)
    assert drawn.alt.startswith("Bar chart, T: score. Vis: encoder 0.7, FC 0.4.")


def test_amounts_of_data_are_spaced_by_their_logarithm() -> None:
    one = Line(name="encoder", amounts=[50.0, 100.0, 400.0], values=[0.5, 0.6, 0.7], sds=[0.1, 0.1, nan], look=BLUE)
    drawn = draw_lines("k", "sex", "score", "people", [one], marks=[Mark(name="chance", value=0.5)])
    places = [float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)"[^>]*/>', drawn.svg)][-3:]
    assert (places[2] - places[1]) == pytest.approx(2 * (places[1] - places[0]), abs=0.3)
    assert {"50", "100", "400", "people (dashed: chance = 0.5)"} <= set(
        re.findall(r"<text[^>]*>([^<]*)</text>", drawn.svg)
    )
    assert drawn.alt == "Line plot, sex: score, over people (dashed: chance = 0.5). encoder: 0.5 at 50, 0.7 at 400."


def test_a_curve_of_one_point_is_drawn() -> None:
    one = Line(name="encoder", amounts=[50.0], values=[0.5], sds=[nan], look=BLUE)
    assert "<use" in draw_lines("k", "sex", "score", "people", [one]).svg
