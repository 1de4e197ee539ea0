import base64
import io
import re

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from semantoks.atlas.atlas import Atlas
from semantoks.reporting.figures.cohort import draw_motion, draw_spectra, draw_trace, quartiles_of
from semantoks.reporting.figures.images import (
    LEVELS,
    MOST_NAMES,
    NetworkOrder,
    by_network,
    diverging,
    draw_carpet,
    draw_matrix,
    grey,
    lay_below,
    levels,
    png,
    shrink,
)
from semantoks.reporting.figures.plot import Drawing
from semantoks.reporting.figures.scores import Mark
from semantoks.statistics.methods import Look

ATLAS = Atlas(name="tiny", labels=("a", "b", "c", "d", "e"), networks=("Vis", "Default", "Vis", "Default", "Vis"))
GATES = [Mark(name="flagged above 0.3", value=0.3), Mark(name="left out above 0.5", value=0.5)]


def image_of(svg: str, number: int = 0) -> np.ndarray:
    """The pixels (0 to 255, rgba) of an image of a drawing."""
    found = re.findall(r'href="data:image/png;base64,([^"]*)"', svg)
    return np.rint(255 * matplotlib.image.imread(io.BytesIO(base64.b64decode(found[number])))).astype(int)


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def widths(svg: str, paint: str) -> int:
    return svg.count(f"fill: var(--{paint})")


def test_an_image_reads_back_as_the_colours_of_its_palette() -> None:
    numbered = np.arange(LEVELS + 1, dtype=np.uint8).reshape(8, 8)
    for palette in (grey(), diverging()):
        pixels = np.rint(255 * matplotlib.image.imread(io.BytesIO(png(numbered, palette)))).astype(int)
        assert (pixels == palette[numbered]).all()


def test_values_are_numbered_evenly_and_beyond_the_limit_they_stay_at_the_end() -> None:
    values = np.array([[-9.0, -2.0, 0.0, 1.0, 2.0, 9.0, np.nan, np.inf]])
    assert levels(values, 2.0).tolist() == [[0, 0, 31, 46, 62, 62, LEVELS, LEVELS]]


