"""Embedding at paper size: crops a second of the encoder, by batch, beside a straightforward implementation.

    python -m benchmarks.embedding [--device cpu|cuda] [--threads N] [--turns 3] [--batch 8 16 32 64] [--depth 8]

Width 768, depth 8, 457 ROIs in 9 networks, windows of 100 frames, random weights. Counted first: the matrix products
of one window (``Encoder.flops``), over the rate of one large product in the same process: the floor. Reading the
weights (235 MB) once a batch adds less than a tenth of a window's floor from 8 windows on.

- ours: the encoder as `semantoks embed` runs it.
- straightforward: the definition written down: grouped ``conv1d`` for the long kernels, ``conv1d`` for the dense
  branch, attention as softmax of one product times another, additions and scales one after the other.
- merged: as ours, with both branches of a tokenizer in one dense kernel (benchmarks/tokenizer.py).

All take turns in the same process, on the same windows. The second ratio is to the straightforward way at the first
batch, the eight windows of one recording, since that is how one would write it; its two times are
not of the same turns.
"""

import argparse
from collections.abc import Callable

import torch
from benchmarks.attention import plain as plain_attention
from benchmarks.measure import compare, machine, matmul_rate, show
from benchmarks.tokenizer import merged, plain, tokenize
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional as F

from semantoks.atlas.catalog import get_atlas
from semantoks.model.encoder import Encoder, EncoderConfig


def straightforward(encoder: Encoder, series: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute all tokens as the definition has them; ``mask`` hides some."""
    grid = tokenize(encoder.tokenizer, series, plain)
    grid = grid if mask is None else torch.where(mask[..., None], encoder.mask_token, grid)
    grid = grid + encoder.network_embedding[:, None] + encoder.time
    cls = repeat(encoder.cls_token, "d -> b 1 d", b=len(series))
    x = torch.cat([cls, rearrange(grid, "b n p d -> b (n p) d")], dim=1)
    for block in encoder.blocks:
        attention, width = block.attention, x.shape[-1]
        joint = F.linear(F.layer_norm(x, (width,), block.norm1.weight, block.norm1.bias), attention.qkv.weight)
        q, k, v = rearrange(joint, "b t (three h d) -> three b h t d", three=3, h=attention.heads)
        mixed = rearrange(plain_attention(q, k, v), "b h t d -> b t (h d)")
        x = x + block.scale1 * attention.out(mixed)
        x = x + block.scale2 * block.mlp(F.layer_norm(x, (width,), block.norm2.weight, block.norm2.bias))
    return encoder.norm(x)


def with_merged(encoder: Encoder, series: Tensor) -> Tensor:
    """Compute all tokens as ours, but for the tokenizer."""
    grid = tokenize(encoder.tokenizer, series, merged) + encoder.network_embedding[:, None] + encoder.time
    cls = repeat(encoder.cls_token, "d -> b 1 d", b=len(series))
    x = torch.cat([cls, rearrange(grid, "b n p d -> b (n p) d")], dim=1)
    for block in encoder.blocks:
        x = block(x)
    return encoder.norm(x)


def ours(encoder: Encoder, series: Tensor) -> Tensor:
    """Compute all tokens with the encoder."""
    tokens = encoder(series)
    return torch.cat([tokens.cls[:, None], tokens.grid.flatten(1, 2)], dim=1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--depth", type=int, default=8)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    device = torch.device(chosen.device)
    index = get_atlas("schaefer400+tian-s3+buckner7").network_index
    encoder = Encoder(EncoderConfig(depth=chosen.depth), index).eval().to(device)
    ways: dict[str, Callable[[Encoder, Tensor], Tensor]] = {
        "straightforward": straightforward,
        "merged": with_merged,
        "ours": ours,
    }
    rows, first = [], 0.0
    with torch.inference_mode():
        for batch in chosen.batch:
            series = torch.randn(batch, len(index), 100, generator=torch.Generator().manual_seed(0)).to(device)
            expected = straightforward(encoder, series)
            apart = float((ours(encoder, series) - expected).abs().max() / expected.abs().max())
            calls = {name: (lambda way=way, series=series: way(encoder, series)) for name, way in ways.items()}
            rate = matmul_rate(device)
            times = compare(calls, repeats=chosen.turns, device=device)
            floor = encoder.flops(1) / rate
            rates = [f"{batch / times[name]:.1f}" for name in ways]
            first = first or times["straightforward"] / batch
            ratios = [times["straightforward"] / times["ours"], first * batch / times["ours"]]
            share = f"{floor * batch / times['ours']:.0%}"
            rows.append([f"{batch}", f"{1 / floor:.1f}", *rates, *(f"{r:.2f}" for r in ratios), share, f"{apart:.0e}"])
    title = f"Windows a second, {encoder.flops(1) / 1e9:.2f} GFLOP each. {machine(device)}"
    ratios = ["ours / straightforward", f"/ straightforward at {chosen.batch[0]}"]
    show(title, ["batch", "floor", *ways, *ratios, "of the matmul rate", "max difference"], rows)


if __name__ == "__main__":
    main()
