"""What a tokenizer is: a window of all ROIs in, one token per network and patch out.

A tokenizer of your own needs no change here: write a module that keeps to ``Tokenizer`` and a frozen dataclass that
keeps to ``TokenizerSettings``, and hand it over: ``EncoderConfig(tokenizer=MySettings())`` (CONTRIBUTING.md).
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from semantoks.errors import ConfigError


@runtime_checkable
class Tokenizer(Protocol):
    """The interface of a tokenizer, an ``nn.Module``.

    One whose settings say ``any_length = True`` takes windows of any length and makes one token per network of all
    frames (encoder ``patch`` = ``frames``). Its tokens may look at other networks, so it is called with the mask
    [batch, network, 1], True = hidden, or None, and has to keep what is hidden out of every token. Frames that are 0 in
    all ROIs are no data.
    """

    @property
    def frames_needed(self) -> int:
        """Fewest frames of a window from which it makes a token."""

    def flops(self, frames: int, /) -> int:
        """Return the operations for one window of ``frames`` frames (a multiply-add is two)."""

    def __call__(self, series: Float[Tensor, "batch roi frame"]) -> Float[Tensor, "batch network patch width"]:
        """Tokenize: network n's token of patch p may look at the ROIs of n and the frames of p alone.

        Frames at the end that fill no patch are left out.
        """


@runtime_checkable
class TokenizerSettings(Protocol):
    """The interface of a tokenizer's settings, a frozen dataclass whose ``kind`` has a default."""

    @property
    def kind(self) -> str:
        """Its name in configurations."""

    def build(self, network_index: Sequence[int], width: int, patch: int) -> Tokenizer:
        """Return the tokenizer with random weights.

        Parameters
        ----------
        network_index
            The network (0..N-1) of every ROI, in the order of the ROIs.
        width
            Token width D.
        patch
            Frames per patch.
        """


def rois_by_network(network_index: Sequence[int]) -> tuple[Int[Tensor, " roi"], list[int]]:
    """Return the ROIs sorted by network, and how many each network has.

    Raises
    ------
    ConfigError
        When a network has no ROI.
    """
    index = torch.tensor(network_index)
    count = int(index.max()) + 1
    if sorted(set(network_index)) != list(range(count)):
        raise ConfigError(f"the network of every ROI has to be one of 0..{count - 1}, each used at least once.")
    return torch.argsort(index, stable=True), torch.bincount(index).tolist()


def one_roi_each(network_index: Sequence[int]) -> bool:
    """Say whether every ROI is a network of its own."""
    return len(set(network_index)) == len(network_index)
