"""float32, or products in bfloat16 where this machine gains by it; weights and losses are float32 in either."""

import copy
import logging
import time
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch.nn import functional as F

from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.types import Precision

TOLD = logging.getLogger("semantoks.precision")
NARROW = 256
"""Encoders of less width stay in float32 on a CPU: casts cost what products save."""
WIDE = 4096
"""Wider products gain as these do, and may not fit."""
FASTER = 1.5
"""A CPU computes in bfloat16 if that is so many times as fast as float32."""
_ROWS, _TURNS = 256, 3
AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)


@dataclass(frozen=True)
class Choice:
    """A precision, and in a few words why."""

    precision: Literal["32-true", "bf16-mixed"]
    because: str


def chosen_device(device: str) -> str:
    """Return the device that "auto" stands for, a CUDA GPU where there is one, or the one that is named."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def choose_precision(asked: Precision, device: torch.device, size: EncoderConfig | None = None) -> Choice:
    """Return the precision that was asked for, or what "auto" stands for on a device, for an encoder of this ``size``.

    A CUDA GPU computes in bfloat16 if it can. A CPU with AVX512_BF16 or AMX does for a ``size`` of at least ``NARROW``
    width if a moment's measurement says that it gains ``FASTER``: not every CPU with these instructions does.
    """
    if asked != "auto":
        return Choice(asked, "as asked")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bf16-mixed", "the GPU has bfloat16")
        return Choice("32-true", "the GPU has no bfloat16")
    if device.type != "cpu" or not _has_instructions():
        return Choice("32-true", "no fast bfloat16 here")
    if size is None or size.width < NARROW or size.any_length:
        return Choice("32-true", f"an encoder less than {NARROW} wide, or of correlations, gains nothing by bfloat16")
    width = min(size.width, WIDE)
    gain = measure_gain(width, size.mlp_ratio * width)
    because = f"products {size.width} wide are {gain:.1f} times as fast in bfloat16 as in float32 here"
    return Choice("bf16-mixed" if gain >= FASTER else "32-true", because)


def tell(choice: Choice) -> None:
    """Say in a line that "auto" has chosen bfloat16."""
    if choice.precision == "bf16-mixed" and choice.because != "as asked":
        TOLD.info("precision: bf16-mixed, since %s; --precision 32-true takes float32", choice.because)


@torch.no_grad()
def measure_gain(width: int, hidden: int) -> float:
    """Return how many times as fast a hidden layer is computed in bfloat16 as in float32; casts included.

    The least of a few turns of each, taken one after the other, so that a busy machine slows both alike.
    """
    rows, into, out = torch.ones(_ROWS, width), torch.ones(hidden, width), torch.ones(width, hidden)
    least = {False: float("inf"), True: float("inf")}
    for _ in range(1 + _TURNS):
        for lower in least:
            begin = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=lower):
                F.linear(F.linear(rows, into), out)
            least[lower] = min(least[lower], time.perf_counter() - begin)
    return least[False] / least[True]


def in_precision(encoder: AnyEncoder, asked: Precision, device: torch.device) -> AnyEncoder:
    """Return an encoder that computes so, with the same weights; the one that is given is left alone."""
    choice = choose_precision(asked, device, encoder.config)
    tell(choice)
    lower = torch.bfloat16 if choice.precision == "bf16-mixed" else None
    if encoder.lower == lower:
        return encoder
    found = copy.copy(encoder)
    found.lower = lower
    return found


def precision_notes(encoder: Encoder) -> list[str]:
    """Say, for a page, that an encoder does not compute in float32; nothing where it does."""
    return [] if encoder.lower is None else ["The encoder, and that with random weights, computed in bf16-mixed."]


def _has_instructions() -> bool:
    """Say whether the CPU multiplies bfloat16 at all: AVX512_BF16 or AMX."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
