"""Encoders on disk, for users: safetensors beside a JSON that says for which recordings the weights are."""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from semantoks.atlas.atlas import Atlas
from semantoks.config import from_plain, to_plain
from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.head import Branch, HeadConfig
from semantoks.signals.cohort import Cohort
from semantoks.storage.durable import write_durably

SCHEMA = 1
CARD, TEACHER, TRAINING = "config.json", "model.safetensors", "training.safetensors"
"""An encoder folder: its card, the teacher's encoder, and what only a training needs: the student and both heads."""
Which = Literal["teacher", "student"]


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
    head: HeadConfig | None = None
    """Size of the heads in ``training.safetensors``; None where there is no such file."""
    seed: int = 0
    """Seed from which the weights started; the random-weights baseline starts from it too."""
    salt: str = ""
    participants: tuple[str, ...] = ()
    """Salted hashes of the people it was pretrained on (``hash_participant``), sorted; empty = not known."""
    origin: tuple[str, ...] = ()
    """Where the weights come from, a sentence each: what they were trained on, what they were converted from."""
    versions: dict[str, str] = field(default_factory=dict)
    cost: dict[str, int | float] = field(default_factory=dict)
    """samples, flops (4 x the encoder's forward pass; the head is not counted), seconds, peak_memory_bytes."""
    scores: tuple[dict[str, str], ...] = ()
    """What probes of it found, for the model card: one a target and cohort, the FC baseline beside it (``publish``)."""

    def __post_init__(self) -> None:
        """Check what a file may say wrongly."""
        numbers = [self.tr, *(self.band or ()), *self.cost.values()]
        if not all(isinstance(number, int | float) for number in numbers) or self.tr <= 0:
            raise ConfigError("tr, band and cost of an encoder have to be numbers.")
        if self.band is not None and len(self.band) != 2:
            raise ConfigError("the band of an encoder has to be two numbers, or null.")
        if not all(isinstance(name, str) for name in (*self.participants, *self.origin, *self.versions.values())):
            raise ConfigError("participants, origin and versions of an encoder have to be text.")


class Branches(NamedTuple):
    """What pretraining works on: student and teacher, each an encoder and a head."""

    student: Branch
    teacher: Branch


def hash_participant(salt: str, participant: str) -> str:
    """Return the hash by which an encoder remembers a person: 16 hex digits of sha256(salt, id)."""
    return sha256(f"{salt}\0{participant}".encode()).hexdigest()[:16]


def save_encoder(folder: str | Path, encoder: Encoder, card: EncoderCard, training: Branches | None = None) -> Path:
    """Write an encoder folder: the weights and ``config.json``, each file whole or not at all.

    With ``training``, whose teacher holds ``encoder``, student and heads are kept too, so that a pretraining can go on
    from this folder (``pretrain --init-from``).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / TEACHER, encoder.state_dict())
    if training is not None:
        student = {f"student.{name}": tensor for name, tensor in training.student.state_dict().items()}
        heads = {f"teacher.head.{name}": tensor for name, tensor in training.teacher.head.state_dict().items()}
        _write(folder / TRAINING, student | heads)
    return write_card(folder, card)


def write_card(folder: Path, card: EncoderCard) -> Path:
    """Write ``config.json`` alone, which makes a folder with weights an encoder folder."""
    atlas = card.atlas
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "encoder": to_plain(card.encoder),
        "head": None if card.head is None else to_plain(card.head),
        "atlas": {
            "name": atlas.name,
            "fingerprint": atlas.fingerprint,
            "labels": list(atlas.labels),
            "networks": list(atlas.networks),
            "network_order": list(atlas.network_order),
            "hemisphere": list(atlas.hemisphere),
            "centroids": [[None if np.isnan(x) else float(x) for x in row] for row in atlas.centroids],
        },
        **{k: v for k, v in asdict(card).items() if k not in ("encoder", "atlas", "head")},
    }
    write_durably(folder / CARD, json.dumps(plain, indent=1).encode())
    return folder


def _write(path: Path, state: dict[str, Tensor]) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_durably(path, save(tensors, metadata={"format": "pt"}))


def read_card(folder: str | Path) -> EncoderCard:
    """Read an encoder's ``config.json``; WeightsError when it is absent, damaged or of another schema."""
    path = Path(folder) / CARD
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        schema = plain.pop("schema")
        if schema != SCHEMA:
            raise WeightsError(f"{path} has schema {schema}; this semantoks reads {SCHEMA}: use a matching version.")
        head = plain.pop("head", None)
        atlas = _atlas(plain.pop("atlas"), path)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items() if k != "encoder"}
        return EncoderCard(
            encoder=from_plain(EncoderConfig, plain["encoder"], str(path)),
            head=None if head is None else from_plain(HeadConfig, head, str(path)),
            atlas=atlas,
            **fields,
        )
    except FileNotFoundError:
        raise WeightsError(f"{folder} is no encoder folder: it holds no {CARD}.") from None
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise WeightsError(f"{path} is not an encoder's configuration: {error!r}.") from error