def test_grey_means_the_same_on_every_page_and_zero_has_the_page_s_colour() -> None:
    assert (grey()[:LEVELS, 3] == 255).all()
    assert (np.diff(grey()[:LEVELS, 0].astype(int)) > 0).all()
    assert diverging()[LEVELS // 2, 3] == 0
    assert (np.diff(diverging()[LEVELS // 2 : LEVELS, 3].astype(int)) > 0).all()
    assert all(0 < palette[LEVELS, 3] < 255 for palette in (grey(), diverging()))


def test_shrinking_averages_neighbours_and_leaves_what_is_not_known_out() -> None:
    values = np.arange(24.0).reshape(4, 6)
    values[0, 0] = values[2, 4] = np.nan
    values[0, 2:4] = np.nan
    small = shrink(values, 3)
    assert small.shape == (3, 3)
    assert small[0] == pytest.approx([1.0, np.nan, 4.5], nan_ok=True)
    assert small[1] == pytest.approx([6.5, 8.5, 10.5])
    assert small[2] == pytest.approx([(15 + 16) / 2, (17 + 18) / 2, (22 + 20) / 2])
    assert shrink(values, 6) is values


def test_an_image_lies_exactly_where_the_axes_are() -> None:
    figure = Figure(figsize=(4, 2))
    axes = figure.add_axes((0.25, 0.1, 0.5, 0.6))
    svg = lay_below(Drawing(svg='<svg viewBox="0 0 288 144"></svg>', alt=""), axes, np.zeros((2, 2)), grey()).svg
    assert re.search(
        r'<svg [^>]*>\n<image x="72.0" y="43.2" width="144.0" height="86.4" preserveAspectRatio="none"', svg
    )
    assert "pixelated" in svg
    assert "pixelated" not in lay_below(Drawing(svg="<svg>", alt=""), axes, np.zeros((2, 300)), grey()).svg


def test_rois_are_ordered_by_network_and_keep_their_order_within() -> None:
    bands = by_network(ATLAS)
    assert bands.order.tolist() == [0, 2, 4, 1, 3]
    assert (bands.names, bands.ends.tolist()) == (("Vis", "Default"), [3, 5])
    assert bands.middles == pytest.approx([0.3, 0.8])


def test_a_carpet_has_a_row_an_roi_and_a_column_a_frame() -> None:
    series = np.array([[-2.0, 0.0, 2.0, 1.0, 0.0], [2.0, 0.0, -2.0, 1.0, 0.0]], dtype=np.float32)
    missing, good = np.array([False, True, False, False, False]), np.array([True, False])
    drawn = draw_carpet("c", "Most motion", series, missing, good, 2.0, by_network(ATLAS))
    steps = np.array([[0, 62], [62, 0], [31, 31], [LEVELS, LEVELS], [46, 46]])
    assert (image_of(drawn.svg, 1) == grey()[steps]).all()
    assert (image_of(drawn.svg) == grey()[:LEVELS]).all()
    assert {"Most motion", "Vis", "Default", "minutes", "standard deviations from the ROI's mean"} <= set(
        texts(drawn.svg)
    )
    assert widths(drawn.svg, "orange") == 1
    assert "4 ROIs with signal of 5" in drawn.alt
    assert "Vis (3 ROIs), Default (2 ROIs). 1 of 2 frames are censored." in drawn.alt


def test_a_carpet_without_censored_frames_has_no_marks() -> None:
    drawn = draw_carpet(
        "c", "x", np.zeros((4, 5), np.float32), np.zeros(5, bool), np.ones(4, bool), 2.0, by_network(ATLAS)
    )
    assert widths(drawn.svg, "orange") == 0


def test_a_matrix_is_ordered_by_network_and_its_scale_holds_nearly_all_of_it() -> None:
    values = np.outer([1.0, 0, -1, 0, 0], [0.4, 0, 0.4, 0, 0])
    np.fill_diagonal(values, np.nan)
    drawn = draw_matrix("m", "Mean correlation", values, by_network(ATLAS))
    expected = levels(values[np.ix_([0, 2, 4, 1, 3], [0, 2, 4, 1, 3])], 0.4)
    assert (image_of(drawn.svg, 1) == diverging()[expected]).all()
    assert (image_of(drawn.svg) == diverging()[:LEVELS]).all()
    assert {"−0.4", "0.4", "Vis", "Default", "Pearson correlation r"} <= set(texts(drawn.svg))
    assert drawn.alt.startswith("Matrix of 5 by 5 correlations, Mean correlation, ordered by network: Vis (3 ROIs)")


def test_where_not_all_names_of_networks_fit_the_largest_are_written() -> None:
    sizes = np.r_[np.full(60, 2), 40]
    bands = NetworkOrder(order=np.arange(160), names=tuple(f"net {n}" for n in range(61)), ends=np.cumsum(sizes))
    drawn = draw_carpet("c", "x", np.zeros((9, 160), np.float32), np.zeros(160, bool), np.ones(9, bool), 2.0, bands)
    written = [text for text in texts(drawn.svg) if text.startswith("net ")]
    assert "net 60" in written
    assert len(written) == MOST_NAMES
    assert "and 41 more" in drawn.alt


def test_a_histogram_has_a_bar_for_each_filled_bin_and_a_line_for_each_gate() -> None:
    drawn = draw_motion("h", "Mean FD", np.array([0.11, 0.112, 0.15, 0.31]), GATES)
    corner = r"(?:[ML] )?([\d.]+) ([\d.]+) "
    bars = re.findall(rf'd="{3 * corner}[^"]*"[^>]*style="fill: var\(--blue\)', drawn.svg)
    tall = {float(bar[0]): abs(float(bar[1]) - float(bar[5])) for bar in bars if bar[1] != bar[5]}
    inches = [72 * (0.45 + 3.4 * begin / 0.54) for begin in (0.1, 0.14, 0.3)]  # bars are 0.02 mm wide
    assert list(tall) == pytest.approx(inches, abs=0.2)
    first, *others = tall.values()
    assert [first / other for other in others] == pytest.approx([2, 2], rel=0.01)
    assert {"flagged above 0.3", "left out above 0.5", "recordings"} <= set(texts(drawn.svg))
    assert "Median 0.131 mm, quartiles 0.112 and 0.19, largest 0.31." in drawn.alt
    assert "1 of 4 are above the line “flagged above 0.3”. 0 of 4 are above the line “left out above 0.5”." in drawn.alt


def test_a_histogram_without_gates_or_with_one_far_recording_is_drawn() -> None:
    assert draw_motion("h", "x", np.array([0.0]), []).svg.startswith("<svg")
    assert draw_motion("h", "x", np.array([0.1, 60.0]), GATES).svg.startswith("<svg")


def test_a_trace_says_its_extremes_and_how_much_is_censored() -> None:
    fd = np.r_[np.nan, np.full(98, 0.1), 1.2]
    good = np.ones(40, dtype=bool)
    good[[3, 10, 11]] = False
    drawn = draw_trace("t", "Typical", fd, 0.8, good, 2.0, 1.3)
    assert {"Typical", "censored", "minutes", "FD (mm)"} <= set(texts(drawn.svg))
    assert drawn.alt.endswith("over 1.3 minutes. Median 0.1 mm, largest 1.2 mm. 8\u00a0% of its frames are censored.")
    assert "censored" not in texts(draw_trace("t", "Typical", fd, 0.8, np.ones(40, bool), 2.0, 1.3).svg)


def test_spectra_are_summed_up_by_quartiles_where_half_of_the_recordings_have_them() -> None:
    spectra = np.random.default_rng(0).random((9, 5)).astype(np.float32)
    spectra[:5, 3], spectra[:4, 4] = np.nan, np.nan
    found = quartiles_of("before", Look(), spectra)
    assert np.isnan(found.middle).tolist() == [False, False, False, True, False]
    for n in (0, 1, 2, 4):
        known = np.sort(spectra[np.isfinite(spectra[:, n]), n].astype(float))
        assert found.middle[n] == pytest.approx(np.median(known))
        assert (found.low[n], found.high[n]) == pytest.approx(tuple(np.quantile(known, (0.25, 0.75))))


def test_the_spectra_name_their_lines_their_peaks_and_the_band() -> None:
    frequencies = np.linspace(0, 0.25, 6)
    spreads = [quartiles_of(name, Look(), np.eye(6)[[peak]]) for name, peak in (("before", 1), ("after", 2))]
    drawn = draw_spectra("s", "Power", frequencies, spreads, (0.01, 0.1))
    assert {"before", "after", "frequency (Hz)", "share of power per Hz"} <= set(texts(drawn.svg))
    assert "before: the median is largest at 0.05 Hz. after: the median is largest at 0.1 Hz." in drawn.alt
    assert drawn.alt.endswith("The band from 0.01 to 0.1 Hz is shaded.")
    assert "shaded" not in draw_spectra("s", "Power", frequencies, spreads, None).alt


def test_every_picture_is_the_same_every_time_and_points_nowhere() -> None:
    series = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    rois = by_network(ATLAS)
    drawn = [draw_carpet("c", "x", series, np.zeros(5, bool), np.ones(30, bool), 2.0, rois).svg for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "http" not in drawn[0]
