"""A frozen encoder over evenly spaced crops of recordings, and what is read out of its tokens (METHOD 9)."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.model import hub
from semantoks.model.card import EncoderCard, check_fit, in_band_of
from semantoks.model.encoder import Encoder, EncoderConfig, Tokens, random_encoder
from semantoks.model.hub import find_encoder, load_encoder
from semantoks.model.precision import chosen_device
from semantoks.signals.cohort import Cohort
from semantoks.signals.part import InAtlas
from semantoks.signals.quality import missing_networks
from semantoks.storage.memory import need_memory
from semantoks.views.crops import Frames, even_starts, send
from semantoks.views.pool import count_good, empty_tokens

Readout = Literal["cls_avg", "cls", "avg", "network", "tokens"]
Progress = Callable[[int, int], None]
CROPS = 8
"""Evenly spaced windows per recording, of an encoder whose windows have a fixed length."""
BATCH = 64
"""Crops that go through the encoder at once."""
AT_ONCE = 64 << 20
"""Bytes of features that gather on the device before they are brought to the host."""


def find_device(name: str) -> torch.device:
    """Return the device called ``name``: cpu, cuda, cuda:1, mps; auto = a CUDA GPU where there is one, else the CPU.

    Raises
    ------
    ConfigError
        If this machine does not have it.
    """
    try:
        device = torch.device(chosen_device(name))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"--device {name!r} is not available: use cpu, or a GPU that torch finds on this machine."
        ) from error
    return device


def untrained(encoder: Encoder, card: EncoderCard) -> Encoder:
    """Return the random weights that an encoder's pretraining started from, to be computed in its precision."""
    start = random_encoder(card.encoder, card.atlas.network_index, card.seed).eval()
    start.lower = encoder.lower
    return start


def open_encoder(model: str | Path | Encoder) -> tuple[Encoder, EncoderCard]:
    """Load the teacher of a run, an encoder folder or an id on the Hugging Face hub, with its card.

    An Encoder that was loaded before is passed through; WeightsError when it has no card.
    """
    if not isinstance(model, Encoder):
        return load_encoder(find_encoder(model))
    if not isinstance(model, hub.Encoder) or model.card is None:
        raise WeightsError("this encoder has no card that describes its input: load it with from_pretrained.")
    return model, model.card


def as_encoder_takes(cohort: Cohort, card: EncoderCard) -> Cohort:
    """Return recordings as an encoder takes them: in its band; one of edges finds its ROIs by label in another atlas.

    Raises
    ------
    DataError, WeightsError
        When they do not have its atlas (or half of its ROIs), its repetition time or its band, or are none.
    """
    cohort = in_band_of(card, cohort)
    if card.encoder.any_length and card.atlas.fingerprint != cohort.atlas.fingerprint:
        with suppress(DataError):  # then the check says what differs
            cohort = InAtlas(cohort, card.atlas)
    check_fit(card, cohort)
    return cohort


def own_readout(encoder: Encoder) -> Literal["cls_avg", "avg"]:
    """Return the readout that suits an encoder: cls_avg, but avg where no block has told CLS about the tokens."""
    return "cls_avg" if encoder.config.depth else "avg"


def windows_over(encoder: Encoder, frames: int) -> int | None:
    """Count the windows that cover so many frames; None for an encoder that takes them at once."""
    return None if encoder.any_length else math.ceil(frames / encoder.config.frames)


def read_out(tokens: Tokens, readout: Readout) -> Float[Tensor, "batch feature"]:
    """Turn tokens into the feature of a crop.

    cls_avg = [mean over all N x P grid tokens, CLS] (2 D), the published one; cls, avg = one of them; network = each
    network's mean over patches, side by side (N D); tokens = the whole grid, network by network (N P D).
    """
    if readout == "cls":
        return tokens.cls
    if readout == "tokens":
        return rearrange(tokens.grid, "b n p d -> b (n p d)")
    mean = tokens.grid.mean(dim=(1, 2))
    if readout == "cls_avg":
        return torch.cat([mean, tokens.cls], dim=1)
    if readout == "network":
        return rearrange(tokens.grid.mean(dim=2), "b n d -> b (n d)")
    return mean


