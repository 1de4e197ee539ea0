"""How alike the tokens of a window are: of one network over time, and of different networks at once."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def token_similarity(
    grid: Float[Tensor, "batch network patch projection"], empty: Bool[Tensor, "batch network patch"] | None
) -> dict[str, Tensor]:
    """Return the mean cosine of two patches of one network, and of two networks in one patch; NaN without pairs.

    Parameters
    ----------
    grid
        Unit vectors.
    empty
        Tokens without data, which do not count.
    """
    counts = torch.ones(grid.shape[:3], device=grid.device) if empty is None else (~empty).float()
    vectors = grid.float() * counts[..., None]
    return {
        "token_similarity_within": _mean_cosine(vectors, counts, axis=2),
        "token_similarity_across": _mean_cosine(vectors, counts, axis=1),
    }


def _mean_cosine(vectors: Tensor, counts: Tensor, axis: int) -> Float[Tensor, ""]:
    """Average over all pairs of two different tokens along an axis: |sum|² holds each pair twice, and each token."""
    number, squared = counts.sum(dim=axis), vectors.sum(dim=axis).square().sum(dim=-1)
    pairs = (number * (number - 1)).sum()
    return torch.where(pairs > 0, (squared - number).sum() / pairs, torch.nan)
