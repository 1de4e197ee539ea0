"""Encoders on disk, for users: safetensors beside a JSON that says for which recordings the weights are."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from semantoks.atlas.atlas import Atlas
from semantoks.config import from_plain, to_plain
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.signals.durable import write_durably

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class EncoderCard:
    """What has to be known to use an encoder's weights, and what they cost."""

    encoder: EncoderConfig
    atlas: Atlas
    tr: float
    """Repetition time of the series that it takes, seconds."""
    band: tuple[float, float] | None
    """Band-pass of these series, Hz; None = none."""
    normalisation: str = "z-score per ROI over the recording"
    seed: int = 0
    """Seed from which the weights started; the random-weights baseline starts from it too."""
    salt: str = ""
    participants: tuple[str, ...] = ()
    """Salted hashes of the people it was pretrained on (``hash_participant``), sorted."""
    versions: dict[str, str] = field(default_factory=dict)
    cost: dict[str, int | float] = field(default_factory=dict)
    """samples, flops (4 x the encoder's forward pass; the head is not counted), seconds, peak_memory_bytes."""

    def __post_init__(self) -> None:
        """Check what a file may say wrongly."""
        numbers = [self.tr, *(self.band or ()), *self.cost.values()]
        if not all(isinstance(number, int | float) for number in numbers) or self.tr <= 0:
            raise ConfigError("tr, band and cost of an encoder have to be numbers.")
        if self.band is not None and len(self.band) != 2:
            raise ConfigError("the band of an encoder has to be two numbers, or null.")
        if not all(isinstance(name, str) for name in (*self.participants, *self.versions.values())):
            raise ConfigError("participants and versions of an encoder have to be text.")


def hash_participant(salt: str, participant: str) -> str:
    """Return the hash by which an encoder remembers a person: 16 hex digits of sha256(salt, id)."""
    return hashlib.sha256(f"{salt}\0{participant}".encode()).hexdigest()[:16]


def save_encoder(folder: Path, encoder: Encoder, card: EncoderCard) -> Path:
    """Write ``model.safetensors`` and ``config.json`` into ``folder``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    write_durably(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))
    atlas = card.atlas
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "encoder": to_plain(card.encoder),
        "atlas": {
            "name": atlas.name,
            "fingerprint": atlas.fingerprint,
            "labels": list(atlas.labels),
            "networks": list(atlas.networks),
            "hemisphere": list(atlas.hemisphere),
            "centroids": [[None if np.isnan(x) else float(x) for x in row] for row in atlas.centroids],
        },
        **{k: v for k, v in asdict(card).items() if k not in ("encoder", "atlas")},
    }
    write_durably(folder / "config.json", json.dumps(plain, indent=1).encode())
    return folder


def read_card(folder: Path) -> EncoderCard:
    """Read an encoder's ``config.json``; WeightsError when it is absent, damaged or of another schema."""
    path = folder / "config.json"
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        schema = plain.pop("schema")
        if schema != SCHEMA:
            raise WeightsError(f"{path} has schema {schema}; this semantoks reads {SCHEMA}: use a matching version.")
        table = plain.pop("atlas")
        centroids = np.array([[np.nan if x is None else x for x in row] for row in table["centroids"]], dtype=float)
        atlas = Atlas(
            name=table["name"],
            labels=tuple(table["labels"]),
            networks=tuple(table["networks"]),
            hemisphere=tuple(table["hemisphere"]),
            centroids=centroids.reshape(-1, 3),
        )
        if atlas.fingerprint != table["fingerprint"]:
            raise WeightsError(f"{path} was changed: its atlas is not the one that the weights were made with.")
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items() if k != "encoder"}
        return EncoderCard(encoder=from_plain(EncoderConfig, plain["encoder"], str(path)), atlas=atlas, **fields)
    except FileNotFoundError:
        raise WeightsError(f"{folder} is no encoder folder: it holds no config.json.") from None
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise WeightsError(f"{path} is not an encoder's configuration: {error!r}.") from error


def load_encoder(folder: Path) -> tuple[Encoder, EncoderCard]:
    """Load an encoder, in evaluation mode, with its card; WeightsError names what is missing or misshapen."""
    card = read_card(folder)
    encoder = Encoder(card.encoder, card.atlas.network_index.tolist())
    path = folder / "model.safetensors"
    try:
        encoder.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold the weights that config.json describes: {error}") from error
    return encoder.eval(), card


def check_atlas(card: EncoderCard, atlas: Atlas) -> None:
    """Raise WeightsError, naming the first difference, unless ``atlas`` is the one the weights were made with."""
    if card.atlas.fingerprint == atlas.fingerprint:
        return
    mine = list(zip(card.atlas.labels, card.atlas.networks, strict=True))
    other = list(zip(atlas.labels, atlas.networks, strict=True))
    place = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), min(len(mine), len(other)))
    shown = [f"{t[place][0]!r} ({t[place][1]})" if place < len(t) else "nothing" for t in (mine, other)]
    raise WeightsError(
        f"the encoder was made for atlas {card.atlas.name} ({card.atlas.n_rois} ROIs), the recordings have "
        f"{atlas.name} ({atlas.n_rois} ROIs). First difference, ROI {place + 1}: the encoder expects {shown[0]}, the "
        f"recordings have {shown[1]}. Prepare the recordings with the encoder's atlas."
    )
