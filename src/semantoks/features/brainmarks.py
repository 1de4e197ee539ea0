"""Any encoder as a model of the Brainmarks suite: samples {bold, mean, std, tr} in, CLS and token embeddings out."""

import os
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from semantoks.atlas.catalog import brainmarks_spaces
from semantoks.config import check_arguments
from semantoks.errors import ConfigError
from semantoks.features.encode import open_encoder
from semantoks.model.card import EncoderCard, cleaning_for
from semantoks.signals.clean import Cleaned, clean, resample
from semantoks.signals.files.columns import pick
from semantoks.signals.quality import missing_networks
from semantoks.types import Series
from semantoks.views.crops import even_starts
from semantoks.views.pool import empty_tokens

SPACES = brainmarks_spaces()
SHORTEST_LOW_PASS = 30
"""Frames that the suite's own resampling needs for its low-pass; a shorter clip is interpolated without one."""


class Embeddings(NamedTuple):
    """CLS [B, 1, D], no registers, and the tokens [B, network x patch, D]."""

    cls_embeds: Tensor
    reg_embeds: None
    patch_embeds: Tensor


class Windows:
    """Clean a sample as the encoder demands; its evenly spaced windows, and what is hidden in each.

    A clip shorter than one period of the band's lower end (100 s for 0.01 Hz) is never band-passed: the filter would
    leave only its own transients.
    """

    def __init__(self, card: EncoderCard, space: str, crops: int, *, already_filtered: bool = False) -> None:
        self.card, self.crops, self.columns = card, crops, card.atlas.match(SPACES[space])
        self.cleaning = replace(cleaning_for(card, already_filtered=already_filtered)[0], min_frames=1)

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Replace ``bold`` [frame, roi] by ``series`` [crop, roi, frame] and ``hidden`` [crop, network, patch]."""
        bold, mean, std = (np.asarray(sample[key], dtype=np.float32) for key in ("bold", "mean", "std"))
        cleaned = self._clean(pick(bold * std + mean, self.columns), float(sample["tr"]))
        size, index = self.card.encoder, self.card.atlas.network_index
        whole, missing = cleaned.series if cleaned.full is None else cleaned.full, cleaned.missing
        padded = np.pad(whole, ((0, max(0, size.frames - len(whole))), (0, 0)))
        starts = even_starts(len(whole), size.frames, self.crops)
        series = np.stack([padded[start : start + size.frames].T for start in starts])
        absent = missing_networks(missing[None], index).repeat(self.crops, axis=0)
        available = np.minimum(len(whole) - starts, size.frames)
        hidden = empty_tokens(absent, np.arange(len(whole) + 1), starts, available, size.patch, size.patches)
        rest = {key: value for key, value in sample.items() if key not in ("bold", "mean", "std")}
        return {**rest, "series": torch.from_numpy(series), "hidden": torch.from_numpy(hidden)}

    def _clean(self, series: Series, tr: float) -> Cleaned:
        band, target = self.card.band, self.card.tr
        clip = band is not None and len(series) * tr * band[0] < 1
        if len(series) < SHORTEST_LOW_PASS and clip:
            series, tr = resample(np.nan_to_num(series), tr, target), target
        return clean(series, tr, self.cleaning, filtered=clip)


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


def build(space: str, model: str = "", crops: int = 8, already_filtered: bool = False) -> tuple[Windows, Wrapped]:
    """Load an encoder for one of ``SPACES``; the options are the suite's ``model_kwargs``.

    Parameters
    ----------
    model
        A run, an encoder folder or a hub id; else what the variable SEMANTOKS_MODEL names.
    crops
        Evenly spaced windows per sample, whose embeddings are averaged; 1 is the first window alone.
    already_filtered
        Do not band-pass the samples. With ``crops=1`` that is what the suite's own wrapper of Brain-Semantoks does.
    """
    check_arguments(build, locals())
    if crops < 1:
        raise ConfigError(f"crops must be at least 1, not {crops}.")
    if not (name := model or os.environ.get("SEMANTOKS_MODEL", "")):
        raise ConfigError(
            "no encoder is given: pass model=..., or set SEMANTOKS_MODEL to a run, an encoder folder or a hub id."
        )
    encoder, card = open_encoder(name)
    return Windows(card, space, crops, already_filtered=already_filtered), Wrapped(encoder, space)
