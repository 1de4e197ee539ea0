"""HCP's names: whose a run is, which run, and which of its versions is read."""

import shutil

import numpy as np
import pytest
from tiny_cifti import (
    CLEAN,
    KEYS,
    NAMES,
    hcp,
    opened,
    places,
    write_dlabel,
)

from semantoks.errors import DataError
from semantoks.signals.files.names import parse_hcp


@pytest.fixture
def dlabel(tmp_path):
    return write_dlabel(tmp_path / "five.dlabel.nii", KEYS, NAMES, places())


def test_hcp_names_say_whose_a_run_is_and_which(tmp_path, dlabel):
    for seed, run in enumerate(("rfMRI_REST1_LR", "rfMRI_REST1_RL", "rfMRI_REST2_LR", "tfMRI_MOTOR_LR")):
        hcp(tmp_path / "d", "100307", run, seed=seed)
    hcp(tmp_path / "d", "HCA6002236_V1_MR", "rfMRI_REST1_AP", seed=9)
    source = opened(tmp_path / "d", parcellation=dlabel)
    assert source.kind == "HCP CIFTI dense series"
    assert [(item.key, item.participant, item.session, item.run) for item in source.items()] == [
        ("sub-100307_task-REST_run-1LR", "100307", "", "1LR"),
        ("sub-100307_task-REST_run-1RL", "100307", "", "1RL"),
        ("sub-100307_task-REST_run-2LR", "100307", "", "2LR"),
        ("sub-HCA6002236_ses-V1_task-REST_run-1AP", "HCA6002236", "V1", "1AP"),
    ]
    assert all(np.isnan(source.read(item).mean_fd) for item in source.items())
    assert source.notes()[-2:] == [
        "of HCP's versions of a run, Atlas_MSMAll_hp2000_clean is read",
        "HCP's Movement_RelativeRMS.txt is relative RMS, not framewise displacement: it is not read as mean_fd",
    ]
    assert [item.run for item in opened(tmp_path / "d", parcellation=dlabel, task_label=("MOTOR",)).items()] == ["LR"]


@pytest.mark.parametrize(
    ("name", "sub", "run"),
    [
        ("100307_rfMRI_REST1_LR_Atlas_hp2000_clean.dtseries.nii", "100307", "1LR"),
        ("100307.rfMRI_REST2_RL.ptseries.nii", "100307", "2RL"),
        ("100610/rfMRI_REST1_7T_PA_Atlas.dtseries.nii", "100610", "1PA"),
        ("100307/rfMRI_REST_Atlas_MSMAll_hp0_clean.dtseries.nii", "100307", ""),
        ("100307/MNINonLinear/Results/rfMRI_REST1_LR/rfMRI_REST1_LR_Atlas.dtseries.nii", "100307", "1LR"),
        ("rfMRI_REST1_LR/rfMRI_REST1_LR_Atlas.dtseries.nii", None, ""),
        ("rfMRI_REST1_LR_Atlas.dtseries.nii", None, ""),
        ("Atlas.dtseries.nii", None, ""),
    ],
)
def test_hcp_names_in_other_places(tmp_path, name, sub, run):
    found = parse_hcp(tmp_path / name, tmp_path)
    assert (found and found.entities["sub"]) == sub
    assert found is None or found.entities.get("run", "") == run


def test_the_cleaned_version_of_most_runs_is_read_and_runs_without_it_are_told(tmp_path, dlabel):
    for subject in ("100307", "100408"):
        hcp(tmp_path / "d", subject, "rfMRI_REST1_LR", "_Atlas", seed=1)
        hcp(tmp_path / "d", subject, "rfMRI_REST1_LR", "_Atlas_hp2000_clean", seed=2)
        hcp(tmp_path / "d", subject, "rfMRI_REST1_LR", seed=3)
    hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR", f"{CLEAN}_rclean_tclean", seed=4)
    hcp(tmp_path / "d", "100610", "rfMRI_REST1_LR", "_Atlas_MSMAll", seed=5)
    source = opened(tmp_path / "d", parcellation=dlabel)
    assert "of HCP's versions of a run, Atlas_MSMAll_hp2000_clean is read" in source.notes()
    items = source.items()
    assert [item.path.name for item in items[:2]] == [f"rfMRI_REST1_LR{CLEAN}.dtseries.nii"] * 2
    assert [item.participant for item in items] == ["100307", "100408", "100610"]
    with pytest.raises(DataError, match=r"_Atlas_MSMAll\.dtseries\.nii, and not the version Atlas_MSMAll_hp2000_clean"):
        source.read(items[2])
    hcp(tmp_path / "e", "100307", "rfMRI_REST1_LR", "_Atlas")
    raw = opened(tmp_path / "e", parcellation=dlabel)
    assert "of HCP's versions of a run, Atlas is read, which is not cleaned" in raw.notes()


def test_folders_that_fsl_worked_in_and_names_of_nobody_are_left_out(tmp_path, dlabel):
    path = hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    inner = path.parent / "rfMRI_REST1_LR_hp2000.ica"
    inner.mkdir()
    shutil.copy(path, inner / "rfMRI_REST1_LR_Atlas_hp2000_clean.dtseries.nii")
    shutil.copy(path, path.parent / "mine.dtseries.nii")
    source = opened(tmp_path / "d", parcellation=dlabel)
    assert len(source.items()) == 1
    assert "1 CIFTI series left out, named neither as BIDS nor as HCP names them" in source.notes()
    lost = tmp_path / "e"
    lost.mkdir()
    shutil.copy(path, lost / "mine.dtseries.nii")
    with pytest.raises(DataError, match=r"no CIFTI series that say whose they are, but 1 others \(such as mine"):
        opened(lost, parcellation=dlabel)
