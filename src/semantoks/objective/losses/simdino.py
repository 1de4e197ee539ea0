"""Agreement across views minus the coding rate, which says how far vectors are from collapse (SimDINO; METHOD 6)."""

import math
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from semantoks.objective.losses.ranks import over_ranks, ranks

EPS = 0.05
"""Squared distortion of the published objective."""


def second_moment(vectors: Float[Tensor, "row projection"]) -> tuple[Float[Tensor, "projection projection"], int]:
    """Return Z'Z and the number of rows M, both summed over all ranks, differentiably, where there are several.

    With moments of one rank only but a global M, the collapsed solution wins at eight ranks (METHOD 6), so the sum is
    part of the loss, not an option. Every rank has to hold the same number of rows.
    """
    vectors = vectors.float()
    return over_ranks(vectors.T @ vectors), len(vectors) * ranks()


def coding_rate(moment: Float[Tensor, "projection projection"], rows: int, eps: float = EPS) -> Float[Tensor, ""]:
    """Return R = 1/2 logdet(I + K / (M eps) Z'Z), uncentred, in nats; by Cholesky in float32 (METHOD 6).

    Parameters
    ----------
    moment
        Z'Z [projection, projection] of M = ``rows`` vectors with K entries (``second_moment``).

    Raises
    ------
    FloatingPointError
        When the factorisation fails on a CPU. On a GPU that would stall the device, so the result is NaN there, which
        the training monitor reports with its step.
    """
    size = len(moment)
    with torch.autocast(moment.device.type, enabled=False):
        matrix = torch.eye(size, device=moment.device) + moment.float() * (size / (rows * eps))
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if failed.device.type == "cpu" and int(failed):
            raise FloatingPointError(f"the coding rate's {size} x {size} matrix is not positive definite.")
        rate = factor.diagonal().log().sum()
        return torch.where(failed == 0, rate, torch.nan)


def coding_rate_maximum(projection: int, rows: int, eps: float = EPS) -> float:
    """Return the largest R that M unit vectors of K entries can reach: orthogonal, or evenly spread, directions."""
    directions = min(projection, rows)
    return directions / 2 * math.log1p(projection / (directions * eps))


def coding_rate_minimum(projection: int, eps: float = EPS) -> float:
    """Return the R of unit vectors that are all the same: complete collapse."""
    return math.log1p(projection / eps) / 2


def rate_scale(projection: int, rows: int) -> float:
    """Return gamma = (K + M) / (K M), the weight of the coding rate in the loss (METHOD 6)."""
    return (projection + rows) / (projection * rows)


class SimDino(NamedTuple):
    """The loss ``-agreement - gamma R`` with its parts, each a scalar, and the second moment of view 1 (detached)."""

    loss: Float[Tensor, ""]
    agreement: Float[Tensor, ""]
    rate: Float[Tensor, ""]
    rows: int
    moment: Float[Tensor, "projection projection"]


def agreement(
    student: Float[Tensor, "view row projection"], teacher: Float[Tensor, "view row projection"]
) -> Float[Tensor, ""]:
    """Return 1/2 (mean <t1, s2> + mean <t2, s1>): across views only, unit vectors of this rank (METHOD 6)."""
    return (teacher.flip(0) * student).sum(dim=-1).mean()


def simdino(
    student: Float[Tensor, "batch projection"], teacher: Float[Tensor, "batch projection"], *, rate_weight: float = 1.0
) -> SimDino:
    """Compare two views of the same rows; ``batch`` is view-major: all rows of view 1, then all rows of view 2.

    Unit vectors in, float32 throughout; no gradient reaches the teacher. ``rate_weight`` multiplies gamma.
    """
    with torch.autocast(student.device.type, enabled=False):
        s = rearrange(student.float(), "(v m) k -> v m k", v=2)
        t = rearrange(teacher.detach().float(), "(v m) k -> v m k", v=2)
        alike = agreement(s, t)
        mean = (s + t) / 2
        moments = [second_moment(view) for view in mean.unbind(0)]
        rate = (coding_rate(*moments[0]) + coding_rate(*moments[1])) / 2
        rows = moments[0][1]
        loss = -alike - rate_weight * rate_scale(s.shape[-1], rows) * rate
    return SimDino(loss, alike.detach(), rate.detach(), rows, moments[0][0].detach())
