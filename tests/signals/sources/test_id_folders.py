"""A folder per person, with the same file names in each: the folder that differs is the id."""

from pathlib import PurePosixPath

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.id_folders import of_folders
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.sources import open_source

ATLAS = Atlas(name="two", labels=("a", "b"), networks=("x", "y"))


def opened(root, names, **reading):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / name, np.ones((9, 2)))
    return open_source(root, atlas=ATLAS, tr=2.0, participants=None, reading=ReadingConfig(**reading))


def whose(source):
    return sorted((item.participant, item.session, item.run) for item in source.items())


def test_the_folder_that_differs_is_the_person_whatever_other_folders_there_are(tmp_path):
    names = [f"data/{who}/functional/TC_rsfMRI_REST1_LR.npy" for who in ("900001", "900002")]
    source = opened(tmp_path, names)
    assert whose(source) == [("900001", "", "1LR"), ("900002", "", "1LR")]
    assert source.notes() == ["files are called alike: their folders are the participants, for example 900001"]


def test_names_that_differ_within_a_person_are_runs_and_tasks(tmp_path):
    names = [
        f"{who}/{scan}.npy" for who in ("s1", "s2") for scan in ("rfMRI_REST1_LR", "rfMRI_REST2_RL", "tfMRI_WM_LR")
    ]
    assert whose(opened(tmp_path / "a", names)) == [
        *(("s1", "", "1LR"), ("s1", "", "2RL"), ("s2", "", "1LR"), ("s2", "", "2RL"))
    ]
    names = [f"{who}/ts_{scan}.npy" for who in ("s1", "s2") for scan in ("rest", "nback")]
    assert whose(opened(tmp_path / "b", names)) == [("s1", "", ""), ("s2", "", "")]
    assert [item.path.name for item in opened(tmp_path / "b", (), task_label=("nback",)).items()] == [
        "ts_nback.npy"
    ] * 2
    names = [f"{who}/ts_run{run}.npy" for who in ("s1", "s2") for run in (1, 2)]
    assert whose(opened(tmp_path / "c", names))[:2] == [("s1", "", "run1"), ("s1", "", "run2")]


def test_two_levels_are_person_and_session_where_one_is_called_so(tmp_path):
    names = [f"{who}/{visit}/ts.npy" for who in ("10", "11") for visit in ("visit1", "visit2")]
    assert whose(opened(tmp_path, names))[:2] == [("10", "visit1", ""), ("10", "visit2", "")]


@pytest.mark.parametrize(
    "names",
    [("gsr/0001.npy", "gsr/0002.npy", "nogsr/0001.npy", "nogsr/0002.npy"), ("p1/7.npy", "p2/7.npy", "p2/8.npy")],
)
def test_folders_of_versions_and_what_may_be_either_are_refused(tmp_path, names):
    with pytest.raises(DataError, match="cannot be told apart by name"):
        opened(tmp_path, names)


def test_hcp_names_of_arrays_are_one_person_with_runs(tmp_path):
    names = ["100307_rfMRI_REST1_LR.npy", "100307_rfMRI_REST1_RL.npy", "HCA600_V1_MR_rfMRI_REST1_AP.npy"]
    assert whose(opened(tmp_path, names)) == [("100307", "", "1LR"), ("100307", "", "1RL"), ("HCA600", "V1", "1AP")]


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (["900001/functional/ts.npy"], ["900001"]),
        (["S01/rest.npy", "S01/nback.npy"], ["S01"]),
        (["data1/alice.npy", "data1/bob.npy"], ["alice", "bob"]),
        (["study1/alice_rest.npy", "study1/bob_rest.npy"], ["alice_rest", "bob_rest"]),
        (["900001/900001_ts.npy"], ["900001_ts"]),
    ],
)
def test_the_folder_of_a_single_person_is_the_person_too(names, people) -> None:
    found = of_folders(names)
    assert sorted({found[name].participant if name in found else PurePosixPath(name).stem for name in names}) == people
