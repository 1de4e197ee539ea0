"""The masked-token loss: what the student guesses behind its mask against what the teacher sees there (METHOD 6)."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F


def masked_token_loss(
    student: Float[Tensor, "batch network patch projection"],
    teacher: Float[Tensor, "batch network patch projection"],
    mask: Bool[Tensor, "batch network patch"],
) -> Float[Tensor, ""]:
    """Return the mean over rows (2B: views x samples) of each row's mean of -cos over its masked positions.

    A row without a mask counts 0. Float32; no gradient reaches the teacher.
    """
    cosine = F.cosine_similarity(student.float(), teacher.detach().float(), dim=-1)
    hidden = mask.float()
    per_row = (cosine * hidden).sum(dim=(1, 2)) / hidden.sum(dim=(1, 2)).clamp(min=1)
    return -per_row.mean()
