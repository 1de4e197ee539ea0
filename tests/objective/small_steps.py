"""Batches of a few people, each with a series of their own, and steps of an objective on them."""

from dataclasses import replace

import numpy as np
import torch

from semantoks.model.encoder import EncoderConfig
from semantoks.objective.jepa import Observed
from semantoks.views.batch import Batch
from semantoks.views.masks import draw_observed

INDEX = (0, 1, 0, 2, 1, 2, 0, 2)
SIZE = EncoderConfig(width=16, depth=1, frames=40, patch=10)
NETWORKS, PATCHES = 3, 4


def draw(step=0, people=8, masked=None):
    """2 views of each person: a series of the person's own, and noise; ``masked`` hides that share of tokens."""
    fixed = torch.Generator().manual_seed(5)
    own = torch.randn(people, 8, 40, generator=fixed).repeat(2, 1, 1)
    generator = torch.Generator().manual_seed(1000 + step)
    series = own + 0.3 * torch.randn(own.shape, generator=generator)
    mask = None
    if masked is not None:
        mask = torch.rand(2 * people, NETWORKS, PATCHES, generator=generator) < masked
        mask[:, 0, 0], mask[:, 1, 1] = False, True
    nothing = np.zeros((2, people), dtype=int)
    crops = series + 0.05 * torch.randn(series.shape, generator=generator)
    return Batch(crops, None, mask, np.zeros(people), nothing, originals=series)


def train(objective, batches, steps, lr=0.01, size=SIZE):
    """Take steps, and return the learner with the row of each step."""
    learner = objective.learner(size, INDEX, 0)
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=lr)
    rows = []
    for step in range(steps):
        rates = objective.rates(step, steps)
        found = objective.loss(learner, learner.trained, batches(step), rates)
        optimizer.zero_grad()
        found.loss.backward()
        optimizer.step()
        learner.follow(rates)
        rows.append({name: value.item() for name, value in found.scalars.items()})
    return learner, rows


def observe(step=0, people=8):
    """The same batches, with the networks and times that JEPA's student sees."""
    batch = draw(step, people)
    generator = torch.Generator().manual_seed(step)
    networks, patches = draw_observed(len(batch.crops), NETWORKS, PATCHES, (0.4, 0.7), (0.4, 0.6), generator)
    mask = ~(networks[:, :, None] & patches[:, None])
    return Observed(replace(batch, mask=mask), networks, patches)
