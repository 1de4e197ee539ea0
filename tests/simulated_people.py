"""Simulated people of few ROIs, prepared as recordings are: their traits are known."""

from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.simulation.cohort import Simulation, SimulationConfig, Site

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "Subcortical", "Cerebellar")
ATLAS = Atlas(name="few", labels=tuple(f"roi{k}" for k in range(36)), networks=tuple(np.repeat(NETWORKS, 4).tolist()))


def write_simulated(folder: Path, people: int, *, minutes: float = 6.0, seed: int = 1) -> tuple[Cohort, pd.DataFrame]:
    """Prepare one recording each; return the cohort and the traits, with a column ``noise`` that nothing shows."""
    sites = (Site(name="A", tr=2.0),)
    simulation = Simulation(
        SimulationConfig(participants=people, sessions=1, minutes=minutes, sites=sites, seed=seed), ATLAS
    )
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for number in range(people):
        np.save(raw / f"sub-{number:03d}_timeseries.npy", simulation.recording(number, 0).series)
    noise = np.random.default_rng(seed).normal(size=people)
    ids = [f"{number:03d}" for number in range(people)]
    table = simulation.participants_table().assign(participant_id=ids, noise=noise)
    table.to_csv(raw / "participants.tsv", sep="\t", index=False)
    return prepare(raw, out=folder / "cohort", atlas=ATLAS, tr=2.0), table
