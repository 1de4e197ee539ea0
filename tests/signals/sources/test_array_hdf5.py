import os
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.phenotypes import read_participants
from semantoks.signals.recording import Recording
from semantoks.signals.sources import find_participants, open_source

ReadAll = Callable[..., list[Recording]]
WriteH5 = Callable[..., Path]
GROUP, LINK = {}, h5py.SoftLink("/gone")


@pytest.fixture
def rows(series: np.ndarray) -> np.ndarray:
    """Three recordings [n, roi, frame] in half precision, which holds these values."""
    return np.stack([series.T + 100 * i for i in range(3)]).astype(np.float16)


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("SEMANTOKS_REAL_DATA")
    if folder is None:
        pytest.skip("SEMANTOKS_REAL_DATA is not set")
    return Path(folder)


def test_rows_are_known_by_participant_and_cut_at_their_length(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, read_all: ReadAll
) -> None:
    ids = np.array([b"sub-0007", b"8", b"9"])
    recordings = read_all(write_h5({"bold": rows, "participant_id": ids, "length": [8, 6, 7], "roi_id": range(5)}))
    assert [(r.participant, r.session, r.run) for r in recordings] == [("0007", "", ""), ("8", "", ""), ("9", "", "")]
    assert [len(r.series) for r in recordings] == [8, 6, 7]
    assert np.array_equal(recordings[1].series, series[:6] + 100)


def test_padding_is_cut_without_a_length_too(write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll) -> None:
    rows[0, :, 5:] = np.nan
    recordings = read_all(write_h5({"bold": rows, "participant_id": np.array([b"a", b"b", b"c"])}))
    assert [len(r.series) for r in recordings] == [5, 8, 8]


def test_a_participant_that_comes_again_has_counted_runs(
    write_h5: WriteH5, rows: np.ndarray, atlas: Atlas, read_all: ReadAll
) -> None:
    ids, sessions = np.array([b"a", b"a", b"a"]), np.array([b"ses-1", b"ses-2", b"ses-2"])
    path = write_h5({"bold": rows, "participant_id": ids, "session_id": sessions})
    assert [(r.session, r.run) for r in read_all(path)] == [("1", ""), ("2", "1"), ("2", "2")]
    keys = [item.key for item in open_source(path, atlas=atlas, tr=2.0, participants=None).items()]
    assert keys == ["sub-a_ses-1", "sub-a_ses-2_run-1", "sub-a_ses-2_run-2"]


def test_scan_ids_are_looked_up_in_the_table_else_read_like_names(
    write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll
) -> None:
    path = write_h5({"bold": rows, "scan_id": np.array([b"x1", b"x2", b"sub-C_ses-9"])})
    table = pd.DataFrame({"scan_id": ["x2", "x1"], "participant_id": ["sub-B", "A"], "session": ["ses-1", "2"]})
    recordings = read_all(path, participants=table)
    assert [(r.participant, r.session) for r in recordings] == [("A", "2"), ("B", "1"), ("C", "9")]


