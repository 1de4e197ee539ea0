"""2 x 256 and 4 x 128 people have the loss and the gradient of 1 x 512, in pieces, too, for every objective.

In double precision, float32's rounding does not hide a difference: ``Tensor.float`` keeps double here.
"""

import os
import socket
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from small_objectives import OBJECTIVES, in_pieces, learned, whole

from semantoks.objective.jepa import Observed

PEOPLE, RANKS = 512, (2, 4)


def share(batch, rank, ranks):
    """Keep one of so many shares of the people, with both of their views."""
    people = torch.arange(PEOPLE).chunk(ranks)[rank]
    rows = torch.cat([people, people + PEOPLE])
    if isinstance(batch, Observed):
        return Observed(share(batch.views, rank, ranks), batch.networks[rows], batch.patches[rows])
    cut = {
        name: getattr(batch, name)[rows] for name in ("crops", "mask", "originals") if getattr(batch, name) is not None
    }
    few = len(people)
    return replace(batch, **cut, overlap=np.zeros(few), recordings=np.zeros((2, few), dtype=int))


def rank(number, ports, out):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    for ranks, port in zip(RANKS, ports, strict=True):
        if number >= ranks:
            continue
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        dist.init_process_group("gloo", rank=number, world_size=ranks)
        found, fabric = {}, Fabric(accelerator="cpu", devices=1)
        for name, objective in OBJECTIVES.items():
            mine, pieces = share(whole(objective, PEOPLE), number, ranks), []
            ways = {"whole": {}, "in pieces": {"wrapped": in_pieces(fabric, 2, pieces)}}
            ways["in pieces"]["after"] = lambda pieces=pieces: pieces[0].backward()
            for way, options in ways.items():
                parts = learned(objective, mine, **options)
                for part in parts:  # the mean over ranks, as data-parallel training takes it
                    dist.all_reduce(part)
                found[f"{name}, {way}"] = [part / ranks for part in parts]
        if number == 0:
            torch.save(found, f"{out}/{ranks}.pt")
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.usefixtures("_double")
def test_ranks_together_have_the_loss_the_gradient_and_the_state_of_one_batch(tmp_path):
    ports = []
    for _ in RANKS:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    torch.multiprocessing.spawn(rank, (ports, str(tmp_path)), nprocs=max(RANKS))
    one = {name: learned(objective, whole(objective, PEOPLE)) for name, objective in OBJECTIVES.items()}
    for ranks in RANKS:
        for name, together in torch.load(tmp_path / f"{ranks}.pt", weights_only=True).items():
            for alone, part in zip(one[name.rpartition(",")[0]], together, strict=True):
                assert alone.dtype == torch.float64
                said = f"{name}, {ranks} ranks"
                torch.testing.assert_close(part, alone, rtol=1e-6, atol=1e-8, msg=lambda m, said=said: f"{said}: {m}")
