"""Simulated task blocks: their events lie beside them, and each trial type couples networks in a way of its own."""

import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.cli.main import run
from semantoks.errors import ConfigError
from semantoks.simulation.cohort import Simulation, SimulationConfig, Site

PEOPLE, TR = 16, 2.0
ATLAS = Atlas(name="small", labels=tuple("abcdefghijklmnop"), networks=tuple("wxyz" * 4))


def simulated(**settings):
    sites = (Site(name="A", tr=TR),)
    return Simulation(SimulationConfig(participants=PEOPLE, sessions=1, sites=sites, **settings), ATLAS)


def contrast(simulation, person):
    """Mean FC of networks in blocks of the first trial type less that of the second."""
    series = simulation.recording(person, 0).series
    networks = np.stack([series[:, np.array(ATLAS.networks) == name].mean(axis=1) for name in "wxyz"])
    found = {"memory": [], "motor": []}
    for onset, duration, name in simulation.events(person, 0).itertuples(index=False):
        first, frames = round((onset + 5) / TR), round(duration / TR)
        found[name].append(np.corrcoef(networks[:, first : first + frames])[np.triu_indices(4, 1)])
    return np.mean(found["memory"], axis=0) - np.mean(found["motor"], axis=0)


def test_trial_types_differ_in_coupling_and_alike_in_everybody():
    task, rest = (simulated(task_blocks=on, minutes=12.0) for on in (True, False))
    differences = np.stack([contrast(task, person) for person in range(PEOPLE)])
    nothing = np.stack([contrast(rest, person) for person in range(PEOPLE)])
    sizes = [np.abs(one.mean(axis=0)).mean() for one in (differences, nothing)]
    assert sizes[0] > 0.1 > 2 * sizes[1]
    assert np.corrcoef(differences[::2].mean(axis=0), differences[1::2].mean(axis=0))[0, 1] > 0.7


def test_both_trial_types_are_as_frequent_in_an_order_that_belongs_to_the_recording():
    simulation = simulated(task_blocks=True)
    designs = [simulation.events(person, 0) for person in range(PEOPLE)]
    for design in designs:
        assert design["trial_type"].value_counts().to_dict() == {"memory": 3, "motor": 3}
        assert (design["onset"] + design["duration"]).max() <= 360
    assert len({tuple(design["trial_type"]) for design in designs}) > 5


def test_the_command_writes_events_beside_the_recordings_and_writes_over_its_own(tmp_path, capsys):
    words = ["simulate", "--out", str(tmp_path / "sim"), "--participants", "1", "--sessions", "1", "--atlas", "cc200"]
    for _ in range(2):
        assert run([*words, "--minutes", "2", "--task-blocks"]) == 0
    names = sorted(file.name for file in (tmp_path / "sim").glob("sub-*"))
    assert names == [f"sub-0001_ses-1_task-blocks_{kind}" for kind in ("events.tsv", "timeseries.npy")]
    table = pd.read_csv(tmp_path / "sim" / names[0], sep="\t")
    assert table.columns.tolist() == ["onset", "duration", "trial_type"]
    assert run([*words, "--minutes", "1", "--task-blocks"]) == 2
    assert "task blocks need 1.75 minutes, and 1.0 give 1 at site A" in capsys.readouterr().err
    assert run([*words, "--task-blocks", "--as", "xcpd", "--out", str(tmp_path / "xcpd")]) == 2
    assert "leave --as out to simulate task blocks" in capsys.readouterr().err


def test_too_short_a_recording_for_two_blocks_is_refused():
    with pytest.raises(ConfigError, match="task blocks need"):
        simulated(task_blocks=True, minutes=1.5)
