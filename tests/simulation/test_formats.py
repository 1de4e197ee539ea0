"""A simulated cohort in the files of other tools: what is prepared from them is the cohort that was simulated."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.signals.prepare import prepare
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.as_tool import fitted, recordings_of, simulate_as
from semantoks.simulation.cohort import Simulation, SimulationConfig

SMALL = SimulationConfig(participants=3, sessions=2, atlas="schaefer100+tian-s3", minutes=5.0, seed=4)
KINDS = {
    "xcpd": ("XCP-D 26.1.1", "schaefer400+tian-s3"),
    "ukb": ("UK Biobank", "schaefer100+tian-s3"),
    "abide": ("C-PAC", "cc200"),
    "hdf5": ("HDF5 array", "schaefer100"),
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
    ids = ["participant_id", "session_id"]
    of = {tuple(row): i for i, row in enumerate(read.recordings[ids].to_numpy())}
    for i, row in enumerate(direct.recordings[ids].to_numpy()):
        np.testing.assert_array_equal(read.series(of[tuple(row)]), direct.series(i))
    same = ["source_tr", "site", "mean_fd"]
    left, right = (table.recordings.sort_values(ids)[same].reset_index(drop=True) for table in (read, direct))
    pd.testing.assert_frame_equal(left, right, rtol=1e-4)


def test_the_people_are_there_with_their_traits(tmp_path):
    simulate_as("hdf5", SMALL, out=tmp_path / "files")
    table = pd.read_csv(tmp_path / "files" / "participants.tsv", sep="\t", dtype={"participant_id": str})
    expected = Simulation(SMALL, get_atlas(SMALL.atlas)).participants_table()
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
