"""What every encoder is held against: functional connectivity, motion, and the same encoder with random weights."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.model.encoder import Encoder
from semantoks.model.weights import EncoderCard
from semantoks.signals.cohort import Cohort
from semantoks.train.loop import PretrainConfig
from semantoks.train.run import build_branch


def functional_connectivity(cohort: Cohort) -> Float[ndarray, "recording edge"]:
    """Return Fisher-z Pearson correlations of all pairs of ROIs, over all frames of each recording.

    A pair with a missing ROI is 0. Edges in the order of ``numpy.triu_indices(n_rois, 1)``.
    """
    upper = np.triu_indices(cohort.atlas.n_rois, 1)
    rows = np.empty((len(cohort), len(upper[0])), dtype=np.float32)
    for i in range(len(cohort)):
        series = np.asarray(cohort.series(i), dtype=np.float32)
        series = series - series.mean(axis=0)
        norm = np.linalg.norm(series, axis=0)
        unit = series / np.where(norm > 0, norm, 1)
        rows[i] = np.arctanh(np.clip(unit.T @ unit, -0.9999, 0.9999))[upper]
    return rows


def motion(cohort: Cohort) -> Float[ndarray, "recording feature"] | None:
    """Return mean framewise displacement (mm), its logarithm and the good frames; None where nobody's FD is known."""
    table = cohort.recordings
    fd = table["mean_fd"].to_numpy(float)
    if np.isnan(fd).all():
        return None
    return np.column_stack([fd, np.log(np.maximum(fd, 1e-3)), table["good_frames"].to_numpy(float)])


def random_encoder(card: EncoderCard) -> Encoder:
    """Return the encoder as it was before its pretraining: the same size, the weights of its seed."""
    config = PretrainConfig(encoder=card.encoder, seed=card.seed)
    return build_branch(config, card.atlas.network_index.tolist()).encoder.eval()


def by_person(features: Float[ndarray, "recording feature"], cohort: Cohort) -> pd.DataFrame:
    """Average each person's recordings; indexed by participant_id, sorted."""
    return pd.DataFrame(features).groupby(cohort.recordings["participant_id"].to_numpy()).mean()
