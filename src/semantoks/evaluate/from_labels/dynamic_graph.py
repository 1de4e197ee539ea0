"""A graph network over windows of functional connectivity, and attention over time: a dynamic-graph network.

The kind of STAGIN (Kim, Ye & Kim, "Learning dynamic graph representation of brain connectome with spatio-temporal
attention", NeurIPS 2021) and of temporal graph learning: a graph per window, the same layers for all, then time.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.evaluate.from_labels.connectivity import Rows, correlations, present


def cut(
    series: Float[Tensor, "batch roi frame"], good: Bool[Tensor, "batch frame"], window: int
) -> tuple[Float[Tensor, "batch time roi window"], Bool[Tensor, "batch time window"], Bool[Tensor, "batch time"]]:
    """Cut recordings into windows of ``window`` frames that overlap by half; a shorter recording is one window.

    Returns
    -------
    windows, good
        Series and good frames of each window; frames past the end are not good.
    kept
        The windows that count: more than half of whose frames are good, or, where none is so, the best of them.
    """
    frames, step = series.shape[-1], max(window // 2, 1)
    short = max(frames - window, 0) % step
    more = (step - short) % step if frames > window else window - frames
    windows = F.pad(series, (0, more)).unfold(-1, window, step).transpose(1, 2)
    seen = F.pad(good, (0, more)).unfold(-1, window, step)
    count = seen.sum(dim=-1)
    best = (count == count.amax(dim=1, keepdim=True)) & ~(2 * count > window).any(dim=1, keepdim=True)
    return windows, seen, (2 * count > window) | best


class GraphLayer(nn.Module):
    """H -> H + GELU(A' LN(H) W), A' = D^-1/2 A D^-1/2 (Kipf & Welling 2017, equation 2).

    A are the positive correlations, with 1 between an ROI and itself.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.map, self.drop = nn.LayerNorm(width), nn.Linear(width, width), nn.Dropout(dropout)

    def forward(
        self, nodes: Float[Tensor, "graph roi width"], adjacency: Float[Tensor, "graph roi roi"]
    ) -> Float[Tensor, "graph roi width"]:
        """Mix every node with its neighbours."""
        out: Tensor = nodes + self.drop(F.gelu(adjacency @ self.map(self.norm(nodes))))
        return out


def normalised(correlation: Float[Tensor, "graph roi roi"]) -> Float[Tensor, "graph roi roi"]:
    """Return positive correlations over the roots of both ROIs' sums; those of a missing ROI are 0."""
    positive = correlation.clamp(min=0)
    degree = positive.sum(dim=-1)
    root = degree.where(degree > 0, torch.inf).rsqrt()
    return root[:, :, None] * positive * root[:, None]


class Graph(nn.Module):
    """One graph to one vector: nodes from its rows, graph layers, and a few learned queries that look for nodes."""

    def __init__(self, n_rois: int, width: int, depth: int, queries: int, dropout: float) -> None:
        super().__init__()
        self.rows = Rows(n_rois, width)
        self.layers = nn.ModuleList(GraphLayer(width, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.empty(queries, width))
        nn.init.trunc_normal_(self.queries, std=1.0)
        self.out = nn.Linear(queries * width, width)

    def forward(self, correlation: Float[Tensor, "graph roi roi"]) -> Float[Tensor, "graph width"]:
        """Embed each graph; missing ROIs are no nodes."""
        adjacency, nodes = normalised(correlation), self.rows(correlation)
        for layer in self.layers:
            nodes = layer(nodes, adjacency)
        nodes = self.norm(nodes)
        found = self.queries @ nodes.mT / math.sqrt(nodes.shape[-1])
        found = found.masked_fill(~present(correlation)[:, None], torch.finfo(found.dtype).min).softmax(dim=-1)
        out: Tensor = self.out((found @ nodes).flatten(1))
        return out


def waves(times: int, width: int) -> Float[Tensor, "time width"]:
    """Return sines and cosines of the number of a window, of periods from 2 pi to 1,000 pi (Vaswani et al. 2017)."""
    rate = 500.0 ** -torch.linspace(0, 1, width // 2)
    angle = torch.arange(times)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class DynamicGraph(nn.Module):
    """A graph per window, attention over the windows, their mean, one linear map.

    Parameters
    ----------
    n_rois
        ROIs.
    outputs
        Classes; 1 for a value.
    window
        Frames per window; windows overlap by half.
    width, depth, queries, heads, dropout
        Sizes: numbers per node and window, graph layers, nodes looked for, heads of the attention over time.
    """

    def __init__(
        self,
        n_rois: int,
        outputs: int,
        *,
        window: int,
        width: int = 32,
        depth: int = 2,
        queries: int = 4,
        heads: int = 4,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.window = window
        self.graph = Graph(n_rois, width, depth, queries, dropout)
        self.time = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, outputs))

    def forward(
        self, series: Float[Tensor, "batch roi frame"], good: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch output"]:
        """Map recordings to outputs, by the correlations within their windows."""
        windows, seen, kept = cut(series, good, self.window)
        graphs = self.graph(correlations(windows[kept], seen[kept]))
        over = graphs.new_zeros(*kept.shape, graphs.shape[-1])
        over[kept] = graphs
        over = self.time(over + waves(kept.shape[1], over.shape[-1]).to(over), src_key_padding_mask=~kept)
        mean = (over * kept[..., None]).sum(dim=1) / kept.sum(dim=1, keepdim=True)
        out: Tensor = self.head(mean)
        return out
