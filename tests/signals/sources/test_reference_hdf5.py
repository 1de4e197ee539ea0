import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source

ReadAll = Callable[..., list[Recording]]
WriteH5 = Callable[..., Path]
IDS = np.array([b"sub-A", b"B", b"A"])


@pytest.fixture
def rows(series: np.ndarray) -> np.ndarray:
    """Three recordings [n, roi, frame], the second two frames shorter by NaN padding."""
    rows = np.stack([series.T + 100 * i for i in range(3)])
    rows[1, :, 6:] = np.nan
    return rows


def test_rows_become_recordings_with_runs_counted(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, read_all: ReadAll
) -> None:
    recordings = read_all(write_h5({"timeseries/five": rows, "long_subject_id": IDS}))
    assert [(r.participant, r.session, r.run) for r in recordings] == [("A", "", "1"), ("B", "", "1"), ("A", "", "2")]
    assert np.array_equal(recordings[2].series, series + 200)
    assert np.array_equal(recordings[1].series, series[:6] + 100)


def test_a_first_roi_without_data_does_not_end_the_recording(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, read_all: ReadAll
) -> None:
    rows[:, 0] = np.nan
    recordings = read_all(write_h5({"timeseries/five": rows, "long_subject_id": IDS}))
    assert [len(r.series) for r in recordings] == [8, 6, 8]
    assert np.isnan(recordings[0].series[:, 0]).all()
    assert np.array_equal(recordings[0].series[:, 1:], series[:, 1:])


def test_the_stated_length_cuts_what_is_not_padded_with_nan(
    write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll
) -> None:
    recordings = read_all(write_h5({"timeseries/five": rows, "long_subject_id": IDS, "ts_len": [5, 7, 8]}))
    assert [len(r.series) for r in recordings] == [5, 6, 8]


def test_a_row_without_data_or_with_an_impossible_length_is_refused_alone(
    write_h5: WriteH5, rows: np.ndarray, atlas: Atlas
) -> None:
    rows[0] = np.nan
    path = write_h5({"timeseries/five": rows, "long_subject_id": IDS, "ts_len": [8, 9, 8]})
    source = open_source(path, atlas=atlas, tr=2.0, participants=None)
    empty, long, good = source.items()
    with pytest.raises(DataError, match="row 0: it has no frame with data"):
        source.read(empty)
    with pytest.raises(DataError, match="row 1: its stated length is 9 frames, but there is room for 8"):
        source.read(long)
    assert len(source.read(good).series) == 8


def test_the_published_parts_are_joined_and_an_absent_part_is_missing(write_h5: WriteH5) -> None:
    atlas = get_atlas("schaefer400+tian-s3+buckner7")
    cortex = np.arange(2 * 400 * 3, dtype=np.float32).reshape(2, 400, 3)
    deep = -np.arange(2 * 50 * 3, dtype=np.float32).reshape(2, 50, 3)
    path = write_h5({"timeseries/schaefer400": cortex, "timeseries/tian3": deep, "long_subject_id": [b"a", b"b"]})
    source = open_source(path, atlas=atlas, tr=2.0, participants=None)
    series = source.read(source.items()[1]).series
    assert series.shape == (3, 457)
    assert np.array_equal(series[:, :400], cortex[1].T)
    assert np.array_equal(series[:, 400:450], deep[1].T)
    assert np.isnan(series[:, 450:]).all()


def test_parts_go_where_their_labels_are_in_another_order_of_joining(write_h5: WriteH5) -> None:
    deep = np.random.default_rng(0).normal(size=(1, 16, 4)).astype(np.float32)
    seven = np.random.default_rng(1).normal(size=(1, 7, 4)).astype(np.float32)
    path = write_h5({"timeseries/tian1": deep, "timeseries/buckner7": seven, "long_subject_id": [b"a"]})
    source = open_source(path, atlas=get_atlas("buckner7+tian-s1"), tr=2.0, participants=None)
    series = source.read(source.items()[0]).series
    assert np.array_equal(series, np.concatenate([seven[0].T, deep[0].T], axis=1))


def test_networks_given_by_suffix_do_not_change_the_columns(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray
) -> None:
    path = write_h5({"timeseries/buckner7": np.ones((1, 7, 4)), "long_subject_id": [b"a"]})
    source = open_source(path, atlas=get_atlas("buckner7:one"), tr=2.0, participants=None)
    assert source.read(source.items()[0]).series.shape == (4, 7)


