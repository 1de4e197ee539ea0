"""The three terms of the Brain-Semantoks loss for given projections, mask and regulariser weight (METHOD 6)."""

from dataclasses import dataclass

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from semantoks.errors import ConfigError
from semantoks.objective.distill import SimDino, simdino
from semantoks.objective.masked import masked_token_loss
from semantoks.objective.self_distillation import Projections


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Weights of the loss; the defaults are the published ones."""

    token_weight: float = 0.5
    """Weight of the masked-token loss L_Tok."""
    ttr_weight: float = 0.5
    """Starting weight of the teacher-guided temporal regulariser L_TTR."""
    ttr_share: float = 0.05
    """Share of the steps over which that weight falls to 0 by half a cosine; 1 = the whole training, 0 = never on."""
    cls_weight: float = 1.0
    """Weight of L_CLS (0 only for an ablation)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.token_weight, self.ttr_weight, self.cls_weight) < 0 or not 0 <= self.ttr_share <= 1:
            raise ConfigError("objective weights have to be at least 0, and ttr_share has to lie in 0..1.")


@dataclass(frozen=True)
class LossTerms:
    """L = cls_weight L_CLS + token_weight L_Tok + ttr_weight L_TTR, and its parts; scalars, None where not due."""

    loss: Float[Tensor, ""]
    cls: SimDino
    token: Float[Tensor, ""] | None
    ttr: SimDino | None


def loss_terms(
    student: Projections,
    teacher: Projections,
    mask: Bool[Tensor, "batch network patch"] | None,
    *,
    ttr_weight: float,
    config: ObjectiveConfig,
) -> LossTerms:
    """Combine the terms.

    Parameters
    ----------
    student, teacher
        What ``Branch`` gives for the same 2B crops, view-major. ``network`` is needed while ttr_weight > 0, ``grid``
        where there is a mask.
    mask
        The positions [batch, network, patch] that only the student was not shown (True = hidden), or None.
    ttr_weight
        This step's w(k) of METHOD 6.
    """
    cls = simdino(student.cls, teacher.cls)
    loss = config.cls_weight * cls.loss
    token = ttr = None
    if mask is not None and student.grid is not None and teacher.grid is not None:
        token = masked_token_loss(student.grid, teacher.grid, mask)
        loss = loss + config.token_weight * token
    if ttr_weight > 0 and student.network is not None and teacher.network is not None:
        ttr = simdino(_rows(student.network), _rows(teacher.network))
        loss = loss + ttr_weight * ttr.loss
    return LossTerms(loss, cls, None if token is None else token.detach(), ttr)


def _rows(network: Float[Tensor, "batch network projection"]) -> Float[Tensor, "row projection"]:
    """All networks of view 1, then all of view 2, as the rows of one coding rate."""
    return rearrange(network, "(v b) n k -> (v b n) k", v=2)