@torch.inference_mode()
def embed_crops(
    encoder: Encoder,
    cohort: Cohort,
    *,
    readouts: Sequence[Readout],
    crops: int | None,
    device: torch.device,
    batch: int = BATCH,
    progress: Progress | None = None,
    spans: Int[ndarray, "recording 2"] | None = None,
    shown: Sequence[int] | None = None,
    rows: Int[ndarray, " row"] | None = None,
) -> tuple[dict[Readout, Float[ndarray, "row crop feature"]], Float[ndarray, " row"]]:
    """Return each readout of every recording's crops (one pass for all), and the hidden share of a recording's tokens.

    Starts are floor(linspace(0, frames - window, crops)). An encoder that takes windows of any length sees the whole
    recording, or span, unless ``crops`` says otherwise, and frames that are not good as 0. Patches without one good
    frame (past a short recording's end, or censored) and networks with more than half of their ROIs missing are hidden
    from the encoder.

    Parameters
    ----------
    crops
        Windows per recording; None = the encoder's own: 8, or the whole recording.
    batch
        Crops that go through the encoder at once.
    spans
        (first frame, number of frames) of the piece of each recording that is looked at: no crop sees a frame outside
        of it. All frames if None.
    shown
        Numbers of the networks that the encoder is shown; the others are hidden, and count as hidden. All if None.
    rows
        The recordings to embed. All if None.

    Raises
    ------
    ConfigError
        For fewer than one crop, or a network that the encoder does not have.
    DataError
        When a span is empty or reaches out of its recording.
    """
    if crops is not None and crops < 1:
        raise ConfigError(f"crops must be at least 1, not {crops}.")
    whole = crops is None and encoder.any_length
    crops = 1 if whole else crops or CROPS
    cohort.check_signals()
    need_memory(
        "embed", _bytes(encoder.config, cohort, readouts, crops), "embed fewer recordings at once, or fewer --crops"
    )
    encoder = encoder.to(device).eval()
    frames, good = Frames(cohort.shards), cohort.good if encoder.any_length else None
    flat = _windows(cohort, encoder.config, None if whole else crops, spans, shown)
    if rows is not None:
        asked = (rows[:, None] * crops + np.arange(crops)).ravel()
        flat = {name: array[asked] for name, array in flat.items()}
    total = len(flat["first"])
    made: dict[Readout, _Rows] = {readout: _Rows() for readout in readouts}
    grid = any(readout != "cls" for readout in readouts)
    for begin in range(0, total, batch):
        part = {name: array[begin : begin + batch] for name, array in flat.items()}
        window = max(encoder.config.frames, int(part["available"].max())) if whole else encoder.config.frames
        series = frames.gather(part["first"], part["available"], window, device)
        if good is not None:
            place = np.minimum(part["first"][:, None] + np.arange(window), len(good) - 1)
            series = series * send(good[place], device)[:, None]
        mask = send(part["hidden"], device) if part["hidden"].any() else None
        tokens = encoder(series, mask, grid=grid)
        for readout, found in made.items():
            found.add(read_out(tokens, readout).float())
        if progress:
            progress(min(begin + batch, total), total)
    features = {readout: rearrange(found.all(), "(r c) f -> r c f", c=crops) for readout, found in made.items()}
    if not all(np.isfinite(array).all() for array in features.values()):
        raise WeightsError("the encoder gives features that are not finite: its weights are damaged. Get it again.")
    return features, rearrange(flat["hidden"], "(r c) n p -> r (c n p)", c=crops).mean(axis=1)


class _Rows:
    """Rows of features, which are brought to the host many batches at a time: each time the host waits for a GPU."""

    def __init__(self) -> None:
        self.there: list[Tensor] = []
        self.here: list[ndarray] = []
        self.bytes = 0

    def add(self, rows: Float[Tensor, "batch feature"]) -> None:
        """Take rows of a batch."""
        self.there.append(rows)
        self.bytes += rows.nbytes
        if self.bytes >= AT_ONCE:
            self._bring()

    def all(self) -> Float[ndarray, "row feature"]:
        """Return all rows."""
        self._bring()
        return np.concatenate(self.here)

    def _bring(self) -> None:
        if self.there:
            self.here.append(torch.cat(self.there).cpu().numpy())
            self.there, self.bytes = [], 0


def _bytes(size: EncoderConfig, cohort: Cohort, readouts: Sequence[Readout], crops: int) -> int:
    """Count the bytes of all features, which are held in parts, together, and as a table."""
    networks = cohort.atlas.n_networks
    widths = {"cls_avg": 2, "cls": 1, "avg": 1, "network": networks, "tokens": networks * size.patches}
    return 3 * 4 * len(cohort) * crops * size.width * sum(widths[readout] for readout in readouts)


def _windows(
    cohort: Cohort,
    size: EncoderConfig,
    crops: int | None,
    spans: Int[ndarray, "recording 2"] | None,
    shown: Sequence[int] | None,
) -> dict[str, ndarray]:
    """Return for every crop, by recording, its first frame (over all shards), its real frames, and what is hidden.

    ``crops`` None = one window, as long as the span.
    """
    frames, index = cohort.recordings["frames"].to_numpy(), cohort.atlas.network_index
    begin, length = (np.zeros_like(frames), frames) if spans is None else spans.T
    if (wrong := (begin < 0) | (length < 1) | (begin + length > frames)).any():
        row = int(wrong.argmax())
        raise DataError(
            f"a span has to lie within its recording, but of the {frames[row]} frames of recording {row} "
            f"{length[row]} were asked for, from frame {begin[row]} on."
        )
    networks = int(index.max()) + 1
    show = range(networks) if shown is None else shown
    if not show or not set(show) <= set(range(networks)):
        raise ConfigError(f"the networks to show have to be some of 0..{networks - 1}, not {list(show)}.")
    window = size.frames if crops else int(length.max())
    starts = np.stack([even_starts(int(n), window, crops or 1) for n in length])
    available = np.minimum(length[:, None] - starts, window).ravel()
    absent = missing_networks(cohort.missing, index) | ~np.isin(np.arange(networks), show)
    first = ((cohort.first_frames + begin)[:, None] + starts).ravel()
    before = count_good(cohort.good)
    absent = absent.repeat(crops or 1, axis=0)
    hidden = empty_tokens(absent, before, first, available, size.patch if crops else window, size.patches)
    return {"first": first, "available": available, "hidden": hidden}
