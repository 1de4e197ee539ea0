"""An encoder's tokens over time: every network's, window after window, without those that no data were behind."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray

from semantoks.errors import ConfigError
from semantoks.features.encode import Progress, embed_crops
from semantoks.inside.opened import Opened
from semantoks.inside.orders import network_means
from semantoks.signals.quality import missing_networks
from semantoks.storage.memory import need_memory

SECONDS = 30.0
"""Length of the windows of an encoder whose tokens have no time within a window."""


@dataclass(frozen=True, kw_only=True)
class TokenSeries:
    """Tokens over time.

    Attributes
    ----------
    tokens
        [recording, time, network, width], each network less its own mean: how it differs from what it usually is.
    there
        [recording, time, network]: whether data are behind a token.
    of
        Whose tokens they are: the names of the networks, or the whole brain alone.
    frames
        Frames from one token to the next; token t of a recording is of frames t * frames and on.
    seconds
        The same in seconds.
    """

    tokens: Float32[ndarray, "recording time network width"]
    there: Bool[ndarray, "recording time network"]
    of: tuple[str, ...]
    frames: int
    seconds: float

    def of_brain(self) -> "TokenSeries":
        """Lay the tokens of all networks side by side: one token at a time; a network without data is as usual."""
        known = np.where(self.there[..., None], self.tokens, np.float32(0))
        there = np.asarray(self.there.any(axis=2, keepdims=True))
        return replace(self, tokens=rearrange(known, "r t n d -> r t 1 (n d)"), there=there, of=("whole brain",))


def tokens_over_time(opened: Opened, seconds: float | None, progress: Progress | None = None) -> TokenSeries:
    """Encode recordings window after window, end to end.

    An encoder with patches gives a token of each network for each of them. Of one that makes one token of a whole
    window, windows are ``seconds`` long (30 if None). Only whole windows or patches count, with at least half of their
    frames good.

    Raises
    ------
    ConfigError
        For ``seconds`` of an encoder with patches, or too few for a window.
    """
    size, cohort = opened.card.encoder, opened.cohort
    if seconds is not None and not size.any_length:
        raise ConfigError(
            f"--seconds is for encoders that make one token of a whole window: this one has a token every "
            f"{size.patch * cohort.tr:g} s. Leave --seconds out."
        )
    if size.any_length:
        window = patch = round((SECONDS if seconds is None else seconds) / cohort.tr)
        needed: Any = opened.encoder.tokenizer.frames_needed
        least = max(2, int(needed))
        if window < least:
            raise ConfigError(f"--seconds has to be at least {least * cohort.tr:g} for this encoder, not {seconds:g}.")
    else:
        window, patch = size.frames, size.patch
    lengths = cohort.recordings["frames"].to_numpy()
    each, networks = window // patch, len(opened.card.atlas.network_names)
    rounds = -(-int(lengths.max()) // window)
    held = len(cohort) * rounds * each * networks * size.width
    need_memory("vocabulary", 4 * 4 * held, "look at fewer --most-people")  # in parts, together, centred, as rows
    found = []
    for number in range(rounds):
        begin = np.minimum(number * window, lengths - 1)
        spans = np.column_stack([begin, np.minimum(window, lengths - begin)])
        features, _ = embed_crops(
            opened.encoder,
            cohort,
            readouts=["tokens"],
            crops=None if size.any_length else 1,
            device=opened.device,
            spans=spans,
        )
        grid = rearrange(features["tokens"][:, 0], "r (n p d) -> r p n d", n=networks, p=each)
        found.append(grid)
        if progress:
            progress(number + 1, rounds)
    tokens = np.concatenate(found, axis=1)
    there = _whole(opened, lengths, window, patch, tokens.shape[1])[:, :, None]
    there = there & ~missing_networks(cohort.missing, cohort.atlas.network_index)[:, None]
    counts = there.sum(axis=(0, 1))[:, None]
    tokens = tokens - np.where(there[..., None], tokens, 0).sum(axis=(0, 1)) / np.maximum(counts, 1)
    return TokenSeries(
        tokens=tokens.astype(np.float32),
        there=there,
        of=opened.card.atlas.network_names,
        frames=patch,
        seconds=float(patch * cohort.tr),
    )


def _whole(
    opened: Opened, lengths: Int[ndarray, " recording"], window: int, patch: int, times: int
) -> Bool[ndarray, "recording time"]:
    """Say which windows or patches are whole, and at least half good; a window's last frames may fill no patch."""
    cohort, each = opened.cohort, window // patch
    place = np.arange(times)
    first = place // each * window + place % each * patch
    found = np.zeros((len(lengths), times), dtype=bool)
    for row, (begin, length) in enumerate(zip(cohort.first_frames, lengths, strict=True)):
        for time, start in enumerate(first):
            if start + patch <= length:
                found[row, time] = cohort.good[begin + start : begin + start + patch].mean() >= 0.5
    return found


def frames_of_token(series: TokenSeries, opened: Opened, time: int) -> slice:
    """Return the frames of a token of a recording."""
    size = opened.card.encoder
    window = series.frames if size.any_length else size.frames
    each = window // series.frames
    start = time // each * window + time % each * series.frames
    return slice(start, start + series.frames)


def network_series(opened: Opened, index: int) -> Float[ndarray, "frame network"]:
    """Return the mean z-scored series of each network of a recording."""
    found: ndarray = opened.cohort.series(index).astype(np.float64) @ network_means(opened.cohort.atlas).T
    return found


def by_person(values: Float[ndarray, "recording feature"], owner: Int[ndarray, " recording"], people: int) -> ndarray:
    """Sum over each person's recordings."""
    found = np.zeros((people, values.shape[1]))
    np.add.at(found, owner, values)
    return found
