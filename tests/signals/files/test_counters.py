import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import in_atlas_order

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
