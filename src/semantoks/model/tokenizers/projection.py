"""For atlases in which every ROI is its own network: one linear projection of the patch, shared by all (METHOD 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.model.tokenizers.tokenizer import one_roi_each, rois_by_network


@dataclass(frozen=True, kw_only=True)
class ProjectionConfig:
    """One linear projection of the patch, shared by all ROIs; every ROI has to be its own network."""

    kind: Literal["projection"] = "projection"
    """One linear projection for all ROIs."""

    def __post_init__(self) -> None:
        """Check the kind."""
        check_fields(self)

    def build(self, network_index: Sequence[int], width: int, patch: int) -> "SharedProjection":
        """Return the tokenizer; ConfigError when a network has several ROIs."""
        if not one_roi_each(network_index):
            raise ConfigError(
                "the tokenizer 'projection' needs an atlas in which every ROI is its own network; this one has "
                f"{len(network_index)} ROIs in {len(set(network_index))} networks. Use the kind 'published'."
            )
        return SharedProjection(network_index, width, patch)


class SharedProjection(nn.Module):
    """Linear patch -> width, the same for every ROI."""

    order: Tensor

    def __init__(self, network_index: Sequence[int], width: int, patch: int) -> None:
        super().__init__()
        order, _ = rois_by_network(network_index)
        self.register_buffer("order", order, persistent=False)
        self.shared = nn.Linear(patch, width)

    @property
    def frames_needed(self) -> int:
        """One patch."""
        return self.shared.in_features

    def forward(self, series: Float[Tensor, "batch roi frame"]) -> Float[Tensor, "batch network patch width"]:
        """Cut into patches and project."""
        patch = self.shared.in_features
        whole = series[:, self.order, : series.shape[2] // patch * patch]
        grid: Tensor = self.shared(rearrange(whole, "b r (p t) -> b r p t", t=patch))
        return grid

    def flops(self, frames: int) -> int:
        """Count the product for one window."""
        return 2 * len(self.order) * (frames // self.shared.in_features) * self.shared.weight.numel()
