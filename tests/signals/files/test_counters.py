from pathlib import Path

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.series_file import read_series

N = 8


def beside(series: np.ndarray, *columns: np.ndarray | float) -> np.ndarray:
    return np.column_stack([*(np.broadcast_to(column, len(series)) for column in columns), series])


@pytest.mark.parametrize(
    "counter",
    [
        np.arange(N),
        np.arange(N) + 1,
        np.arange(N) * 0.8,
        (np.arange(N) * 0.735).round(2),
        (np.arange(N) + 1) * 2.2,
        np.arange(N) * 735,
        np.arange(N) * 0.8 + 4,
    ],
)
def test_a_first_column_that_counts_frames_or_seconds_is_no_roi(atlas: Atlas, series: np.ndarray, counter) -> None:
    assert np.array_equal(in_atlas_order(beside(series, counter), atlas, where="f"), series)


@pytest.mark.parametrize("start", [0, 1])
def test_a_first_column_that_counts_the_rois_is_no_frame(atlas: Atlas, series: np.ndarray, start: int) -> None:
    got = in_atlas_order(beside(series.T, np.arange(5) + start), atlas, where="f")
    assert np.array_equal(got, series)


def test_a_first_row_of_times_is_no_roi(atlas: Atlas, series: np.ndarray) -> None:
    got = in_atlas_order(beside(series, np.arange(N) * 0.8).T, atlas, where="f")
    assert np.array_equal(got, series)


def test_frames_and_times_may_both_be_there(atlas: Atlas, series: np.ndarray) -> None:
    assert np.array_equal(in_atlas_order(beside(series, np.arange(N), np.arange(N) * 2.0), atlas, where="f"), series)


@pytest.mark.parametrize(
    "name",
    [
        "time",
        "Time (s)",
        "t",
        "TR",
        "frame",
        "Volume",
        "scan",
        "index",
        "Unnamed: 0",
        "",
        "time_point",
        "...1",
        "X",
        "Timestamps",
        "frame_times",
        "TR_number",
        "acq_time",
    ],
)
@pytest.mark.parametrize("counter", [np.arange(N), np.arange(N) * 0.8 + 0.4])
def test_a_column_that_is_called_so_and_rises_is_no_roi(
    atlas: Atlas, series: np.ndarray, name: str, counter: np.ndarray
) -> None:
    names = [name, *(f"ROI_{i}" for i in range(5))]
    assert np.array_equal(in_atlas_order(beside(series, counter), atlas, column_names=names, where="f"), series)
    turned = in_atlas_order(beside(series, counter).T, atlas, row_names=names, where="f")
    assert np.array_equal(turned, series)


def test_times_may_stand_last_where_they_are_named(atlas: Atlas, series: np.ndarray) -> None:
    names = [*(f"ROI_{i}" for i in range(5)), "time"]
    values = np.column_stack([series, np.arange(N) * 0.8])
    assert np.array_equal(in_atlas_order(values, atlas, column_names=names, where="f"), series)


