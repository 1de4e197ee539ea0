"""Two ranks with half of the people each have the loss and the gradient of one with all, for every objective."""

import os
import socket
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from small_objectives import OBJECTIVES, learned, whole

from semantoks.objective.jepa import Observed

PEOPLE = 8


def half(batch, rank):
    """Keep half of the people, with both of their views."""
    people = torch.arange(PEOPLE // 2) + rank * PEOPLE // 2
    rows = torch.cat([people, people + PEOPLE])
    if isinstance(batch, Observed):
        return Observed(half(batch.views, rank), batch.networks[rows], batch.patches[rows])
    cut = {
        name: getattr(batch, name)[rows] for name in ("crops", "mask", "originals") if getattr(batch, name) is not None
    }
    return replace(batch, **cut, overlap=np.zeros(PEOPLE // 2), recordings=np.zeros((2, PEOPLE // 2), dtype=int))


def rank(number, port, out):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=number, world_size=2)
    found = {}
    for name, objective in OBJECTIVES.items():
        parts = learned(objective, half(whole(objective), number))
        for part in parts:  # the mean over ranks, as data-parallel training takes it
            dist.all_reduce(part)
        found[name] = [part / 2 for part in parts]
    if number == 0:
        torch.save(found, out)
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_have_the_loss_the_gradient_and_the_state_of_one_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(rank, (port, str(tmp_path / "found.pt")), nprocs=2)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    for name, objective in OBJECTIVES.items():
        for one, two in zip(learned(objective, whole(objective)), found[name], strict=True):
            torch.testing.assert_close(two, one, rtol=1e-4, atol=2e-6, msg=lambda said, name=name: f"{name}: {said}")
