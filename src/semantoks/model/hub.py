"""Encoders by name: a run, an encoder folder, or ``owner/name`` on the Hugging Face hub; and the way back there."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from semantoks.errors import WeightsError
from semantoks.model.encoder import Encoder
from semantoks.model.model_card import model_card
from semantoks.model.weights import CARD, TEACHER, TRAINING, EncoderCard, save_encoder, write_card
from semantoks.signals.durable import write_durably

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILES = (CARD, TEACHER, TRAINING)
README = "README.md"


def find_encoder(path_or_hub_id: str | Path, *, revision: str | None = None) -> Path:
    """Return the encoder folder of a run, an encoder folder, or ``owner/name`` on the hub (downloaded once).

    What exists here goes before the hub. ``HF_HUB_OFFLINE=1`` is respected; no usage statistics are sent.

    Raises
    ------
    WeightsError
        When there is nothing here and the text cannot be an id, the hub has no such encoder, or it cannot be reached.
    """
    path, name = Path(path_or_hub_id), str(path_or_hub_id)
    for folder in (path, path / "encoder"):
        if (folder / CARD).exists():
            return folder
    if path.exists() or not HUB_ID.fullmatch(name):
        hint = "" if path.exists() else ", nor an id on the Hugging Face hub (owner/name)"
        raise WeightsError(f"{name} is neither a run with a saved encoder nor an encoder folder{hint}.")
    folder = _downloaded(name, revision)
    if not (folder / CARD).exists():
        raise WeightsError(f"{name} on the Hugging Face hub holds no {CARD}: it is not an encoder of semantoks.")
    return folder


def _downloaded(name: str, revision: str | None) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub as hub

    with _in_one_sentence(f"there is no folder {name} here, and on the Hugging Face hub {name}"):
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(FILES)))


@contextmanager
def _in_one_sentence(it: str) -> Iterator[None]:
    """Turn what the hub's library raises into one sentence about ``it`` that says what to do."""
    from huggingface_hub import errors

    absent = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError)
    unreachable = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)
    try:
        yield
    except errors.GatedRepoError as error:
        raise WeightsError(f"{it} is gated: accept its terms there, then log in with `hf auth login`.") from error
    except absent as error:
        raise WeightsError(
            f"{it} is not there or private: check owner, name and revision, or log in with `hf auth login`."
        ) from error
    except unreachable as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
        why = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
        raise WeightsError(
            f"{it} is out of reach: {why}, and it was not downloaded before. Go online once, or give a folder."
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise WeightsError(f"{it} cannot be used: {' '.join(str(error).split())}") from error


def write_folder(source: Path, folder: Path, card: EncoderCard) -> Path:
    """Copy the weights of the encoder folder ``source`` to ``folder``, under ``card`` and with a README of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (TEACHER, TRAINING):
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    write_durably(folder / README, model_card(card).encode())
    return write_card(folder, card)


def upload(source: Path, repo_id: str, card: EncoderCard, *, private: bool, token: str | None) -> str:
    """Upload an encoder folder as ``owner/name`` with its model card; returns the address of what is there now."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub as hub

    if not HUB_ID.fullmatch(repo_id):
        raise WeightsError(f"an id on the Hugging Face hub is owner/name, not {repo_id!r}.")
    with tempfile.TemporaryDirectory() as scratch, _in_one_sentence(f"on the Hugging Face hub {repo_id}"):
        folder = write_folder(source, Path(scratch), card)
        place = hub.HfApi(token=token).create_repo(repo_id, private=private, exist_ok=True)
        hub.HfApi(token=token).upload_folder(
            repo_id=repo_id, folder_path=folder, allow_patterns=[*FILES, README], commit_message="An encoder"
        )
    return str(place)


def save_loaded(encoder: Encoder, folder: str | Path) -> Path:
    """Write an encoder that was loaded, with its card and a README, into ``folder``; WeightsError without a card."""
    card = replace(_card_of(encoder), head=None)
    folder = save_encoder(folder, encoder, card)
    write_durably(folder / README, model_card(card).encode())
    return folder


def push_loaded(encoder: Encoder, repo_id: str, *, private: bool, token: str | None) -> str:
    """Upload an encoder that was loaded, without student and heads; returns its address."""
    with tempfile.TemporaryDirectory() as scratch:
        card = replace(_card_of(encoder), head=None)
        return upload(save_loaded(encoder, scratch), repo_id, card, private=private, token=token)


def _card_of(encoder: Encoder) -> EncoderCard:
    if encoder.card is None:
        raise WeightsError(
            "this encoder has no card that says what it is for: load it with from_pretrained, or use "
            "semantoks.save_encoder(folder, encoder, card)."
        )
    return encoder.card
