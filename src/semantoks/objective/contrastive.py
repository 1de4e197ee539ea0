"""Contrast: two views of a person are alike, and unlike those of other people (InfoNCE), or vary and do not repeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from semantoks.config import check_fields
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig, Tokens
from semantoks.objective.branch import Head, HeadConfig
from semantoks.objective.learner import Alone, Seen, build_student
from semantoks.objective.losses.contrast import info_nce, vicreg
from semantoks.objective.objective import NetworkIndex, Objective, StepLoss
from semantoks.objective.watch import CURVES, spread_of
from semantoks.views.batch import Batch


class ClsHead(nn.Module):
    """A projection head of CLS; unit vectors, or plain ones."""

    def __init__(self, width: int, config: HeadConfig, *, unit: bool) -> None:
        super().__init__()
        self.head, self.unit = Head(width, config), unit

    def forward(self, tokens: Tokens) -> Tensor:
        """Project."""
        found: Tensor = self.head(tokens.cls) if self.unit else self.head.raw(tokens.cls)
        return found


@dataclass(frozen=True, kw_only=True)
class Contrastive(Objective):
    """Contrast of people; one encoder, no teacher."""

    kind: Literal["contrastive"] = "contrastive"
    """Which objective: the views of a person against those of other people."""
    by: Literal["infonce", "vicreg"] = "infonce"
    """infonce = tell a person's other view among everybody's; vicreg = equal views, columns that vary and differ."""
    temperature: float = 0.1
    """Of InfoNCE: cosines are divided by it."""
    negatives: bool = True
    """Of InfoNCE: other people take part (False only for an ablation: all vectors become one)."""
    vicreg_weights: tuple[float, float, float] = (25.0, 25.0, 1.0)
    """Weights of VICReg's invariance, variance and covariance (the last two 0 only for an ablation)."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """The projection head."""

    sizes: ClassVar = ("head",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.temperature <= 0 or min(self.vicreg_weights) < 0:
            raise ConfigError("objective temperature has to be above 0, and vicreg_weights at least 0.")

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Alone:
        """Return encoder and head."""
        unit = self.by == "infonce"
        return Alone(
            build_student(encoder, network_index, seed, lambda _: ClsHead(encoder.width, self.head, unit=unit))
        )

    def loss(self, learner: Alone, trained: nn.Module, batch: Batch, rates: Mapping[str, float]) -> StepLoss:  # noqa: ARG002
        """Return the contrast of both views of all people."""
        seen: Seen = trained(batch.student_crops, batch.hidden, grid=False)
        if self.by == "infonce":
            loss, right = info_nce(seen.head, self.temperature, negatives=self.negatives)
            scalars = {"found": right}
        else:
            terms = vicreg(seen.head)
            loss = sum((w * x for w, x in zip(self.vicreg_weights, terms, strict=True)), terms.invariance * 0)
            scalars = {f"loss_{name}": x.detach() for name, x in terms._asdict().items()}
        scalars |= {"loss": loss.detach(), **spread_of(seen.tokens.cls)}
        return StepLoss(loss=loss, scalars=scalars, numbers={"rows": len(seen.head) // 2})

    def curves(self) -> tuple[Panel, ...]:
        """Return the loss, what it is about, and the collapse watch."""
        return (*CURVES, FOUND if self.by == "infonce" else TERMS)


FOUND = Panel(
    key="found",
    section="loss",
    title="People found by their other view",
    axis="share of the batch",
    caption="How often a person's other view is the nearest of all.",
    curves=(Curve(column="found"),),
    from_zero=True,
)
TERMS = Panel(
    key="vicreg",
    section="loss",
    title="The terms of VICReg",
    axis="unweighted",
    caption="Distance of the views, lack of spread, redundancy of columns.",
    curves=(
        Curve(column="loss_invariance", label="invariance"),
        Curve(column="loss_variance", label="variance", paint="orange"),
        Curve(column="loss_covariance", label="covariance", paint="green"),
    ),
)
