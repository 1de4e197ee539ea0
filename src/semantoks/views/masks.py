"""Masks on the network x patch grid: which tokens the student is not shown (METHOD 7)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from semantoks.config import check_fields
from semantoks.errors import ConfigError

Kind = Literal["slice", "network", "time", "random", "block"]


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How the student's views are masked; the defaults are the published ones."""

    kind: Kind = "slice"
    """slice = networks or a run of patches, evenly; network, time = one of them; random = tokens; block = both."""
    probability: float = 0.5
    """Chance that a step masks its views (all of them, each with a mask of its own)."""
    share: tuple[float, float] = (0.65, 0.85)
    """Range of the nominal share of hidden tokens; METHOD 7 gives the counts that it becomes."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"mask probability has to lie in 0..1, not {self.probability}.")
        if not 0 < self.share[0] <= self.share[1] <= 1:
            raise ConfigError(f"mask share has to be a range within 0..1, not {self.share[0]} to {self.share[1]}.")


def network_counts(networks: int, share: tuple[float, float]) -> tuple[int, int]:
    """Return the smallest and largest number of hidden networks: max(1, floor(a N)) to floor(b N) - 1 (METHOD 7).

    For N = 9 that is 5 and 6. Where the published range is empty (N <= 3) the smallest is used; never all networks.
    """
    low = min(max(1, math.floor(share[0] * networks)), max(networks - 1, 1))
    return low, max(low, math.floor(share[1] * networks) - 1)


def _hide_fewest(score: torch.Tensor, count: Int[Tensor, " batch"]) -> Bool[Tensor, "batch column"]:
    """Mark the ``count`` columns of lowest score in every row."""
    chosen = torch.arange(score.shape[1], device=score.device) < count[:, None]
    return torch.zeros_like(chosen).scatter(1, score.argsort(dim=1), chosen)


def hidden_networks(
    rows: int, networks: int, share: tuple[float, float], generator: torch.Generator
) -> Bool[Tensor, "batch network"]:
    """Hide a random choice of networks in every row, their number uniform over ``network_counts``."""
    device = generator.device
    low, high = network_counts(networks, share)
    count = torch.randint(low, high + 1, (rows,), generator=generator, device=device)
    return _hide_fewest(torch.rand(rows, networks, generator=generator, device=device), count)


def hidden_patches(
    rows: int, patches: int, share: tuple[float, float], generator: torch.Generator
) -> Bool[Tensor, "batch patch"]:
    """Hide one run of min(ceil(u P), P) - 1 patches, at least one, u uniform in ``share``; its start uniform."""
    device = generator.device
    u = torch.rand(rows, generator=generator, device=device) * (share[1] - share[0]) + share[0]
    count = ((u * patches).ceil().clamp(max=patches) - 1).clamp(min=1)
    start = (torch.rand(rows, generator=generator, device=device) * (patches - count + 1)).floor()
    patch = torch.arange(patches, device=device)
    return (patch >= start[:, None]) & (patch < (start + count)[:, None])


def draw_masks(
    rows: int, networks: int, patches: int, config: MaskConfig, generator: torch.Generator
) -> Bool[Tensor, "batch network patch"]:
    """Draw a mask of its own for every row (a sample's view); True = hidden.

    With one network only patches are hidden, with one patch only networks, so that something is always left to see.

    Raises
    ------
    ConfigError
        For a grid of one token, which cannot be masked.
    """
    if networks * patches == 1:
        raise ConfigError(
            "a grid of one network x one patch cannot be masked: pass --views.masks.probability 0, or prepare the "
            "recordings with an atlas of several networks."
        )
    device, share = generator.device, config.share
    if config.kind == "random":
        u = torch.rand(rows, generator=generator, device=device) * (share[1] - share[0]) + share[0]
        count = (u * networks * patches).floor().clamp(1, networks * patches - 1)
        score = torch.rand(rows, networks * patches, generator=generator, device=device)
        return _hide_fewest(score, count.long()).view(rows, networks, patches)
    whole = hidden_networks(rows, networks, share, generator)[:, :, None].expand(-1, -1, patches)
    run = hidden_patches(rows, patches, share, generator)[:, None].expand(-1, networks, -1)
    if networks == 1 or (config.kind == "time" and patches > 1):
        return run
    if patches == 1 or config.kind == "network":
        return whole
    if config.kind == "block":
        return whole & run
    coin = torch.rand(rows, 1, 1, generator=generator, device=device) < 0.5
    return torch.where(coin, whole, run)


def draw_observed(
    rows: int,
    networks: int,
    patches: int,
    networks_seen: tuple[float, float],
    patches_seen: tuple[float, float],
    generator: torch.Generator,
) -> tuple[Bool[Tensor, "batch network"], Bool[Tensor, "batch patch"]]:
    """Draw for every row a choice of networks and a run of patches; tokens in both are seen (Brain-JEPA: Dong 2024).

    Their numbers are uniform over the whole numbers within the ranges of shares; at least one of each is seen, and at
    least one hidden where there are two.
    """
    device = generator.device
    low, high = seen_counts(networks, networks_seen)
    count = torch.randint(low, high + 1, (rows,), generator=generator, device=device)
    chosen = _hide_fewest(torch.rand(rows, networks, generator=generator, device=device), count)
    low, high = seen_counts(patches, patches_seen)
    length = torch.randint(low, high + 1, (rows,), generator=generator, device=device)
    start = (torch.rand(rows, generator=generator, device=device) * (patches - length + 1)).floor()[:, None]
    place = torch.arange(patches, device=device)
    return chosen, (place >= start) & (place < start + length[:, None])


def seen_counts(number: int, share: tuple[float, float]) -> tuple[int, int]:
    """Return the smallest and largest number of things that are seen: ceil(a n) to floor(b n), and never all of two."""
    low = min(max(1, math.ceil(share[0] * number)), max(number - 1, 1))
    return low, min(max(low, math.floor(share[1] * number)), max(number - 1, 1))
