"""People whose answers are planted in the mean of one ROI, and an encoder that was never trained."""

import numpy as np
import torch

from semantoks.evaluate.finetuning.tuning import Examples, FinetuneConfig
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.views.crops import Frames
from semantoks.views.pool import Pool

CPU = torch.device("cpu")
NETWORKS = [0, 1, 0, 2, 1, 2]
PEOPLE, FRAMES = 40, 120
LABELS = np.random.default_rng(1).permutation(np.arange(PEOPLE) % 2).astype(np.int64)
QUICK = FinetuneConfig(epochs=3, lr=(1e-2,), crops=2, validation_crops=1, validation=0.25)


def make_encoder() -> Encoder:
    """Return a small encoder."""
    torch.manual_seed(0)
    return Encoder(EncoderConfig(width=16, depth=1), NETWORKS).eval()


def make_pool() -> Pool:
    """Forty people with two recordings of 120 frames each; in people of class 1, ROI 0 is higher by 2 throughout."""
    series = np.random.default_rng(0).normal(size=(2 * PEOPLE, FRAMES, len(NETWORKS)))
    series[:, :, 0] += 2 * LABELS.repeat(2)[:, None]
    return Pool(
        frames=Frames([series.reshape(-1, len(NETWORKS)).astype(np.float16)]),
        network_index=np.array(NETWORKS),
        first=np.arange(2 * PEOPLE) * FRAMES,
        length=np.full(2 * PEOPLE, FRAMES),
        good_before=np.arange(2 * PEOPLE * FRAMES + 1),
        missing=np.zeros((2 * PEOPLE, 3), dtype=bool),
        person=np.arange(PEOPLE).repeat(2),
    )


def sides(truth: np.ndarray = LABELS, train: int = 28) -> list[Examples]:
    """Return people to train on, and the others to validate with."""
    people = np.random.default_rng(2).permutation(PEOPLE)
    return [Examples(people=rows, truth=truth[rows]) for rows in (people[:train], people[train:])]
