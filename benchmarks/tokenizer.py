"""The semantic tokenizer: ours beside two straightforward ways to compute the same tokens.

    python -m benchmarks.tokenizer [--threads N] [--width 64 768] [--turns 5]

- ours: patches laid out [roi, frame, item]; the dense convolution is one matrix product over shifted copies, the
  depthwise one a batched product with small Toeplitz matrices (model/tokenizers/conv.py).
- plain: ``conv1d`` of the dense branch; grouped ``conv1d`` with the long kernels, feed-through, then the linear map.
- merged: all of it is linear up to GELU, so each network is one ``conv1d`` with a dense [width, roi, 16] kernel.

Same weights, the published atlas (457 ROIs, 9 networks), 64 windows of 100 frames at width 64 and 32 at 768. The FLOPs
counted are ours (dense taps, Toeplitz products, linear map); the floor is those over the rate of one large product in
the same process. Bytes (crops in, tokens out) add under 2 % to it and are left out.

A second table has connectivity tokens (14 components per network) of the same windows: the logarithm, whose share is
that of one batched ``eigh`` alone; its first order; windows of 300 frames; and windows that lack a network.
"""

import argparse
from dataclasses import replace

import torch
from benchmarks.measure import compare, machine, matmul_rate, show
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from semantoks.atlas.catalog import get_atlas
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tokenizers.connectivity import ConnectivityConfig, ConnectivityTokens
from semantoks.model.tokenizers.conv import DenseConv, DepthwiseConv
from semantoks.model.tokenizers.published import NetworkTokenizer, NetworkTokenizers

WINDOWS, FRAMES, PATCH = {64: 64, 768: 32}, 100, 20


def branches_of(network: NetworkTokenizer) -> tuple[DenseConv, DepthwiseConv]:
    """Return the two branches of a network's tokenizer."""
    dense, structured = network.branches
    assert isinstance(dense, DenseConv)
    assert isinstance(structured, DepthwiseConv)
    return dense, structured


