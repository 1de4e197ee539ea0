"""Cross-entropy between a student's and a teacher's shares of prototypes (DINO, Caron et al. 2021; iBOT, Zhou 2022)."""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from semantoks.objective.losses.hidden import mean_of_hidden


def shares(
    alike: Float[Tensor, "*batch prototype"], centre: Float[Tensor, " prototype"], temperature: float
) -> Float[Tensor, "*batch prototype"]:
    """Return the teacher's shares of the prototypes: softmax((alike - centre) / temperature), without gradient."""
    return ((alike.detach().float() - centre) / temperature).softmax(dim=-1)


def cross_entropy(
    student: Float[Tensor, "*batch prototype"], target: Float[Tensor, "*batch prototype"], temperature: float
) -> Float[Tensor, "*batch"]:
    """Return -sum target log softmax(student / temperature), in nats."""
    return -(target * (student.float() / temperature).log_softmax(dim=-1)).sum(dim=-1)


def across_views(
    student: Float[Tensor, "batch prototype"], target: Float[Tensor, "batch prototype"], temperature: float
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of each view's target and the student's other view; view-major."""
    s, t = (rearrange(x, "(v m) k -> v m k", v=2) for x in (student, target))
    return cross_entropy(s, t.flip(0), temperature).mean()


def behind_mask(
    student: Float[Tensor, "batch network patch prototype"],
    target: Float[Tensor, "batch network patch prototype"],
    mask: Bool[Tensor, "batch network patch"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return the mean over rows of the mean cross-entropy over hidden tokens, within a view; 0 for a row without."""
    return mean_of_hidden(cross_entropy(student, target, temperature), mask)


def entropies(target: Float[Tensor, "batch prototype"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the entropy of the mean share, and the mean entropy of a share, in nats: their difference tells people."""
    whole = torch.special.entr(target.mean(dim=0)).sum()
    return whole, torch.special.entr(target).sum(dim=-1).mean()
