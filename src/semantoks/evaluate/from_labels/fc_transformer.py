"""A transformer over the rows of functional connectivity, read out by orthonormal clusters.

The kind of Brain Network Transformer: Kan, Dai, Cui, Zhang, Guo & Yang, "Brain Network Transformer", NeurIPS 2022.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from semantoks.evaluate.from_labels.connectivity import Rows, correlations, present


class ClusterReadout(nn.Module):
    """Share nodes among clusters, and take each cluster's mean node (Kan et al. 2022, section 3.3).

    P[i, k] = softmax_k(z_i . e_k), with orthonormal centres e that stay as they are drawn (random vectors made
    orthonormal). Cluster k is sum_i P[i, k] z_i / sum_i P[i, k], their P^T Z over each cluster's size, so that missing
    ROIs, which have no share, change no scale.
    """

    def __init__(self, width: int, clusters: int) -> None:
        super().__init__()
        centres = torch.linalg.qr(torch.randn(width, clusters)).Q.mT.contiguous()
        self.register_buffer("centres", centres)

    def forward(
        self, nodes: Float[Tensor, "batch roi width"], there: Bool[Tensor, "batch roi"]
    ) -> Float[Tensor, "batch cluster width"]:
        """Read graphs out; only nodes that are ``there`` count."""
        shares = (nodes @ self.get_buffer("centres").mT).softmax(dim=-1) * there[..., None]
        sizes = shares.sum(dim=1)[..., None].clamp(min=torch.finfo(nodes.dtype).tiny)
        out: Tensor = shares.mT @ nodes / sizes
        return out


class FcTransformer(nn.Module):
    """Rows of FC as nodes, pre-norm attention among them, clusters, a small MLP.

    Parameters
    ----------
    n_rois
        ROIs.
    outputs
        Classes; 1 for a value.
    width, depth, heads, clusters, dropout
        Sizes. Theirs keep one number per ROI in every node; a first linear map makes ours ``width``, and a learned
        vector says which ROI it is.
    """

    def __init__(
        self,
        n_rois: int,
        outputs: int,
        *,
        width: int = 32,
        depth: int = 1,
        heads: int = 4,
        clusters: int = 8,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.rows = Rows(n_rois, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.readout = ClusterReadout(width, clusters)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(clusters * width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, outputs)
        )

    def forward(
        self, series: Float[Tensor, "batch roi frame"], good: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch output"]:
        """Map recordings to outputs, by the correlations over their good frames."""
        correlation = correlations(series, good)
        there = present(correlation)
        nodes = self.rows(correlation)
        for block in self.blocks:
            nodes = block(nodes, src_key_padding_mask=~there & there.any(dim=1, keepdim=True))
        out: Tensor = self.head(self.readout(self.norm(nodes), there))
        return out
