"""Where the two windows of each recording start, and the gathering of windows out of the cohort's frames (METHOD 2)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from semantoks.signals.layout import refuse_shrunk
from semantoks.signals.part import Columns

Policy = Literal["published", "apart", "across"]
Lengths = Int[ndarray, " batch"]
Starts = Int[ndarray, "view batch"]


def published_starts(rng: np.random.Generator, lengths: Lengths, window: int | Lengths) -> Starts:
    """Draw both starts independently and uniformly from [0, length - window]; 0 for a shorter recording (METHOD 2)."""
    return rng.integers(0, np.maximum(lengths - window, 0) + 1, size=(2, len(lengths)))


def apart_starts(rng: np.random.Generator, lengths: Lengths, window: int | Lengths, patch: int) -> Starts:
    """Draw two starts with as little overlap as the recording allows, and never a whole number of patches apart.

    The gap is uniform on [window, length - window] where two windows fit beside each other, else as large as can be; a
    gap that is a multiple of the patch is shortened by one frame (lengthened where that would overlap). The place of
    the pair in the recording and which view comes first are uniform. A recording that leaves no choice has two equal
    starts.
    """
    room = np.maximum(lengths - window, 0)
    gap = rng.integers(np.minimum(window, room), room + 1)
    step = np.where((gap == window) & (room > gap), 1, -1)
    gap = np.where((gap % patch == 0) & (gap > 0), gap + step, gap)
    first = rng.integers(0, room - gap + 1)
    starts = np.stack([first, first + gap])
    return np.where(rng.random(len(lengths)) < 0.5, starts, starts[::-1])


def even_starts(length: int, window: int, crops: int) -> Int[ndarray, " crop"]:
    """Return evenly spaced starts floor(linspace(0, length - window, crops)); all 0 where the window does not fit."""
    return np.floor(np.linspace(0, max(length - window, 0), crops)).astype(np.int64)


def send(values: ndarray | Tensor, device: torch.device) -> Tensor:
    """Bring values to the device; from host to GPU through pinned memory, so that the host does not wait."""
    tensor = torch.as_tensor(values)
    if tensor.device.type == "cpu" and device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Frames:
    """The frames of one or several cohorts, end to end; gathers windows from device memory, RAM or memory maps alike.

    Parameters
    ----------
    shards
        float16 arrays [frame, roi], memory-mapped or not, or some of their columns.
    resident
        The device on which to hold everything, or None to leave the frames in place and read only what is needed.
    """

    def __init__(self, shards: Sequence[ndarray | Columns], resident: torch.device | None = None) -> None:
        self.first = np.cumsum([0] + [len(shard) for shard in shards])
        self.shards = list(shards)
        self.resident: Tensor | None = None
        if resident is not None:
            self.resident = torch.empty(int(self.first[-1]), shards[0].shape[1], dtype=torch.float16, device=resident)
            for begin, shard in zip(self.first, shards, strict=False):
                refuse_shrunk(shard)
                self.resident[begin : begin + len(shard)] = torch.from_numpy(np.array(shard[:])).to(resident)

    def held_by(self, device: torch.device) -> bool:
        """Say whether all frames are on the device already."""
        return self.resident is not None and self.resident.device == device

    def gather(
        self, first: Int[ndarray, " batch"], available: Int[ndarray, " batch"], window: int, device: torch.device
    ) -> Float[Tensor, "batch roi frame"]:
        """Return windows as float32 [batch, roi, frame] on ``device``.

        ``first`` is the first frame (over all shards) of each window, ``available`` how many of its frames belong to
        the recording: the rest is zero.
        """
        if self.resident is not None:
            index = np.minimum(first[:, None] + np.arange(window), len(self.resident) - 1)
            rows = self.resident.index_select(0, send(index.ravel(), self.resident.device))
            windows = send(rows.view(*index.shape, -1), device)
        else:
            shard = np.searchsorted(self.first, first, side="right") - 1
            for touched in np.unique(shard):
                refuse_shrunk(self.shards[touched])
            rows_of = [self._read(int(s), int(f), window) for s, f in zip(shard, first, strict=True)]
            windows = send(np.stack(rows_of), device)
        # Transposed while still float16, then widened: half the time of both at once.
        crops = rearrange(windows, "b t r -> b r t").contiguous().float()
        if (available < window).any():
            crops.mul_(send(np.arange(window) < available[:, None], device)[:, None])
        return crops

    def _read(self, shard: int, first: int, window: int) -> ndarray:
        offset = first - int(self.first[shard])
        piece = self.shards[shard][offset : offset + window]
        return np.pad(piece, ((0, window - len(piece)), (0, 0)))
