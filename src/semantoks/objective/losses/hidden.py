"""What stands behind a mask: errors averaged over each row's hidden tokens (METHOD 6), and the targets there."""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F


def mean_of_hidden(
    error: Float[Tensor, "batch network patch"], hidden: Bool[Tensor, "batch network patch"]
) -> Float[Tensor, ""]:
    """Return the mean over rows of each row's mean over its hidden tokens; a row without any counts 0."""
    chosen = hidden.to(error.dtype)
    per_row = (error * chosen).sum(dim=(1, 2)) / chosen.sum(dim=(1, 2)).clamp(min=1)
    return per_row.mean()


def masked_token_loss(
    student: Float[Tensor, "batch network patch projection"],
    teacher: Float[Tensor, "batch network patch projection"],
    mask: Bool[Tensor, "batch network patch"],
) -> Float[Tensor, ""]:
    """Return the mean over rows (2B: views x samples) of each row's mean of -cos over its masked positions.

    What the student guesses behind its mask against what the teacher sees there (METHOD 6). A row without a mask counts
    0. Float32; no gradient reaches the teacher.
    """
    return -mean_of_hidden(F.cosine_similarity(student.float(), teacher.detach().float(), dim=-1), mask)


def patch_error(
    given: Float[Tensor, "batch roi patch time"],
    truth: Float[Tensor, "batch roi patch time"],
    members: Float[Tensor, "network roi"],
    present: Bool[Tensor, "batch roi"],
) -> Float[Tensor, "batch network patch"]:
    """Return the mean squared error of each network's patches, over frames and over those of its ROIs with data.

    ``members`` has a 1 where an ROI is of a network.
    """
    error = (given.float() - truth).square().mean(dim=3) * present[:, :, None]
    return members @ error / (members @ present[:, :, None].float()).clamp(min=1)


def patches_of(
    series: Float[Tensor, "batch roi frame"], patches: int, patch: int
) -> Float[Tensor, "batch roi patch time"]:
    """Cut series into patches; frames at the end that fill none are left out."""
    return rearrange(series[:, :, : patches * patch], "b r (p t) -> b r p t", p=patches)


def network_rows(
    series: Float[Tensor, "batch roi frame"], members: Float[Tensor, "network roi"], patches: int, patch: int
) -> Float[Tensor, "batch network patch roi"]:
    """Return the FC row of every network in every patch: the correlation of its mean signal with each ROI.

    Frames that are 0 in all ROIs do not count. What has no spread correlates 0.
    """
    with torch.autocast(series.device.type, enabled=False):
        cut = patches_of(series.float(), patches, patch)
        mean = torch.einsum("nr,brpt->bnpt", members / members.sum(dim=1, keepdim=True), cut)
        counts = (cut != 0).any(dim=1, keepdim=True).to(cut.dtype)
        return torch.einsum("bnpt,brpt->bnpr", _unit(mean, counts), _unit(cut, counts))


def _unit(signal: Tensor, counts: Tensor) -> Tensor:
    """Centre and scale to unit length over the frames that count; 0 where nothing is left."""
    mean = (signal * counts).sum(dim=-1, keepdim=True) / counts.sum(dim=-1, keepdim=True).clamp(min=1)
    centred = (signal - mean) * counts
    square = centred.square().sum(dim=-1, keepdim=True)
    return torch.where(square > 1e-10, centred * square.clamp(min=1e-10).rsqrt(), 0.0)
