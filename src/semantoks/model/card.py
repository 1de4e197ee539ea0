"""What has to be known to use an encoder: config.json, which says for which recordings its weights are."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import torch

from semantoks.atlas.atlas import Atlas
from semantoks.config import from_plain, to_plain
from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.model.encoder import EncoderConfig
from semantoks.model.tokenizers.tokenizer import TokenizerSettings
from semantoks.notebook import as_html
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import GateConfig
from semantoks.storage.checksums import read_sealed, sealed, stated_sum
from semantoks.storage.durable import write_durably

SCHEMA = 3
"""Of config.json as it is written. 1 had no kinds of tokenizers, 2 no checksums; both are read."""
CARD = "config.json"
TEACHER, TRAINING = "model.safetensors", "training.safetensors"
"""The encoder to use; and everything that training on needs besides: the student, and the heads of both."""
WEIGHTS = "weights"
"""Key of config.json: the checksums that the files of weights state of themselves, so that all are of one step."""


@dataclass(frozen=True, kw_only=True, repr=False)
class EncoderCard:
    """What has to be known to use an encoder's weights, and what they cost."""

    encoder: EncoderConfig
    atlas: Atlas
    tr: float
    """Repetition time of the series that it takes, seconds."""
    band: tuple[float, float] | None
    """Band-pass of these series, Hz; None = none."""
    full_band: bool = False
    """Whether it takes the series that a cohort keeps without the band-pass (``Cohort.in_band``); ``band`` is None."""
    normalisation: str = "z-score per ROI over the recording"
    learner: dict[str, Any] | None = None
    """Settings of the objective whose student and heads are in ``training.safetensors``: its "kind", and what else it
    needs to build them; None without that file."""
    seed: int = 0
    """Seed from which the weights started; the random-weights baseline starts from it too."""
    salt: str = ""
    participants: tuple[str, ...] = ()
    """Salted hashes of the people it was pretrained on (``hash_participant``), sorted; empty = not known."""
    recordings: tuple[str, ...] = ()
    """Salted hashes of the checksums of the recordings it was pretrained on, sorted; empty = not known."""
    origin: tuple[str, ...] = ()
    """Where the weights come from, one sentence per step: what they were trained on, what they were converted from."""
    versions: dict[str, str] = field(default_factory=dict)
    cost: dict[str, int | float] = field(default_factory=dict)
    """samples, flops (4 x the encoder's forward pass; the head is not counted), seconds, peak_memory_bytes."""
    scores: tuple[dict[str, str], ...] = ()
    """What its probes found, for the model card: one row per target and cohort, with the FC baseline (``publish``)."""

    def __repr__(self) -> str:
        """Say what the encoder takes and gives."""
        size = f"width {self.encoder.width}, {self.encoder.depth} blocks"
        return f"EncoderCard({size}, {self.atlas.name}, TR {self.tr:g} s, {len(self.participants)} people known)"

    def _repr_html_(self) -> str:
        hashes = {"participants": f"{len(self.participants)} hashes", "recordings": f"{len(self.recordings)} hashes"}
        return as_html("EncoderCard", {**vars(self), **hashes})

    def __post_init__(self) -> None:
        """Check what a file can get wrong."""
        if self.learner is not None and not isinstance(self.learner.get("kind"), str):
            raise ConfigError("the learner of an encoder has to be a table of settings with a kind.")
        numbers = [self.tr, *(self.band or ()), *self.cost.values()]
        if not all(isinstance(number, int | float) for number in numbers) or self.tr <= 0:
            raise ConfigError("tr, band and cost of an encoder have to be numbers.")
        if self.full_band not in (False, True) or (self.full_band and self.band is not None):
            raise ConfigError("full_band of an encoder has to be true or false, and true only without a band.")
        if self.band is not None and len(self.band) != 2:
            raise ConfigError("the band of an encoder has to be two numbers, or null.")
        texts = [*self.participants, *self.recordings, *self.origin, *self.versions.values()]
        texts += [self.atlas.name, self.normalisation, self.salt]
        if not all(isinstance(name, str) for name in texts):
            raise ConfigError(
                "the name of the atlas, normalisation, salt, participants, recordings, origin and versions of an "
                "encoder have to be text."
            )
        if not all(
            isinstance(row, dict) and all(isinstance(cell, str) for cell in row.values()) for row in self.scores
        ):
            raise ConfigError("scores of an encoder have to be rows of text.")


