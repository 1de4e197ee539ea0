"""An encoder with a linear head for one target, the windows it is shown, and its predictions (METHOD 9)."""

import copy
import math
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.features.encode import BATCH, read_out
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.views.crops import even_starts, published_starts, send
from semantoks.views.pool import Pool, empty_tokens

_HEAD_SD = 2e-5
Windows = tuple[Float[Tensor, "batch roi frame"], Bool[Tensor, "batch network patch"] | None]
"""Series, and the tokens without data; None = every token has data."""


class TargetModel(nn.Module):
    """Encoder, batch norm, linear map: series to class logits, or to one value.

    Parameters
    ----------
    encoder
        Taken as it is, not copied.
    outputs
        Number of classes; 1 for a value.
    """

    def __init__(self, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.BatchNorm1d(2 * encoder.config.width)
        self.head = nn.Linear(2 * encoder.config.width, outputs)
        nn.init.trunc_normal_(self.head.weight, std=_HEAD_SD, a=-2 * _HEAD_SD, b=2 * _HEAD_SD)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, series: Float[Tensor, "batch roi frame"], mask: Bool[Tensor, "batch network patch"] | None
    ) -> Float[Tensor, "batch output"]:
        """Map windows to outputs."""
        out: Tensor = self.head(self.norm(read_out(self.encoder(series, mask), "cls_avg")))
        return out


def fresh_model(encoder: Encoder, outputs: int, *, lora_rank: int, lora_alpha: float, seed: int) -> TargetModel:
    """Copy an encoder and give the copy a head (and, for a rank above 0, adapters) drawn from ``seed``.

    The encoder and the caller's random state are left alone.
    """
    own = copy.deepcopy(encoder).requires_grad_(True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TargetModel(adapt(own, lora_rank, lora_alpha) if lora_rank else own, outputs)


def parameter_groups(model: TargetModel, *, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Group what learns, for an optimiser: ``scale`` of the learning rate by depth, no weight decay for vectors.

    Tokenizer, embeddings, CLS and mask vector are level 0, block i is level i + 1, the encoder's last norm and the
    head are the top level; scale = layer_decay^(top - level), 1 at the top (Clark et al. 2020; Bao et al. 2022).
    """
    top = len(model.encoder.blocks) + 1
    groups: dict[tuple[int, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[_level(name, top), parameter.ndim > 1].append(parameter)
    return [
        {"params": group, "scale": layer_decay ** (top - level), "weight_decay": weight_decay if decays else 0.0}
        for (level, decays), group in groups.items()
    ]


def _level(name: str, top: int) -> int:
    if not name.startswith("encoder.") or name.startswith("encoder.norm."):
        return top
    parts = name.split(".")
    return int(parts[2]) + 1 if parts[1] == "blocks" else 0


def gather_windows(
    pool: Pool,
    recordings: Int[ndarray, " batch"],
    starts: Int[ndarray, " batch"],
    size: EncoderConfig,
    device: torch.device,
) -> Windows:
    """Return the windows of recordings that begin at ``starts`` (frames)."""
    available = np.minimum(pool.length[recordings] - starts, size.frames)
    first = pool.first[recordings] + starts
    series = pool.frames.gather(first, available, size.frames, device)
    empty = empty_tokens(pool.missing[recordings], pool.good_before, first, available, size.patch, size.patches)
    return series, send(empty, device) if empty.any() else None


def random_windows(
    pool: Pool, people: Int[ndarray, " batch"], size: EncoderConfig, rng: np.random.Generator, device: torch.device
) -> Windows:
    """Draw one window per person: one of their recordings and a start in it, both uniform."""
    recordings = pool.person_first[people] + rng.integers(0, np.bincount(pool.person)[people])
    starts = published_starts(rng, pool.length[recordings], size.frames)[0]
    return gather_windows(pool, recordings, starts, size, device)


@torch.inference_mode()
def predict_people(
    model: TargetModel, pool: Pool, people: Int[ndarray, " row"], crops: int
) -> Float[ndarray, "row output"]:
    """Return the outputs for people: the mean over evenly spaced crops and over a person's recordings, float64."""
    model.eval()
    size, device = model.encoder.config, model.head.weight.device
    recordings = np.flatnonzero(np.isin(pool.person, people))
    starts = np.concatenate([even_starts(int(pool.length[r]), size.frames, crops) for r in recordings])
    shown = recordings.repeat(crops)
    parts = [
        model(*gather_windows(pool, shown[i : i + BATCH], starts[i : i + BATCH], size, device))
        for i in range(0, len(shown), BATCH)
    ]
    outputs, owner = torch.cat(parts).cpu().double().numpy(), pool.person[shown]
    total = np.zeros((pool.people, outputs.shape[1]))
    np.add.at(total, owner, outputs)
    mean: ndarray = total[people] / np.bincount(owner, minlength=pool.people)[people, None]
    return mean


class LowRank(nn.Module):
    """W x + b + (alpha / rank) B A x: W and b stay as they are, A and B learn (Hu et al. 2022).

    B starts at 0, so that the map starts as the one it was; A is drawn as torch draws the weights of a linear map.

    Parameters
    ----------
    linear
        The map to adapt; it is not copied, and its gradients are switched off.
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
