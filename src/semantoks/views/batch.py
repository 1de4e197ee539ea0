"""One batch: two corrupted crops per person, and their masks, all from (seed, step, rank, purpose) (METHOD 2, 7)."""

import functools
import math
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
    teacher_seconds: tuple[float, float] | None = None
    """Range of a view's length; None = the encoder's window. Uniform, the same for both views of a person."""
    student_seconds: tuple[float, float] | None = None
    """Range of the piece of each view that the student is shown; None = all of it, as the teacher is."""
    corruption: CorruptionConfig = field(default_factory=CorruptionConfig)
    """Corruption of each crop."""
    masks: MaskConfig = field(default_factory=MaskConfig)
    """Masks of the student's views."""

    def __post_init__(self) -> None:
        """Check the choices, and the ranges."""
        check_fields(self)
        for name in ("teacher_seconds", "student_seconds"):
            low, high = getattr(self, name) or (1.0, 1.0)
            if not 0 < low <= high:
                raise ConfigError(f"views {name} has to be a range of seconds above 0, not {low:g} to {high:g}.")

    def window(self, frames: int, patch: int, tr: float, *, any_length: bool) -> int:
        """Return the frames that a view's crop holds: the encoder's, or as many as the longest view where that may be.

        ConfigError where the encoder's window of ``frames`` has a length of its own, and the ranges do not fit it.
        """
        teacher, student = (high for _, high in (self.teacher_seconds or (0, 0), self.student_seconds or (0, 0)))
        own, longest = frames * tr, max(teacher, student)
        if any_length:
            return max(2, math.ceil(longest / tr if teacher else max(own, student) / tr))
        if longest > own + 1e-6:
            raise ConfigError(
                f"views of {longest:g} s are longer than the encoder's window of {own:g} s: raise encoder.frames to "
                f"{math.ceil(longest / tr)}, or shorten them."
            )
        if 0 < student < patch * tr:
            raise ConfigError(
                f"views student_seconds up to {student:g} hold no whole patch of {patch * tr:g} s: lengthen them."
            )
        return frames


