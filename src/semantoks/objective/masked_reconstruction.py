"""Masked reconstruction: hidden tokens are decoded into what they stand for (BrainLM, BrainMAE; He et al. 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_fields
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError
from semantoks.model.encoder import Encoder, EncoderConfig, Tokens
from semantoks.model.tokenizers.tokenizer import rois_by_network
from semantoks.objective.learner import Alone, Seen, block_flops, blocks_like, build_student
from semantoks.objective.losses.hidden import mean_of_hidden, network_rows, patch_error, patches_of
from semantoks.objective.objective import NetworkIndex, Objective, StepLoss, draw_views
from semantoks.objective.watch import CURVES, spread_of
from semantoks.views.batch import Batch, Slice, ViewConfig
from semantoks.views.masks import MaskConfig
from semantoks.views.pool import Pool

Target = Literal["series", "fc"]


class Decoder(nn.Module):
    """Transformer blocks over all tokens, then a linear map from each token to its target.

    Parameters
    ----------
    target
        series: the frames of the network's ROIs [batch, roi, patch, frame]; fc: the correlation of the network's mean
        signal with each ROI [batch, network, patch, roi].
    """

    members: Tensor
    back: Tensor

    def __init__(self, encoder: Encoder, *, depth: int, target: Target) -> None:
        super().__init__()
        size = encoder.config
        order, counts = rois_by_network(encoder.network_index)
        self.target, self.patch, self.counts = target, size.patch, counts
        members = F.one_hot(torch.tensor(encoder.network_index)).T.float()
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)
        self.blocks = blocks_like(size, depth)
        outputs = [count * size.patch for count in counts] if target == "series" else [encoder.n_rois]
        self.maps = nn.ModuleList(nn.Linear(size.width, output) for output in outputs)

    def forward(self, tokens: Tokens) -> Tensor:
        """Decode every token."""
        batch, networks, patches, _ = tokens.grid.shape
        decoded = self.blocks(torch.cat([tokens.cls[:, None], tokens.grid.flatten(1, 2)], dim=1))
        grid = decoded[:, 1:].view(batch, networks, patches, -1)
        if self.target == "fc":
            found: Tensor = self.maps[0](grid).float()
            return found
        each = [
            part(grid[:, n]).float().view(batch, patches, count, self.patch).transpose(1, 2)
            for n, (part, count) in enumerate(zip(self.maps, self.counts, strict=True))
        ]
        return torch.cat(each, dim=1)[:, self.back]


@dataclass(frozen=True, kw_only=True)
class MaskedReconstruction(Objective):
    """Decode what hidden tokens stand for; the target is data, so nothing can collapse it."""

    kind: Literal["masked-reconstruction"] = "masked-reconstruction"
    """Which objective: the signals behind the mask are reconstructed."""
    target: Target = "series"
    """series = the hidden patch's z-scored frames, before corruption; fc = how its network correlates with each ROI."""
    masks: MaskConfig = field(default_factory=lambda: MaskConfig(kind="random", probability=1.0, share=(0.75, 0.75)))
    """Masks of the views, in every step."""
    decoder_depth: int = 1
    """Transformer blocks of the decoder, which is thrown away."""

    sizes: ClassVar = ("target", "decoder_depth")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.decoder_depth < 0:
            raise ConfigError(f"objective decoder_depth has to be at least 0, not {self.decoder_depth}.")
        if self.masks.probability != 1:
            raise ConfigError(
                "a step without masks has nothing to reconstruct: objective masks.probability has to be 1, not "
                f"{self.masks.probability:g}."
            )

    def check(self, encoder: EncoderConfig, views: ViewConfig) -> None:
        """Refuse frames as the target of tokens that stand for windows of any length."""
        super().check(encoder, views)
        if encoder.any_length and self.target == "series":
            raise ConfigError(
                f"tokens of the kind {encoder.tokenizer.kind!r} stand for windows of any length, whose frames no "
                "decoder can give back: set objective.target to fc."
            )

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Alone:
        """Return encoder and decoder."""

        def decoder(built: Encoder) -> nn.Module:
            return Decoder(built, depth=self.decoder_depth, target=self.target)

        return Alone(build_student(encoder, network_index, seed, decoder))

    def draw(
        self, pool: Pool, part: Slice, *, batch_size: int, views: ViewConfig, size: EncoderConfig, device: torch.device
    ) -> Batch:
        """Draw two corrupted crops per person with this objective's masks, and the crops before corruption."""
        own = replace(views, masks=self.masks)
        return draw_views(pool, part, batch_size=batch_size, views=own, size=size, device=device, originals=True)

    def loss(self, learner: Alone, trained: nn.Module, batch: Batch, rates: Mapping[str, float]) -> StepLoss:  # noqa: ARG002
        """Return the mean squared error behind the mask."""
        seen: Seen = trained(batch.student_crops, batch.hidden)
        series, decoder = batch.originals, learner.student.head
        assert series is not None  # drawn so, as the mask is
        assert batch.mask is not None
        grid = seen.tokens.grid
        error, scale = behind(seen.head, series, decoder, patches=grid.shape[2])
        loss = mean_of_hidden(error, batch.mask)
        explained = 1 - loss.detach() / mean_of_hidden(scale, batch.mask).clamp(min=1e-12)
        features = {"loss": loss.detach(), "explained": explained, **spread_of(grid.mean(dim=(1, 2)))}
        return StepLoss(loss=loss, scalars=features, numbers={"rows": len(grid)})

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count the encoder and its decoder, forward and backward."""
        size = encoder.config
        tokens = encoder.n_networks * size.patches
        outputs = size.patches * size.patch if self.target == "series" else tokens
        decoder = block_flops(size, self.decoder_depth, 1 + tokens) + 2 * size.width * outputs * encoder.n_rois
        return 3.0 * (encoder.flops(2 * people) + 2 * people * decoder)

    def curves(self) -> tuple[Panel, ...]:
        """Return the loss, how much is explained, and the collapse watch."""
        return (*CURVES, EXPLAINED)


def behind(
    given: Tensor, series: Float[Tensor, "batch roi frame"], decoder: Decoder, *, patches: int
) -> tuple[Float[Tensor, "batch network patch"], Float[Tensor, "batch network patch"]]:
    """Return the mean squared error of every token's target, and its mean square, which an answer of 0 would have."""
    members, present = decoder.members, (series != 0).any(dim=2)
    if decoder.target == "series":
        truth = patches_of(series, patches, decoder.patch)
        return patch_error(given, truth, members, present), patch_error(truth * 0, truth, members, present)
    rows = network_rows(series, members, patches, series.shape[2] // patches)
    share = present[:, None, None] / present.sum(dim=1).clamp(min=1)[:, None, None, None]
    return ((given - rows).square() * share).sum(dim=3), (rows.square() * share).sum(dim=3)


EXPLAINED = Panel(
    key="explained",
    section="loss",
    title="Explained behind the mask",
    axis="share of the mean square",
    caption="1 = reconstructed, 0 = no better than answering zero.",
    curves=(Curve(column="explained"),),
)
