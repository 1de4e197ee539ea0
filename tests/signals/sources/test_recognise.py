from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.sources import find_participants, open_source
from semantoks.signals.sources.recognise import usual_atlas

WriteH5 = Callable[..., Path]


def kind(path: Path, atlas: Atlas, participants: pd.DataFrame | None = None) -> str:
    return open_source(path, atlas=atlas, tr=2.0, participants=participants).kind


def test_each_layout_is_recognised_by_its_content(tmp_path: Path, write_h5: WriteH5, atlas: Atlas) -> None:
    rows = np.ones((1, 5, 8))
    assert kind(write_h5({"timeseries/five": rows, "long_subject_id": [b"a"]}, "x.dat"), atlas) == "reference HDF5"
    assert kind(write_h5({"bold": rows, "participant_id": [b"a"]}), atlas) == "HDF5 array"
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "a.npy", rows[0])
    assert kind(tmp_path / "folder", atlas) == "folder of arrays"


def test_what_is_not_recognised_is_answered_with_what_was_looked_for(
    tmp_path: Path, write_h5: WriteH5, atlas: Atlas
) -> None:
    looked = r"Looked for: \(a\) a folder that XCP-D, .*\(d\) .*timeseries/<atlas>.*\(e\) .*bold \[n, roi, frame\]"
    (tmp_path / "note.pdf").write_text("x")
    with pytest.raises(DataError, match="is no source of recordings. " + looked):
        kind(tmp_path / "note.pdf", atlas)
    with pytest.raises(DataError, match=r"contains data \[2\], group/\. " + looked):
        kind(write_h5({"data": [1, 2], "group/x": [1]}), atlas)


def test_a_single_file_of_an_array_is_answered_with_its_folder(tmp_path: Path, atlas: Atlas) -> None:
    np.save(tmp_path / "a.npy", np.ones((8, 5)))
    with pytest.raises(DataError, match="It is one file: give its folder"):
        kind(tmp_path / "a.npy", atlas)
    (tmp_path / "list.tsv").write_text("file\tid\na.npy\t1\n")
    with pytest.raises(DataError, match=r"give its folder, or, if it is a list of files, give it the columns path and"):
        kind(tmp_path / "list.tsv", atlas)
    (tmp_path / "list.tsv").write_text("path\tid\na.npy\t1\n")
    with pytest.raises(DataError, match=r"list\.tsv has no column participant_id\. Expected path and participant_id"):
        kind(tmp_path / "list.tsv", atlas)


def test_nothing_at_the_path_is_said(tmp_path: Path, atlas: Atlas) -> None:
    with pytest.raises(DataError, match=r"there is no file or folder .*gone\.$"):
        kind(tmp_path / "gone", atlas)


def test_a_path_that_is_misspelt_is_answered_with_the_nearest_beside_it(tmp_path: Path, atlas: Atlas) -> None:
    (tmp_path / "xcp_d").mkdir()
    with pytest.raises(DataError, match=r"there is no file or folder .*xcp\. Did you mean 'xcp_d'\?"):
        kind(tmp_path / "xcp", atlas)


def test_an_empty_folder_is_not_asked_for_its_atlas(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is an empty folder: give the one that has the recordings"):
        usual_atlas(tmp_path)


def test_a_prepared_cohort_is_no_source(tmp_path: Path, atlas: Atlas) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "recordings.tsv").write_text("")
    with pytest.raises(DataError, match="a cohort that is prepared already"):
        kind(tmp_path, atlas)


def test_the_table_s_ids_are_tidied_before_use(tmp_path: Path, atlas: Atlas) -> None:
    np.save(tmp_path / "sub-7.npy", np.ones((8, 5)))
    table = pd.DataFrame({"subject_id": ["sub-7"], "tr": [1.25]})
    source = open_source(tmp_path, atlas=atlas, tr=None, participants=table)
    assert source.read(source.items()[0]).tr == 1.25


def test_the_participants_table_lies_in_the_folder_or_beside_the_file(tmp_path: Path) -> None:
    assert find_participants(tmp_path) is None
    (tmp_path / "data.h5").write_text("")
    (tmp_path / "participants.csv").write_text("")
    assert find_participants(tmp_path) == tmp_path / "participants.csv"
    assert find_participants(tmp_path / "data.h5") == tmp_path / "participants.csv"
    (tmp_path / "participants.tsv").write_text("")
    assert find_participants(tmp_path) == tmp_path / "participants.tsv"
    (tmp_path / "participants.tsv").unlink()
    (tmp_path / "participants.tsv").symlink_to(tmp_path / "not_fetched")
    assert find_participants(tmp_path) == tmp_path / "participants.tsv"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), r"It has no files at all\."),
        (
            ("sub-1_bold.nii.gz", "sub-2_bold.nii.gz"),
            r"It has 2 \.nii\.gz\. Images have to be averaged over ROIs first",
        ),
        (("a.dcm",), r"It has 1 \.dcm\. DICOM images have to be converted"),
        (("a.xlsx", "b.doc"), r"It has 1 \.xlsx, 1 \.doc\. Spreadsheets are not read: save them as \.csv"),
        (("a.tar.gz",), r"It has 1 \.tar\.gz\. Unpack the archives"),
        (("sub-1_confounds.tsv",), r"It has tables of confounds, motion, events and the like \(1\)\."),
        (tuple(f"a.{kind}" for kind in "bcdefg"), r"It has 1 \.b, 1 \.c, 1 \.d, 1 \.e and 2 other kinds\."),
    ],
)
def test_a_folder_without_recordings_says_what_lies_there_and_what_that_would_need(
    tmp_path: Path, atlas: Atlas, names: tuple[str, ...], said: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"has no recordings: looked in all its folders for .*\. " + said):
        kind(tmp_path, atlas)