def plain(network: NetworkTokenizer, patches: Tensor) -> Tensor:
    """Convolve [item, roi, frame] with ``conv1d``, branch by branch."""
    dense, structured = branches_of(network)
    kernel = structured.kernel()
    filters, rois, taps = kernel.shape
    flipped = rearrange(kernel, "h c t -> (c h) 1 t").flip(-1)
    padded = F.pad(patches, (taps - 1 - taps // 2, taps // 2))
    long = F.conv1d(padded, flipped, groups=rois)
    through = rearrange(structured.feed_through, "h c -> (c h) 1") * patches.repeat_interleave(filters, dim=1)
    mixed = F.linear((long + through).transpose(1, 2), structured.projection.weight, structured.projection.bias)
    return torch.cat([F.conv1d(patches, dense.weight, dense.bias, padding="same"), mixed.transpose(1, 2)], dim=1)


def merged(network: NetworkTokenizer, patches: Tensor) -> Tensor:
    """Convolve [item, roi, frame] with one dense kernel as long as the longest branch."""
    dense, structured = branches_of(network)
    kernel = structured.kernel()
    filters, _, taps = kernel.shape
    left, right = taps - 1 - taps // 2, taps // 2
    unit = F.pad(torch.ones(1, device=kernel.device), (left, right))
    effect = kernel.flip(-1) + structured.feed_through[:, :, None] * unit
    weight = rearrange(structured.projection.weight, "d (c h) -> d c h", h=filters)
    half = (dense.weight.shape[2] - 1) // 2
    both = [F.pad(dense.weight, (left - half, right - half)), torch.einsum("dch,hct->dct", weight, effect)]
    bias = torch.cat([dense.bias, structured.projection.bias])
    return F.conv1d(F.pad(patches, (left, right)), torch.cat(both), bias)


def tokenize(tokenizer: NetworkTokenizers, series: Tensor, convolve: object) -> Tensor:
    """Do what the tokenizer does, with another convolution."""
    tokens = []
    for network, rois in zip(tokenizer.networks, torch.split(tokenizer.order, tokenizer.sizes), strict=True):
        patches = rearrange(series[:, rois], "b c (p t) -> (b p) c t", t=PATCH)
        pooled = F.gelu(convolve(network, patches)).mean(dim=2)  # type: ignore[operator]
        tokens.append(network.norm(pooled))  # type: ignore[operator]
    return rearrange(torch.stack(tokens), "n (b p) d -> b n p d", b=len(series))


def lines(width: int, rate: float, turns: int) -> list[list[str]]:
    """Measure the three at one width."""
    index = [int(i) for i in get_atlas("schaefer400+tian-s3+buckner7").network_index]
    encoder = Encoder(EncoderConfig(width=width, depth=0, frames=FRAMES, patch=PATCH), index)
    tokenizer, series = encoder.tokenizer, torch.randn(WINDOWS[width], len(index), FRAMES)
    flops = encoder.flops(len(series))
    calls = {
        "ours": lambda: tokenizer(series),
        "plain": lambda: tokenize(tokenizer, series, plain),
        "merged": lambda: tokenize(tokenizer, series, merged),
    }
    with torch.no_grad():
        difference = {name: (call() - calls["ours"]()).abs().max() for name, call in calls.items()}
        forward = compare(calls, repeats=turns)
    weight = torch.randn_like(tokenizer(series))
    training = {name: (lambda call=call: (call() * weight).sum().backward()) for name, call in calls.items()}
    both = compare(training, repeats=turns)
    return [
        [
            f"{name}, width {width}",
            f"{flops / 1e9:.1f}",
            f"{1e3 * flops / rate:.0f}",
            f"{1e3 * forward[name]:.0f}",
            f"{forward[name] / forward['ours']:.2f}",
            f"{1e3 * both[name]:.0f}",
            f"{both[name] / both['ours']:.2f}",
            f"{difference[name]:.0e}",
        ]
        for name in calls
    ]


def second_order(width: int, rate: float, turns: int) -> list[list[str]]:
    """Measure connectivity tokens beside the published ones, and the share of the eigendecomposition."""
    index = [int(i) for i in get_atlas("schaefer400+tian-s3+buckner7").network_index]
    published = Encoder(EncoderConfig(width=width, depth=0, frames=FRAMES, patch=PATCH), index)
    size = EncoderConfig(width=width, depth=0, frames=FRAMES, patch=FRAMES, tokenizer=ConnectivityConfig(components=14))
    encoder = Encoder(size, index)
    first = Encoder(replace(size, tokenizer=ConnectivityConfig(components=14, log=False)), index)
    tokens = encoder.tokenizer
    assert isinstance(tokens, ConnectivityTokens)
    series = torch.randn(WINDOWS[width], len(index), FRAMES)
    gap = series.clone()
    gap[:, tokens.members[0]] = 0
    with torch.no_grad():
        inner = tokens.tangent(series)
        calls = {
            "published": lambda: published.tokenizer(series),
            "connectivity": lambda: tokens(series),
            "its eigh alone": lambda: torch.linalg.eigh(inner),
            "first order": lambda: first.tokenizer(series),
            "300 frames": lambda: tokens(series.repeat(1, 1, 3)),
            "a network missing": lambda: tokens(gap),
        }
        seconds = compare(calls, repeats=turns)
    counted = {"published": published.flops(), "connectivity": encoder.flops(), "first order": first.flops()}
    return [
        [
            f"{name}, width {width}",
            f"{len(series) * counted[name] / 1e9:.1f}" if name in counted else "",
            f"{1e3 * len(series) * counted[name] / rate:.0f}" if name in counted else "",
            f"{1e3 * seconds[name]:.0f}",
            f"{seconds[name] / seconds['published']:.2f}",
        ]
        for name in calls
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--width", type=int, nargs="+", choices=list(WINDOWS), default=list(WINDOWS))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    title = f"Tokenizer, ms; f+b = forward and backward. {machine(torch.device('cpu'))}"
    rate = matmul_rate(torch.device("cpu"))
    header = ["", "GFLOP", "floor", "forward", "/ ours", "f+b", "/ ours", "max difference"]
    show(title, header, [row for width in chosen.width for row in lines(width, rate, chosen.turns)])
    header = ["", "GFLOP", "floor", "forward", "/ published"]
    rows = [row for width in chosen.width for row in second_order(width, rate, chosen.turns)]
    show("Connectivity tokens beside the published ones, ms", header, rows)


if __name__ == "__main__":
    main()
