"""The transformer block: pre-norm attention and MLP with layer scale (METHOD 4)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head self-attention; queries, keys and values from one linear map without bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Float[Tensor, "batch token width"]) -> Float[Tensor, "batch token width"]:
        """Mix the tokens of each row."""
        q, k, v = rearrange(self.qkv(tokens), "b t (three h d) -> three b h t d", three=3, h=self.heads)
        return self._mixed(q, k, v)

    def first(self, tokens: Float[Tensor, "batch token width"]) -> Float[Tensor, "batch 1 width"]:
        """Return what becomes of each row's first token."""
        if type(self.qkv) is not nn.Linear or self.qkv._forward_hooks or self.qkv._forward_pre_hooks:
            # Adapters and hooks of other libraries take part.
            of_all: Tensor = self(tokens)
            return of_all[:, :1]
        asks, offers = torch.split(self.qkv.weight, [self.width, 2 * self.width])
        q = rearrange(F.linear(tokens[:, :1], asks), "b t (h d) -> b h t d", h=self.heads)
        k, v = rearrange(F.linear(tokens, offers), "b t (two h d) -> two b h t d", two=2, h=self.heads)
        return self._mixed(q, k, v)

    def _mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = self.out(rearrange(F.scaled_dot_product_attention(q, k, v), "b h t d -> b t (h d)"))
        return out

    def flops(self, tokens: int) -> int:
        """Count the products for one row of tokens: queries, keys, values, output; scores and mixing."""
        return 2 * (4 * tokens * self.width**2 + 2 * tokens**2 * self.width)


class Block(nn.Module):
    """x += g1 * Attention(LN(x)); x += g2 * MLP(LN(x)), with learnable g that start at ``layer_scale``."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, layer_scale: float) -> None:
        super().__init__()
        self.hidden = mlp_ratio * width
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.scale1 = nn.Parameter(torch.full((width,), layer_scale))
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, self.hidden), nn.GELU(), nn.Linear(self.hidden, width))
        self.scale2 = nn.Parameter(torch.full((width,), layer_scale))

    def forward(self, tokens: Float[Tensor, "batch token width"]) -> Float[Tensor, "batch token width"]:
        """Update the tokens of each row."""
        return self._after(tokens, self.attention(self.norm1(tokens)))

    def first(self, tokens: Float[Tensor, "batch token width"]) -> Float[Tensor, "batch 1 width"]:
        """Update each row's first token alone: of the others, keys and values are all that is computed."""
        return self._after(tokens[:, :1], self.attention.first(self.norm1(tokens)))

    def _after(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        tokens = torch.addcmul(tokens, self.scale1, mixed)
        return torch.addcmul(tokens, self.scale2, self.mlp(self.norm2(tokens)))

    def flops(self, tokens: int) -> int:
        """Count the products for one row of tokens."""
        return self.attention.flops(tokens) + 4 * tokens * self.attention.width * self.hidden
