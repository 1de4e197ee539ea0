"""The coding rate against closed forms, a naive float64 loop, and across ranks."""

import math
import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.nn import functional as F

from semantoks.objective.losses.simdino import (
    coding_rate,
    coding_rate_maximum,
    coding_rate_minimum,
    rate_scale,
    second_moment,
    simdino,
)


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def naive(z, eps=0.05):
    z = z.double().numpy()
    rows, size = z.shape
    return 0.5 * np.linalg.slogdet(np.eye(size) + size / (rows * eps) * z.T @ z)[1]


def test_coding_rate_equals_half_the_log_determinant():
    for rows, size in ((64, 16), (8, 32), (1, 5)):
        z = unit(rows, size)
        assert coding_rate(*second_moment(z)).item() == pytest.approx(naive(z), rel=1e-5)


def test_one_direction_and_even_spread_have_their_closed_forms():
    size, rows, eps = 16, 64, 0.05
    same = torch.zeros(rows, size)
    same[:, 0] = 1.0
    assert coding_rate(*second_moment(same)).item() == pytest.approx(0.5 * math.log1p(size / eps), rel=1e-6)
    assert coding_rate_minimum(size) == pytest.approx(0.5 * math.log1p(size / eps))
    even = torch.eye(size).repeat(rows // size, 1)
    assert coding_rate(*second_moment(even)).item() == pytest.approx(size / 2 * math.log1p(1 / eps), rel=1e-6)
    assert coding_rate_maximum(size, rows) == pytest.approx(size / 2 * math.log1p(1 / eps))
    few = torch.eye(size)[:4]
    assert coding_rate(*second_moment(few)).item() == pytest.approx(coding_rate_maximum(size, 4), rel=1e-6)


def test_the_floor_of_the_cls_loss_at_batch_512_is_the_published_one():
    assert rate_scale(128, 512) * coding_rate_maximum(128, 512) == pytest.approx(1.903, abs=5e-4)


def test_coding_rate_grows_as_vectors_spread():
    centre = unit(1, 8)
    rates = [coding_rate(*second_moment(F.normalize(centre + s * unit(50, 8), dim=1))).item() for s in (0, 0.1, 0.5, 2)]
    assert rates == sorted(rates)
    assert rates[0] < 0.5 * rates[-1]


def test_coding_rate_does_not_depend_on_the_order_of_rows_or_on_a_rotation():
    z = unit(30, 6)
    turn = torch.linalg.qr(unit(6, 6, seed=1))[0]
    for other in (z.flip(0), z @ turn):
        torch.testing.assert_close(coding_rate(*second_moment(other)), coding_rate(*second_moment(z)))


def test_a_matrix_that_is_not_positive_definite_is_reported():
    with pytest.raises(FloatingPointError, match="not positive definite"):
        coding_rate(-100 * torch.eye(4), rows=2)


def _rank(rank: int, world: int, port: int, z: torch.Tensor, t: torch.Tensor, out: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=world)
    half = z.shape[1] // world
    mine = z[:, rank * half : (rank + 1) * half].flatten(0, 1).clone().requires_grad_()
    seen = t[:, rank * half : (rank + 1) * half].flatten(0, 1)
    part = simdino(mine, seen)
    part.loss.backward()
    gradient = mine.grad.unflatten(0, (2, half)) / world  # data-parallel training averages gradients over ranks
    torch.save({"rate": part.rate, "agreement": part.agreement, "gradient": gradient}, f"{out}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_have_the_loss_and_the_gradient_of_one(tmp_path):
    z, t = unit(2, 12, 8), unit(2, 12, 8, seed=1)
    whole = z.flatten(0, 1).clone().requires_grad_()
    expected = simdino(whole, t.flatten(0, 1))
    expected.loss.backward()
    port = 29500 + os.getpid() % 2000
    torch.multiprocessing.spawn(_rank, (2, port, z, t, str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for part in parts:
        torch.testing.assert_close(part["rate"], expected.rate)
    torch.testing.assert_close((parts[0]["agreement"] + parts[1]["agreement"]) / 2, expected.agreement)
    joined = torch.cat([part["gradient"] for part in parts], dim=1).flatten(0, 1)
    torch.testing.assert_close(joined, whole.grad)
