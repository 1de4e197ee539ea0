"""The encoder: series [batch, roi, frame] in, one CLS vector and a network x patch grid of tokens out (METHOD 3-4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor, nn

from semantoks.config import check_fields
from semantoks.errors import ConfigError, DataError
from semantoks.model.block import Block
from semantoks.model.flops import flops_of
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.model.tokenizers.projection import ProjectionConfig
from semantoks.model.tokenizers.published import TokenizerConfig
from semantoks.model.tokenizers.tokenizer import Tokenizer, TokenizerSettings

DEEPEST = 1000
"""Blocks: each takes time and memory before it is known whether there are weights for it."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Size of the encoder; the defaults are the published model's."""

    width: int = 768
    """Width D of every token; even, and a multiple of its number of heads, D // 64 (at least one); any width for edges
    without blocks."""
    depth: int = 8
    """Transformer blocks."""
    frames: int = 100
    """Frames per window (a crop)."""
    patch: int = 20
    """Frames per patch; a window has frames // patch patches."""
    mlp_ratio: int = 4
    """Width of a block's hidden layer over D."""
    layer_scale: float = 0.1
    """Initial layer scale."""
    norm: bool = True
    """A LayerNorm over every token at the end; False leaves tokens as they are, for an encoder in closed form."""
    tokenizer: TokenizerConfig | ProjectionConfig | ConnectivityConfig | TokenizerSettings = field(
        default_factory=TokenizerConfig
    )
    """How a network's patch becomes a token; ``kind`` chooses."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        odd = self.width % 2 and (self.depth or not self.any_length)
        if self.width < 2 or odd or (self.depth and self.width % self.heads):
            raise ConfigError(
                f"encoder width has to be even and a multiple of its {self.heads} heads, not {self.width}."
            )
        if not 0 <= self.depth <= DEEPEST or self.mlp_ratio < 1:
            raise ConfigError(
                f"encoder depth has to be 0 to {DEEPEST} and mlp_ratio at least 1, not {self.depth} and "
                f"{self.mlp_ratio}."
            )
        if not 1 <= self.patch <= self.frames:
            raise ConfigError(f"patch has to be 1 to {self.frames} (the frames per window), not {self.patch}.")

    @property
    def heads(self) -> int:
        """Attention heads: D/64, at least one."""
        return max(1, self.width // 64)

    @property
    def any_length(self) -> bool:
        """Whether windows may have any length: the tokenizer makes one token per network of all frames."""
        return bool(getattr(self.tokenizer, "any_length", False))

    @property
    def patches(self) -> int:
        """Patches P in one window."""
        return self.frames // self.patch

    def training_bytes(self, networks: int, windows: int, hidden: int = 0) -> int:
        """Estimate the bytes of a training step in float32 that keeps what ``windows`` windows need for the gradient.

        Weights count five times: teacher, gradient, Adam. A block keeps, for each token, its input, queries, keys,
        values, the result of the attention and of the MLP, twice its hidden values, and the attention's weights; half
        as much is there beside it at the height. So are 16 values of each ``hidden`` one of a head. The factors are
        fitted to measured peaks (``benchmarks/memory.py``).
        """
        tokens = networks * self.patches + 1
        weights = self.depth * self.width**2 * (4 + 2 * self.mlp_ratio)
        kept = self.depth * tokens * (self.width * (8 + 2 * self.mlp_ratio) + self.heads * tokens)
        return 4 * (5 * weights + windows * (3 * kept // 2 + 16 * tokens * hidden))


class Tokens(NamedTuple):
    """What the encoder gives: ``cls`` [batch, width] and ``grid`` [batch, network, patch, width]."""

    cls: Float[Tensor, "batch width"]
    grid: Float[Tensor, "batch network patch width"]

    def __repr__(self) -> str:
        """Say how large they are."""
        return f"Tokens(cls {list(self.cls.shape)}, grid {list(self.grid.shape)})"


def time_table(patches: int, width: int) -> Float[Tensor, "patch width"]:
    """Return the fixed positions [sin(p w_i) | cos(p w_i)], w_i = 10000^(-i/(D/2)), computed in float64 (METHOD 4).

    Of an odd width, which an encoder without blocks may have, the last cosine is left out.
    """
    half = -(-width // 2)
    angle = torch.arange(patches, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(half).double() / half)
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :width].float()


class Encoder(nn.Module):
    """Brain-Semantoks' encoder for any atlas (Gijsen et al. 2026; METHOD 3-4).

    Parameters
    ----------
    config
        Its size.
    network_index
        The network (0..N-1) of every ROI, e.g. ``Atlas.network_index``.

    Attributes
    ----------
    lower
        Type in which products are computed (``model.precision``); None = as whoever calls has it.
    """

    time: Tensor
    lower: torch.dtype | None = None

    def __init__(self, config: EncoderConfig, network_index: Sequence[int] | Int[ndarray, " roi"]) -> None:
        super().__init__()
        self.config = config
        index = [int(n) for n in network_index]
        self.network_index = tuple(index)
        self.n_rois, self.n_networks = len(index), max(index) + 1
        width = config.width
        self.tokenizer = _module(config.tokenizer.build(index, width, config.patch), config)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.network_embedding = nn.Parameter(torch.randn(self.n_networks, width) * 0.02)
        self.register_buffer("time", time_table(config.patches, width), persistent=False)
        self.cls_token = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.mlp_ratio, config.layer_scale) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width) if config.norm else nn.Identity()

    def forward(
        self,
        series: Float[Tensor, "batch roi frame"],
        mask: Bool[Tensor, "batch network patch"] | None = None,
        *,
        grid: bool = True,
    ) -> Tokens:
        """Encode z-scored windows.

        Parameters
        ----------
        series
            [batch, roi, frame], in the atlas's order, z-scored per ROI over the whole recording. Frames of an encoder
            that takes ``any_length`` may differ from ``config.frames``; those that are 0 in all ROIs do not count.
        mask
            [batch, network, patch]; True = hidden: the token is replaced by the learnable mask vector.
        grid
            False where CLS alone is read: the last block makes keys and values of the other tokens, and no more, and
            what is returned of them has no patches.

        Raises
        ------
        DataError
            When the number of ROIs or of frames is not the encoder's, or the mask has another shape or type.
        """
        if not torch.compiler.is_compiling():
            self._check_kind(series)
        least: Any = self.tokenizer.frames_needed
        fits = series.shape[2] >= least if self.any_length else series.shape[2] == self.config.frames
        if series.shape[1] != self.n_rois or not fits:
            frames = f"{least} or more" if self.any_length else self.config.frames
            raise DataError(
                f"the encoder takes series of shape [batch, {self.n_rois} ROIs, {frames} frames], "
                f"but got {list(series.shape)}."
            )
        if mask is not None and not torch.compiler.is_compiling():  # an exported program takes any batch
            self._check_mask(mask, len(series))
        if self.lower is None:
            return self._encode(series, mask, grid)
        with torch.autocast(series.device.type, self.lower):
            found = self._encode(series, mask, grid)
        return Tokens(found.cls.float(), found.grid.float())

    def _check_kind(self, series: Any) -> None:
        """Refuse what is no batch of windows in floats."""
        kind = type(series).__name__
        if isinstance(series, Tensor):
            kind = f"{str(series.dtype).removeprefix('torch.')} {list(series.shape)}"
        if not isinstance(series, Tensor) or not series.is_floating_point() or series.ndim != 3:
            raise DataError(f"series have to be a float tensor [batch, {self.n_rois} ROIs, frame], but are {kind}.")

    def _check_mask(self, mask: Any, batch: int) -> None:
        """Refuse a mask that does not say of every patch of every network whether it is hidden."""
        if not isinstance(mask, Tensor):
            raise DataError(f"the mask has to be a tensor, not {type(mask).__name__}: torch.as_tensor makes one.")
        patches = mask.shape[-1] if self.any_length else self.config.patches
        shape = (batch, self.n_networks, patches)
        if mask.dtype != torch.bool or tuple(mask.shape) != shape:
            raise DataError(
                f"the mask has to be boolean (True = hidden), [{batch} windows, {self.n_networks} networks, {patches} "
                f"patches], but is {str(mask.dtype).removeprefix('torch.')} {list(mask.shape)}."
            )

    def _encode(self, series: Tensor, mask: Tensor | None, grid: bool) -> Tokens:
        tokens = self._tokens(series, mask)
        for number, block in enumerate(self.blocks, start=1):
            one: Any = block
            tokens = one(tokens) if grid or number < len(self.blocks) else one.first(tokens)
        tokens = self.norm(tokens)
        if not grid:
            return Tokens(tokens[:, 0], tokens.new_empty(len(tokens), self.n_networks, 0, tokens.shape[2]))
        return Tokens(tokens[:, 0], rearrange(tokens[:, 1:], "b (n p) d -> b n p d", n=self.n_networks))

    def _tokens(self, series: Tensor, mask: Tensor | None) -> Tensor:
        """Return what enters the blocks: CLS, then the tokens of all networks."""
        grid = self.tokenizer(series, mask) if self.any_length else self.tokenizer(series)
        if mask is not None:
            token: Tensor = self.mask_token
            if token.dtype != grid.dtype:  # under autocast; else no cast, which an exported program would hold us to
                token = token.to(grid.dtype)
            grid = torch.where(mask[..., None], token, grid)
        grid = grid + self.network_embedding[:, None] + self.time
        cls = repeat(self.cls_token, "d -> b 1 d", b=series.shape[0])
        if self.any_length:
            cls = cls + grid.mean(dim=1)
        return torch.cat([cls, rearrange(grid, "b n p d -> b (n p) d")], dim=1)

    @property
    def any_length(self) -> bool:
        """Whether windows may have any length."""
        return self.config.any_length

    def flops(self, batch: int = 1) -> int:
        """Count the floating-point operations of one forward pass over ``batch`` windows (a multiply-add is two).

        Matrix products and convolutions only: the part that a machine's matmul rate bounds. Each module says its own;
        ConfigError names one that cannot.
        """
        tokens = 1 + self.n_networks * self.config.patches
        blocks = sum(flops_of(block, tokens) for block in self.blocks)
        return batch * (blocks + flops_of(self.tokenizer, self.config.frames))


def _module(tokenizer: Any, config: EncoderConfig) -> nn.Module:
    """Check that what the settings built is a tokenizer, and that the window is long enough for it."""
    if not isinstance(tokenizer, nn.Module) or not isinstance(tokenizer, Tokenizer):
        raise ConfigError(
            f"the tokenizer {config.tokenizer.kind!r} built a {type(tokenizer).__name__}; it has to be an nn.Module "
            "with frames_needed and flops(frames)."
        )
    if config.any_length and config.patches != 1:
        raise ConfigError(
            f"the tokenizer {config.tokenizer.kind!r} makes one token of a whole window: encoder patch has to be "
            f"{config.frames}, like encoder frames, not {config.patch}."
        )
    if config.frames < tokenizer.frames_needed:
        raise ConfigError(
            f"the tokenizer {config.tokenizer.kind!r} needs windows of at least {tokenizer.frames_needed} frames, "
            f"not {config.frames}."
        )
    return tokenizer


def random_encoder(config: EncoderConfig, network_index: Sequence[int] | Int[ndarray, " roi"], seed: int) -> Encoder:
    """Return an encoder with the weights that a pretraining of this ``seed`` starts from.

    The caller's random state is left alone.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Encoder(config, network_index)
