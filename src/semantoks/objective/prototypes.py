"""DINO and iBOT: student and teacher agree on shares of prototypes (Caron et al. 2021; Zhou et al. 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_fields
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError
from semantoks.model.encoder import Encoder, EncoderConfig, Tokens
from semantoks.objective.branch import Head, HeadConfig, project_tokens
from semantoks.objective.learner import Seen, Student, Taught, build_student
from semantoks.objective.losses.prototypes import across_views, behind_mask, entropies, shares
from semantoks.objective.losses.ranks import over_ranks, ranks
from semantoks.objective.objective import NetworkIndex, Objective, StepLoss
from semantoks.objective.schedule import advice_on_momentum, teacher_momentum
from semantoks.objective.watch import CURVES, find_no_spread, spread_of
from semantoks.views.batch import Batch, ViewConfig

CENTRES = ("centre", "token_centre")
"""Running means of what the teacher says: of CLS, and of tokens."""
TOLD = 0.01
"""Nats that a share of prototypes tells of a person, below which all people have the same share."""


class Alike(NamedTuple):
    """How alike tokens and prototypes are (cosines): of CLS, and of every token where asked for."""

    cls: Float[Tensor, "batch prototype"]
    grid: Float[Tensor, "batch network patch prototype"] | None


class PrototypeHead(nn.Module):
    """A projection head, and directions that it is compared with."""

    def __init__(self, width: int, config: HeadConfig, prototypes: int) -> None:
        super().__init__()
        self.head = Head(width, config)
        self.prototypes = nn.Parameter(torch.randn(prototypes, config.projection))

    def forward(
        self, tokens: Tokens, grid: bool = False, read: Bool[Tensor, "batch network patch"] | None = None
    ) -> Alike:
        """Compare CLS, and on request tokens: those that are ``read``, or all."""
        device = tokens.cls.device.type
        with torch.autocast(device, enabled=False):
            directions = F.normalize(self.prototypes.float(), dim=-1).T

        def alike(vectors: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch prototype"]:
            projected = self.head(vectors)
            with torch.autocast(device, enabled=False):
                cosines: Tensor = projected @ directions
            return cosines

        return Alike(alike(tokens.cls), project_tokens(alike, tokens.grid, read) if grid else None)


class Centred(Taught):
    """Student and teacher, and the running mean of what the teacher says of CLS and of tokens."""

    def __init__(self, student: Student, prototypes: int, momentum: float) -> None:
        super().__init__(student)
        self.momentum = momentum
        for name in CENTRES:
            self.register_buffer(name, torch.zeros(prototypes))
            self.register_buffer(f"{name}_known", torch.zeros(()))
        self.heard: dict[str, list[Tensor]] = {}
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def centre_of(self, name: str, alike: Float[Tensor, "*batch prototype"]) -> Float[Tensor, " prototype"]:
        """Return a centre, the batch's own mean in the first step, and note what the teacher says, on all devices."""
        mean = over_ranks(alike.flatten(0, -2).float().mean(dim=0)) / ranks()
        self.heard.setdefault(name, []).append(mean)
        return torch.where(self.get_buffer(f"{name}_known") > 0, self.get_buffer(name), mean)

    @torch.no_grad()
    def follow(self, rates: Mapping[str, float]) -> None:
        """Move the teacher, and the centres that this step has heard of."""
        super().follow(rates)
        for name, parts in self.heard.items():
            centre, known, mean = (
                self.get_buffer(name),
                self.get_buffer(f"{name}_known"),
                torch.stack(parts).mean(dim=0),
            )
            centre.copy_(torch.where(known > 0, centre.lerp(mean, 1 - self.momentum), mean))
            known.fill_(1)
        self.heard = {}


def _forget(learner: Centred, _: Any) -> None:
    """Forget what was heard on the way to other weights, as in a trial step that is taken back."""
    learner.heard = {}


