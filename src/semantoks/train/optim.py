"""The optimiser and its rates (METHOD 8)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from semantoks.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW and its schedules; the defaults are the published ones."""

    lr: float = 7e-4
    """Peak learning rate for a batch of 256; the peak used is lr * batch_size / 256."""
    warmup_share: float = 0.03
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: tuple[float, float] = (0.05, 0.3)
    """Weight decay at the first and at the last step."""
    decay_all: bool = True
    """Decay every parameter, as published; False spares biases, norms and other vectors."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's betas."""
    clip: float = 1.0
    """Largest global L2 norm of the gradient."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.lr <= 0 or self.clip <= 0 or min(self.weight_decay) < 0:
            raise ConfigError("optim lr and clip have to be above 0 and weight_decay at least 0.")
        if not 0 <= self.warmup_share < 1:
            raise ConfigError("optim warmup_share has to lie in [0, 1).")


def build_optimizer(trained: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """Return AdamW over all of the parameters; learning rate and decay are set before each step."""
    parameters = list(trained.parameters())
    groups: list[dict[str, Any]] = [{"params": parameters, "decays": True}]
    if not config.decay_all:
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "decays": True},
            {"params": [p for p in parameters if p.ndim <= 1], "decays": False},
        ]
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas, eps=1e-8, fused=True)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, weight_decay: float) -> None:
    """Set this step's learning rate and weight decay."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["weight_decay"] = weight_decay if group["decays"] else 0.0
