"""Coding-rate regularised self-distillation: agreement across views minus the coding rate (SimDINO; METHOD 6)."""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from semantoks.objective.coding_rate import coding_rate, rate_scale, second_moment


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


def simdino(student: Float[Tensor, "batch projection"], teacher: Float[Tensor, "batch projection"]) -> SimDino:
    """Compare two views of the same rows; ``batch`` is view-major: all rows of view 1, then all rows of view 2.

    Unit vectors in, float32 throughout; no gradient reaches the teacher.
    """
    with torch.autocast(student.device.type, enabled=False):
        s = rearrange(student.float(), "(v m) k -> v m k", v=2)
        t = rearrange(teacher.detach().float(), "(v m) k -> v m k", v=2)
        alike = agreement(s, t)
        mean = (s + t) / 2
        moments = [second_moment(view) for view in mean.unbind(0)]
        rate = (coding_rate(*moments[0]) + coding_rate(*moments[1])) / 2
        rows = moments[0][1]
        loss = -alike - rate_scale(s.shape[-1], rows) * rate
    return SimDino(loss, alike.detach(), rate.detach(), rows, moments[0][0].detach())
