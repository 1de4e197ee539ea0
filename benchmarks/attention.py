"""Attention on a CPU: torch's fused kernel, which the model uses, beside the plain product.

    python -m benchmarks.attention [--threads N] [--tokens 46 101 181 361 501 1001 2286]

From 46 tokens (9 networks x 5 patches, and CLS) to 2286 (457 ROIs x 5), 12 heads of 64. Both take queries, keys and
values out of one [row, token, 3 x head x channel] tensor, as the model has them, and give [row, token, head x channel].
Counted first: 4 x rows x heads x tokens^2 x 64 FLOPs forward, over the rate of one large product in the same process:
the floor; the backward pass is 5 products for the forward's 2. Reading q, k, v and writing the result is 16 x rows x
tokens x 768 bytes, which adds less than a tenth of that from 181 tokens on, and a third at 46. A training step has two
forward passes and one backward.
"""

import argparse
from collections.abc import Callable

import torch
from benchmarks.measure import compare, machine, matmul_rate, show
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

HEADS, CHANNELS = 12, 64
ROWS = {46: 32, 101: 16, 181: 8, 361: 4, 501: 2, 1001: 1, 2286: 1}
"""Rows for each number of tokens: about the same work, as far as that goes."""


def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(q k' / sqrt(channels)) v as two products with the scores in between."""
    score = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return score.softmax(dim=-1) @ value


def attend(joint: Tensor, kernel: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """Run a kernel between the layouts that the model has before and after it."""
    q, k, v = rearrange(joint, "b t (three h d) -> three b h t d", three=3, h=HEADS)
    return rearrange(kernel(q, k, v), "b h t d -> b t (h d)").contiguous()


def line(tokens: int, rate: float) -> list[str]:
    """Measure one length."""
    rows, fused = ROWS[tokens], F.scaled_dot_product_attention
    frozen = torch.randn(rows, tokens, 3 * HEADS * CHANNELS)
    joint = frozen.clone().requires_grad_()
    gradient = torch.randn(rows, tokens, HEADS * CHANNELS)
    forward = compare({"plain": lambda: attend(frozen, plain), "fused": lambda: attend(frozen, fused)}, repeats=5)
    both = compare(
        {
            "plain": lambda: attend(joint, plain).backward(gradient),
            "fused": lambda: attend(joint, fused).backward(gradient),
        },
        repeats=5,
    )
    floor = 4 * rows * HEADS * tokens**2 * CHANNELS / rate
    times = [floor, forward["plain"], forward["fused"], 3.5 * floor, both["plain"], both["fused"]]
    step = (forward["plain"] + both["plain"]) / (forward["fused"] + both["fused"])
    difference = (attend(frozen, plain) - attend(frozen, fused)).abs().max()
    return [f"{tokens}", f"{rows}", *(f"{1e3 * value:.1f}" for value in times), f"{step:.2f}", f"{difference:.0e}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=int, nargs="+", choices=list(ROWS), default=list(ROWS))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    title = f"Attention, ms; f+b = forward and backward. {machine(torch.device('cpu'))}"
    rate = matmul_rate(torch.device("cpu"))
    header = ["tokens", "rows", "floor", "plain", "fused", "floor f+b", "plain f+b", "fused f+b"]
    show(title, [*header, "plain / fused, a step", "max difference"], [line(tokens, rate) for tokens in chosen.tokens])


if __name__ == "__main__":
    main()
