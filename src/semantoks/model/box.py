"""Encoders in the box: they come with the package, by name, and need neither training nor download."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from semantoks.errors import DataError
from semantoks.model.card import CARD, read_card

BOX = Path(__file__).parents[1] / "encoders"


def list_box() -> list[str]:
    """List the names of the encoders in the box, the larger atlas first; each is called like its atlas."""
    names = [folder.parent.name for folder in BOX.glob(f"*/{CARD}")]
    return sorted(names, key=lambda name: (-read_card(BOX / name).atlas.n_rois, name))


def box_folder(name: str) -> Path | None:
    """Return the folder of the encoder of this name, in any case; None where there is none."""
    return next((BOX / known for known in list_box() if known == name.lower()), None)


def box_that_fits(labels: Sequence[str]) -> str | None:
    """Name the encoder in the box half of whose ROIs at least are among these labels; None where there is none."""
    for name in list_box():
        atlas = read_card(BOX / name).atlas
        try:
            there = int(np.sum(atlas.match(labels) >= 0))
        except DataError:  # the labels of other parcels: another resolution, order or version
            continue
        if 2 * there >= atlas.n_rois:
            return name
    return None
