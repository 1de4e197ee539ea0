from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.files.left_over import left_over, without_remedy
from semantoks.signals.sources import open_source

SMALL, BOTH = get_atlas("schaefer100"), get_atlas("schaefer100+tian-s1")


def test_columns_that_the_atlas_does_not_take_are_counted_named_and_the_wider_atlas_takes_them(tmp_path: Path) -> None:
    series = np.random.default_rng(0).normal(size=(40, BOTH.n_rois))
    for who in "12":
        pd.DataFrame(series, columns=BOTH.labels).to_csv(tmp_path / f"sub-{who}.tsv", sep="\t", index=False)
    first = BOTH.labels[100]
    assert open_source(tmp_path, atlas=SMALL, tr=2.0, participants=None).notes() == [
        f"sub-1.tsv: 16 of its 116 columns are not ROIs of schaefer100 and are left out ({first!r}, "
        f"{BOTH.labels[101]!r}, {BOTH.labels[102]!r} and 13 more); --atlas schaefer100+tian-s1 takes them"
    ]
    source = open_source(tmp_path, atlas=BOTH, tr=2.0, participants=None)
    assert source.notes() == []
    assert np.allclose(source.read(source.items()[0]).series, series)


def test_a_list_of_files_says_it_too(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 101)), columns=[*SMALL.labels, "Cerebellum"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "list.tsv").write_text("path\tparticipant_id\na.csv\t1\n")
    (note,) = open_source(tmp_path / "list.tsv", atlas=SMALL, tr=2.0, participants=None).notes()
    assert note.startswith(
        "a.csv: 1 of its 101 columns is no ROI of schaefer100 and is left out ('Cerebellum'); no wider pack"
    )


def test_three_parts_are_named_in_the_join() -> None:
    whole = get_atlas("schaefer400+tian-s3+buckner7")
    (note,) = left_over("x", whole.labels, get_atlas("schaefer400"))
    assert note.startswith("x: 57 of its 457 columns")
    assert note.endswith("; --atlas schaefer400+tian-s3+buckner7 takes them")
    assert left_over("x", whole.labels, whole) == []
    assert left_over("x", ["a", "b"], whole) == []
    (note,) = left_over("x", whole.labels, get_atlas("schaefer400:one"))
    assert note.endswith("--atlas schaefer400+tian-s3+buckner7:one takes them")


def test_a_packaged_atlas_that_has_all_columns_is_named_before_a_join() -> None:
    labels = get_atlas("4s456").labels
    (note,) = left_over("x", labels, get_atlas("schaefer400"))
    assert note.endswith("; --atlas 4s456 takes them")
    (note,) = left_over("x", labels, get_atlas("schaefer400:one"))
    assert note.endswith("; --atlas 4s456:one takes them")


def test_who_cannot_choose_the_atlas_is_not_told_to() -> None:
    for labels in (get_atlas("4s456").labels, [*get_atlas("schaefer400").labels, "elsewhere"]):
        (note,) = left_over("x", labels, get_atlas("schaefer400"))
        assert without_remedy(note) == note[: note.index("; ")]
        assert without_remedy(note).endswith(")")


def test_the_authors_layout_says_which_parts_are_left_out_and_the_atlas_that_is_named_takes_them(
    tmp_path: Path,
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for seed, (name, rois) in enumerate((("schaefer100", 100), ("tian1", 16))):
            file[f"timeseries/{name}"] = np.random.default_rng(seed).normal(size=(1, rois, 30)).astype(np.float32)
        file["long_subject_id"] = [b"a"]
    source = open_source(tmp_path / "x.h5", atlas=get_atlas("schaefer100"), tr=2.0, participants=None)
    assert source.notes() == [
        "left out, no part of schaefer100: timeseries/tian1; --atlas schaefer100+tian-s1 takes them"
    ]
    wider = open_source(tmp_path / "x.h5", atlas=get_atlas("schaefer100+tian-s1"), tr=2.0, participants=None)
    assert wider.notes() == []
    assert np.isfinite(wider.read(wider.items()[0]).series).all()


def test_labelled_rows_of_an_hdf5_array_that_are_no_rois_are_counted(tmp_path: Path) -> None:
    atlas = get_atlas("schaefer100")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["bold"] = np.random.default_rng(0).normal(size=(1, 101, 30)).astype(np.float32)
        file["participant_id"] = [b"a"]
        file["roi_name"] = [*atlas.labels, "elsewhere"]
    source = open_source(tmp_path / "x.h5", atlas=atlas, tr=2.0, participants=None)
    assert any("1 of its 101 columns is no ROI of schaefer100" in note for note in source.notes())


@pytest.mark.parametrize("name", ["frame", "", "Unnamed: 0", "time"])
def test_a_column_that_counts_is_no_label_that_is_left_over(name: str) -> None:
    labels = get_atlas("schaefer100").labels
    assert left_over("x.tsv", [name, *labels], get_atlas("schaefer100")) == []
