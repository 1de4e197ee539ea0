"""Which networks move which tokens: by hiding, by attention rollout, by what a token weighs; and learned kernels."""

from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor
from torch.nn import functional as F

from semantoks.model.block import Attention
from semantoks.model.encoder import Encoder
from semantoks.model.tokenizers.connectivity import ConnectivityTokens
from semantoks.model.tokenizers.conv import DenseConv, DepthwiseConv

Series = Float[Tensor, "window roi frame"]
Hidden = Bool[Tensor, "window network patch"]
Square = Float[ndarray, "network network"]
FREQUENCIES = 33
ENERGY = 0.9
"""Share of a kernel's energy that lies in its support."""


@torch.inference_mode()
def by_hiding(encoder: Encoder, series: Series, hidden: Hidden) -> Square:
    """Return how much hiding network j moves the token of network i: 1 - their cosine, mean over windows and patches.

    Tokens that are hidden anyway do not count; NaN on the diagonal.
    """
    before = encoder(series, hidden).grid
    networks = before.shape[1]
    found = np.full((networks, networks), np.nan)
    for j in range(networks):
        more = hidden.clone()
        more[:, j] = True
        moved = 1 - F.cosine_similarity(encoder(series, more).grid, before, dim=-1)
        for i in range(networks):
            seen = ~hidden[:, i] & ~hidden[:, j]
            if i != j and seen.any():
                found[i, j] = float(moved[:, i][seen].mean())
    return found


@torch.inference_mode()
def by_rollout(encoder: Encoder, series: Series, hidden: Hidden) -> Square:
    """Return attention rollout from the last block to the first (Abnar and Zuidema 2020, ACL), summed over patches.

    Row i is where network i's tokens come from; attention is averaged over heads, and half of a block's output is its
    input. It sees attention alone: neither values nor layer scales.
    """
    seen: list[Tensor] = []

    def keep(module: Any, given: Any, _: Any) -> None:
        q, k, _v = rearrange(module.qkv(given[0]), "b t (three h d) -> three b h t d", three=3, h=module.heads)
        seen.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1).mean(dim=1))

    hooks = [part.register_forward_hook(keep) for part in encoder.modules() if isinstance(part, Attention)]
    try:
        encoder(series, hidden)
    finally:
        for hook in hooks:
            hook.remove()
    flow = torch.eye(seen[0].shape[-1])
    for attention in seen:
        flow = (attention + torch.eye(attention.shape[-1])) / 2 @ flow
    networks = encoder.n_networks
    grid = rearrange(flow[:, 1:, 1:], "b (n p) (m q) -> b n p m q", n=networks, m=networks)
    found: ndarray = reduce(grid.sum(dim=4), "b n p m -> n m", "mean").numpy().astype(float)
    np.fill_diagonal(found, np.nan)
    return found


def by_weights(encoder: Encoder) -> Square | None:
    """Return how much a token weighs its network's connections with each network, per connection; None without such."""
    tokenizer = encoder.tokenizer
    if not isinstance(tokenizer, ConnectivityTokens):
        return None
    counts = tokenizer.counts
    rows = []
    for count, linear in zip(counts, tokenizer.rows, strict=True):
        weight: Any = linear.weight
        squares = weight.detach().square().sum(dim=0).view(count, -1).sum(dim=0)
        rows.append([float(part.mean() / count) ** 0.5 for part in torch.split(squares, counts)])
    return np.array(rows)


def embedding_similarity(encoder: Encoder) -> Square | None:
    """Return cosines of the networks' learned embeddings; None where there are none (a closed form)."""
    learned = encoder.network_embedding.detach()
    if bool((learned == 0).all()) or len(learned) < 2:
        return None
    found: ndarray = F.cosine_similarity(learned[:, None], learned[None], dim=-1).cpu().numpy().astype(float)
    np.fill_diagonal(found, np.nan)
    return found


def kernels(encoder: Encoder, tr: float, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Describe learned kernels by network and branch: support in seconds, and power at each frequency (mean 1)."""
    found: list[tuple[str, str, Tensor]] = []
    tokenizer = encoder.tokenizer
    if isinstance(tokenizer, ConnectivityTokens):
        if tokenizer.filter is not None:
            found.append(("all", "shared filter", tokenizer.filter.detach()[None]))
    else:
        modules: Any = getattr(tokenizer, "networks", [])
        for name, module in zip(names, modules, strict=False):
            for branch in module.branches:
                if isinstance(branch, DenseConv):
                    found.append((name, "dense", branch.weight.detach().flatten(0, 1)))
                elif isinstance(branch, DepthwiseConv):
                    found.append((name, "structured", branch.kernel().detach().flatten(0, 1)))
    rows = []
    hertz = np.linspace(0, 0.5 / tr, FREQUENCIES)
    for network, branch_name, taps in found:
        power = np.abs(np.fft.rfft(taps.cpu().numpy(), n=2 * (FREQUENCIES - 1), axis=1)) ** 2
        response = power.mean(axis=0) / max(power.mean(), 1e-12)
        about = {"network": network, "map": branch_name, "support": _support(taps) * tr}
        rows += [{**about, "hz": f, "power": p} for f, p in zip(hertz, response, strict=True)]
    return rows


def _support(taps: Float[Tensor, "kernel tap"]) -> int:
    """Return the fewest taps in a row that hold 90 % of the energy."""
    energy = taps.square().sum(dim=0).cpu().numpy()
    total = np.concatenate([[0.0], energy.cumsum()])
    for width in range(1, len(energy) + 1):
        if (total[width:] - total[:-width]).max() >= ENERGY * total[-1]:
            return width
    return len(energy)
