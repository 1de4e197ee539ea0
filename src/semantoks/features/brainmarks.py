"""Any encoder as a model of the Brainmarks suite: samples {bold, mean, std, tr} in, CLS and token embeddings out."""

import os
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from semantoks.atlas.catalog import brainmarks_spaces
from semantoks.errors import ConfigError
from semantoks.features.encode import open_encoder
from semantoks.model.card import EncoderCard
from semantoks.signals.clean import CleaningConfig, clean
from semantoks.signals.files.columns import pick
from semantoks.signals.quality import missing_networks
from semantoks.views.crops import even_starts
from semantoks.views.pool import empty_tokens

SPACES = brainmarks_spaces()


class Embeddings(NamedTuple):
    """CLS [B, 1, D], no registers, and the tokens [B, network x patch, D]."""

    cls_embeds: Tensor
    reg_embeds: None
    patch_embeds: Tensor


class Windows:
    """Clean a sample as the encoder demands; its evenly spaced windows, and what is hidden in each."""

    def __init__(self, card: EncoderCard, space: str, crops: int) -> None:
        self.card, self.crops, self.columns = card, crops, card.atlas.match(SPACES[space])
        self.cleaning = CleaningConfig(band=card.band, target_tr=card.tr, min_frames=1)

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Replace ``bold`` [frame, roi] by ``series`` [crop, roi, frame] and ``hidden`` [crop, network, patch]."""
        bold, mean, std = (np.asarray(sample[key], dtype=np.float32) for key in ("bold", "mean", "std"))
        cleaned = clean(pick(bold * std + mean, self.columns), float(sample["tr"]), self.cleaning)
        size, index = self.card.encoder, self.card.atlas.network_index
        whole, missing = cleaned.series, cleaned.missing
        padded = np.pad(whole, ((0, max(0, size.frames - len(whole))), (0, 0)))
        starts = even_starts(len(whole), size.frames, self.crops)
        series = np.stack([padded[start : start + size.frames].T for start in starts])
        absent = missing_networks(missing[None], index).repeat(self.crops, axis=0)
        available = np.minimum(len(whole) - starts, size.frames)
        hidden = empty_tokens(absent, np.arange(len(whole) + 1), starts, available, size.patch, size.patches)
        rest = {key: value for key, value in sample.items() if key not in ("bold", "mean", "std")}
        return {**rest, "series": torch.from_numpy(series), "hidden": torch.from_numpy(hidden)}


class Wrapped(nn.Module):
    """A frozen encoder with the interface of their ModelWrapper: embeddings are means over a sample's windows."""

    def __init__(self, encoder: nn.Module, space: str) -> None:
        super().__init__()
        self.encoder, self.__space__ = encoder.requires_grad_(False), space

    def forward(self, batch: dict[str, Any]) -> Embeddings:
        """Embed ``series`` [B, crop, roi, frame] with ``hidden`` [B, crop, network, patch]."""
        crops = batch["series"].shape[1]
        tokens = self.encoder(batch["series"].flatten(0, 1), batch["hidden"].flatten(0, 1))
        cls = rearrange(tokens.cls, "(b c) d -> b c d", c=crops).mean(dim=1, keepdim=True)
        return Embeddings(cls, None, rearrange(tokens.grid, "(b c) n p d -> b c (n p) d", c=crops).mean(dim=1))


def build(space: str, model: str = "", crops: int = 8) -> tuple[Windows, Wrapped]:
    """Load ``model`` (else what SEMANTOKS_MODEL names): a run, an encoder folder or a hub id, for one of ``SPACES``."""
    if not (name := model or os.environ.get("SEMANTOKS_MODEL", "")):
        raise ConfigError(
            "no encoder is given: pass model=..., or set SEMANTOKS_MODEL to a run, an encoder folder or a hub id."
        )
    encoder, card = open_encoder(name)
    return Windows(card, space, crops), Wrapped(encoder, space)