def hash_participant(salt: str, participant: str) -> str:
    """Return the hash by which an encoder remembers a person or a recording: 16 hex digits of sha256(salt, id)."""
    return sha256(f"{salt}\0{participant}".encode()).hexdigest()[:16]


def hashes(salt: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return what an encoder remembers of people (by id) or recordings (by checksum), each once, sorted."""
    return tuple(sorted({hash_participant(salt, name) for name in names}))


def published(card: EncoderCard) -> EncoderCard:
    """Return a card as others may see it: without hashes of ids, which whoever has the salt can guess one by one.

    That an encoder has seen a person is still found, by the hashes of recordings' checksums, which nobody can guess.
    """
    return replace(card, participants=(), salt=card.salt if card.recordings else "")


def write_card(folder: Path, card: EncoderCard) -> Path:
    """Write ``config.json`` alone, which makes a folder with weights an encoder folder."""
    write_durably(folder / CARD, card_text(folder, card).encode())
    return folder


def card_text(folder: Path, card: EncoderCard) -> str:
    """Return the text of ``config.json`` beside the weights in ``folder``, with their checksums and its own."""
    atlas = card.atlas
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "encoder": to_plain(card.encoder),
        "atlas": {
            "name": atlas.name,
            "fingerprint": atlas.fingerprint,
            "labels": list(atlas.labels),
            "networks": list(atlas.networks),
            "network_order": list(atlas.network_order),
            "hemisphere": list(atlas.hemisphere),
            "centroids": [[None if np.isnan(x) else float(x) for x in row] for row in atlas.centroids],
        },
        **{k: v for k, v in asdict(card).items() if k not in ("encoder", "atlas") and (k != "full_band" or v)},
        WEIGHTS: {name: found for name in (TEACHER, TRAINING) if (found := stated_sum(folder / name))},
    }
    return json.dumps(sealed(plain), indent=1)


def sums_of_weights(folder: Path) -> dict[str, str]:
    """Return the checksums that config.json wants the files of weights to state; empty where it does not say."""
    plain = read_sealed(folder / CARD, error=WeightsError)
    found = plain.get(WEIGHTS)
    return found if isinstance(found, dict) else {}


def read_card(folder: str | Path, tokenizer: TokenizerSettings | None = None) -> EncoderCard:
    """Read an encoder's ``config.json``.

    Parameters
    ----------
    tokenizer
        The settings that the encoder was made with, where they are of a kind from outside this package.

    Raises
    ------
    WeightsError
        When the file is absent, damaged or of another schema, or its tokenizer is another one.
    """
    path = Path(folder) / CARD
    try:
        plain = read_sealed(path, error=WeightsError)
        schema = plain.pop("schema")
        plain.pop(WEIGHTS, None)
        if schema not in range(1, SCHEMA + 1):
            raise WeightsError(f"{path} has schema {schema}; this semantoks reads 1 to {SCHEMA}: use a newer version.")
        head = plain.pop("head", None)  # in place of "learner" until 2026-11, when there was one objective
        if head is not None:
            plain["learner"] = {"kind": "self-distillation", "head": head}
        atlas = _atlas(plain.pop("atlas"), path)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items() if k != "encoder"}
        return EncoderCard(
            encoder=_encoder(plain["encoder"], tokenizer, path),
            atlas=atlas,
            **fields,
        )
    except FileNotFoundError:
        raise WeightsError(f"{folder} is not an encoder folder: it has no {CARD}.") from None
    except WeightsError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError, OSError) as error:
        raise WeightsError(f"{path} is not an encoder's configuration: {error!r}.") from error


def _encoder(table: dict[str, Any], tokenizer: TokenizerSettings | None, path: Path) -> EncoderConfig:
    if tokenizer is None:
        _refuse_foreign(table.get("tokenizer"), path)
        return from_plain(EncoderConfig, table, str(path))
    given, used = to_plain(tokenizer), table.pop("tokenizer", None)
    if used != given:
        raise WeightsError(f"{path} describes an encoder with the tokenizer {used}, not {given}.")
    return replace(from_plain(EncoderConfig, table, str(path)), tokenizer=tokenizer)


def _refuse_foreign(used: Any, path: Path) -> None:
    """Say how an encoder is loaded whose tokenizer is none of this package: no code is run from a file."""
    kind = used.get("kind") if isinstance(used, dict) else None
    union = get_args(get_type_hints(EncoderConfig)["tokenizer"])
    ours = {settings.kind for settings in union if settings is not TokenizerSettings}
    if kind is not None and kind not in ours:
        raise WeightsError(
            f"{path}: its tokenizer is of the kind {kind!r}, which is none of semantoks ({', '.join(sorted(ours))}). "
            "In Python, encoder = Encoder.from_pretrained(folder, tokenizer=...) with its settings; embed, probe and "
            "finetune take the encoder in place of the folder, pretrain(init_from=...) a config with that tokenizer."
        )


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


def input_of(cohort: Cohort) -> dict[str, Any]:
    """Return what an encoder made of a cohort takes: ``atlas``, ``tr``, ``band`` and ``full_band`` of its card."""
    band = cohort.description.get("Band")
    return {
        "atlas": cohort.atlas,
        "tr": cohort.tr,
        "band": None if band is None else (band[0], band[1]),
        "full_band": cohort.band == "full",
    }


def band_words(card: EncoderCard) -> str:
    """Say in which band an encoder takes its series."""
    if card.band is not None:
        return f"{card.band[0]:g} to {card.band[1]:g} Hz"
    return "the full band without the linear trend" if card.full_band else "no band-pass"


def cleaning_for(card: EncoderCard, *, already_filtered: bool = False) -> tuple[CleaningConfig, GateConfig]:
    """Return how recordings are cleaned for an encoder, and which are kept: of any motion, and with the band it takes.

    Raises
    ------
    ConfigError
        If they are ``already_filtered`` and the encoder takes the full band.
    """
    if card.full_band and already_filtered:
        raise ConfigError(
            "the encoder takes the full band, which recordings that were band-passed (--already-filtered) do not have: "
            "use an encoder of band-passed series."
        )
    if card.full_band:
        return CleaningConfig(target_tr=card.tr), GateConfig(max_fd=None, full_band=True)
    cleaning = CleaningConfig(band=card.band, target_tr=card.tr, already_filtered=already_filtered, full_band=False)
    return cleaning, GateConfig(max_fd=None)


def software() -> dict[str, str]:
    """Return the versions that a card names."""
    return {"semantoks": version("semantoks"), "torch": torch.__version__}


def in_band_of(card: EncoderCard, cohort: Cohort) -> Cohort:
    """Return the cohort in the band that the encoder takes; DataError if it does not keep it."""
    return cohort.in_band("full" if card.full_band else "passed", otherwise="use an encoder of band-passed series")


def check_fit(card: EncoderCard, cohort: Cohort) -> None:
    """Raise WeightsError unless the cohort has the encoder's atlas, repetition time and band; DataError if it is empty.

    A band that is not known (recordings that came filtered) is not compared.
    """
    check_atlas(card, cohort.atlas)
    if not len(cohort):
        raise DataError(f"the cohort {cohort.path} has no recordings: its excluded.tsv says why.")
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
