"""The files of another tool on the way through the commands: written, looked at, prepared, and listed by hand."""

import numpy as np
import pandas as pd
import pytest
from typist import type_in

from semantoks.signals.cohort import Cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("tools") / "hcp"
    options = ("--participants", 3, "--sessions", 1, "--atlas", "schaefer100", "--minutes", 4)
    answer = type_in("simulate", "--as", "ptseries", "--out", at, *options)
    assert answer.code == 0
    assert f"semantoks prepare {at} --atlas schaefer100" in answer.out
    return at


def test_the_doctor_says_what_it_is_and_where_the_repetition_times_are_from(folder):
    answer = type_in("doctor", folder, "--atlas", "schaefer100")
    assert answer.code == 0
    assert "source     CIFTI" in answer.out
    assert "3 recordings of 3 people, 3 of them looked into" in answer.out
    assert ".ptseries.nii" in next(line for line in answer.out.splitlines() if line.startswith("TR"))
    assert "Nothing wrong." in answer.out
    assert (
        type_in("doctor", folder, "--atlas", "schaefer100", "--task-label", "rest")
        .out.rstrip()
        .endswith(f"Next: semantoks prepare {folder} --atlas schaefer100 --out cohort/ --task-label rest")
    )


def test_prepare_says_what_it_recognised_before_what_it_made(folder, tmp_path):
    answer = type_in("prepare", folder, "--out", tmp_path / "c", "--atlas", "schaefer100")
    assert answer.code == 0
    assert answer.out.index("CIFTI") < answer.out.index("cohort     ")
    assert len(Cohort(tmp_path / "c")) == 3


def test_a_list_of_files_is_prepared_and_one_that_is_not_there_is_excluded(folder, tmp_path):
    np.save(tmp_path / "one.npy", np.random.default_rng(0).normal(size=(150, 100)).astype(np.float32))
    rows = [("one.npy", "0007", "2.0"), ("gone.npy", "0008", "2.0")]
    pd.DataFrame(rows, columns=["path", "participant_id", "tr"]).to_csv(tmp_path / "files.tsv", sep="\t", index=False)
    answer = type_in("prepare", "--files", tmp_path / "files.tsv", "--out", tmp_path / "c", "--atlas", "schaefer100")
    assert answer.code == 4
    assert answer.out.startswith("list of files: 2 recordings of 2 people")
    cohort = Cohort(tmp_path / "c")
    assert cohort.recordings["participant_id"].tolist() == ["0007"]
    assert "gone.npy" in cohort.excluded["reason"].iloc[0]
