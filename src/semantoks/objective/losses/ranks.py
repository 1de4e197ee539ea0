"""Sums and rows over all ranks, differentiably, so that a loss of several devices is that of the whole batch."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


class _SumOverRanks(torch.autograd.Function):
    """All-reduce by sum whose gradient is the sum of all ranks' gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ARG004
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def ranks() -> int:
    """Return how many ranks train together; 1 where nothing else was started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def over_ranks(tensor: Tensor) -> Tensor:
    """Return the sum over ranks, with its gradient; the tensor itself where there is one."""
    if ranks() == 1:
        return tensor
    total: Tensor = _SumOverRanks.apply(tensor)  # type: ignore[no-untyped-call]
    return total


def rows_of_all(vectors: Float[Tensor, "row width"]) -> tuple[Float[Tensor, "row_of_all width"], int]:
    """Return the rows of all ranks, with their gradient, and where this rank's begin; each has to hold as many."""
    if ranks() == 1:
        return vectors, 0
    first = dist.get_rank() * len(vectors)
    padding = (0, 0, first, (ranks() - 1) * len(vectors) - first)
    return over_ranks(torch.nn.functional.pad(vectors, padding)), first