def test_the_only_dataset_is_taken_if_its_rois_are_as_many(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, read_all: ReadAll
) -> None:
    recordings = read_all(write_h5({"timeseries/mine": rows, "long_subject_id": IDS}))
    assert np.array_equal(recordings[0].series, series)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"timeseries/a": np.zeros((3, 5, 8)), "timeseries/b": np.zeros((3, 5, 8))}, r"contains a \[3, 5, 8\], b"),
        ({"timeseries/mine": np.zeros((3, 4, 8))}, r"no part of the atlas five \(5 ROIs\)"),
        ({"timeseries/five": np.zeros((3, 4, 8))}, r"= \[3, 5, 8\], and is \[3, 4, 8\]"),
        ({"timeseries/five": np.zeros((2, 5, 8))}, r"= \[3, 5, 8\], and is \[2, 5, 8\]"),
        ({"timeseries/five": {}}, "five has to be a 3-D array, and is a group or a broken link"),
        ({"timeseries/mine": {}}, "mine has to be a 3-D array, and is a group or a broken link"),
        ({"timeseries/five": h5py.SoftLink("/gone")}, "five has to be a 3-D array, and is a group or a broken link"),
        ({"timeseries/five": np.zeros(8)}, r"five has to be a 3-D array, and is of shape \(8,\)"),
        ({"timeseries/five": np.zeros((3, 5, 8)), "x": np.zeros(3, dtype="f4,i4")}, "x has to be text or whole"),
        ({"timeseries/five": np.zeros((3, 5, 8)), "ts_len": [[8], [8], [8]]}, r"ts_len .* is of shape \(3, 1\)"),
    ],
)
def test_datasets_that_do_not_fit_the_atlas_are_listed(
    write_h5: WriteH5, read_all: ReadAll, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_all(write_h5({**arrays, "long_subject_id": IDS}))


def test_a_file_without_ids_is_refused(write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll) -> None:
    with pytest.raises(DataError, match="no long_subject_id"):
        read_all(write_h5({"timeseries/five": rows}))


def test_labels_at_the_root_and_in_their_group_become_a_table(
    write_h5: WriteH5, rows: np.ndarray, atlas: Atlas
) -> None:
    arrays = {"age_5c": [20.0, 30.0, 20.0], "labels/sex": np.array([b"F", b"M", b"F"]), "grid": np.zeros((3, 2))}
    path = write_h5({"timeseries/five": rows, "long_subject_id": IDS, "ts_len": [8, 8, 8], **arrays})
    table = open_source(path, atlas=atlas, tr=2.0, participants=None).participants()
    assert table is not None
    assert table.to_dict("list") == {"participant_id": ["A", "B"], "age_5c": [20.0, 30.0], "sex": ["F", "M"]}


def test_labels_that_are_no_group_or_lead_nowhere_do_no_harm(write_h5: WriteH5, rows: np.ndarray, atlas: Atlas) -> None:
    arrays = {"timeseries/five": rows, "long_subject_id": IDS, "labels": 5, "gone": h5py.SoftLink("/nowhere")}
    assert open_source(write_h5(arrays), atlas=atlas, tr=2.0, participants=None).participants() is None


def test_labels_that_vary_within_a_participant_keep_one_row_a_run(
    write_h5: WriteH5, rows: np.ndarray, atlas: Atlas
) -> None:
    path = write_h5({"timeseries/five": rows, "long_subject_id": IDS, "age": [20, 30, 21]})
    table = open_source(path, atlas=atlas, tr=2.0, participants=None).participants()
    assert table is not None
    assert table.to_dict("list") == {"participant_id": ["A", "B", "A"], "run_id": ["1", "1", "2"], "age": [20, 30, 21]}


def test_the_repetition_time_is_never_taken_for_granted(write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll) -> None:
    path = write_h5({"timeseries/five": rows, "long_subject_id": IDS})
    with pytest.raises(ConfigError, match="no repetition time"):
        read_all(path, tr=None)
    table = pd.DataFrame({"participant_id": ["A", "B"], "tr": [1.5, 2.5]})
    assert [r.tr for r in read_all(path, tr=None, participants=table)] == [1.5, 2.5, 1.5]


def test_the_source_can_be_pickled_and_reads_the_same(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, atlas: Atlas
) -> None:
    path = write_h5({"timeseries/five": rows, "long_subject_id": IDS})
    source = pickle.loads(pickle.dumps(open_source(path, atlas=atlas, tr=2.0, participants=None)))
    assert np.array_equal(source.read(source.items()[0]).series, series)


def test_lengths_that_are_no_whole_numbers_and_ids_that_are_no_text_are_refused(
    write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll
) -> None:
    with pytest.raises(DataError, match="ts_len has to be whole numbers of frames"):
        read_all(write_h5({"timeseries/five": rows, "long_subject_id": IDS, "ts_len": [8.0, np.nan, 8.0]}))
    with pytest.raises(DataError, match="long_subject_id is not text in UTF-8"):
        read_all(write_h5({"timeseries/five": rows, "long_subject_id": np.array([b"\xff", b"b", b"c"])}))


def test_a_damaged_part_of_the_file_refuses_its_recording_alone(tmp_path: Path, rows: np.ndarray, atlas: Atlas) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("timeseries/five", data=rows, chunks=(1, 5, 8), fletcher32=True)
        file["long_subject_id"] = IDS
        chunk = file["timeseries/five"].id.get_chunk_info(1)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\x01\x02\x03\x04")
    source = open_source(path, atlas=atlas, tr=2.0, participants=None)
    first, damaged, last = source.items()
    with pytest.raises(DataError, match="row 1: it cannot be read from /timeseries/five, the file is damaged"):
        source.read(damaged)
    assert len(source.read(first).series) == len(source.read(last).series) == 8
