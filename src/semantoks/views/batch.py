"""One batch: two corrupted crops per person, and their masks, all from (seed, step, rank, purpose) (METHOD 2, 7)."""

import zlib
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.views.corrupt import CorruptionConfig, corrupt
from semantoks.views.crops import Policy, apart_starts, published_starts, send
from semantoks.views.masks import MaskConfig, draw_masks
from semantoks.views.pool import Pool, empty_tokens

_PEOPLE, _CROPS, _COIN, _DEVICE = range(4)
"""The published views' streams of random numbers; ``stream`` opens more by name, and none shifts another."""


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """What the two views of a person are; the defaults are the published ones."""

    policy: Policy = "published"
    """published = independent starts; apart = least overlap; across = two recordings of a person, else apart."""
    corruption: CorruptionConfig = field(default_factory=CorruptionConfig)
    """Corruption of each crop."""
    masks: MaskConfig = field(default_factory=MaskConfig)
    """Masks of the student's views."""

    def __post_init__(self) -> None:
        """Check the choices."""
        check_fields(self)


@dataclass(frozen=True)
class Batch:
    """2B crops, view-major: the B people's first views, then their second views."""

    crops: Float[Tensor, "batch roi frame"]
    empty: Bool[Tensor, "batch network patch"] | None
    """Tokens without data (patches past the end, missing networks): hidden from student and teacher. None = none."""
    mask: Bool[Tensor, "batch network patch"] | None
    """Tokens that only the student is not shown, never empty ones. None = an unmasked step."""
    overlap: Float[ndarray, " person"]
    """Share of frames that the two views have in common."""
    recordings: Int[ndarray, "view person"]
    """The recording of each view, as a row of the pool."""

    @property
    def hidden(self) -> Bool[Tensor, "batch network patch"] | None:
        """Everything that the student is not shown."""
        if self.mask is None or self.empty is None:
            return self.empty if self.mask is None else self.mask
        return self.mask | self.empty


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which part of which step a batch is: ``chunk`` of ``chunks`` equal parts (ranks x accumulation)."""

    step: int
    seed: int
    chunk: int = 0
    chunks: int = 1


def stream(part: Slice, purpose: str | int) -> np.random.Generator:
    """Return the random numbers of one purpose in one part of one step; a new purpose never shifts another's."""
    number = purpose if isinstance(purpose, int) else zlib.crc32(purpose.encode()) + 4
    return np.random.default_rng([part.seed, part.step, part.chunk, number])


def device_stream(part: Slice, purpose: str | int, device: torch.device) -> torch.Generator:
    """Return the same as a generator on ``device``; its numbers are those of the device's type."""
    return torch.Generator(device).manual_seed(int(stream(part, purpose).integers(2**62)))


def check_batch_size(pool: Pool, batch_size: int) -> None:
    """Raise ConfigError unless a step of ``batch_size`` people can be drawn."""
    if not 0 < batch_size <= pool.people:
        raise ConfigError(
            f"a batch of {batch_size} people cannot be drawn from {pool.people}: "
            f"pass --batch-size {pool.people} or less."
        )


def people_of_step(pool: Pool, part: Slice, batch_size: int) -> Int[ndarray, " person"]:
    """Return this part's people: epochs are permutations of all people, the last incomplete batch is dropped.

    ``batch_size`` is the whole step's, over all ranks and accumulation steps.
    """
    check_batch_size(pool, batch_size)
    epoch, within = divmod(part.step, pool.people // batch_size)
    order = np.random.default_rng([part.seed, _PEOPLE, epoch]).permutation(pool.people)
    chosen: ndarray = order[within * batch_size : (within + 1) * batch_size].reshape(part.chunks, -1)[part.chunk]
    return chosen


def step_is_masked(config: MaskConfig, part: Slice) -> bool:
    """Toss the step's coin: the same on every rank and in every accumulation step (METHOD 7)."""
    return bool(np.random.default_rng([part.seed, _COIN, part.step]).random() < config.probability)


def choose_windows(
    pool: Pool, people: Int[ndarray, " person"], policy: Policy, window: int, patch: int, rng: np.random.Generator
) -> tuple[Int[ndarray, "view person"], Int[ndarray, "view person"]]:
    """Choose the recording and the start of both views of each person (METHOD 2)."""
    begin, size = pool.person_first[people], np.bincount(pool.person)[people]
    first = begin + rng.integers(0, size)
    second = begin + (first - begin + 1 + rng.integers(0, np.maximum(size - 1, 1))) % size
    if policy == "published":
        recordings = np.stack([first, first])
        return recordings, published_starts(rng, pool.length[first], window)
    starts = apart_starts(rng, pool.length[first], window, patch)
    if policy == "apart":
        return np.stack([first, first]), starts
    recordings = np.stack([first, second])
    elsewhere = np.stack([published_starts(rng, pool.length[r], window)[0] for r in recordings])
    return recordings, np.where(size > 1, elsewhere, starts)


def draw_batch(
    pool: Pool,
    part: Slice,
    *,
    batch_size: int,
    config: ViewConfig,
    window: int,
    patch: int,
    device: torch.device,
) -> Batch:
    """Draw the views of one part of one step; the same (seed, step, chunk) gives the same numbers on a device type.

    ``window`` and ``patch`` are in frames.
    """
    people = people_of_step(pool, part, batch_size)
    recordings, starts = choose_windows(pool, people, config.policy, window, patch, stream(part, _CROPS))
    generator = device_stream(part, _DEVICE, device)

    flat, start = recordings.ravel(), starts.ravel()
    available = np.minimum(pool.length[flat] - start, window)
    crops = pool.frames.gather(pool.first[flat] + start, available, window, device)
    crops = corrupt(crops, config.corruption, generator)

    networks, patches = pool.missing.shape[1], window // patch
    without_data = empty_tokens(
        pool.missing[flat], pool.good_before, pool.first[flat] + start, available, patch, patches
    )
    empty = send(without_data, device) if without_data.any() else None
    mask = None
    if step_is_masked(config.masks, part):
        mask = draw_masks(len(flat), networks, patches, config.masks, generator)
        mask = mask if empty is None else _leave_something(mask & ~empty, empty)
    shared = np.maximum(window - np.abs(starts[0] - starts[1]), 0) / window
    overlap = np.where(recordings[0] == recordings[1], shared, 0.0)
    return Batch(crops=crops, empty=empty, mask=mask, overlap=overlap, recordings=recordings)


def _leave_something(
    mask: Bool[Tensor, "batch network patch"], empty: Bool[Tensor, "batch network patch"]
) -> Bool[Tensor, "batch network patch"]:
    """Drop the mask of a row that it would leave nothing to see: a short recording's few patches."""
    nothing_left = (mask | empty).flatten(1).all(dim=1)
    return mask & ~nothing_left[:, None, None]
