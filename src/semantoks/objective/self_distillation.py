"""Brain-Semantoks' objective: a student agrees with its own moving average across two views (METHOD 2, 5-8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from semantoks.config import check_fields
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tokenizers.tokenizer import TokenizerSettings
from semantoks.objective.branch import Branch, HeadConfig, Projections, build_branch
from semantoks.objective.learner import Taught
from semantoks.objective.losses.hidden import masked_token_loss
from semantoks.objective.losses.simdino import SimDino, coding_rate_maximum, coding_rate_minimum, simdino
from semantoks.objective.objective import NetworkIndex, Objective, StepLoss
from semantoks.objective.schedule import advice_on_momentum, teacher_momentum, ttr_weight
from semantoks.objective.similarity import token_similarity
from semantoks.views.batch import Batch
from semantoks.views.crops import send

OVERLAP_BINS = (0.0, 1 / 3, 2 / 3, 1.0)
"""Upper edges of the bins of agreement by overlap: none, up to a third, up to two thirds, more."""


@dataclass(frozen=True)
class LossTerms:
    """L = cls_weight L_CLS + token_weight L_Tok + ttr_weight L_TTR, and its parts; scalars, None where not due."""

    loss: Float[Tensor, ""]
    cls: SimDino
    token: Float[Tensor, ""] | None
    ttr: SimDino | None


@dataclass(frozen=True, kw_only=True)
class SelfDistillation(Objective):
    """Self-distillation regularised by the coding rate (Gijsen et al. 2026); the defaults are the published ones."""

    kind: Literal["self-distillation"] = "self-distillation"
    """Which objective: the student agrees with its moving average, and the coding rate prevents collapse."""
    token_weight: float = 0.5
    """Weight of the masked-token loss L_Tok."""
    ttr_weight: float = 0.5
    """Starting weight of the teacher-guided temporal regulariser L_TTR."""
    ttr_share: float = 0.05
    """Share of the steps over which that weight falls to 0 by half a cosine; 1 = the whole training, 0 = never on."""
    cls_weight: float = 1.0
    """Weight of L_CLS (0 only for an ablation)."""
    rate_weight: float = 1.0
    """Factor on the coding rate's published weight gamma (0 only for an ablation: all vectors become one)."""
    teacher_momentum: float = 0.99
    """Momentum of the teacher at the first step; 1 at the last."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """The projection head that all terms share."""

    sizes: ClassVar = ("head",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        weights = (self.token_weight, self.ttr_weight, self.cls_weight, self.rate_weight)
        if min(weights) < 0 or not 0 <= self.ttr_share <= 1:
            raise ConfigError("objective weights have to be at least 0, and ttr_share has to lie in 0..1.")
        if not 0 <= self.teacher_momentum <= 1:
            raise ConfigError("objective teacher_momentum has to lie in 0..1.")

    @property
    def finite(self) -> tuple[str, ...]:
        """The coding rate is NaN where its matrix is not positive definite."""
        return ("coding_rate",)

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Taught:
        """Return student and teacher with the same weights, drawn from ``seed``."""
        return Taught(build_branch(encoder, self.head, network_index, seed))

    def rates(self, step: int, total: int) -> dict[str, float]:
        """Return the teacher's momentum and the weight w(k) of L_TTR (METHOD 6, 8)."""
        return {
            "momentum": teacher_momentum(step, total, self.teacher_momentum),
            "ttr_weight": ttr_weight(step, total, self.ttr_weight, self.ttr_share),
        }

    def loss(self, learner: Taught, trained: nn.Module, batch: Batch, rates: Mapping[str, float]) -> StepLoss:
        """Compare student and teacher over all 2B crops (METHOD 6)."""
        given, seen = project_views(trained, learner.teacher, batch, networks=rates["ttr_weight"] > 0)
        terms = loss_terms(given, seen, batch.mask, ttr_weight=rates["ttr_weight"], config=self)
        return StepLoss(
            loss=terms.loss,
            scalars=describe(terms, given, seen, batch),
            matrices={"moment": terms.cls.moment / terms.cls.rows},
            numbers={"masked": int(batch.mask is not None), "rows": terms.cls.rows},
        )

    def derive(self, row: Mapping[str, Any], matrices: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the effective rank of the CLS projections, and the bounds of rank and coding rate."""
        size = len(matrices["moment"])
        return {
            "effective_rank": effective_rank(matrices["moment"].nan_to_num()).item(),
            "projection_dim": size,
            "coding_rate_max": coding_rate_maximum(size, row["rows"]),
        }

    def find_collapse(self, row: Mapping[str, Any]) -> str | None:
        """Say that the coding rate is close to that of equal vectors, and why that may be."""
        size, rate, rank = row["projection_dim"], row["coding_rate"], row["effective_rank"]
        low, top = coding_rate_minimum(size), row["coding_rate_max"]
        spread = f"coding rate {rate:.1f} between {low:.1f} and {top:.1f}, effective rank {rank:.1f} of {size}"
        if rate - low >= 0.05 * (top - low):
            return None
        if row["grad_norm"] > 100:
            cause = "gradients are very large, so the learning rate is likely too high: lower --optim.lr"
        elif row["rows"] < size / 2:
            cause = f"{row['rows']} people per batch can fill few of {size} directions: raise --batch-size"
        else:
            cause = "nothing keeps the vectors apart: lower --optim.lr, and keep the regulariser on at the start"
        return f"the representation is collapsing ({spread}); {cause}."

    def advise(self, total: int) -> str | None:
        """Warn when the training is too short for the teacher to leave its random start (docs/results.md)."""
        return advice_on_momentum(total, self.teacher_momentum)

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count four forward passes of the encoder over two views: teacher, student, and twice for the gradient.

        As if all tokens were read in each step; where CLS alone is, the last block does less.
        """
        return 4.0 * encoder.flops(2 * people)

    def curves(self) -> tuple[Panel, ...]:
        """Return the panels of loss, collapse watch and schedules."""
        return CURVES


def project_views(student: Any, teacher: nn.Module, batch: Batch, *, networks: bool) -> tuple[Projections, Projections]:
    """Run student (masked) and teacher (never masked but for empty tokens, no gradient) over all 2B crops at once."""
    asks = {"networks": networks, "grid": batch.mask is not None}
    with torch.no_grad():
        seen: Projections = teacher(batch.crops, batch.empty, **asks)
    return student(batch.student_crops, batch.hidden, batch.mask, **asks), seen


def load_branches(folder: str | Path, tokenizer: TokenizerSettings | None = None) -> tuple[Taught, EncoderCard]:
    """Load student and teacher, heads included, to train on; WeightsError where the folder has no student.

    ``tokenizer`` gives the settings of one of a kind from outside this package.
    """
    _, branches, card = SelfDistillation().load(Path(folder), tokenizer)
    assert isinstance(branches, Taught)
    return branches, card


def step_terms(
    student: Branch, teacher: Branch, batch: Batch, *, ttr_weight: float, config: SelfDistillation | None = None
) -> LossTerms:
    """Return the loss terms of a batch: the documented call for given views, masks and regulariser weight."""
    given, seen = project_views(student, teacher, batch, networks=ttr_weight > 0)
    return loss_terms(given, seen, batch.mask, ttr_weight=ttr_weight, config=config or SelfDistillation())


def loss_terms(
    student: Projections,
    teacher: Projections,
    mask: Bool[Tensor, "batch network patch"] | None,
    *,
    ttr_weight: float,
    config: SelfDistillation,
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
    cls = simdino(student.cls, teacher.cls, rate_weight=config.rate_weight)
    loss = config.cls_weight * cls.loss
    token = ttr = None
    if mask is not None and student.grid is not None and teacher.grid is not None:
        token = masked_token_loss(student.grid, teacher.grid, mask)
        loss = loss + config.token_weight * token
    if ttr_weight > 0 and student.network is not None and teacher.network is not None:
        ttr = simdino(_rows(student.network), _rows(teacher.network), rate_weight=config.rate_weight)
        loss = loss + ttr_weight * ttr.loss
    return LossTerms(loss, cls, None if token is None else token.detach(), ttr)


def _rows(network: Float[Tensor, "batch network projection"]) -> Float[Tensor, "row projection"]:
    """All networks of view 1, then all of view 2, as the rows of one coding rate."""
    return rearrange(network, "(v b) n k -> (v b n) k", v=2)


@torch.no_grad()
def describe(terms: LossTerms, student: Projections, teacher: Projections, batch: Batch) -> dict[str, Tensor]:
    """Return the step's scalars, still on the device."""
    people = len(batch.overlap)
    s, t = (rearrange(branch.cls, "(v b) k -> v b k", b=people) for branch in (student, teacher))
    across = (t.flip(0) * s).sum(-1).mean(0)
    scalars: dict[str, Tensor] = {"loss": terms.loss.detach(), **_of_simdino("", terms.cls)}
    if terms.token is not None:
        scalars["loss_tok"] = terms.token
    if teacher.grid is not None:
        scalars |= token_similarity(teacher.grid, batch.empty)
    if terms.ttr is not None:
        scalars |= _of_simdino("_ttr", terms.ttr)
    return scalars | {
        "feature_sd": teacher.feature.std(dim=0).mean(),
        "teacher_student_cosine": (teacher.cls * student.cls).sum(-1).mean(),
        **agreement_by_overlap(across, batch),
    }


def _of_simdino(suffix: str, part: SimDino) -> dict[str, Tensor]:
    return {
        f"loss{suffix or '_cls'}": part.loss.detach(),
        f"agreement{suffix}": part.agreement,
        f"coding_rate{suffix}": part.rate,
    }


@torch.no_grad()
def agreement_by_overlap(cosine: Float[Tensor, " person"], batch: Batch) -> dict[str, Tensor]:
    """Return the mean agreement of the people whose views overlap not at all, little, half, mostly (absent = none)."""
    bins = np.searchsorted(OVERLAP_BINS[:-1], batch.overlap)
    member = send(bins[:, None] == np.arange(len(OVERLAP_BINS)), cosine.device)
    mean = (cosine[:, None] * member).sum(dim=0) / member.sum(dim=0)
    return {f"agreement_overlap_{i}": mean[i] for i in range(len(OVERLAP_BINS))}


def effective_rank(moment: Float[Tensor, "projection projection"]) -> Float[Tensor, ""]:
    """Return exp(entropy) of the normalised eigenvalues: 1 = one direction, K = evenly spread (Roy & Vetterli 2007)."""
    values = torch.linalg.eigvalsh(moment.double()).clamp(min=0)
    share = values / values.sum(dim=-1, keepdim=True)
    entropy: Tensor = torch.special.entr(share).sum(dim=-1)
    return entropy.exp().float()


CURVES = (
    Panel(
        key="loss",
        section="loss",
        title="Loss",
        axis="loss L (lower is better)",
        caption="L = L_CLS + 0.5 L_Tok + w L_TTR. Masked steps differ from the others. "
        "A falling loss means something only while the collapse watch stays calm.",
        curves=(Curve(column="loss"),),
    ),
    Panel(
        key="terms",
        section="loss",
        title="Its three terms",
        axis="loss terms, unweighted",
        caption="L_Tok is drawn at steps with a mask, L_TTR while its weight is above zero.",
        curves=(
            Curve(column="loss_cls", label="L_CLS"),
            Curve(column="loss_tok", label="L_Tok", paint="orange", only_where="masked"),
            Curve(column="loss_ttr", label="L_TTR", paint="green", only_where="ttr_weight"),
        ),
    ),
    Panel(
        key="agreement",
        section="loss",
        title="Agreement of the two views",
        axis="mean cosine, teacher to student, across views",
        caption="CLS: whole recordings. TTR: networks, averaged over patches. Near 1 for everyone means collapse.",
        curves=(
            Curve(column="agreement", label="CLS"),
            Curve(column="agreement_ttr", label="TTR", paint="green"),
        ),
    ),
    Panel(
        key="overlap",
        section="loss",
        title="Agreement by overlap of the views",
        axis="mean cosine of CLS projections",
        caption="By the share of frames that two views have in common. If only overlapping views agree, "
        "the encoder recognises the moment and not the person.",
        curves=(
            Curve(column="agreement_overlap_0", label="none", paint="deep"),
            Curve(column="agreement_overlap_1", label="up to 1/3", paint="blue"),
            Curve(column="agreement_overlap_2", label="up to 2/3", paint="orange"),
            Curve(column="agreement_overlap_3", label="above 2/3", paint="green"),
        ),
    ),
    Panel(
        key="coding_rate",
        section="collapse",
        title="Coding rate",
        axis="coding rate R of the CLS projections (nats)",
        caption="How far the projections of a batch spread. Near zero: everyone looks the same.",
        curves=(
            Curve(column="coding_rate", label="now"),
            Curve(column="coding_rate_max", label="maximum", paint="muted", kind="bound"),
        ),
        from_zero=True,
    ),
    Panel(
        key="effective_rank",
        section="collapse",
        title="Effective rank",
        axis="directions in use",
        caption="Of the projections in a batch, against their width K.",
        curves=(
            Curve(column="effective_rank", label="now"),
            Curve(column="projection_dim", label="width K", paint="muted", kind="bound"),
        ),
        from_zero=True,
    ),
    Panel(
        key="feature_sd",
        section="collapse",
        title="Spread of the features",
        axis="mean sd of a CLS feature over the batch",
        caption="Falls to zero in a collapse.",
        curves=(Curve(column="feature_sd"),),
        from_zero=True,
    ),
    Panel(
        key="teacher_student",
        section="collapse",
        title="Teacher and student",
        axis="mean cosine, same view",
        caption="Low while the student runs ahead; it rises as the teacher's momentum nears 1.",
        curves=(Curve(column="teacher_student_cosine"),),
    ),
    Panel(
        key="tokens",
        section="collapse",
        title="How alike tokens are",
        axis="mean cosine of the teacher's projected tokens",
        caption="At masked steps: two patches of one network, two networks in one patch. Near 1: all say the same.",
        curves=(
            Curve(column="token_similarity_within", label="within", only_where="masked"),
            Curve(column="token_similarity_across", label="across", paint="orange", only_where="masked"),
        ),
    ),
    Panel(
        key="momentum",
        section="schedules",
        title="Teacher momentum",
        axis="share of the teacher kept per step",
        caption="At 1 the teacher stands still.",
        curves=(Curve(column="momentum", paint="deep", kind="exact"),),
    ),
    Panel(
        key="ttr_weight",
        section="schedules",
        title="TTR weight",
        axis="weight w of L_TTR",
        caption="Fades out early in training.",
        curves=(Curve(column="ttr_weight", paint="deep", kind="exact"),),
        from_zero=True,
    ),
)
"""What the report draws of these columns."""
