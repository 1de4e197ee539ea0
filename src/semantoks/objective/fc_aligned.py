"""FC as the teacher: from one view, predict the connectivity of the person's other view."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from semantoks.config import check_fields
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError
from semantoks.model.encoder import Encoder, EncoderConfig, Tokens
from semantoks.objective.learner import Alone, Seen, build_student
from semantoks.objective.losses.connectivity import Target, edge_error, edges_of
from semantoks.objective.objective import NetworkIndex, Objective, StepLoss, draw_views
from semantoks.objective.watch import CURVES, spread_of
from semantoks.views.batch import Batch, Slice, ViewConfig
from semantoks.views.pool import Pool


class EdgeHead(nn.Module):
    """From CLS and the mean token, one number per edge; its bias is what all people have in common."""

    def __init__(self, width: int, hidden: int, edges: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, hidden), nn.GELU(), nn.Linear(hidden, edges))

    def forward(self, tokens: Tokens) -> Tensor:
        """Predict every edge, in float32."""
        found: Tensor = self.layers(torch.cat([tokens.cls, tokens.grid.mean(dim=(1, 2))], dim=-1))
        return found.float()


@dataclass(frozen=True, kw_only=True)
class FcAligned(Objective):
    """Predict the connectivity of the other view; the target is data, so nothing can collapse it."""

    kind: Literal["fc-aligned"] = "fc-aligned"
    """Which objective: connectivity of the person's other view is predicted."""
    target: Target = "fc"
    """fc = Fisher's z of every correlation; tangent = the logarithm of the shrunk correlation matrix."""
    hidden: int = 256
    """Width of the head's hidden layer: as many dimensions of connectivity can be learned."""

    sizes: ClassVar = ("target", "hidden")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.hidden < 1:
            raise ConfigError(f"objective hidden has to be at least 1, not {self.hidden}.")

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Alone:
        """Return encoder and head."""
        edges = self._edges(len(network_index))
        return Alone(build_student(encoder, network_index, seed, lambda _: EdgeHead(encoder.width, self.hidden, edges)))

    def draw(
        self, pool: Pool, part: Slice, *, batch_size: int, views: ViewConfig, size: EncoderConfig, device: torch.device
    ) -> Batch:
        """Draw two corrupted crops per person, and the crops before corruption."""
        return draw_views(pool, part, batch_size=batch_size, views=views, size=size, device=device, originals=True)

    def loss(self, learner: Alone, trained: nn.Module, batch: Batch, rates: Mapping[str, float]) -> StepLoss:  # noqa: ARG002
        """Return the mean squared error of every edge of the other view."""
        seen: Seen = trained(batch.student_crops, batch.hidden)
        assert batch.originals is not None  # drawn so
        truth, known = (part.roll(len(part) // 2, dims=0) for part in edges_of(batch.originals, self.target))
        loss = edge_error(seen.head, truth, known)
        mean = truth.mean(dim=0, keepdim=True)
        explained = 1 - loss.detach() / edge_error(mean.expand_as(truth), truth, known).clamp(min=1e-12)
        scalars = {"loss": loss.detach(), "explained": explained, **spread_of(seen.tokens.cls)}
        return StepLoss(loss=loss, scalars=scalars, numbers={"rows": len(truth) // 2})

    def _edges(self, rois: int) -> int:
        return rois * (rois - 1) // 2 if self.target == "fc" else rois * (rois + 1) // 2

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count encoder and head, forward and backward; not the target."""
        head = 2 * self.hidden * (2 * encoder.config.width + self._edges(encoder.n_rois))
        return 3.0 * (encoder.flops(2 * people) + 2 * people * head)

    def curves(self) -> tuple[Panel, ...]:
        """Return the loss, how much is explained, and the collapse watch."""
        return (*CURVES, EXPLAINED)


EXPLAINED = Panel(
    key="explained",
    section="loss",
    title="Explained of the other view",
    axis="share of the variance over the batch",
    caption="0 = no better than everybody's mean connectivity.",
    curves=(Curve(column="explained"),),
)
