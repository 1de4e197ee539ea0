"""A multilayer perceptron on functional connectivity: the plainest network that learns from labels alone."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from semantoks.evaluate.from_labels.connectivity import Edges, correlations


class FcMlp(nn.Module):
    """Standardised Fisher-z edges, dropout, one hidden layer (GELU), dropout, one linear map.

    Parameters
    ----------
    n_rois
        ROIs; the edges are all pairs, in the order of the FC baseline (``numpy.triu_indices(n_rois, 1)``).
    outputs
        Classes; 1 for a value.
    hidden
        Width of the hidden layer; 0 leaves it out, which makes a linear (logistic) regression on the FC baseline.
    """

    def __init__(self, n_rois: int, outputs: int, *, hidden: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        first, second = torch.triu_indices(n_rois, n_rois, 1)
        self.register_buffer("pairs", first * n_rois + second, persistent=False)
        self.edges = Edges(len(first))
        self.hidden = nn.Sequential(nn.Dropout(dropout), nn.Linear(len(first), hidden), nn.GELU()) if hidden else None
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden or len(first), outputs))

    def forward(
        self, series: Float[Tensor, "batch roi frame"], good: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch output"]:
        """Map recordings to outputs, by the correlations over their good frames."""
        edges: Tensor = self.edges(correlations(series, good).flatten(1)[:, self.get_buffer("pairs")])
        out: Tensor = self.head(self.hidden(edges) if self.hidden else edges)
        return out
