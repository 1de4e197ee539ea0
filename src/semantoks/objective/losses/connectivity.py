"""Connectivity of a window as a target: correlations, or their logarithm, and the error over known edges."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from semantoks.model.tokenizers.connectivity import log_spd, unit_series

Target = Literal["fc", "tangent"]


def edges_of(
    series: Float[Tensor, "batch roi frame"], target: Target, shrinkage: float = 0.3
) -> tuple[Float[Tensor, "batch edge"], Bool[Tensor, "batch edge"]]:
    """Return the edges of every window, and which are known: those of two ROIs with data.

    Frames that are 0 in all ROIs do not count.

    Parameters
    ----------
    target
        fc = Fisher's z of correlations above the diagonal; tangent = log((1 - shrinkage) C + shrinkage I) with its
        diagonal, entries off it times sqrt 2 (log-Euclidean: Arsigny et al. 2006, Magn Reson Med 56:411).
    """
    with torch.autocast(series.device.type, enabled=False), torch.no_grad():
        unit, present = unit_series(series.float(), None)
        matrix = unit @ unit.mT
        rois = matrix.shape[1]
        upper = torch.triu_indices(rois, rois, offset=1 if target == "fc" else 0, device=series.device)
        if target == "fc":
            values = matrix.clamp(-0.999, 0.999).atanh()
        else:
            eye = torch.eye(rois, device=series.device)
            values = log_spd((1 - shrinkage) * matrix + shrinkage * eye)
            values = values * (2**0.5 + (1 - 2**0.5) * eye)
        known = present[:, upper[0]] * present[:, upper[1]] > 0
        return values[:, upper[0], upper[1]], known


def edge_error(
    given: Float[Tensor, "batch edge"], truth: Float[Tensor, "batch edge"], known: Bool[Tensor, "batch edge"]
) -> Float[Tensor, ""]:
    """Return the mean over windows of the mean squared error over their known edges."""
    each = (given.float() - truth).square() * known
    return (each.sum(dim=1) / known.sum(dim=1).clamp(min=1)).mean()
