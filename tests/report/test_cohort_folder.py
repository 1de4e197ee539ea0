import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_cohort import TR
from small_cohort import words_of

from semantoks.atlas.catalog import get_atlas
from semantoks.doctor import orders
from semantoks.errors import DataError
from semantoks.report import write_report
from semantoks.report.cohort import folder as cohort_files
from semantoks.report.cohort.connectivity import homotopic_pairs
from semantoks.report.cohort.folder import read_cohort
from semantoks.report.cohort.signals import LEAST_SIGNAL
from semantoks.signals import layout, quality
from semantoks.signals.cohort import Cohort
from semantoks.views.pool import missing_networks

pytest_plugins = ["simulated_cohort"]


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
        fd = found.fd(index)
        assert fd is not None
        assert np.nanmean(fd) == pytest.approx(cohort.recordings["mean_fd"][index], rel=1e-6)
        assert np.nanmax(fd) == pytest.approx(cohort.quality["max_fd"][index], rel=1e-6)
    assert found.spectra is not None
    assert found.spectra.shape == (len(cohort), 2, 64)
    assert found.told("dvars").tolist() == cohort.quality["dvars"].tolist()


def test_the_names_of_files_and_the_rules_are_those_of_the_cohort() -> None:
    ours = (cohort_files.DESCRIPTION, cohort_files.RECORDINGS, cohort_files.QUALITY, cohort_files.EXCLUDED)
    assert ours == (layout.DESCRIPTION, layout.RECORDINGS, layout.QUALITY, layout.EXCLUDED)
    for sort, path in (("", layout.shard_path), (".fd", layout.fd_path), (".spectra", layout.spectra_path)):
        assert cohort_files.shard_file(Path("x"), 7, sort) == path(Path("x"), 7)
    assert (cohort_files.FREQUENCIES == quality.GRID).all()
    index = np.zeros(100, dtype=int)
    for lost in (49, 50, 51):
        hidden = missing_networks((np.arange(100) < lost)[None], index)[0, 0]
        assert hidden == (1 - lost / 100 < LEAST_SIGNAL)
    for name in ("schaefer100", "schaefer400+tian-s3+buckner7", "cc200", "schaefer900"):
        assert (homotopic_pairs(get_atlas(name)) == orders.homotopic_pairs(get_atlas(name))).all()


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
        "Whether any of the recordings that were kept deserves a second look is not recorded.",
        "Left out not recorded",
        "Motion frame by frame is not known",
        "The spectra are not recorded.",
    ):
        assert sentence in words
    assert "had been filtered were not band-passed again" not in words


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
        "Motion frame by frame: 000001.fd.npy not there or not of the recordings",
        "Spectra: 000001.spectra.npy not there or not of the recordings",
        "atlas.tsv was changed since the cohort was prepared",
        "No recording can be read.",
        "No recording can be read that is long enough",
    ):
        assert sentence in words
    quality = pd.read_csv(copy / "quality.tsv", sep="\t", dtype=str)
    quality.iloc[1:].to_csv(copy / "quality.tsv", sep="\t", index=False)
    assert "quality.tsv does not hold the recordings of recordings.tsv" in words_of(copy, tmp_path)


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
        write_report(copy)


@pytest.mark.parametrize(("column", "value"), [("frames", "many"), ("missing_rois", "9999"), ("mean_fd", "calm")])
def test_a_damaged_cell_is_refused(copy: Path, column: str, value: str) -> None:
    table = pd.read_csv(copy / "recordings.tsv", sep="\t", dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(copy / "recordings.tsv", sep="\t", index=False)
    with pytest.raises(DataError, match=r"recordings\.tsv"):
        write_report(copy)


def test_an_unfinished_cohort_is_refused(copy: Path) -> None:
    (copy / "recordings.tsv").unlink()
    with pytest.raises(DataError, match="is unfinished: run the same prepare command again"):
        write_report(copy)


def test_the_traces_stand_in_the_scan_s_own_time(whole_cohort: Path) -> None:
    fd = read_cohort(whole_cohort).fd(0)
    assert fd is not None
    assert len(fd) == 330
    assert len(fd) * TR == 264.0