@dataclass(frozen=True, kw_only=True)
class Prototypes(Objective):
    """Agreement on shares of prototypes; centring and a sharper teacher prevent collapse."""

    kind: Literal["dino", "ibot"] = "dino"
    """dino = of CLS, across views; ibot = also of the tokens that the student does not see, within each view."""
    prototypes: int = 1024
    """Number of prototypes."""
    student_temperature: float = 0.1
    """Cosines of the student are divided by it."""
    teacher_temperature: float = 0.04
    """Cosines of the teacher are divided by it: smaller than the student's, its shares are sharper."""
    token_weight: float = 1.0
    """Of ibot: weight of the tokens."""
    centring: bool = True
    """Subtract the running mean of what the teacher says (False only for an ablation: one prototype takes all)."""
    centre_momentum: float = 0.9
    """Share of the running mean that is kept per step."""
    teacher_momentum: float = 0.99
    """Momentum of the teacher at the first step; 1 at the last."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """The projection head before the prototypes."""

    sizes: ClassVar = ("head", "prototypes")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.prototypes < 2 or min(self.student_temperature, self.teacher_temperature) <= 0 or self.token_weight < 0:
            raise ConfigError(
                "objective prototypes has to be at least 2, temperatures above 0 and token_weight at least 0."
            )
        if not (0 <= self.centre_momentum <= 1 and 0 <= self.teacher_momentum <= 1):
            raise ConfigError("objective centre_momentum and teacher_momentum have to lie in 0..1.")

    def check(self, encoder: EncoderConfig, views: ViewConfig) -> None:
        """Refuse ibot without masks."""
        super().check(encoder, views)
        if self.kind == "ibot" and views.masks.probability == 0:
            raise ConfigError(
                "the objective 'ibot' needs masks: set views.masks.probability above 0, or take the objective 'dino'."
            )

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Centred:
        """Return student and teacher with the same weights, and centres of 0."""
        head = lambda _: PrototypeHead(encoder.width, self.head, self.prototypes)  # noqa: E731
        return Centred(build_student(encoder, network_index, seed, head), self.prototypes, self.centre_momentum)

    def rates(self, step: int, total: int) -> dict[str, float]:
        """Return the teacher's momentum."""
        return {"momentum": teacher_momentum(step, total, self.teacher_momentum)}

    def loss(self, learner: Centred, trained: nn.Module, batch: Batch, rates: Mapping[str, float]) -> StepLoss:  # noqa: ARG002
        """Return the cross-entropy of shares: CLS across views, and for ibot hidden tokens within each view."""
        tokens = self.kind == "ibot" and batch.mask is not None
        with torch.no_grad():
            taught: Seen = learner.teacher(batch.crops, batch.empty, tokens, grid=tokens)
        given: Seen = trained(batch.student_crops, batch.hidden, tokens, batch.mask, grid=tokens)
        target = self._shares(learner, "centre", taught.head.cls)
        loss = across_views(given.head.cls, target, self.student_temperature)
        whole, each = entropies(target)
        scalars = {"loss_cls": loss.detach(), "entropy_all": whole, "entropy_each": each}
        if tokens and batch.mask is not None:
            there = self._shares(learner, "token_centre", taught.head.grid)
            token = behind_mask(given.head.grid, there, batch.mask, self.student_temperature)
            loss = loss + self.token_weight * token
            scalars["loss_tok"] = token.detach()
        scalars |= {"loss": loss.detach(), **spread_of(taught.tokens.cls)}
        masked = int(batch.mask is not None)
        return StepLoss(loss=loss, scalars=scalars, numbers={"masked": masked, "rows": len(target) // 2})

    def _shares(self, learner: Centred, name: str, alike: Tensor) -> Tensor:
        """Return the teacher's shares, and let the centre hear of them."""
        centre = learner.centre_of(name, alike)
        return shares(alike, centre if self.centring else torch.zeros_like(centre), self.teacher_temperature)

    def find_collapse(self, row: Mapping[str, Any]) -> str | None:
        """Say that features do not spread, or that everybody has the same share of prototypes."""
        if said := find_no_spread(row):
            return said
        told = row["entropy_all"] - row["entropy_each"]
        if told >= TOLD:
            return None
        return (
            f"the representation is collapsing (the prototypes tell {max(told, 0):.2g} nats of a person); keep "
            "--objective.centring on, and lower --optim.lr."
        )

    def advise(self, total: int) -> str | None:
        """Warn when the training is too short for the teacher to leave its random start."""
        return advice_on_momentum(total, self.teacher_momentum)

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count the teacher forward, and the student forward and backward."""
        return 4.0 * encoder.flops(2 * people)

    def curves(self) -> tuple[Panel, ...]:
        """Return the loss, the entropies of the shares, and the collapse watch."""
        return (*CURVES, ENTROPIES)


ENTROPIES = Panel(
    key="entropies",
    section="collapse",
    title="Shares of prototypes",
    axis="entropy of the teacher's shares (nats)",
    caption="Of the batch's mean share, and of one person's. Where they meet, everybody has the same share.",
    curves=(
        Curve(column="entropy_all", label="mean share"),
        Curve(column="entropy_each", label="one person", paint="orange"),
    ),
    from_zero=True,
)