def test_labels_bring_the_rois_into_order_and_leave_the_absent_missing(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, read_all: ReadAll
) -> None:
    names = np.array([b"Default", b"Thalamus", b"Vis_R", b"Vis_L"])
    path = write_h5({"bold": rows[:, [4, 3, 1, 0]], "participant_id": np.array([b"a", b"b", b"c"]), "roi_name": names})
    got = read_all(path)[0].series
    assert np.array_equal(got[:, [0, 1, 4]], series[:, [0, 1, 4]])
    assert np.isnan(got[:, [2, 3]]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"participant_id": None}, "no participant_id and no scan_id"),
        ({"participant_id": np.array([b"a", b"b"])}, "bold has 3 rows, but there are 2 ids"),
        ({"length": [8, 8]}, "bold has 3 rows, but there are 2 length"),
        (
            {"bold": np.zeros((3, 4, 8))},
            r"bold is \[3, 4, 8\] and has to be \[n, roi, frame\]; the atlas five has 5 ROIs\.$",
        ),
        ({"bold": np.zeros((3, 5))}, r"bold has to be a 3-D array, and is of shape \(3, 5\)"),
        ({"participant_id": GROUP}, "data.h5: participant_id has to be a 1-D array, and is a group or a broken link"),
        ({"participant_id": LINK}, "participant_id has to be a 1-D array, and is a group or a broken link"),
        ({"participant_id": 5}, r"participant_id has to be a 1-D array, and is of shape \(\)"),
        ({"participant_id": np.zeros((3, 2))}, r"is of shape \(3, 2\)"),
        ({"participant_id": np.zeros(3, dtype="f4,i4")}, "participant_id has to be text or whole numbers, not"),
        ({"participant_id": h5py.Empty("f4")}, "participant_id has to be a 1-D array, and is of shape None"),
        ({"length": np.array([b"8", b"8", b"8"])}, "length has to be whole numbers of frames"),
        ({"length": GROUP}, "length has to be a 1-D array"),
        ({"roi_name": GROUP}, "roi_name has to be a 1-D array"),
        ({"session_id": GROUP}, "session_id has to be a 1-D array"),
        ({"participant_id": None, "scan_id": GROUP}, "scan_id has to be a 1-D array"),
        ({"roi_name": np.array([b"Vis_L"])}, "bold has 5 ROIs, but there are 1 in roi_name"),
        ({"roi_name": np.array([b"a", b"b", b"c", b"d", b"e"])}, "none of its labels in roi_name"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_at_once(
    write_h5: WriteH5, rows: np.ndarray, read_all: ReadAll, change: dict[str, object], message: str
) -> None:
    arrays = {"bold": rows, "participant_id": np.array([b"a", b"b", b"c"]), **change}
    path = write_h5({name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(DataError, match=message):
        read_all(path)


def test_the_source_can_be_pickled_and_holds_no_open_file(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, atlas: Atlas
) -> None:
    path = write_h5({"bold": rows, "participant_id": np.array([b"a", b"b", b"c"])})
    source = pickle.loads(pickle.dumps(open_source(path, atlas=atlas, tr=2.0, participants=None)))
    assert np.array_equal(source.read(source.items()[0]).series, series)
    with h5py.File(path, "a") as file:  # refused by HDF5 if a reader still held it
        del file["bold"]


@pytest.mark.real
def test_abide_has_the_repetition_time_of_each_site(real: Path) -> None:
    path = real / "abide" / "abide_cc200.h5"
    found = find_participants(path)
    assert found is not None
    source = open_source(path, atlas=get_atlas("cc200"), tr=None, participants=read_participants(found))
    items = source.items()
    first = source.read(items[0])
    assert len(items) == 858
    assert (first.participant, first.site, first.tr, first.series.shape) == ("CMU_a_0050642", "CMU", 2.0, (236, 200))
    assert first.mean_fd == pytest.approx(0.387846805)


@pytest.mark.real
def test_stages_fills_400_of_the_published_457_rois(real: Path) -> None:
    path = real / "stages" / "stages_schaefer400_sub19.h5"
    found = find_participants(path)
    assert found is not None
    atlas = get_atlas("schaefer400+tian-s3+buckner7")
    source = open_source(path, atlas=atlas, tr=2.0, participants=read_participants(found))
    items = source.items()
    assert (len(items), len({item.participant for item in items})) == (92, 55)
    last = source.read(items[-1])
    with h5py.File(path) as file:
        assert np.array_equal(last.series[:, :400], file["bold"][91, :400].T.astype(np.float32), equal_nan=True)
    assert np.isnan(last.series[:, 400:]).all()
    assert (last.participant, last.session) == ("053", "2")


@pytest.mark.parametrize("name", ["roi_name", "labels", "roi_names"])
@pytest.mark.parametrize("tr", [0.8, [0.8], [0.8, 0.8, 2.5]])
def test_labels_and_the_repetition_time_beside_the_array_are_read(
    write_h5: WriteH5, rows: np.ndarray, series: np.ndarray, atlas: Atlas, read_all: ReadAll, name: str, tr
) -> None:
    order = [3, 0, 4, 2, 1]
    labels = np.array(atlas.labels)[order].astype("S")
    path = write_h5({"bold": rows[:, order], "participant_id": np.array([b"a", b"b", b"c"]), name: labels, "tr": tr})
    recordings = read_all(path, tr=None)
    assert [r.tr for r in recordings] == np.broadcast_to(tr, 3).tolist()
    assert np.array_equal(recordings[1].series, series + 100)
    with pytest.raises(DataError, match=r"--tr says 2 s, but tr of data\.h5 says 0\.8 s"):
        read_all(path, tr=2.0)