@dataclass(frozen=True)
class Batch:
    """2B crops, view-major: the B people's first views, then their second views."""

    crops: Float[Tensor, "batch roi frame"]
    empty: Bool[Tensor, "batch network patch"] | None
    """Tokens without data (patches past the end, missing networks): hidden from student and teacher. None = none."""
    mask: Bool[Tensor, "batch network patch"] | None
    """Tokens that the student has to guess, never empty ones. None = an unmasked step."""
    overlap: Float[ndarray, " person"]
    """Share of frames that the two views have in common."""
    recordings: Int[ndarray, "view person"]
    """The recording of each view, as a row of the pool."""
    glimpse: Bool[Tensor, "batch frame"] | None = None
    """Frames that the student is shown, one run of each view. None = all."""
    unseen: Bool[Tensor, "batch network patch"] | None = None
    """Tokens outside of that run, which the student is not shown and need not guess. None = none."""
    originals: Float[Tensor, "batch roi frame"] | None = None
    """The crops before their corruption, where they were asked for."""

    @property
    def student_crops(self) -> Float[Tensor, "batch roi frame"]:
        """The crops, 0 in frames that the student is not shown."""
        return self.crops if self.glimpse is None else self.crops * self.glimpse[:, None]

    @property
    def hidden(self) -> Bool[Tensor, "batch network patch"] | None:
        """Everything that the student is not shown."""
        parts = [part for part in (self.mask, self.empty, self.unseen) if part is not None]
        return functools.reduce(torch.logical_or, parts) if parts else None


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which part of which step a batch is: ``chunk`` of ``chunks`` equal parts (ranks)."""

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

    ``batch_size`` is the whole step's, over all ranks.
    """
    check_batch_size(pool, batch_size)
    epoch, within = divmod(part.step, pool.people // batch_size)
    order = np.random.default_rng([part.seed, _PEOPLE, epoch]).permutation(pool.people)
    chosen: ndarray = order[within * batch_size : (within + 1) * batch_size].reshape(part.chunks, -1)[part.chunk]
    return chosen


def step_is_masked(config: MaskConfig, part: Slice) -> bool:
    """Toss the step's coin: the same on every rank (METHOD 7)."""
    return bool(np.random.default_rng([part.seed, _COIN, part.step]).random() < config.probability)


def choose_windows(
    pool: Pool,
    people: Int[ndarray, " person"],
    policy: Policy,
    window: int | Int[ndarray, " person"],
    patch: int,
    rng: np.random.Generator,
) -> tuple[Int[ndarray, "view person"], Int[ndarray, "view person"]]:
    """Choose the recording and the start of both views of each person; ``window`` is a view's frames (METHOD 2)."""
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
    any_length: bool = False,
    originals: bool = False,
) -> Batch:
    """Draw the views of one part of one step; the same (seed, step, chunk) gives the same numbers on a device type.

    ``window`` and ``patch`` are the encoder's, in frames. For one that takes windows of ``any_length``, crops are as
    long as the longest view, with one patch, and frames that are not good are 0. ``originals`` keeps the crops as they
    were before their corruption, too.
    """
    people = people_of_step(pool, part, batch_size)
    window = config.window(window, patch, pool.tr, any_length=any_length)
    patch = window if any_length else patch
    frames = _lengths(config.teacher_seconds, len(people), part, "teacher seconds", pool.tr, window)
    recordings, starts = choose_windows(pool, people, config.policy, frames, patch, stream(part, _CROPS))
    generator = device_stream(part, _DEVICE, device)

    flat, start = recordings.ravel(), starts.ravel()
    available = np.minimum(pool.length[flat] - start, np.tile(frames, 2))
    first = pool.first[flat] + start
    crops = pool.frames.gather(first, available, window, device)
    clean = crops.clone() if originals else None
    crops = corrupt(crops, config.corruption, generator, keep_zeros=any_length)
    if any_length:
        good = send(pool.good_frames(first, window), device)[:, None]
        crops, clean = crops * good, None if clean is None else clean * good

    networks, patches = pool.missing.shape[1], window // patch
    without_data = empty_tokens(pool.missing[flat], pool.good_before, first, available, patch, patches)
    empty = send(without_data, device) if without_data.any() else None
    mask = None
    if step_is_masked(config.masks, part):
        mask = draw_masks(len(flat), networks, patches, config.masks, generator)
        mask = mask if empty is None else leave_something(mask & ~empty, empty)
    glimpse = unseen = None
    if config.student_seconds is not None:
        runs = _glimpse(config.student_seconds, available, part, pool.tr, window, 1 if any_length else patch)
        glimpse = send(runs, device)
        if not any_length:
            seen = torch.from_numpy(runs[:, : patches * patch].copy()).view(len(runs), patches, patch).any(dim=2)
            unseen = send(~seen, device)[:, None].expand(-1, networks, -1)
            mask = None if mask is None else leave_something(mask, unseen)
    shared = np.maximum(frames - np.abs(starts[0] - starts[1]), 0) / frames
    overlap = np.where(recordings[0] == recordings[1], shared, 0.0)
    return Batch(crops, empty, mask, overlap, recordings, glimpse, unseen, clean)


def _lengths(
    seconds: tuple[float, float] | None, rows: int, part: Slice, purpose: str, tr: float, window: int
) -> Int[ndarray, " row"]:
    """Draw lengths in frames, uniform in the range of seconds, at least 2; the whole window where there is no range."""
    if seconds is None:
        return np.full(rows, window)
    drawn = stream(part, purpose).uniform(*seconds, size=rows)
    lengths: ndarray = np.clip(np.round(drawn / tr).astype(int), 2, window)
    return lengths


def _glimpse(
    seconds: tuple[float, float], available: Int[ndarray, " batch"], part: Slice, tr: float, window: int, patch: int
) -> Bool[ndarray, "batch frame"]:
    """Draw the run of frames that each view of the student holds: whole patches, anywhere within its real frames."""
    length = _lengths(seconds, len(available), part, "student seconds", tr, window)
    fits = np.maximum(available // patch, 1)
    count = np.clip(length // patch, 1, fits)
    start = stream(part, "student starts").integers(0, fits - count + 1) * patch
    frame = np.arange(window)
    seen: ndarray = (frame >= start[:, None]) & (frame < (start + count * patch)[:, None])
    return seen


def leave_something(
    mask: Bool[Tensor, "batch network patch"], empty: Bool[Tensor, "batch network patch"]
) -> Bool[Tensor, "batch network patch"]:
    """Drop the mask of a row that it would leave nothing to see: a short recording's few patches."""
    nothing_left = (mask | empty).flatten(1).all(dim=1)
    return mask & ~nothing_left[:, None, None]
