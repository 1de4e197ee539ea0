import re
import socket

import numpy as np
import pytest

from semantoks.reporting.figures.brain import draw_brain, outlines

pytestmark = pytest.mark.slow

PLACES = np.array([[-40.0, 20, 10], [40, 20, 10], [-30, -60, 0], [np.nan] * 3])
NETWORKS = ("Vis", "Vis", "Default", "Default")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
def test_a_brain_is_drawn_from_what_is_installed() -> None:
    outlines.cache_clear()
    drawn = draw_brain("k", "sex", PLACES, NETWORKS, {"Vis": 0.7, "Default": 0.6})
    assert drawn.alt == "Brain seen from left, above and right, sex. From high to low: Vis 0.7, Default 0.6."
    assert {"left", "above", "right", "0.6", "0.7"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", drawn.svg))
    assert drawn.svg.count("var(--muted)") >= 3
    assert not re.findall(r"(?:fill|stroke): #", drawn.svg)


def test_each_side_shows_its_own_hemisphere_and_unknown_places_are_left_out() -> None:
    svg = draw_brain("k", "sex", PLACES, NETWORKS, {"Vis": 0.7, "Default": 0.6}).svg
    assert svg.count("<use") == 2 + 3 + 1  # left, above, right


def test_the_best_network_is_darkest() -> None:
    svg = draw_brain("k", "sex", PLACES, NETWORKS, {"Vis": 0.7, "Default": 0.6}).svg
    left_vis, left_default, *_ = re.findall(r"<use [^>]*>", svg)
    assert "opacity" not in left_vis
    assert "fill-opacity: 0.12" in left_default


def test_networks_of_one_score_are_all_dark() -> None:
    svg = draw_brain("k", "sex", PLACES, NETWORKS, {"Vis": 0.7}).svg
    assert "0.12" not in "".join(re.findall(r"<use [^>]*>", svg))


def test_the_outlines_are_a_brain_in_millimetres() -> None:
    path, across, up = outlines()["l"]
    low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
    assert across[0] > across[1]  # from the left, the front is at the left
    assert -115 < low[0] < -90
    assert 60 < high[0] < 85
    assert min(up) < low[1] < high[1] < max(up)
