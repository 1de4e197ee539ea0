"""Low-rank adapters on the linear maps of an encoder's blocks, and their merging into a plain encoder."""

import math

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.model.encoder import Encoder


class LowRank(nn.Module):
    """W x + b + (alpha / rank) B A x: W and b stay as they are, A and B learn (Hu et al. 2022).

    B starts at 0, so that the map starts as the one it was; A is drawn as torch draws the weights of a linear map.

    Parameters
    ----------
    linear
        The map to adapt; it is held, not copied, and its gradients are switched off.
    rank
        Rows of A and columns of B.
    alpha
        Strength; what is added has the factor alpha / rank, so that the rank changes its size little.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, rows: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Map each row."""
        out: Tensor = self.linear(rows)
        return out + self.scale * F.linear(F.linear(rows, self.down), self.up)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Add B A to W, in place, and return the plain map."""
        self.linear.weight += self.scale * einsum(self.up, self.down, "o r, r i -> o i")
        return self.linear.requires_grad_(True)


def adapt(encoder: Encoder, rank: int, alpha: float) -> Encoder:
    """Freeze an encoder, in place, and put adapters on the attention and MLP maps of its blocks; they alone learn."""
    encoder.requires_grad_(False)
    for holder, name, child in _children(encoder):
        if isinstance(child, nn.Linear):
            setattr(holder, name, LowRank(child, rank, alpha).to(child.weight.device))
    return encoder


def merge(encoder: Encoder) -> Encoder:
    """Fold all adapters into the maps that they are on, in place: a plain encoder with the same outputs."""
    for holder, name, child in _children(encoder):
        if isinstance(child, LowRank):
            setattr(holder, name, child.merged())
    return encoder.requires_grad_(True)


def _children(encoder: Encoder) -> list[tuple[nn.Module, str, nn.Module]]:
    """List (module, name, child) for all modules inside the blocks, as they are before anything is replaced."""
    return [(holder, *item) for holder in encoder.blocks.modules() for item in holder.named_children()]
