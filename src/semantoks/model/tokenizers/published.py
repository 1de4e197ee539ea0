"""The published tokenizer: each functional network's patch through convolutions of its own (METHOD 3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.model.flops import flops_of
from semantoks.model.tokenizers.conv import DenseConv, DepthwiseConv, PlainKernel, StructuredKernel
from semantoks.model.tokenizers.projection import SharedProjection
from semantoks.model.tokenizers.tokenizer import one_roi_each, rois_by_network

MOST_PIECES = 16
"""Of a structured kernel, whose length doubles with each: far more than any window has frames."""


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """How a network's patch becomes a token; the defaults are the published model's."""

    kind: Literal["published"] = "published"
    """The published convolutions; projection = one linear map, for atlases in which every ROI is its own network."""
    branches: Literal["both", "dense", "structured", "depthwise", "dense+depthwise"] = "both"
    """Which convolutions feed the token; both = dense + structured. A single branch has the whole width."""
    dense_taps: int = 3
    """Kernel length of the dense branch, frames."""
    pieces: int = 3
    """Learnable pieces of a structured kernel; its length is piece_taps * 2^(pieces-1) frames."""
    piece_taps: int = 4
    """Taps of one piece."""
    decay: tuple[float, float] = (2.0, 2.0)
    """Multiplier m of the first and of the last ROI of a network."""
    pooling: Literal["mean", "max", "attention"] = "mean"
    """How the frames of a patch become one vector."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if min(self.dense_taps, self.pieces, self.piece_taps) < 1:
            raise ConfigError("dense_taps, pieces and piece_taps have to be at least 1.")
        if self.pieces > MOST_PIECES:
            raise ConfigError(
                f"pieces has to be at most {MOST_PIECES}, not {self.pieces}: each doubles the length of a kernel."
            )

    def build(self, network_index: Sequence[int], width: int, patch: int) -> "NetworkTokenizers | SharedProjection":
        """Return the tokenizer; where each of several ROIs is its own network, one projection is shared (METHOD 1)."""
        if one_roi_each(network_index) and len(network_index) > 1:
            return SharedProjection(network_index, width, patch)
        return NetworkTokenizers(network_index, width, patch, self)


class NetworkTokenizer(nn.Module):
    """LayerNorm(pool over frames(GELU(concat of the branches))) for the ROIs of one network."""

    def __init__(self, n_rois: int, width: int, config: TokenizerConfig) -> None:
        super().__init__()
        kinds = ("dense", "structured") if config.branches == "both" else tuple(config.branches.split("+"))
        self.branches = nn.ModuleList(_branch(kind, n_rois, width // len(kinds), config) for kind in kinds)
        self.query = nn.Parameter(torch.zeros(width)) if config.pooling == "attention" else None
        self.pooling = config.pooling
        self.norm = nn.LayerNorm(width)

    def forward(self, patches: Float[Tensor, "roi frame item"]) -> Float[Tensor, "item width"]:
        """Tokenize every item."""
        active = [F.gelu(branch(patches)) for branch in self.branches]
        if self.pooling == "mean":
            # Not mean(): its backward pass writes out one gradient for every frame, and that transposed.
            pooled = torch.cat([h.sum(dim=1) / h.shape[1] for h in active])
        elif self.pooling == "max":
            pooled = torch.cat([h.amax(dim=1) for h in active])
        else:
            frames = torch.cat(active)
            score = torch.einsum("wfi,w->fi", frames, self.query) / math.sqrt(frames.shape[0])
            pooled = (frames * score.softmax(dim=0)).sum(dim=1)
        token: Tensor = self.norm(pooled.transpose(0, 1))
        return token

    def flops(self, frames: int) -> int:
        """Sum over branches, for one patch of ``frames`` frames."""
        return sum(flops_of(branch, frames) for branch in self.branches)


def _branch(kind: str, n_rois: int, width: int, config: TokenizerConfig) -> nn.Module:
    if kind == "dense":
        return DenseConv(n_rois, width, config.dense_taps)
    filters = math.ceil(width / n_rois)
    if kind == "structured":
        structured = StructuredKernel(
            n_rois, filters, pieces=config.pieces, piece_taps=config.piece_taps, decay=config.decay
        )
        return DepthwiseConv(n_rois, width, structured)
    return DepthwiseConv(n_rois, width, PlainKernel(n_rois, filters, taps=config.piece_taps * 2 ** (config.pieces - 1)))


class NetworkTokenizers(nn.Module):
    """Series to the network x patch grid of tokens, each network by a module of its own."""

    order: Tensor

    def __init__(self, network_index: Sequence[int], width: int, patch: int, config: TokenizerConfig) -> None:
        super().__init__()
        order, self.sizes = rois_by_network(network_index)
        self.patch = patch
        self.register_buffer("order", order, persistent=False)
        self.networks = nn.ModuleList(NetworkTokenizer(size, width, config) for size in self.sizes)

    @property
    def frames_needed(self) -> int:
        """One patch."""
        return self.patch

    def forward(self, series: Float[Tensor, "batch roi frame"]) -> Float[Tensor, "batch network patch width"]:
        """Cut into patches and tokenize."""
        batch, _, frames = series.shape
        whole = series[:, :, : frames // self.patch * self.patch]
        rows = rearrange(whole, "b r (p t) -> r t (b p)", t=self.patch).index_select(0, self.order)
        parts = torch.split(rows, self.sizes)
        tokens = torch.stack([tokenizer(part) for tokenizer, part in zip(self.networks, parts, strict=True)])
        return rearrange(tokens, "n (b p) d -> b n p d", b=batch)

    def flops(self, frames: int) -> int:
        """Sum over networks, for one window."""
        return frames // self.patch * sum(flops_of(network, self.patch) for network in self.networks)
