"""Views of a person against other people: InfoNCE and VICReg; over several devices, of the whole batch."""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from semantoks.objective.losses.ranks import over_ranks, ranks, rows_of_all


def info_nce(
    vectors: Float[Tensor, "batch projection"], temperature: float, *, negatives: bool = True
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the mean cross-entropy of finding one's other view among everybody's, and how often it is the nearest.

    From view 1 to all views 2, and back (van den Oord et al. 2018; the symmetric form of Radford et al. 2021).

    Parameters
    ----------
    vectors
        Unit vectors, view-major: all people's view 1, then all people's view 2.
    negatives
        False leaves out the other people, only for an ablation: all vectors become one.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        first, second = rearrange(vectors.float(), "(v m) k -> v m k", v=2).unbind(0)
        own = torch.arange(len(first), device=vectors.device)
        losses, right = [], []
        for mine, others in ((first, second), (second, first)):
            everybody, begin = rows_of_all(others)
            alike = mine @ everybody.T / temperature
            losses.append(F.cross_entropy(alike, own + begin) if negatives else -alike.diagonal(begin).mean())
            right.append((alike.argmax(dim=1) == own + begin).float().mean())
        return (losses[0] + losses[1]) / 2, ((right[0] + right[1]) / 2).detach()


class Vicreg(NamedTuple):
    """The three terms, unweighted scalars: distance of the views, lack of spread, and redundancy."""

    invariance: Float[Tensor, ""]
    variance: Float[Tensor, ""]
    covariance: Float[Tensor, ""]


def vicreg(vectors: Float[Tensor, "batch projection"]) -> Vicreg:
    """Return the terms of VICReg (Bardes et al. 2022, equations 1 to 5) of vectors that are not normalised, view-major.

    ``invariance`` is the mean squared distance of a person's views, summed over columns and divided by their number;
    ``variance`` the mean over columns of max(0, 1 - sd); ``covariance`` the squares off the diagonal over the number of
    columns; the latter two are sums over both views.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        views = rearrange(vectors.float(), "(v m) k -> v m k", v=2)
        people, size = views.shape[1] * ranks(), views.shape[2]
        mean = over_ranks(views.sum(dim=1)) / people
        centred = views - mean[:, None]
        covariance = over_ranks(torch.einsum("vmk,vml->vkl", centred, centred)) / (people - 1)
        variances = covariance.diagonal(dim1=1, dim2=2)
        off = covariance.square().sum(dim=(1, 2)) - variances.square().sum(dim=1)
        return Vicreg(
            invariance=F.mse_loss(views[0], views[1]),
            variance=F.relu(1 - (variances + 1e-4).sqrt()).mean(dim=1).sum(),
            covariance=off.sum() / size,
        )