def test_an_id_that_is_always_the_same_is_no_roi_and_several_are_several_recordings(
    atlas: Atlas, series: np.ndarray
) -> None:
    names = ["subject", *atlas.labels]
    assert np.array_equal(in_atlas_order(beside(series, 7), atlas, column_names=names, where="f"), series)
    with pytest.raises(
        DataError, match=r"f: its column 'subject' has 2 different values, so it has several recordings"
    ):
        in_atlas_order(beside(series, np.arange(N) // 4), atlas, column_names=names, where="f")


def test_an_roi_whose_signal_rises_stays(atlas: Atlas, series: np.ndarray) -> None:
    drifting = series.copy()
    drifting[:, 0] = np.arange(N) * 3.0 + 700
    assert np.array_equal(in_atlas_order(drifting, atlas, where="f"), drifting)
    assert np.array_equal(in_atlas_order(drifting, atlas, column_names=atlas.labels, where="f"), drifting)


def test_labelled_rows_and_columns_are_a_matrix(atlas: Atlas, series: np.ndarray) -> None:
    names = list(atlas.labels)
    with pytest.raises(DataError, match="f: its rows and columns have the same labels: it is a connectivity matrix"):
        in_atlas_order(series[:5], atlas, column_names=names, row_names=names, where="f")


KEPT = np.r_[0:2, 4:8]
"""Frames of a recording from which two are gone."""


@pytest.mark.parametrize("name", ["frame", "time", "Time (s)", "volume", "", "Unnamed: 0", "index", "tr"])
@pytest.mark.parametrize("step", [1, 2.0, 0.735, 735])
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_frames_that_a_counter_proves_missing_are_put_back(
    atlas: Atlas, series: np.ndarray, name: str, step: float, labelled: bool, turned: bool
) -> None:
    names = [name, *(atlas.labels if labelled else [f"ROI_{i}" for i in range(5)])]
    values = beside(series[KEPT], (KEPT * step).round(1 if step < 1 else 0))
    got = in_atlas_order(
        values.T if turned else values, atlas, where="f", **{"row_names" if turned else "column_names": names}
    )
    assert np.isnan(got).all(axis=1).tolist() == [False, False, True, True, False, False, False, False]
    assert np.array_equal(got[KEPT], series[KEPT])


@pytest.mark.parametrize("head", ["{}\t", "", "frame\t"])
def test_a_gap_in_the_index_of_a_file_is_a_gap(tmp_path: Path, atlas: Atlas, series: np.ndarray, head: str) -> None:
    lines = [head.format("") + "\t".join(atlas.labels)]
    lines += ["\t".join(map(str, [frame, *series[frame].tolist()])) for frame in KEPT]
    (tmp_path / "x.tsv").write_text("\n".join(lines) + "\n")
    got = read_series(tmp_path / "x.tsv", atlas)
    assert np.isnan(got).all(axis=1).tolist() == [False, False, True, True, False, False, False, False]
    assert np.array_equal(got[KEPT], series[KEPT])


def test_names_of_frames_that_count_prove_a_gap_too(atlas: Atlas, series: np.ndarray) -> None:
    got = in_atlas_order(
        series[KEPT], atlas, column_names=atlas.labels, row_names=[f"frame_{i}" for i in KEPT], where="f"
    )
    assert np.flatnonzero(np.isnan(got).all(axis=1)).tolist() == [2, 3]


def test_numbers_of_rois_may_skip_some(atlas: Atlas, series: np.ndarray) -> None:
    for name in ("label", "roi", "ROI_index", "index", ""):
        names = [name, *(f"t_{i}" for i in range(N))]
        values = beside(series.T, [2001, 2002, 2101, 2102, 2111])
        assert np.array_equal(in_atlas_order(values, atlas, column_names=names, where="f"), series)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": [0, 1, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]}, r"column 'time' goes from 1 to 2\.5, and its steps are of 1"),
        ({"frame": [0, 1, 2, 3, 4, 5, 6, 90]}, r"by its column 'frame', 83 frames are missing and 8 are there"),
        ({"": [0, 1, 2, 3, 4, 5, 6, 90]}, r"by its first column, which has no name, 83 frames"),
        (
            {"frame": [0, 1, 2, 3, 4, 5, 7, 8], "time": [0, 2, 4, 6, 8, 12, 14, 16]},
            r"columns 'frame' and 'time' disagree on which frames are missing",
        ),
    ],
)
def test_a_counter_that_cannot_be_right_is_refused(atlas: Atlas, series: np.ndarray, columns, message: str) -> None:
    values, names = beside(series, *map(np.array, columns.values())), [*columns, *atlas.labels]
    with pytest.raises(DataError, match=message):
        in_atlas_order(values, atlas, column_names=names, where="f")


def test_a_gap_beside_a_new_count_is_a_gap(atlas: Atlas, series: np.ndarray) -> None:
    values = beside(series[KEPT], np.arange(len(KEPT)), KEPT * 2.0)
    got = in_atlas_order(values, atlas, column_names=["frame", "time", *atlas.labels], where="f")
    assert np.flatnonzero(np.isnan(got).all(axis=1)).tolist() == [2, 3]
