"""Functional connectivity in torch: the numbers of the FC baseline, of whole recordings or of windows of them."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

_LARGEST = 0.9999
_STILL = 1e-5
"""An ROI that varies by less than this share of its size does not vary: the rest is rounding."""


def correlations(
    series: Float[Tensor, "batch roi frame"], good: Bool[Tensor, "batch frame"]
) -> Float[Tensor, "batch roi roi"]:
    """Return Pearson correlations of all pairs of ROIs over the good frames.

    A missing ROI, which does not vary, is 0 with every ROI and with itself; any other is 1 with itself.
    """
    shown = good[:, None].to(series.dtype)
    kept = series * shown
    centred = (series - kept.sum(dim=-1, keepdim=True) / shown.sum(dim=-1, keepdim=True).clamp(min=1)) * shown
    size = centred.norm(dim=-1, keepdim=True)
    varies = size > _STILL * kept.norm(dim=-1, keepdim=True)
    units = centred / size.where(varies, torch.inf)
    found = units @ units.mT
    return torch.diagonal_scatter(found, varies[..., 0].to(found.dtype), dim1=1, dim2=2)


def present(correlation: Float[Tensor, "batch roi roi"]) -> Bool[Tensor, "batch roi"]:
    """Say which ROIs vary, of what ``correlations`` returned."""
    return correlation.diagonal(dim1=1, dim2=2) > 0


class Edges(nn.BatchNorm1d):
    """Fisher-z correlations, each edge standardised by its mean and spread: the batch's in training, else all batches'.

    Correlations count as at most 0.9999 either way; a pair with a missing ROI is 0 before it is standardised, as in
    the FC baseline and its linear model.
    """

    def __init__(self, edges: int) -> None:
        super().__init__(edges, affine=False, momentum=None)

    def forward(self, correlation: Float[Tensor, "batch edge"]) -> Float[Tensor, "batch edge"]:
        """Standardise the edges of each row."""
        return super().forward(correlation.clamp(-_LARGEST, _LARGEST).atanh())


class Rows(nn.Module):
    """A graph's nodes: a linear map of each ROI's standardised edges, and a learned vector per ROI.

    Parameters
    ----------
    n_rois
        Nodes, and edges of each.
    width
        Numbers per node.
    """

    def __init__(self, n_rois: int, width: int) -> None:
        super().__init__()
        self.n_rois = n_rois
        self.edges = Edges(n_rois * n_rois)
        self.rows = nn.Linear(n_rois, width)
        self.place = nn.Parameter(torch.empty(n_rois, width))
        nn.init.trunc_normal_(self.place, std=0.02)

    def forward(self, correlation: Float[Tensor, "batch roi roi"]) -> Float[Tensor, "batch roi width"]:
        """Turn the rows of correlation matrices into nodes."""
        rows = self.edges(correlation.flatten(1)).unflatten(1, (self.n_rois, self.n_rois))
        out: Tensor = self.rows(rows) + self.place
        return out
