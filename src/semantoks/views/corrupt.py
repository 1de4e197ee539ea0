"""Corruption of crops: drop ROIs, drop a block of frames, scale, add noise, in that order (METHOD 2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from semantoks.config import check_fields
from semantoks.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CorruptionConfig:
    """How strongly each crop is corrupted; the defaults are the published ones, (0, 0) or 0 or (1, 1) turns one off."""

    drop_rois: tuple[float, float] = (0.0, 0.1)
    """Range of the share of ROIs set to 0."""
    drop_frames: tuple[float, float] = (0.0, 0.3)
    """Range of the share of frames, one block, set to 0."""
    scale: tuple[float, float] = (0.8, 1.2)
    """Range of the factor."""
    noise: float = 0.1
    """Standard deviation of the added noise, in units of the z-scored series."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        for name, (low, high) in {"drop_rois": self.drop_rois, "drop_frames": self.drop_frames}.items():
            if not 0 <= low <= high <= 1:
                raise ConfigError(f"{name} has to be a range within 0..1, not {low} to {high}.")
        if self.noise < 0 or self.scale[0] > self.scale[1]:
            raise ConfigError("noise has to be at least 0 and scale a range low to high.")


def _uniform(low: float, high: float, rows: int, generator: torch.Generator) -> Float[Tensor, " batch"]:
    return torch.rand(rows, generator=generator, device=generator.device) * (high - low) + low


def dropped_rois(
    rows: int, rois: int, share: tuple[float, float], generator: torch.Generator
) -> Bool[Tensor, "batch roi"]:
    """Choose max(1, floor(R u)) ROIs per row, u uniform in ``share``."""
    count = (_uniform(*share, rows, generator) * rois).floor().clamp(min=1)
    order = torch.rand(rows, rois, generator=generator, device=generator.device).argsort(dim=1)
    chosen = torch.arange(rois, device=generator.device) < count[:, None]
    return torch.zeros_like(chosen).scatter(1, order, chosen)


def dropped_frames(
    rows: int, frames: int, share: tuple[float, float], generator: torch.Generator
) -> Bool[Tensor, "batch frame"]:
    """Choose one block of max(1, floor(T u)) frames per row, u uniform in ``share``, its start uniform."""
    count = (_uniform(*share, rows, generator) * frames).floor().clamp(min=1)
    start = (_uniform(0.0, 1.0, rows, generator) * (frames - count + 1)).floor()
    frame = torch.arange(frames, device=generator.device)
    return (frame >= start[:, None]) & (frame < (start + count)[:, None])


def corrupt(
    crops: Float[Tensor, "batch roi frame"],
    config: CorruptionConfig,
    generator: torch.Generator,
    *,
    keep_zeros: bool = False,
) -> Float[Tensor, "batch roi frame"]:
    """Corrupt every crop on its own, in place, and return it; the generator has to be on the crops' device.

    ``keep_zeros`` adds no noise to what is 0, for encoders to which zeros are absent data.
    """
    rows, rois, frames = crops.shape
    if config.drop_rois[1] > 0:
        crops.mul_(~dropped_rois(rows, rois, config.drop_rois, generator)[:, :, None])
    factor = torch.ones(rows, 1, 1, device=crops.device)
    if config.scale != (1.0, 1.0):
        factor = _uniform(*config.scale, rows, generator)[:, None, None]
    if config.drop_frames[1] > 0:
        factor = factor * ~dropped_frames(rows, frames, config.drop_frames, generator)[:, None]
    crops.mul_(factor)
    if config.noise > 0:
        noise = torch.empty_like(crops).normal_(0.0, config.noise, generator=generator)
        crops.add_(noise * (crops != 0) if keep_zeros else noise)
    return crops
