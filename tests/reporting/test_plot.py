import re

import numpy as np
import pytest

from semantoks.reporting.figures.plot import PAINTS, apart, end_name, finish, plot, room_for_ends, row_plot
from semantoks.reporting.wording import clip, number
from semantoks.statistics.methods import method_look


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1200.0, "1,200"), (-0.5, "−0.5"), (0.00035, "0.00035"), (3e-5, "3e−5"), (2.5e7, "2.5e7")],
)
def test_numbers_are_written_short_with_a_true_minus(value: float, words: str) -> None:
    assert number(value) == words


def test_names_at_line_ends_keep_their_order_and_never_touch() -> None:
    heights = apart(np.array([0.95, 0.93, 0.2, 0.94]), gap=0.1)
    assert heights.argsort().tolist() == [2, 1, 3, 0]
    assert np.diff(np.sort(heights)).min() > 0.1 - 1e-12
    assert heights.max() <= 1 + 1e-12


def test_a_name_is_cut_where_it_is_too_long_and_the_cut_is_marked() -> None:
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abcde…"


def test_methods_differ_in_more_than_their_colour() -> None:
    names = ("encoder", "fc", "fc+encoder", "random_weights", "motion", "finetuned", "roi")
    looks = [method_look(name) for name in names]
    assert len({(look.marker, look.filled) for look in looks}) == len(looks)


def test_the_first_label_is_on_top_and_the_longest_one_fits() -> None:
    labels = ["first", "encoder, attention readout", "x" * 90]
    with row_plot("rows", labels, 0.3, above=0.3) as axes:
        figure = axes.get_figure(root=True)
    assert figure is not None
    assert axes.transData.transform((0, 0))[1] > axes.transData.transform((0, 2))[1]
    room = axes.get_position().x0 * figure.get_figwidth() * 72
    widest = max(len(line) for text in axes.get_yticklabels() for line in text.get_text().splitlines())
    assert widest * 5.5 < room < 0.55 * figure.get_figwidth() * 72


def _dots(count: int) -> str:
    with plot("dots", (2.0, 2.0), (0.1, 0.1, 0.8, 0.8)) as axes:
        axes.plot(np.arange(count), np.arange(count) * 0.123456, "o", color=PAINTS["blue"])
        return finish(axes, "").svg


def test_a_marker_s_style_is_written_once_for_all_its_copies() -> None:
    svg = _dots(200)
    group = re.search(r'<g[^>]*style="([^"]*)">\s*((?:<use [^>]*/>\s*)+)</g>', svg)
    assert group is not None
    assert "var(--blue)" in group[1]
    assert group[2].count("<use") == 200
    assert "style" not in group[2]


def test_a_drawing_follows_the_page_s_colours_points_nowhere_and_is_always_the_same() -> None:
    svg = _dots(5)
    assert svg == _dots(5)
    assert "http" not in svg
    assert not re.findall(r"(?:fill|stroke): #", svg)
    assert not any(stand_in in svg for stand_in in PAINTS.values())


def test_a_name_at_the_end_of_a_line_has_room_and_is_not_cut() -> None:
    names = ["small-published", "masked reconstruction of FC", "tangent FC of the other view"]
    assert [end_name(name).replace("\n", " ") for name in names] == names
    assert max(len(line) for name in names for line in end_name(name).splitlines()) == 21
    assert room_for_ends(names) == room_for_ends(names[1:2]) > room_for_ends(names[:1])
