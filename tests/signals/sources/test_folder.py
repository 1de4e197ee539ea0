import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source

ReadAll = Callable[..., list[Recording]]


def save(series: np.ndarray, *paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, series)


def names(recordings: list[Recording]) -> list[tuple[str, str, str]]:
    return [(r.participant, r.session, r.run) for r in recordings]


def test_every_format_gives_the_same_recording(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    for suffix, mark in ((".tsv", "\t"), (".csv", ","), (".txt", " "), (".1D", "\t")):
        np.savetxt(tmp_path / f"sub-{suffix[1:]}_bold{suffix}", series, delimiter=mark)
    np.save(tmp_path / "sub-npy_bold.npy", series)
    np.savez(tmp_path / "sub-npz_bold.npz", bold=series)
    scipy.io.savemat(tmp_path / "sub-mat_bold.mat", {"data": series})
    recordings = read_all(tmp_path)
    assert sorted(r.participant for r in recordings) == ["1D", "csv", "mat", "npy", "npz", "tsv", "txt"]
    for recording in recordings:
        assert np.array_equal(recording.series, series)
        assert recording.series.dtype == np.float32
        assert recording.tr == 2.0


@pytest.mark.parametrize("suffix", [".npy", ".tsv", ".mat"])
def test_roi_by_time_is_turned(tmp_path: Path, series: np.ndarray, read_all: ReadAll, suffix: str) -> None:
    if suffix == ".npy":
        np.save(tmp_path / "a.npy", series.T)
    elif suffix == ".tsv":
        np.savetxt(tmp_path / "a.tsv", series.T, delimiter="\t")
    else:
        scipy.io.savemat(tmp_path / "a.mat", {"x": series.T})
    assert np.array_equal(read_all(tmp_path)[0].series, series)


def test_a_labelled_header_reorders_and_marks_the_absent(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, read_all: ReadAll
) -> None:
    frame = pd.DataFrame(series, columns=list(atlas.labels))[["Default", "Vis_R", "Vis_L", "Mot_R"]]
    frame.assign(Cerebellum=1.0).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    got = read_all(tmp_path)[0].series
    assert np.array_equal(got[:, [0, 1, 3, 4]], series[:, [0, 1, 3, 4]])
    assert np.isnan(got[:, 2]).all()


def test_the_header_of_pcp_files_is_no_frame(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    np.savetxt(tmp_path / "CMU_a_1_rois_five.1D", series, delimiter="\t", header="1\t#2\t#3\t#4\t#5", comments="#")
    recording = read_all(tmp_path)[0]
    assert recording.participant == "CMU_a_1"
    assert np.array_equal(recording.series, series)


def test_rows_with_labels_are_rois(tmp_path: Path, series: np.ndarray, atlas: Atlas, read_all: ReadAll) -> None:
    frame = pd.DataFrame(series.T, index=list(atlas.labels), columns=[f"timepoint_{i}" for i in range(8)])
    frame.iloc[::-1].to_csv(tmp_path / "1000123.csv", index_label="label_name")
    assert np.array_equal(read_all(tmp_path)[0].series, series)


def test_a_bad_file_is_refused_when_read_and_the_others_are_read(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    save(series, tmp_path / "sub-1.npy")
    save(series[:, :4], tmp_path / "sub-2.npy")
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    good, bad = source.items()
    assert source.read(good).participant == "1"
    with pytest.raises(DataError, match=r"sub-2\.npy: wrong number of ROIs"):
        source.read(bad)


def test_tables_sidecars_and_hidden_files_are_no_recordings(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    save(series, tmp_path / "sub-1" / "sub-1_bold.npy")
    for name in (
        *("participants.tsv", "recordings.tsv", "Phenotypic_V1.csv", "sub-1_desc-confounds_timeseries.tsv"),
        *("sub-1_motion.tsv", "sub-1_outliers.tsv", "sub-1_events.tsv", "sub-1_bold.json", ".sub-2.npy", "README.txt"),
        *("sub-1_scans.tsv", "sub-1_stat-pearsoncorrelation_relmat.tsv", "sub-1_FC.npy", "subject_ids.txt"),
        *(
            "sub-1_stat-coverage_bold.tsv",
            "sub-1_stat-alff_bold.tsv",
            "sub-1_covmat.csv",
            "corr_sub-1.csv",
            "rp_sub-1.txt",
        ),
        *("sub-1_fd.csv", "notes.txt", "roi_coords.csv"),
    ):
        (tmp_path / "sub-1" / name).write_text("x")
    (tmp_path / ".git").mkdir()
    save(series, tmp_path / ".git" / "sub-3.npy")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dataset_description.json").write_text("{}")
    save(series, tmp_path / "out" / "shards" / "000001.npy")
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    assert [item.key for item in source.items()] == ["sub-1/sub-1_bold.npy"]
    assert source.notes() == [
        "left out, no recordings by their names: connectivity matrices (4), maps of one value per ROI (2), lists "
        "of ids or names (2), tables of confounds, motion, events and the like (9)"
    ]


def test_a_folder_of_connectivity_alone_says_so(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    save(np.eye(5), tmp_path / "sub-1_conmat.npy", tmp_path / "sub-2_conmat.npy")
    with pytest.raises(DataError, match=r"has no recordings: .*\.mat\. It has connectivity matrices \(2\)\."):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)


def cells(*rows: list[np.ndarray]) -> np.ndarray:
    held = np.empty((len(rows), len(rows[0])), dtype=object)
    for place in np.ndindex(held.shape):
        held[place] = rows[place[0]][place[1]]
    return held


def test_cells_of_roi_by_frame_are_participants_and_runs(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    scipy.io.savemat(tmp_path / "all.mat", {"tc": cells([series.T, series.T + 1], [series.T + 2, series.T + 3])})
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    recordings = [source.read(item) for item in source.items()]
    assert names(recordings) == [("1", "", "1"), ("1", "", "2"), ("2", "", "1"), ("2", "", "2")]
    for number, recording in enumerate(recordings):
        assert np.array_equal(recording.series, series + number)
    assert source.notes() == [
        "all.mat has 4 recordings in cells: each row of cells is a participant, each column a run"
    ]


def test_participants_in_cells_are_those_that_were_asked_for(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    scipy.io.savemat(tmp_path / "all.mat", {"tc": cells([series.T], [series.T + 1], [series.T + 2])})
    reading = ReadingConfig(participant_label=("2",))
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None, reading=reading)
    (item,) = source.items()
    assert item.participant == "2"
    assert np.array_equal(source.read(item).series, series + 1)
    assert "left out, other participants: 2 recordings" in source.notes()
    with pytest.raises(ConfigError, match="has no sub-9; it has 1, 2, 3"):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=None, reading=ReadingConfig(participant_label=("9",)))


def test_cells_of_a_file_that_names_its_participant_are_runs(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    for who in ("sub-1", "sub-2"):
        scipy.io.savemat(tmp_path / f"{who}.mat", {"tc": cells([series], [series + 1])})
    assert names(read_all(tmp_path)) == [("1", "", "1"), ("1", "", "2"), ("2", "", "1"), ("2", "", "2")]


def test_cells_of_several_files_that_name_nobody_are_refused_and_the_remedy_works(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    for name in ("a", "b"):
        scipy.io.savemat(tmp_path / f"{name}.mat", {"tc": cells([series], [series + 1])})
    with pytest.raises(
        DataError, match=r"a\.mat .*save each in a file of its own .*runs of one person, sub- in the file.s name"
    ):
        read_all(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.mat").rename(tmp_path / f"sub-{name}.mat")
    assert names(read_all(tmp_path)) == [("a", "", "1"), ("a", "", "2"), ("b", "", "1"), ("b", "", "2")]


def test_a_connectivity_matrix_among_recordings_is_refused_and_the_others_are_read(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    save(series, tmp_path / "sub-1.npy")
    save(np.corrcoef(np.random.default_rng(0).normal(size=(5, 40))), tmp_path / "sub-2.npy")
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    good, matrix = source.items()
    assert np.array_equal(source.read(good).series, series)
    with pytest.raises(DataError, match=r"sub-2\.npy: it is a connectivity matrix, 5 x 5"):
        source.read(matrix)


@pytest.mark.parametrize("text", ["sub-01\nsub-02\nsub-03\n", "id\n50952\n50953\n", "1,Vis_L\n2,Vis_R\n"])
def test_a_list_of_ids_or_names_beside_recordings_is_refused_and_the_others_are_read(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, text: str
) -> None:
    save(series, tmp_path / "sub-1.npy")
    (tmp_path / "whom.txt").write_text(text)
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    good, words = source.items()
    assert np.array_equal(source.read(good).series, series)
    with pytest.raises(DataError, match=r"whom\.txt"):
        source.read(words)


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv.gz", ".1D.gz", ".txt.gz"])
def test_compressed_tables_are_read_and_named_without_their_suffixes(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll, suffix: str
) -> None:
    np.savetxt(tmp_path / f"s7_timeseries{suffix}", series, delimiter="," if suffix == ".csv.gz" else "\t")
    (recording,) = read_all(tmp_path)
    assert recording.participant == "s7"
    assert np.array_equal(recording.series, series)


def test_a_table_and_its_compressed_copy_are_one_recording_in_two_formats(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    np.savetxt(tmp_path / "sub-1_bold.csv", series, delimiter=",")
    np.savetxt(tmp_path / "sub-1_bold.csv.gz", series, delimiter=",")
    with pytest.raises(DataError, match="If they are one recording, keep one"):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path, atlas: Atlas) -> None:
    with pytest.raises(DataError, match=r"has no recordings: looked in all its folders for \.tsv, \.csv, \.txt"):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)


def test_tasks_and_directions_tell_runs_apart_only_where_they_differ(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    save(series, tmp_path / "a" / "sub-1_task-rest_run-1.npy", tmp_path / "a" / "sub-1_task-rest_run-2.npy")
    assert names(read_all(tmp_path / "a")) == [("1", "", "1"), ("1", "", "2")]
    save(series, tmp_path / "b" / "sub-1_task-movie_run-1.npy", tmp_path / "b" / "sub-1_task-rest_run-1.npy")
    assert names(read_all(tmp_path / "b")) == [("1", "", "1")]
    both = ReadingConfig(task_label=("rest", "movie"))
    assert names(read_all(tmp_path / "b", reading=both)) == [("1", "", "movie1"), ("1", "", "rest1")]


@pytest.mark.parametrize(
    "folders", [("gsr", "nogsr"), ("2mm", "3mm"), ("run1", "run2"), ("schaefer100", "schaefer400")]
)
def test_files_called_the_same_in_folders_that_are_no_persons_are_refused(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, folders: tuple[str, str]
) -> None:
    a, b = (f"{folder}/ts.npy" for folder in folders)
    save(series, tmp_path / a, tmp_path / b)
    with pytest.raises(DataError, match=rf"{a} and {b} cannot be told apart"):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)


def test_one_recording_in_two_formats_is_refused(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    save(series, tmp_path / "sub-1_ses-1.npy")
    np.savetxt(tmp_path / "sub-1_ses-1.csv", series, delimiter=",")
    with pytest.raises(DataError, match="If they are one recording, keep one"):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)


def test_a_filename_column_says_whose_a_file_is(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    save(series, tmp_path / "p1" / "rest.npy", tmp_path / "p2" / "rest.npy", tmp_path / "x.npy", tmp_path / "sub-9.npy")
    table = pd.DataFrame(
        {
            "participant_id": ["sub-A", "B", "B"],
            "filename": ["p1/rest.npy", "p2/rest.npy", "x.npy"],
            "run": ["", "1", "2"],
            "site": ["s", "t", "t"],
        }
    )
    recordings = read_all(tmp_path, participants=table)
    assert names(recordings) == [("A", "", ""), ("B", "", "1"), ("9", "", ""), ("B", "", "2")]
    assert [r.site for r in recordings] == ["s", "t", "", "t"]


def test_a_file_that_the_table_names_and_the_folder_lacks_is_reported(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    save(series, tmp_path / "a.npy")
    table = pd.DataFrame({"participant_id": ["A", "B"], "file": ["a.npy", "b.npy"]})
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=table)
    there, gone = source.items()
    assert source.read(there).participant == "A"
    with pytest.raises(DataError, match=r"names the file b\.npy, which is not in"):
        source.read(gone)


def test_a_file_name_in_the_table_that_means_two_files_is_refused(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    save(series, tmp_path / "p1" / "rest.npy", tmp_path / "p2" / "rest.npy")
    table = pd.DataFrame({"participant_id": ["A"], "file": ["rest.npy"]})
    with pytest.raises(DataError, match=r"rest\.npy means 2 files"):
        open_source(tmp_path, atlas=atlas, tr=2.0, participants=table)


def test_a_source_can_be_pickled_and_reads_the_same(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    save(series, tmp_path / "sub-1.npy")
    source = pickle.loads(pickle.dumps(open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)))
    assert np.array_equal(source.read(source.items()[0]).series, series)


def test_linked_folders_of_people_are_read_as_if_they_were_there(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    save(series, tmp_path / "in" / "sub-1" / "sub-1.npy", tmp_path / "else" / "sub-2" / "sub-2.npy")
    (tmp_path / "in" / "sub-2").symlink_to(tmp_path / "else" / "sub-2")
    source = open_source(tmp_path / "in", atlas=atlas, tr=2.0, participants=None)
    assert [item.key for item in source.items()] == ["sub-1/sub-1.npy", "sub-2/sub-2.npy"]
    for item in source.items():
        np.testing.assert_array_equal(source.read(item).series, series)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "sub-2").symlink_to(tmp_path / "else" / "sub-2")
    (tmp_path / "links" / "store.h5").write_bytes(b"")
    only = open_source(tmp_path / "links", atlas=atlas, tr=2.0, participants=None)
    assert [item.participant for item in only.items()] == ["2"]


def test_a_link_to_a_file_that_was_not_fetched_is_a_recording_that_says_so(
    tmp_path: Path, series: np.ndarray, atlas: Atlas
) -> None:
    save(series, tmp_path / "sub-1.npy")
    (tmp_path / "sub-2.npy").symlink_to(tmp_path / ".git" / "annex" / "objects" / "MD5E-s1.npy")
    (tmp_path / "sub-3.npy").symlink_to(tmp_path / "sub-1.npy")
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    there, gone, linked = source.items()
    assert np.array_equal(source.read(there).series, series)
    assert np.array_equal(source.read(linked).series, series)
    with pytest.raises(DataError, match=r"sub-2\.npy is a link to a file that is not here \(datalad get"):
        source.read(gone)


@pytest.mark.parametrize("suffix", [".tsv", ".npy", ".mat", ".csv.gz"])
def test_a_file_of_no_bytes_is_called_empty_and_the_others_are_read(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, suffix: str
) -> None:
    save(series, tmp_path / "sub-1.npy")
    (tmp_path / f"sub-2{suffix}").touch()
    source = open_source(tmp_path, atlas=atlas, tr=2.0, participants=None)
    good, empty = source.items()
    assert np.array_equal(source.read(good).series, series)
    with pytest.raises(DataError, match=rf"sub-2{suffix} is empty: copy or make it again"):
        source.read(empty)


def test_the_table_cannot_make_it_read_outside_of_the_folder(tmp_path: Path, series: np.ndarray, atlas: Atlas) -> None:
    folder = tmp_path / "in"
    save(series, tmp_path / "out.npy", folder / "a.npy", folder / "deep" / "b.npy")
    files = ["../out.npy", str(tmp_path / "out.npy")[:-4] + "2.npy", str(folder / "a.npy"), "deep/../deep/b.npy"]
    save(series, Path(files[1]))
    table = pd.DataFrame({"participant_id": ["X", "Y", "A", "B"], "filename": files})
    source = open_source(folder, atlas=atlas, tr=2.0, participants=table)
    assert [(item.key, item.participant) for item in source.items()] == [
        *(("a.npy", "A"), ("deep/b.npy", "B"), ("../out.npy", "X"), ("../out2.npy", "Y"))
    ]
    for item in source.items()[2:]:
        with pytest.raises(DataError, match=r"names the file \.\./out2?\.npy, which is not in"):
            source.read(item)
