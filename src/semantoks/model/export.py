"""An encoder as a ``torch.export`` program: runs from any batch on without this package, with its card inside."""

import io
from pathlib import Path

import torch
from torch import Tensor, nn

from semantoks.config import check_arguments
from semantoks.errors import ConfigError
from semantoks.model.card import CARD, card_text, published
from semantoks.model.encoder import Encoder
from semantoks.model.hub import find_encoder, load_encoder
from semantoks.model.tensors import Which
from semantoks.notebook import Described
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import hold_file

SUFFIX = ".pt2"
TOLERANCE = 1e-5
"""Largest difference of the saved program's outputs from the encoder's, relative to the largest output."""


class Traced(nn.Module):
    """The encoder with plain tensors in and out, as a program can have them."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, series: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return cls [batch, width] and grid [batch, network, patch, width]; mask: True = hidden."""
        tokens = self.encoder(series, mask)
        return tokens.cls, tokens.grid


def export(model: str | Path, out: str | Path, *, which: Which = "teacher") -> Described:
    """Save a program of an encoder and check that it computes what the encoder does; return its path and what to know.

    Parameters
    ----------
    model
        A run, an encoder folder, or an id on the Hugging Face hub.
    out
        The program, ``FILE.pt2``: ``torch.export.load(out).module()(series, mask)`` takes float32 series [batch, roi,
        frame] and a boolean mask [batch, network, patch] (True = hidden), with any batch from 1 on, and gives (cls,
        grid). Its extra file ``config.json`` says for which recordings the weights are.
    which
        The teacher, whose features are the ones to use, or the student.

    Raises
    ------
    ConfigError
        When ``out`` is not called so.
    WeightsError
        When there is no encoder.
    """
    check_arguments(export, locals())
    out = Path(out)
    if out.suffix != SUFFIX or out.is_dir():
        raise ConfigError(f"the program has to be a file that ends in {SUFFIX}, not {out}.")
    folder = find_encoder(model)
    encoder, card = load_encoder(folder, which)
    batch = torch.export.Dim("batch", min=1)
    series, mask = _example(encoder, 2)
    with torch.no_grad():
        program = torch.export.export(Traced(encoder), (series, mask), dynamic_shapes=({0: batch}, {0: batch}))
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={CARD: card_text(folder, published(card))})
    with hold_file(out):
        write_durably(out, buffer.getvalue())
    apart = _apart(encoder, torch.export.load(out).module(), (1, 5))
    assert apart < TOLERANCE, f"the program differs from the encoder by {apart:.1e}"
    fixed = encoder.any_length
    return Described(
        out,
        (
            f"program  {out}: {out.stat().st_size / 2**20:.0f} MiB, made with torch {torch.__version__}",
            f"takes    series float32 [batch, {encoder.n_rois}, {card.encoder.frames}] and mask bool [batch, "
            f"{encoder.n_networks}, {card.encoder.patches}], True = hidden",
            f"gives    cls [batch, {card.encoder.width}] and grid [batch, {encoder.n_networks}, "
            f"{card.encoder.patches}, {card.encoder.width}]",
            *(
                ["only     this number of frames, and float32: a matrix logarithm has no lower precision"]
                if fixed
                else []
            ),
            f"checked  against the encoder on batches of 1 and 5: largest relative difference {apart:.0e}",
        ),
    )


def _example(encoder: Encoder, batch: int) -> tuple[Tensor, Tensor]:
    """Draw series and masks, some tokens hidden."""
    draw = torch.Generator().manual_seed(batch)
    series = torch.randn(batch, encoder.n_rois, encoder.config.frames, generator=draw)
    return series, torch.rand(batch, encoder.n_networks, encoder.config.patches, generator=draw) < 0.3


@torch.no_grad()
def _apart(encoder: Encoder, program: nn.Module, sizes: tuple[int, ...]) -> float:
    """Return the largest difference between program and encoder over batches, relative to the largest output."""
    worst = 0.0
    for batch in sizes:
        series, mask = _example(encoder, batch)
        expected = encoder(series, mask)
        for found, right in zip(program(series, mask), (expected.cls, expected.grid), strict=True):
            worst = max(worst, float((found - right).abs().max() / right.abs().max().clamp(min=1e-6)))
    return worst
