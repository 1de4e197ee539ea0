"""Embed once: features of a cohort kept on disk under a hash of all that they depend on."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from semantoks.features.encode import Progress, Readout, embed_crops
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.storage.durable import write_durably


def content_key(encoder: Encoder, cohort: Cohort, crops: int | None, readout: Readout) -> str:
    """Hash the weights, the recordings (their checksums, in order), the masks and the settings of an embedding."""
    digest = hashlib.sha256(repr((encoder.config, crops, readout)).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    digest.update(cohort.atlas.network_index.tobytes())
    for column in ("sha256", "missing_rois"):
        digest.update("\n".join(cohort.recordings[column]).encode())
    return digest.hexdigest()[:24]


def embed_stored(
    encoder: Encoder,
    cohort: Cohort,
    *,
    readouts: Sequence[Readout],
    crops: int | None,
    device: torch.device,
    folder: Path,
    progress: Progress | None = None,
) -> dict[Readout, Float[ndarray, "recording crop feature"]]:
    """Return the readouts of all crops, from ``folder`` if they are stored there; new ones are stored there.

    A file that was cut short counts as absent. The cache can be deleted at any time.
    """
    files = {name: folder / f"{content_key(encoder, cohort, crops, name)}.npy" for name in readouts}
    found = {name: array for name, file in files.items() if (array := _read(file)) is not None}
    lacking = [name for name in readouts if name not in found]
    if lacking:
        features, _ = embed_crops(encoder, cohort, readouts=lacking, crops=crops, device=device, progress=progress)
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in features.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            write_durably(files[name], buffer.getvalue())
        found |= features
    return {name: found[name] for name in readouts}


def _read(file: Path) -> Float[ndarray, "recording crop feature"] | None:
    try:
        array: ndarray = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array
