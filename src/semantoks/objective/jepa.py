"""JEPA: from the tokens that are seen, predict what a teacher makes of the hidden ones (Assran 2023; Brain-JEPA)."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_fields
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError
from semantoks.model.encoder import Encoder, EncoderConfig, Tokens, time_table
from semantoks.objective.learner import Seen, Student, Taught, block_flops, blocks_like, build_student
from semantoks.objective.losses.hidden import mean_of_hidden
from semantoks.objective.objective import NetworkIndex, Objective, StepLoss, draw_views
from semantoks.objective.schedule import advice_on_momentum, teacher_momentum
from semantoks.objective.watch import CURVES, spread_of
from semantoks.views.batch import Batch, Slice, ViewConfig, device_stream, leave_something
from semantoks.views.masks import MaskConfig, draw_observed
from semantoks.views.pool import Pool

Family = Literal["cross-network", "cross-time", "double-cross"]
FAMILIES: tuple[Family, ...] = ("cross-network", "cross-time", "double-cross")


class Predictor(nn.Module):
    """Transformer blocks over the tokens that are seen, and over a query with its position for each hidden one."""

    time: Tensor

    def __init__(self, encoder: Encoder, depth: int) -> None:
        super().__init__()
        size = encoder.config
        self.query = nn.Parameter(torch.randn(size.width) * 0.02)
        self.network = nn.Parameter(torch.randn(encoder.n_networks, size.width) * 0.02)
        self.register_buffer("time", time_table(size.patches, size.width), persistent=False)
        self.blocks = blocks_like(size, depth)
        self.norm, self.out = nn.LayerNorm(size.width), nn.Linear(size.width, size.width)

    def forward(
        self, tokens: Tokens, hidden: Bool[Tensor, "batch network patch"]
    ) -> Float[Tensor, "batch network patch width"]:
        """Predict every token; those at ``hidden`` positions are not looked at."""
        grid = torch.where(hidden[..., None], self.query.to(tokens.grid.dtype), tokens.grid)
        grid = grid + self.network[:, None] + self.time
        found = self.blocks(torch.cat([tokens.cls[:, None], grid.flatten(1, 2)], dim=1))
        predicted: Tensor = self.out(self.norm(found[:, 1:])).view(grid.shape)
        return predicted


class Observed(NamedTuple):
    """Two crops per person, and which networks and patches of each are seen."""

    views: Batch
    networks: Bool[Tensor, "batch network"]
    patches: Bool[Tensor, "batch patch"]

    def families(self) -> dict[Family, Bool[Tensor, "batch network patch"]]:
        """Return the hidden tokens of each family: of other networks, of other times, of both."""
        mask, n, p = self.views.mask, self.networks[:, :, None], self.patches[:, None]
        assert mask is not None  # drawn so
        return {"cross-network": mask & ~n & p, "cross-time": mask & n & ~p, "double-cross": mask & ~n & ~p}


@dataclass(frozen=True, kw_only=True)
class Jepa(Objective):
    """Predict the teacher's normalised tokens at hidden positions; the teacher prevents collapse."""

    kind: Literal["jepa"] = "jepa"
    """Which objective: the teacher's tokens are predicted where the student sees none."""
    families: tuple[Family, ...] = FAMILIES
    """Hidden tokens that are predicted: of networks that are not seen, of other times, or both; weighted equally."""
    networks_seen: tuple[float, float] = (0.4, 0.6)
    """Range of the share of networks that the student sees."""
    patches_seen: tuple[float, float] = (0.4, 0.6)
    """Range of the share of patches, one run of them, in which it sees them."""
    predictor_depth: int = 2
    """Transformer blocks of the predictor, which is thrown away; 0 = a linear map, which predicts no hidden token."""
    teacher_momentum: float = 0.99
    """Momentum of the teacher at the first step; 1 at the last."""
    guard: bool = True
    """Teacher and stopped gradient (False only for an ablation: the student predicts its own tokens)."""

    sizes: ClassVar = ("predictor_depth",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if not self.families or self.predictor_depth < 0 or not 0 <= self.teacher_momentum <= 1:
            raise ConfigError(
                "objective families needs at least one, predictor_depth at least 0, and teacher_momentum 0 to 1."
            )
        for name in ("networks_seen", "patches_seen"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ConfigError(f"objective {name} has to be a range above 0 and up to 1, not {low:g} to {high:g}.")

    def check(self, encoder: EncoderConfig, views: ViewConfig) -> None:
        """Refuse masks of the views, and families of which an encoder with one patch has nothing."""
        super().check(encoder, views)
        if views.masks != MaskConfig():
            raise ConfigError(
                "the objective 'jepa' has masks of its own: set objective.networks_seen and objective.patches_seen in "
                "place of views.masks."
            )
        if encoder.patches == 1 and "cross-network" not in self.families:
            raise ConfigError("an encoder with one patch has no other times: add cross-network to objective.families.")

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Taught:
        """Return a student with a predictor, and a teacher without."""
        student = build_student(encoder, network_index, seed, lambda built: Predictor(built, self.predictor_depth))
        return Taught(student, Student(deepcopy(student.encoder), nn.Identity()))

    def draw(
        self, pool: Pool, part: Slice, *, batch_size: int, views: ViewConfig, size: EncoderConfig, device: torch.device
    ) -> Observed:
        """Draw two corrupted crops per person, and the networks and times that are seen of each."""
        plain = replace(views, masks=MaskConfig(probability=0.0))
        batch = draw_views(pool, part, batch_size=batch_size, views=plain, size=size, device=device)
        generator = device_stream(part, "observed", device)
        rows, networks = len(batch.crops), pool.missing.shape[1]
        if networks * size.patches == 1:
            raise ConfigError("a grid of one network x one patch has nothing to predict: jepa needs more.")
        n, p = draw_observed(rows, networks, size.patches, self.networks_seen, self.patches_seen, generator)
        mask, gone = ~(n[:, :, None] & p[:, None]), torch.zeros_like(n)[:, :, None].expand(-1, -1, size.patches)
        for absent in (batch.empty, batch.unseen):
            gone = gone if absent is None else gone | absent
        return Observed(replace(batch, mask=leave_something(mask & ~gone, gone)), n, p)

    def rates(self, step: int, total: int) -> dict[str, float]:
        """Return the teacher's momentum."""
        return {"momentum": teacher_momentum(step, total, self.teacher_momentum)}

    def loss(self, learner: Taught, trained: nn.Module, batch: Observed, rates: Mapping[str, float]) -> StepLoss:  # noqa: ARG002
        """Return the smooth L1 distance of predictions and targets, the mean over families."""
        views = batch.views
        seen: Seen = trained(views.student_crops, views.hidden, views.hidden)
        if self.guard:
            with torch.no_grad():
                target = learner.teacher(views.crops, views.empty).tokens
        else:
            target = trained(views.crops, views.empty, views.mask).tokens
        terms = jepa_terms(seen.head, target.grid, batch.families(), self.families)
        loss = torch.stack(list(terms.values())).sum() / len(terms)
        scalars = {"loss": loss.detach(), **{f"loss_{name.replace('-', '_')}": x.detach() for name, x in terms.items()}}
        return StepLoss(
            loss=loss, scalars=scalars | spread_of(target.grid.mean(dim=(1, 2))), numbers={"rows": len(views.crops)}
        )

    def advise(self, total: int) -> str | None:
        """Warn when the training is too short for the teacher to leave its random start."""
        return advice_on_momentum(total, self.teacher_momentum)

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count the teacher forward, and the student with its predictor forward and backward."""
        tokens = 1 + encoder.n_networks * encoder.config.patches
        predictor = block_flops(encoder.config, self.predictor_depth, tokens) + 2 * tokens * encoder.config.width**2
        return 4.0 * encoder.flops(2 * people) + 6.0 * people * predictor

    def curves(self) -> tuple[Panel, ...]:
        """Return the loss and its families, and the collapse watch."""
        return (*CURVES, TERMS)


def jepa_terms(
    predicted: Float[Tensor, "batch network patch width"],
    target: Float[Tensor, "batch network patch width"],
    hidden: Mapping[Family, Bool[Tensor, "batch network patch"]],
    families: tuple[Family, ...],
) -> dict[Family, Float[Tensor, ""]]:
    """Return the smooth L1 distance (beta 1) to the layer-normalised target behind each family's masks.

    The mean over rows of a row's mean over its hidden tokens of the mean over columns; families of which an encoder
    with one patch, or one network, has no token are left out.
    """
    with torch.autocast(predicted.device.type, enabled=False):
        normal = F.layer_norm(target.float(), target.shape[-1:])
        error = F.smooth_l1_loss(predicted.float(), normal, reduction="none").mean(dim=-1)
        there = {"cross-network": target.shape[1] > 1, "cross-time": target.shape[2] > 1}
        there["double-cross"] = all(there.values())
        return {name: mean_of_hidden(error, hidden[name]) for name in families if there[name]}


TERMS = Panel(
    key="families",
    section="loss",
    title="By what is hidden",
    axis="smooth L1 to the teacher's tokens",
    caption="Tokens of networks that are not seen, of other times, and of both.",
    curves=(
        Curve(column="loss_cross_network", label="network"),
        Curve(column="loss_cross_time", label="time", paint="orange"),
        Curve(column="loss_double_cross", label="both", paint="green"),
    ),
)
