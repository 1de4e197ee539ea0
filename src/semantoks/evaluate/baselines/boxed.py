"""The encoder in the box, where it fits the cohort's atlas: nothing of it was learned from these people, or anybody."""

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from semantoks.evaluate.study.shown import Shown
from semantoks.features.encode import own_readout, read_out
from semantoks.model.box import BOX, box_that_fits
from semantoks.model.hub import load_encoder


@torch.inference_mode()
def encoder_in_the_box(shown: Shown) -> Float32[ndarray, "recording edge"] | None:
    """Return the embeddings that ``embed`` without a model gives of the shown frames; None where no atlas fits."""
    labels = shown.cohort.atlas.labels
    name = box_that_fits(labels)
    if name is None:
        return None
    encoder, card = load_encoder(BOX / name)
    positions = card.atlas.match(labels)
    rows = []
    for index in range(len(shown)):
        series = shown.series(index)[:, positions]
        series[:, positions < 0] = 0
        tokens = encoder(torch.from_numpy(np.ascontiguousarray(series.T))[None])
        rows.append(read_out(tokens, own_readout(encoder))[0].numpy())
    return np.stack(rows)
