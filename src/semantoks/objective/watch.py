"""A watch for collapse that any objective can keep: how far the features of a batch spread over people."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from semantoks.curves import Curve, Panel

NO_SPREAD = 0.01
"""Features of which people differ by less than this share of their size are collapsed."""


@torch.no_grad()
def spread_of(features: Float[Tensor, "row width"]) -> dict[str, Tensor]:
    """Return how far a batch's features spread: ``feature_sd``, ``spread`` and ``dimensions``, scalars.

    ``feature_sd`` is the mean sd of a feature over rows, ``spread`` the root of the features' variance over their mean
    square (0 = all rows are the same, 1 = they have no mean), and ``dimensions`` the participation ratio
    tr(C)^2 / tr(C^2) of their covariance C (Gao et al. 2017): in how many directions they spread.
    """
    x = features.detach().float()
    centred = x - x.mean(dim=0)
    variance = centred.square().sum()
    product = centred @ centred.T if len(x) <= x.shape[1] else centred.T @ centred
    tiny = torch.finfo(torch.float32).tiny
    return {
        "feature_sd": x.std(dim=0).mean(),
        "spread": (variance / x.square().sum().clamp(min=tiny)).sqrt(),
        "dimensions": variance.square() / product.square().sum().clamp(min=tiny),
    }


def find_no_spread(row: Mapping[str, Any]) -> str | None:
    """Say that a row's features hardly differ between people; None where they do, or the row does not tell."""
    spread = row.get("spread")
    if spread is None or spread >= NO_SPREAD:
        return None
    if row.get("grad_norm", 0.0) > 100:
        cause = "gradients are very large, so the learning rate is likely too high: lower --optim.lr"
    else:
        cause = "nothing keeps people apart: lower --optim.lr, and leave the objective's guard on"
    return f"the representation is collapsing (people differ by {100 * spread:.2g} % of the features' size); {cause}."


CURVES = (
    Panel(
        key="loss",
        section="loss",
        title="Loss",
        axis="loss (lower is better)",
        caption="A falling loss means something only while the collapse watch stays calm.",
        curves=(Curve(column="loss"),),
    ),
    Panel(
        key="spread",
        section="collapse",
        title="Spread over people",
        axis="share of the features' size that differs",
        caption="Near zero: everyone looks the same.",
        curves=(Curve(column="spread"),),
        from_zero=True,
    ),
    Panel(
        key="dimensions",
        section="collapse",
        title="Directions in use",
        axis="participation ratio of the CLS features",
        caption="1 = one direction.",
        curves=(Curve(column="dimensions"),),
        from_zero=True,
    ),
)
"""The panels of the columns ``loss``, ``spread`` and ``dimensions``."""
