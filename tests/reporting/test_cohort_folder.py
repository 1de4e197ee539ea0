import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_cohort import TR
from small_cohort import made, recording, words_of

from semantoks.errors import DataError
from semantoks.reporting.cohort.folder import read_cohort
from semantoks.reporting.cohort.methods import methods
from semantoks.reporting.cohort.sections import facts
from semantoks.reporting.page import report
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(whole_cohort: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole_cohort, tmp_path / "copy")


def test_what_is_read_is_what_the_cohort_says_of_itself(whole_cohort: Path) -> None:
    found, cohort = read_cohort(whole_cohort), Cohort(whole_cohort)
    assert found.notes == ()
    assert found.recordings["recording_id"].tolist() == cohort.recordings["recording_id"].tolist()
    assert (found.missing == cohort.missing).all()
    first = cohort.first_frames
    for index, frames in enumerate(cohort.recordings["frames"]):
        assert (found.series(index) == cohort.series(index)).all()
        assert (found.good(index) == cohort.good[first[index] : first[index] + frames]).all()
        fd = found.fd[index]
        assert np.nanmean(fd) == pytest.approx(cohort.recordings["mean_fd"][index], rel=1e-6)
        assert np.nanmax(fd) == pytest.approx(cohort.quality["max_fd"][index], rel=1e-6)
    assert found.spectra is not None
    assert found.spectra.shape == (len(cohort), 2, 64)
    assert found.measured("dvars").tolist() == cohort.quality["dvars"].tolist()


def test_the_full_band_is_in_the_methods_and_missed_where_its_file_is_lost(tmp_path: Path) -> None:
    folder = made(tmp_path / "c", [recording("1"), recording("2", seed=1), recording("3", band=(0.01, 0.08))])
    cohort = read_cohort(folder)
    assert cohort.notes == ()
    assert "The series of 2 recordings without this band-pass were kept, too: their linear trend" in methods(cohort)
    band = dict(facts(cohort))["Band"]
    assert band == "0.01 to 0.1 Hz; the full band is kept of 2 of 3 recordings: the others came band-passed, or look so"
    (folder / "shards" / "000001.full.npy").unlink()
    (note,) = read_cohort(folder).notes
    assert note.startswith("The full band of 2 recordings cannot be read.")
    without = made(tmp_path / "d", [recording()], cleaning=CleaningConfig(full_band=False))
    assert "without this band-pass" not in methods(read_cohort(without))


def test_a_cohort_of_an_earlier_version_has_a_page_that_says_what_is_missing(copy: Path, tmp_path: Path) -> None:
    (copy / "quality.tsv").unlink()
    for file in (*copy.glob("shards/*.fd.npy"), *copy.glob("shards/*.spectra.npy"), *copy.glob("shards/*.quality.tsv")):
        file.unlink()
    pd.read_csv(copy / "recordings.tsv", sep="\t", dtype=str, keep_default_na=False).drop(columns="bad_frames").to_csv(
        copy / "recordings.tsv", sep="\t", index=False
    )
    about = json.loads((copy / "dataset_description.json").read_text())
    for key in ("MaxMeanFD", "WarnMeanFD", "BridgeSeconds"):
        del about[key]
    (copy / "dataset_description.json").write_text(json.dumps(about))
    words = words_of(copy, tmp_path)
    for sentence in (
        "There is no quality.tsv: an earlier version prepared this cohort.",
        "It is not recorded whether any recording that was kept deserves a second look.",
        "Left out not recorded",
        "Motion frame by frame is not known",
        "The spectra are not recorded.",
    ):
        assert sentence in words
    assert "according to their files were not band-passed again" not in words


def test_damage_is_said_and_stops_nothing(copy: Path, tmp_path: Path) -> None:
    (copy / "excluded.tsv").write_text("nothing\n")
    (copy / "shards" / "000001.npy").unlink()
    np.save(copy / "shards" / "000001.fd.npy", np.zeros(3, dtype=np.float32))
    (copy / "shards" / "000001.spectra.npy").write_bytes(b"no array")
    table = (copy / "atlas.tsv").read_text()
    (copy / "atlas.tsv").write_text(table.replace("LH_Vis_1\tVis", "LH_Vis_1\tCont"))
    words = words_of(copy, tmp_path)
    for sentence in (
        "excluded.tsv cannot be read: what was left out is not known.",
        "The signals of 5 of 5 recordings cannot be read from shards/",
        "Motion frame by frame: 000001.fd.npy is missing or not of the recordings",
        "Spectra: 000001.spectra.npy is missing or not of the recordings",
        "atlas.tsv was changed after the cohort was prepared",
        "No recording can be read.",
        "No recording that can be read is long enough",
    ):
        assert sentence in words
    quality = pd.read_csv(copy / "quality.tsv", sep="\t", dtype=str)
    quality.iloc[1:].to_csv(copy / "quality.tsv", sep="\t", index=False)
    assert "quality.tsv does not describe the recordings of recordings.tsv" in words_of(copy, tmp_path)


@pytest.mark.parametrize("text", [b"", b"no array"])
def test_files_that_a_kill_cut_short_are_left_out(copy: Path, tmp_path: Path, text: bytes) -> None:
    for kind in ("", ".fd", ".spectra"):
        (copy / "shards" / f"000001{kind}.npy").write_bytes(text)
    words = words_of(copy, tmp_path)
    assert "The signals of 5 of 5 recordings cannot be read from shards/" in words
    assert words.count("is missing or not of the recordings") == 2


def test_recordings_beyond_the_end_of_their_shard_are_not_in_the_figures(copy: Path, tmp_path: Path) -> None:
    shard = copy / "shards" / "000001.npy"
    np.save(shard, np.load(shard)[:-1])
    words = words_of(copy, tmp_path)
    assert "The signals of 1 of 5 recordings cannot be read from shards/: they are not in the figures." in words
    assert "Mean over 4 recordings of 5" in words


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("dataset_description.json", "{", "cannot be read"),
        ("dataset_description.json", "{}", "no SchemaVersion"),
        ("recordings.tsv", "recording_id\n", "lacks the column"),
        ("atlas.tsv", "x\n", "atlas.tsv"),
    ],
)
def test_a_cohort_that_cannot_be_read_is_refused_with_its_file(copy: Path, file: str, text: str, said: str) -> None:
    (copy / file).write_text(text)
    with pytest.raises(DataError, match=said):
        report(copy)


@pytest.mark.parametrize(("column", "value"), [("frames", "many"), ("missing_rois", "9999"), ("mean_fd", "calm")])
def test_a_damaged_cell_is_refused(copy: Path, column: str, value: str) -> None:
    table = pd.read_csv(copy / "recordings.tsv", sep="\t", dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(copy / "recordings.tsv", sep="\t", index=False)
    with pytest.raises(DataError, match=r"recordings\.tsv"):
        report(copy)


def test_an_unfinished_cohort_is_refused(copy: Path) -> None:
    (copy / "recordings.tsv").unlink()
    with pytest.raises(DataError, match="is unfinished: run the same prepare command again"):
        report(copy)


def test_the_traces_stand_in_the_scan_s_own_time(whole_cohort: Path) -> None:
    fd = read_cohort(whole_cohort).fd[0]
    assert len(fd) == 330
    assert len(fd) * TR == 264.0
