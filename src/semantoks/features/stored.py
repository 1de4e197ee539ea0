"""Embed once: features of a cohort kept on disk under a hash of all that they depend on."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import WeightsError
from semantoks.features.encode import Progress, Readout, embed_crops
from semantoks.model.encoder import Encoder
from semantoks.model.tensors import read_whole, write_tensors
from semantoks.signals.cohort import Cohort
from semantoks.signals.recording import Recording
from semantoks.storage.checksums import SEAL

FEATURES = "features"
"""Name of the only tensor in a file of the cache."""


def content_key(encoder: Encoder, cohort: Cohort, crops: int | None, readout: Readout) -> str:
    """Hash the weights, their precision, the recordings (checksums, in order), the masks, the settings of an embedding.

    The checksums are those of what is read: where the signals do not have them, DataError (``Cohort.check_signals``).
    """
    cohort.check_signals()
    digest = _begun(encoder, (crops, readout))
    digest.update(cohort.atlas.network_index.tobytes())
    for texts in (cohort.checksums, cohort.recordings["missing_rois"], cohort.recordings["bad_frames"]):
        digest.update("\n".join([*texts, ""]).encode())
    return digest.hexdigest()[:24]


def recordings_key(encoder: Encoder, recordings: Sequence[Recording], settings: tuple[object, ...]) -> str:
    """Hash the weights, what their card asks of recordings, the settings, and recordings in memory."""
    digest = _begun(encoder, (getattr(encoder, "card", None), *settings))
    for one in recordings:
        digest.update(repr((one.series.shape, one.tr, one.participant)).encode())
        digest.update(np.ascontiguousarray(one.series).tobytes())
    return digest.hexdigest()[:24]


def _begun(encoder: Encoder, settings: tuple[object, ...]) -> "hashlib._Hash":
    """Begin a hash with an encoder's size, precision and weights."""
    about = (encoder.config, *settings)
    digest = hashlib.sha256(repr(about if encoder.lower is None else (*about, encoder.lower)).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest


def stored(folder: Path, key: str, make: Callable[[], ndarray]) -> ndarray:
    """Return the features kept in ``folder`` under a key, or make and keep them."""
    file = folder / f"{key}.safetensors"
    found = _read(file)
    if found is None:
        found = make()
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(file, {FEATURES: torch.tensor(found)})
    return found


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

    A file that is damaged counts as absent. The cache can be deleted at any time.
    """
    files = {name: folder / f"{content_key(encoder, cohort, crops, name)}.safetensors" for name in readouts}
    found = {name: array for name, file in files.items() if (array := _read(file)) is not None}
    lacking = [name for name in readouts if name not in found]
    if lacking:
        features, _ = embed_crops(encoder, cohort, readouts=lacking, crops=crops, device=device, progress=progress)
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in features.items():
            write_tensors(files[name], {FEATURES: torch.from_numpy(array)})
        found |= features
    return {name: found[name] for name in readouts}


def _read(file: Path) -> ndarray | None:
    try:
        found, metadata = read_whole(file)
    except WeightsError:
        return None
    return found[FEATURES].numpy() if SEAL in metadata and FEATURES in found else None
