"""A simulated cohort in the files of other tools: what is prepared from them is the cohort that was simulated."""

import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.signals.prepare import prepare
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.as_tool import fitted, recordings_of, simulate_as
from semantoks.simulation.cohort import Simulation, SimulationConfig, simulate

SMALL = SimulationConfig(participants=3, sessions=2, atlas="schaefer100+tian-s3", minutes=5.0, seed=4)
KINDS = {
    "xcpd": ("XCP-D 26.1.1", "schaefer400+tian-s3"),
    "ukb": ("UK Biobank", "schaefer100+tian-s3"),
    "abide": ("C-PAC", "cc200"),
    "hdf5": ("reference HDF5", "schaefer100+tian-s3"),
    "ptseries": ("CIFTI", "schaefer100"),
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", KINDS)
def test_what_is_prepared_from_the_files_equals_the_simulated_recordings_prepared_directly(tmp_path, layout):
    kind, atlas = KINDS[layout]
    config = dataclasses.replace(SMALL, atlas=atlas, sessions=1 if layout == "abide" else 2)
    source = simulate_as(layout, config, out=tmp_path / "files")
    simulation = Simulation(fitted(layout, config), get_atlas(atlas))
    memory = MemorySource(list(recordings_of(layout, simulation)), atlas=simulation.atlas)
    read = prepare(source, out=tmp_path / "read", atlas=atlas)
    direct = prepare(memory, out=tmp_path / "direct", atlas=atlas)
    assert read.description["SourceKind"].startswith(kind)
    assert len(read) == len(direct) == 3 * config.sessions
    assert read.excluded.empty
    ids = ["participant_id", "session_id", "run"]
    of = {tuple(row): i for i, row in enumerate(read.recordings[ids].to_numpy())}
    for i, row in enumerate(direct.recordings[ids].to_numpy()):
        np.testing.assert_array_equal(read.series(of[tuple(row)]), direct.series(i))
    same = ["source_tr", "site", *([] if layout == "hdf5" else ["mean_fd"])]  # which has no place for a row's motion
    left, right = (table.recordings.sort_values(ids)[same].reset_index(drop=True) for table in (read, direct))
    pd.testing.assert_frame_equal(left, right, rtol=1e-4)


def test_the_hdf5_file_has_the_layout_of_the_methods_authors(tmp_path):
    config = dataclasses.replace(SMALL, atlas="schaefer100+tian-s3+buckner7", minutes=1.0)
    path = simulate_as("hdf5", config, out=tmp_path / "files")
    simulation = Simulation(config, get_atlas(config.atlas))
    with h5py.File(path) as file:
        assert sorted(file) == ["long_subject_id", "timeseries", "ts_len"]
        assert {name: array.shape[:2] for name, array in file["timeseries"].items()} == {
            "schaefer100": (6, 100),
            "tian3": (6, 50),
            "buckner7": (6, 7),
        }
        assert file["long_subject_id"][:].tolist() == [b"0001", b"0001", b"0002", b"0002", b"0003", b"0003"]
        whole = np.concatenate([file["timeseries"][name][3] for name in ("schaefer100", "tian3", "buckner7")])
        expected = simulation.recording(1, 1).series
        assert file["ts_len"][3] == len(expected)
        np.testing.assert_array_equal(whole[:, : len(expected)], expected.T)
        assert np.isnan(whole[:, len(expected) :]).all()


def test_the_people_are_there_with_their_traits(tmp_path):
    simulate_as("hdf5", SMALL, out=tmp_path / "files")
    table = pd.read_csv(tmp_path / "files" / "participants.tsv", sep="\t", dtype={"participant_id": str})
    expected = Simulation(SMALL, get_atlas(SMALL.atlas)).participants_table().drop_duplicates("participant_id")
    assert table["participant_id"].tolist() == ("sub-" + expected["participant_id"]).tolist()
    np.testing.assert_allclose(table["age"], expected["age"])


def test_a_layout_without_a_place_for_sessions_or_the_atlas_says_so_and_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError, match="one session"):
        simulate_as("abide", SMALL, out=tmp_path / "a")
    with pytest.raises(ConfigError, match="no ROIs of the atlas"):
        simulate_as("ukb", dataclasses.replace(SMALL, atlas="cc200"), out=tmp_path / "b")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_what_is_there_is_not_replaced(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(ConfigError, match="new or an empty folder"):
        simulate_as("xcpd", SMALL, out=tmp_path)
    assert (tmp_path / "mine").read_text() == "kept"


def test_arrays_with_as_many_frames_as_rois_are_refused_for_no_one_could_tell_time_from_rois(tmp_path):
    settings = {"participants": 1, "sessions": 1, "atlas": "schaefer100"}
    with pytest.raises(
        ConfigError, match=r"2.5 minutes at site B are 100 frames, as many as .*: choose other --minutes"
    ):
        simulate(SimulationConfig(minutes=2.5, **settings), out=tmp_path / "arrays")
    assert not (tmp_path / "arrays").exists()