def _atlas(table: dict[str, Any], path: Path) -> Atlas:
    centroids = np.array([[np.nan if x is None else x for x in row] for row in table["centroids"]], dtype=float)
    atlas = Atlas(
        name=table["name"],
        labels=tuple(table["labels"]),
        networks=tuple(table["networks"]),
        hemisphere=tuple(table["hemisphere"]),
        centroids=centroids.reshape(-1, 3),
        network_order=tuple(table.get("network_order", ())),
    )
    if atlas.fingerprint != table["fingerprint"]:
        raise WeightsError(f"{path} was changed: its atlas is not the one that the weights were made with.")
    return atlas


def load_encoder(folder: str | Path, which: Which = "teacher") -> tuple[Encoder, EncoderCard]:
    """Load an encoder, in evaluation mode, with its card; WeightsError names what is missing or misshapen.

    ``which``: the teacher, whose features are the ones to use (METHOD 9), or the student.
    """
    folder = Path(folder)
    card = read_card(folder)
    encoder = Encoder(card.encoder, card.atlas.network_index)
    if which == "teacher":
        _load(encoder, _read(folder / TEACHER), folder / TEACHER)
    else:
        _load(encoder, _under(_read_training(folder), "student.encoder."), folder / TRAINING)
    encoder.card = card
    return encoder.eval(), card


def load_branches(folder: str | Path) -> tuple[Branches, EncoderCard]:
    """Load student and teacher, heads included, to train on; WeightsError where the folder has no student."""
    folder = Path(folder)
    card, held = read_card(folder), _read_training(folder)
    if card.head is None:
        raise WeightsError(f"{folder / CARD} does not say the size of the heads, but there is a {TRAINING}.")
    student, teacher = (Branch(Encoder(card.encoder, card.atlas.network_index), card.head) for _ in range(2))
    _load(student, _under(held, "student."), folder / TRAINING)
    _load(teacher.encoder, _read(folder / TEACHER), folder / TEACHER)
    _load(teacher.head, _under(held, "teacher.head."), folder / TRAINING)
    return Branches(student, teacher.requires_grad_(False)), card


def weights_hash(branches: Branches) -> str:
    """Return the first 16 hex digits of the sha256 of all weights of student and teacher."""
    digest = sha256()
    for branch in branches:
        for name, tensor in sorted(branch.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read_training(folder: Path) -> dict[str, Tensor]:
    if not (folder / TRAINING).exists():
        raise WeightsError(
            f"{folder} holds the teacher alone; student and heads ({TRAINING}) are not there. Embed with the teacher, "
            "or take the folder that a pretraining or `semantoks convert` wrote."
        )
    return _read(folder / TRAINING)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} does not hold the weights that {CARD} describes: {error}") from error


def _load(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not hold the weights that {CARD} describes: {error}") from error


def check_atlas(card: EncoderCard, atlas: Atlas) -> None:
    """Raise WeightsError, naming the first difference, unless ``atlas`` is the one the weights were made with."""
    if card.atlas.fingerprint == atlas.fingerprint:
        return
    mine, other = (list(zip(a.labels, a.networks, strict=True)) for a in (card.atlas, atlas))
    if mine == other:
        raise WeightsError(
            f"the encoder numbers its networks {', '.join(card.atlas.network_names)}, the recordings "
            f"{', '.join(atlas.network_names)}. Prepare the recordings with the encoder's atlas."
        )
    place = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), min(len(mine), len(other)))
    shown = [f"{t[place][0]!r} ({t[place][1]})" if place < len(t) else "nothing" for t in (mine, other)]
    raise WeightsError(
        f"the encoder was made for atlas {card.atlas.name} ({card.atlas.n_rois} ROIs), the recordings have "
        f"{atlas.name} ({atlas.n_rois} ROIs). First difference, ROI {place + 1}: the encoder expects {shown[0]}, the "
        f"recordings have {shown[1]}. Prepare the recordings with the encoder's atlas."
    )


def check_fit(card: EncoderCard, cohort: Cohort) -> None:
    """Raise WeightsError unless the cohort has the encoder's atlas, repetition time and band; DataError if it is empty.

    A band that is not known (recordings that came filtered) is not compared.
    """
    check_atlas(card, cohort.atlas)
    if not len(cohort):
        raise DataError(f"the cohort {cohort.path} holds no recordings: its excluded.tsv says why.")
    if abs(card.tr - cohort.tr) > 1e-3:
        raise WeightsError(
            f"the encoder takes frames of {card.tr:g} s, but {cohort.path} has {cohort.tr:g} s: prepare the recordings "
            f"with --target-tr {card.tr:g}."
        )
    band = cohort.description["Band"]
    if card.band is not None and band is not None and tuple(band) != tuple(card.band):
        low, high = card.band
        raise WeightsError(
            f"the encoder takes series of {low:g} to {high:g} Hz, but {cohort.path} has {band[0]:g} to {band[1]:g} Hz: "
            f"prepare the recordings with --band {low:g} {high:g}."
        )
