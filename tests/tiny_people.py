"""Tiny cohorts with planted answers, and encoders that were never trained, for probes in a second."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.shown import Shown
from semantoks.model.card import EncoderCard, hash_participant
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tensors import save_encoder
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare

ATLAS = Atlas(name="tiny", labels=tuple("abcdefgh"), networks=("x", "y", "x", "z", "y", "z", "x", "z"))
SIZE = EncoderConfig(width=16, depth=1)
RAW = CleaningConfig(band=None, target_tr=None)

RECIPE = """
batch_size = 8
steps = 3
min_seconds = 0.0
[encoder]
width = 8
depth = 1
frames = 60
patch = 20
[objective.head]
hidden = 8
projection = 4
"""
"""A recipe that trains in moments."""
QUICK_STUDY = ("--held-out", "0.5", "--folds", "2", "--repeats", "1", "--n-jobs", "1")
"""Options of a study whose probes take moments."""


def write_cohort(folder: Path, series: dict[str, np.ndarray], table: pd.DataFrame | None = None) -> Cohort:
    """Prepare ``series`` ("sub-01_ses-1" -> [frame, roi]) at TR 2 s, neither filtered nor resampled."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for name, values in series.items():
        np.save(raw / f"{name}_timeseries.npy", values.astype(np.float32))
    if table is not None:
        table.to_csv(raw / "participants.tsv", sep="\t", index=False)
    return prepare(raw, out=folder / "cohort", atlas=ATLAS, tr=2.0, cleaning=RAW)


def shown(cohort: Cohort, spans: np.ndarray | None = None, *, n_jobs: int = 1) -> Shown:
    """All of a cohort, or the frames within spans, as baselines see it."""
    return Shown(cohort=cohort, people=people_of(cohort), spans=spans, n_jobs=n_jobs)


def make_people(people: int = 40, *, seed: int = 0, motion: bool = True) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """White noise of two sessions each; ROIs a and b go together in one sex alone, c and d the more the older one is.

    ``coin`` is a class that nothing shows; ``mean_fd`` is random.
    """
    rng = np.random.default_rng(seed)
    ids = [f"{i:02d}" for i in range(people)]
    sex, age = rng.permutation(np.arange(people) % 2), rng.uniform(20, 70, people)
    series = {}
    for i, name in enumerate(ids):
        for session in (1, 2):
            values = rng.normal(size=(int(rng.integers(90, 150)), 8))
            if sex[i]:
                values[:, 1] = values[:, 0] + rng.normal(size=len(values))
            values[:, 3] += values[:, 2] * (age[i] - 45) / 15
            series[f"sub-{name}_ses-{session}"] = values
    table = {"participant_id": ids, "sex": np.where(sex, "F", "M"), "age": age.round(1)}
    table["coin"] = rng.permutation(np.where(np.arange(people) % 2, "heads", "tails"))
    if motion:
        table["mean_fd"] = rng.uniform(0.05, 0.5, people).round(4)
    return series, pd.DataFrame(table)


def save_model(folder: Path, *, atlas: Atlas = ATLAS, seed: int = 0, people: tuple[str, ...] = ()) -> Path:
    """Save an encoder that claims the seed 0 and to have seen ``people``; its weights are those of ``seed``."""
    encoder = random_encoder(SIZE, atlas.network_index, seed)
    hashes = tuple(sorted(hash_participant("salt", p) for p in people))
    card = EncoderCard(encoder=SIZE, atlas=atlas, tr=2.0, band=None, seed=0, salt="salt", participants=hashes)
    return save_encoder(folder, encoder, card)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Forty people, two sessions each, with planted answers."""
    return write_cohort(tmp_path_factory.mktemp("people"), *make_people())


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An encoder that claims to have seen three of them."""
    return save_model(tmp_path_factory.mktemp("model") / "encoder", seed=7, people=("00", "01", "39", "elsewhere"))
