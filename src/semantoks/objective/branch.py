"""The projection head, and the published objective's branch: an encoder and a head that projects its tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.objective.objective import NetworkIndex


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Size of the projection head; the defaults are the published model's."""

    hidden: int = 1024
    """Width of its hidden layers."""
    hidden_layers: int = 1
    """Hidden layers; the paper's text says two, its published weights have one."""
    projection: int = 128
    """Width K of the unit vectors that the losses compare."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if min(self.hidden, self.hidden_layers, self.projection) < 1:
            raise ConfigError("head hidden, hidden_layers and projection have to be at least 1.")


class Head(nn.Module):
    """Linear and GELU for each hidden layer, then Linear -> K, L2-normalised in float32 (METHOD 5)."""

    def __init__(self, width: int, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        sizes = [width, *[config.hidden] * config.hidden_layers, config.projection]
        linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.layers = nn.Sequential(linear[0], *(part for layer in linear[1:] for part in (nn.GELU(), layer)))
        for layer in linear:
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, vectors: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch projection"]:
        """Project to unit vectors."""
        return F.normalize(self.raw(vectors), dim=-1, eps=1e-12)

    def raw(self, vectors: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch projection"]:
        """Project, in float32."""
        projected: Tensor = self.layers(vectors.flatten(0, -2))
        return projected.view(*vectors.shape[:-1], self.config.projection).float()


def project_tokens(
    head: Callable[[Tensor], Tensor],
    grid: Float[Tensor, "batch network patch width"],
    read: Bool[Tensor, "batch network patch"] | None,
) -> Float[Tensor, "batch network patch projection"]:
    """Return ``head`` of all tokens, or of those alone that are ``read`` (0 for the others).

    A GPU, which would have to wait for their number, computes all.
    """
    if read is None or read.device.type != "cpu" or torch.compiler.is_compiling():
        return head(grid)
    chosen = read.flatten().nonzero().squeeze(1)
    found = head(grid.flatten(0, 2).index_select(0, chosen))
    return found.new_zeros(read.numel(), found.shape[1]).index_copy(0, chosen, found).view(*read.shape, -1)


class Projections(NamedTuple):
    """Unit vectors of one branch for the crops [batch = view-major crops]; None where no loss of this step asks."""

    cls: Float[Tensor, "batch projection"]
    network: Float[Tensor, "batch network projection"] | None
    grid: Float[Tensor, "batch network patch projection"] | None
    """Of the tokens that are read; nothing is promised of the others."""
    feature: Float[Tensor, "batch width"]
    """CLS before the head, for the monitor; carries no gradient."""


class Branch(nn.Module):
    """Encoder and head in one module, so that one forward pass (and its gradient synchronisation) covers both."""

    def __init__(self, encoder: Encoder, config: HeadConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = Head(encoder.config.width, config)

    def forward(
        self,
        crops: Float[Tensor, "batch roi frame"],
        mask: Bool[Tensor, "batch network patch"] | None = None,
        read: Bool[Tensor, "batch network patch"] | None = None,
        *,
        networks: bool = True,
        grid: bool = True,
    ) -> Projections:
        """Encode and project CLS, and on request each network's mean over patches, and the grid tokens.

        ``read`` are those whose projections a loss looks at; None = all.
        """
        if not networks and not grid:
            cls = self.encoder(crops, mask, grid=False).cls
            return Projections(self.head(cls), None, None, cls.detach().to(torch.float32))
        tokens = self.encoder(crops, mask)
        return Projections(
            cls=self.head(tokens.cls),
            network=self.head(tokens.grid.mean(dim=2)) if networks else None,
            grid=project_tokens(self.head, tokens.grid, read) if grid else None,
            feature=tokens.cls.detach().to(torch.float32),
        )


def build_branch(encoder: EncoderConfig, head: HeadConfig, network_index: NetworkIndex, seed: int) -> Branch:
    """Return a branch with its weights drawn from ``seed``; the caller's random state is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Branch(Encoder(encoder, network_index), head)
