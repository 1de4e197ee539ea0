"""Lists of files: each row the recording that it names, or refused with its line."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.io

from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.signals.prepare import prepare
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source
from semantoks.signals.sources.listed import is_listed, open_listed
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.source import Request

HEADER = "path\tparticipant_id\ttr\n"


@pytest.fixture
def listed(tmp_path, atlas):
    """Write a list beside ``a.npy`` and open it."""

    def open_list(text, *, tr=None, table=None, name="files.tsv", **reading):
        (tmp_path / name).write_text(text, encoding="utf-8")
        path = tmp_path / name
        return open_listed(Request(path=path, atlas=atlas, tr=tr, participants=table, reading=ReadingConfig(**reading)))

    return open_list


@pytest.fixture
def save(tmp_path, series):
    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / name, series)

    return write


def read(source):
    return [source.read(item) for item in source.items()]


@pytest.mark.parametrize("mark", ["\t", ","])
def test_every_column_says_what_it_is_called_for(listed, save, series, mark):
    save("a.npy", "deep/b.npy")
    rows = [
        ["path", "participant_id", "session", "task", "run", "tr", "site", "mean_fd"],
        ["a.npy", "sub-007", "ses-1", "task-rest", "run-2", "0.8", "Berlin", "0.12"],
        ["deep/b.npy", "8", "n/a", "rest", "1", "2", "A", "0"],
    ]
    source = listed("\ufeff" + "\n".join(map(mark.join, rows)) + "\n\n")
    first, second = read(source)
    assert (first.participant, first.session, first.run) == ("007", "1", "2")
    assert (first.tr, first.tr_from, first.site, first.mean_fd) == (0.8, "files.tsv line 2", "Berlin", 0.12)
    assert (second.participant, second.session, second.run, second.mean_fd) == ("8", "", "1", 0)
    np.testing.assert_array_equal(first.series, series)
    assert [item.key for item in source.items()] == ["sub-007_ses-1_task-rest_run-2", "sub-8_task-rest_run-1"]
    assert source.notes() == []


def test_files_of_every_format_are_read(listed, tmp_path, series, atlas):
    np.save(tmp_path / "a.npy", series.T)
    np.savez(tmp_path / "b.npz", bold=series)
    scipy.io.savemat(tmp_path / "c.mat", {"data": series})
    np.savetxt(tmp_path / "d.1D", series, delimiter="\t")
    backwards = pd.DataFrame(series, columns=list(atlas.labels)).iloc[:, ::-1]
    backwards.to_csv(tmp_path / "e.tsv", sep="\t", index=False)
    names = ["a.npy", "b.npz", "c.mat", "d.1D", "e.tsv"]
    for one in read(listed(HEADER + "".join(f"{name}\t{name[0]}\t2\n" for name in names))):
        np.testing.assert_array_equal(one.series, series)


def test_a_cohort_of_a_list_is_that_of_the_recordings_themselves(listed, tmp_path, atlas):
    rng = np.random.default_rng(0)
    given = [
        Recording(series=rng.normal(size=(160, 5)).cumsum(axis=0), tr=0.8, participant=who, site="x", source="made")
        for who in ("01", "02")
    ]
    for one in given:
        np.save(tmp_path / f"{one.participant}.npy", one.series)
    source = listed("path,participant_id,tr,site\n01.npy,01,0.8,x\n02.npy,02,0.8,x\n")
    direct = prepare(MemorySource(given, atlas=atlas), out=tmp_path / "direct", atlas=atlas)
    read_again = prepare(source, out=tmp_path / "again", atlas=atlas)
    for index in range(2):
        np.testing.assert_array_equal(direct.series(index), read_again.series(index))
    assert read_again.recordings["site"].tolist() == ["x", "x"]


# Paths
def test_a_path_may_be_absolute_or_lead_out_of_the_folder(listed, save, series, tmp_path, atlas):
    save("out.npy")
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "files.tsv").write_text(HEADER + f"../out.npy\t1\t2\n{tmp_path}/lists/b.npy\t2\t2\n")
    save("lists/b.npy")
    source = open_listed(Request(path=folder / "files.tsv", atlas=atlas))
    assert len(read(source)) == 2


@pytest.mark.parametrize(
    "path", ["~/a.npy", "$HOME/a.npy", "*.npy", "a.npy; rm b.npy", "/dev/zero", "x" * 5000 + ".npy", "."]
)
def test_a_path_is_neither_expanded_nor_run(listed, save, path, monkeypatch, tmp_path):
    save("a.npy", "b.npy")
    monkeypatch.setenv("HOME", str(tmp_path))
    source = listed(HEADER + f"{path}\t1\t2\n")
    with pytest.raises(DataError, match=r"there is no file .*files\.tsv line 2.* are not expanded"):
        source.read(source.items()[0])
    assert (tmp_path / "b.npy").is_file()


def test_a_list_from_windows_is_read(listed, save):
    save("p/a.npy")
    assert len(read(listed("path,participant_id\r\np\\a.npy,1\r\n", tr=2.0))) == 1


def test_a_missing_file_a_link_and_a_wrong_one_are_reasons_and_the_others_are_read(
    listed, save, tmp_path, series, atlas
):
    np.save(tmp_path / "good.npy", np.random.default_rng(0).normal(size=(200, 5)))
    np.save(tmp_path / "small.npy", series[:, :4])
    (tmp_path / "linked.npy").symlink_to(tmp_path / "annex" / "x.npy")
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    names = ["good.npy", "small.npy", "linked.npy", "a.pkl", "gone.npy"]
    source = listed(HEADER + "".join(f"{name}\t{name}\t2\n" for name in names))
    cohort = prepare(source, out=tmp_path / "c", atlas=atlas)
    assert cohort.recordings["participant_id"].tolist() == ["good.npy"]
    reasons = cohort.excluded.set_index("participant_id")["reason"]
    assert "wrong number of ROIs" in reasons["small.npy"]
    assert "datalad get" in reasons["linked.npy"]
    assert "is no file of an array: expected one of .tsv, .csv, .txt" in reasons["a.pkl"]
    assert f"there is no file {tmp_path}/gone.npy (files.tsv line 6)" in reasons["gone.npy"]


# The repetition time
def test_the_repetition_time_is_the_lists_else_the_tables_else_the_options(listed, save):
    save("a.npy", "b.npy")
    table = pd.DataFrame({"participant_id": ["1", "2"], "tr": [None, 1.5], "site": ["A", "B"], "mean_fd": [0.1, 0.2]})
    first, second = read(listed(HEADER + "a.npy\t1\t2\nb.npy\t2\tn/a\n", table=table))
    assert (first.tr, first.tr_from) == (2, "files.tsv line 2")
    assert (second.tr, second.tr_from) == (1.5, "the participants table")
    assert (first.site, second.site, first.mean_fd, second.mean_fd) == ("A", "B", 0.1, 0.2)
    assert [one.tr_from for one in read(listed("path\tparticipant_id\na.npy\t1\n", tr=0.8))] == ["--tr"]


def test_a_row_without_any_repetition_time_says_where_it_was_looked_for(listed, save):
    save("a.npy", "b.npy")
    source = listed(HEADER + "a.npy\t1\t2\nb.npy\t2\t\n")
    source.read(source.items()[0])
    with pytest.raises(DataError, match=r"no repetition time for sub-2: files\.tsv line 3 has no `tr`; .*pass --tr"):
        source.read(source.items()[1])
    with pytest.raises(UnknownTRError, match="never guessed"):
        listed("path\tparticipant_id\na.npy\t1\n")
    other = pd.DataFrame({"participant_id": ["9"], "tr": [2.0]})
    with pytest.raises(UnknownTRError, match="participant 1, the only one, is not among the 1 of"):
        listed("path\tparticipant_id\na.npy\t1\n", table=other)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("1,125\t0.1", "tr has to be a number, at least 0, not '1,125'"),
        ("two\t0.1", r"files\.tsv line 2: tr has to be a number, at least 0, not 'two'"),
        ("inf\t0.1", "tr has to be a number"),
        ("2000\t0.1", "the repetition time is 2000 s, but 0.3 to 6 s"),
        ("0\t0.1", "the repetition time is 0 s"),
        ("2\t-9999", r"files\.tsv line 2: mean_fd has to be a number, at least 0, not '-9999'; or n/a"),
    ],
)
def test_a_number_that_cannot_be_is_a_reason(listed, save, cells, reason):
    save("a.npy")
    source = listed(f"path\tparticipant_id\ttr\tmean_fd\na.npy\t1\t{cells}\n")
    with pytest.raises(DataError, match=reason):
        source.read(source.items()[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path\tparticipant_id\ttr\tmean_fd\na.npy\t1\t0,8\t0,11\n", (0.8, 0.11)),
        ("path;participant_id;tr;mean_fd\na.npy;1;1,125;0,11\n", (1.125, 0.11)),
        ("path;participant_id;tr;mean_fd\na.npy;1;0.8;0.11\n", (0.8, 0.11)),
    ],
)
def test_decimal_commas_are_read(listed, save, text, expected):
    save("a.npy")
    (recording,) = read(listed(text))
    assert (recording.tr, recording.mean_fd) == expected


def test_the_list_and_the_option_have_to_agree(listed, save):
    save("a.npy")
    source = listed(HEADER + "a.npy\t1\t2\n", tr=0.8)
    with pytest.raises(DataError, match=r"--tr says 0\.8 s, but files\.tsv line 2 says 2 s"):
        source.read(source.items()[0])


# Which rows
def test_rest_is_read_unless_another_task_is_asked_for_and_what_is_left_out_is_said(listed, save):
    save("a.npy", "b.npy", "c.npy")
    text = "path\tparticipant_id\ttask\ttr\na.npy\t1\trest\t2\nb.npy\t1\tnback\t2\nc.npy\t2\trest\t2\n"
    source = listed(text)
    assert [item.key for item in source.items()] == ["sub-1_task-rest", "sub-2_task-rest"]
    assert source.notes()[0].endswith("tasks other than rest (--task-label reads them): 1 recording, nback (1)")
    both = listed(text, task_label=("rest", "nback"))
    assert [item.run for item in both.items()] == ["rest", "nback", "rest"]
    assert [item.participant for item in listed(text, participant_label=("sub-2",)).items()] == ["2"]
    with pytest.raises(ConfigError, match="has no task-stroop; it has nback, rest"):
        listed(text, task_label=("stroop",))


def test_unknown_columns_are_named(listed, save):
    save("a.npy")
    assert listed("Age,PATH,participant_id,tr,sex\n30,a.npy,1,2,F\n").notes() == ["columns not used: Age, sex"]


def test_an_id_keeps_its_text(listed, save):
    save("a.npy", "b.npy")
    assert [one.participant for one in read(listed(HEADER + "a.npy\t0050642\t2\nb.npy\tNA\t2\n"))] == ["0050642", "NA"]


# Lists that are none
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (HEADER, "lists no file"),
        ("file\tsubject\na.npy\t1\n", "has no column path and no column participant_id. .*found file, subject"),
        ("path\ta.npy\n", "has no column participant_id"),
        (HEADER + "a.npy\t1\n", "line 2 has 2 cells, the header has 3"),
        (HEADER + "a.npy\t1\t2\t3\n", "line 2 has 4 cells"),
        (HEADER + "a.npy\t\t2\n", "line 2 has no participant_id"),
        (HEADER + "n/a\t1\t2\n", "line 2 has no path"),
        ("path\tpath\tparticipant_id\na\tb\t1\n", "the column 'path' more than once"),
        (HEADER + "a.npy\t1\t2\n\na.npy\t1\t2\n", "lines 2 and 4 name the same file"),
        (HEADER + "a.npy\t1\t2\nx/../a.npy\t2\t2\n", "lines 2 and 3 name the same file"),
        (HEADER + "a.npy\t1\t2\nb.npy\tsub-1\t2\n", "lines 2 and 3 are both called sub-1. .*session_id, task or run"),
        (HEADER + '"a.npy\t1\t2\n', "cannot be read as a table"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(listed, save, text, reason):
    save("a.npy", "b.npy")
    with pytest.raises(DataError, match=reason):
        listed(text)


def test_text_in_another_encoding_is_refused(tmp_path, atlas):
    (tmp_path / "files.tsv").write_bytes(HEADER.encode() + b"a\xfc.npy\t1\t2\n")
    with pytest.raises(DataError, match="in UTF-8"):
        open_listed(Request(path=tmp_path / "files.tsv", atlas=atlas, tr=2.0))


def test_a_list_in_utf_16_is_read(tmp_path, atlas, save):
    save("ä.npy")
    (tmp_path / "files.txt").write_text("path\tparticipant_id\nä.npy\tö1\n", encoding="utf-16")
    assert is_listed(tmp_path / "files.txt")
    (item,) = open_listed(Request(path=tmp_path / "files.txt", atlas=atlas, tr=2.0)).items()
    assert (item.path.name, item.participant) == ("ä.npy", "ö1")


def test_a_list_is_told_by_its_header(tmp_path, series):
    for name, text, told in (
        ("a.tsv", "\ufeffpath\tparticipant_id\n", True),
        ("b.csv", 'Participant_ID,"path",age\n', True),
        ("c.tsv", "participant_id\tage\n", False),
        ("f.csv", "path;participant_id\n", True),
        ("g.tsv", "path\tid\n", True),
        ("d.tsv", "", False),
    ):
        (tmp_path / name).write_text(text)
        assert is_listed(tmp_path / name) == told
    np.save(tmp_path / "e.npy", series)
    assert not is_listed(tmp_path / "e.npy")
    assert not is_listed(tmp_path)


def test_a_quote_that_swallows_rows_of_a_list_is_refused(listed):
    with pytest.raises(DataError, match="a cell that ends in line 3 has a line break in it, as if a quote was not clo"):
        listed('path\tparticipant_id\tsite\na.npy\t1\t"x\nb.npy\t2\ty"\n')


def test_a_list_can_be_pickled_and_reads_the_same(listed, save, series):
    save("a.npy")
    source = pickle.loads(pickle.dumps(listed(HEADER + "a.npy\t1\t2\n")))
    np.testing.assert_array_equal(read(source)[0].series, series)


def test_a_list_that_a_spreadsheet_saved_as_utf_16_is_read(listed, save, tmp_path, series, atlas):
    np.save(tmp_path / "a.npy", series)
    (tmp_path / "list.tsv").write_text("path\tparticipant_id\na.npy\tJosé\n", encoding="utf-16")
    source = open_source(tmp_path / "list.tsv", atlas=atlas, tr=2.0, participants=None)
    assert [item.participant for item in source.items()] == ["José"]
