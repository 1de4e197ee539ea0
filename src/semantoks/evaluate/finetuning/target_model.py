"""What is trained on a target: an encoder with a linear head, the windows it is shown, its predictions (METHOD 9)."""

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
from semantoks.views.corrupt import CorruptionConfig, corrupt
from semantoks.views.crops import even_starts, published_starts, send
from semantoks.views.pool import Pool, empty_tokens

_HEAD_SD = 2e-5
Windows = tuple[Float[Tensor, "batch roi frame"], Bool[Tensor, "batch ..."] | None]
"""Series, and, of an encoder, the tokens [network, patch] without data; None = every token has data."""


class WindowModel(nn.Module):
    """A module from windows of recordings to outputs, which says what its windows are and how it learns.

    Attributes
    ----------
    frames
        Length of its windows; a shorter recording is padded with zeros.
    whole
        Whether that is the length of the longest recording, so that each is shown once instead of in crops.
    """

    frames: int
    whole: bool = False

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def gather(self, pool: Pool, recordings: Int[ndarray, " batch"], starts: Int[ndarray, " batch"]) -> Windows:
        """Return the windows of recordings that begin at ``starts`` (frames)."""
        raise NotImplementedError

    def vary(self, windows: Windows, corruption: CorruptionConfig, generator: torch.Generator) -> Windows:
        """Change windows to train on; they may be changed in place."""
        raise NotImplementedError

    def level(self, name: str) -> int:  # noqa: ARG002
        """Say how many levels below the top a parameter is; the learning rate falls with each."""
        return 0

    def late(self) -> list[nn.Parameter]:
        """Return what does not learn in the first ``frozen_epochs``."""
        return []

    def settle(self) -> None:
        """End the training: take its best weights into use."""


class TargetModel(WindowModel):
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
        self.encoder, self.frames = encoder, encoder.config.frames
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

    def gather(self, pool: Pool, recordings: Int[ndarray, " batch"], starts: Int[ndarray, " batch"]) -> Windows:
        """Return windows, and which of their tokens have no data."""
        return gather_windows(pool, recordings, starts, self.encoder.config, self.device)

    def vary(self, windows: Windows, corruption: CorruptionConfig, generator: torch.Generator) -> Windows:
        """Corrupt the series as in pretraining."""
        return corrupt(windows[0], corruption, generator), windows[1]

    def level(self, name: str) -> int:
        """Count: encoder's last norm and head 0, block i its distance to them, all before the blocks below block 0.

        Tokenizer, embeddings, CLS and mask vector come before the blocks (Clark et al. 2020; Bao et al. 2022).
        """
        if not name.startswith("encoder.") or name.startswith("encoder.norm."):
            return 0
        parts = name.split(".")
        return len(self.encoder.blocks) - (int(parts[2]) if parts[1] == "blocks" else -1)

    def late(self) -> list[nn.Parameter]:
        """Return the encoder's weights, as far as they learn."""
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]

    def settle(self) -> None:
        """Fold the adapters into the encoder's weights."""
        merge(self.encoder)


def fresh_model(encoder: Encoder, outputs: int, *, lora_rank: int, lora_alpha: float, seed: int) -> TargetModel:
    """Copy an encoder and give the copy a head (and, for a rank above 0, adapters) drawn from ``seed``.

    The encoder and the caller's random state are left alone.
    """
    own = copy.deepcopy(encoder).requires_grad_(True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TargetModel(adapt(own, lora_rank, lora_alpha) if lora_rank else own, outputs)


def parameter_groups(model: WindowModel, *, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Group what learns, for an optimiser: ``scale`` = layer_decay^level of the learning rate, no decay for vectors."""
    groups: dict[tuple[int, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[model.level(name), parameter.ndim > 1].append(parameter)
    return [
        {"params": group, "scale": layer_decay**level, "weight_decay": weight_decay if decays else 0.0}
        for (level, decays), group in groups.items()
    ]


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


def draw_starts(
    pool: Pool, people: Int[ndarray, " batch"], frames: int, rng: np.random.Generator
) -> tuple[Int[ndarray, " batch"], Int[ndarray, " batch"]]:
    """Draw one of each person's recordings, and where in it a window of ``frames`` starts, both uniform."""
    recordings = pool.person_first[people] + rng.integers(0, np.bincount(pool.person)[people])
    return recordings, published_starts(rng, pool.length[recordings], frames)[0]


@torch.inference_mode()
def predict_people(
    model: WindowModel, pool: Pool, people: Int[ndarray, " row"], crops: int
) -> Float[ndarray, "row output"]:
    """Return the outputs for people: the mean over evenly spaced crops and over a person's recordings, float64."""
    model.eval()
    crops = 1 if model.whole else crops
    recordings = np.flatnonzero(np.isin(pool.person, people))
    starts = np.concatenate([even_starts(int(pool.length[r]), model.frames, crops) for r in recordings])
    shown = recordings.repeat(crops)
    parts = [
        model(*model.gather(pool, shown[i : i + BATCH], starts[i : i + BATCH])) for i in range(0, len(shown), BATCH)
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
