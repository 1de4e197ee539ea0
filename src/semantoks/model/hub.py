"""Encoders by name: a run, a folder, one in the box, or ``owner/name`` on the Hugging Face hub; and the way there."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from semantoks.config import check_arguments
from semantoks.counted import plural
from semantoks.errors import WeightsError
from semantoks.model import encoder
from semantoks.model.box import box_folder, list_box
from semantoks.model.card import CARD, TEACHER, TRAINING, EncoderCard, published, read_card, write_card
from semantoks.model.group import ABOUT, GROUP
from semantoks.model.model_card import model_card
from semantoks.model.tensors import Which, check_weights, load_weights, save_encoder
from semantoks.model.tokenizers.tokenizer import TokenizerSettings
from semantoks.notebook import as_html
from semantoks.storage.durable import scratch_folder, write_durably

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILES = (CARD, TEACHER, TRAINING, GROUP, ABOUT)
README = "README.md"


class HubOptions(TypedDict, total=False):
    """What ``huggingface_hub`` is told with a download."""

    revision: str | None
    token: str | None
    cache_dir: str | Path | None


NO_ANSWER = "the hub cannot be reached"


class Encoder(encoder.Encoder):
    """The module of ``model.encoder`` as users have it, ``semantoks.Encoder``: loaded with its card, saved and shared.

    Attributes
    ----------
    card : EncoderCard or None
        What the weights are for and where they come from; None for an encoder that was not loaded.

    Examples
    --------
    >>> atlas = semantoks.get_atlas("schaefer400")
    >>> encoder = semantoks.Encoder(semantoks.EncoderConfig(width=64, depth=2), atlas.network_index)
    >>> encoder(torch.randn(3, 400, 100)).grid.shape
    torch.Size([3, 7, 5, 64])
    """

    card: EncoderCard | None = None

    def __repr__(self) -> str:
        """Say what it is in a line; print(list(encoder.children())) shows its modules."""
        size, card = self.config, self.card
        parts = [f"width {size.width}", f"{size.depth} blocks", plural(self.n_networks, "network")]
        parts += [f"{sum(one.numel() for one in self.parameters()):,} parameters"]
        parts += [] if card is None else [card.atlas.name, f"TR {card.tr:g} s"]
        return f"Encoder({', '.join(parts)})"

    def _repr_html_(self) -> str:
        size, card = self.config, self.card
        rows: dict[str, object] = {"width": size.width, "blocks": size.depth, "networks": self.n_networks}
        rows["parameters"] = f"{sum(one.numel() for one in self.parameters()):,}"
        rows["takes"] = (
            f"[recordings, {self.n_rois} ROIs, {'any number of' if self.any_length else size.frames} frames]"
        )
        if card is not None:
            rows |= {"atlas": card.atlas.name, "repetition time": f"{card.tr:g} s", "band": card.band or "as recorded"}
        return as_html("Encoder", rows)

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | Path,
        which: Which = "teacher",
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        tokenizer: TokenizerSettings | None = None,
    ) -> "Encoder":
        """Load an encoder in evaluation mode: from a run, an encoder folder, the box, or the Hugging Face hub.

        Parameters
        ----------
        path_or_hub_id
            A folder, a name in the box (``schaefer400``), or ``owner/name`` on the hub; what was downloaded once is
            found again offline.
        which
            The teacher, whose features are the ones to use (METHOD 9), or the student.
        revision
            Branch, tag or commit on the hub.
        token, cache_dir
            Of ``huggingface_hub``: who asks, and where downloads are kept; None = who is logged in, and its own place.
        tokenizer
            The settings that the encoder was made with, where they are of a kind from outside this package.

        Raises
        ------
        WeightsError
            When nothing is there, or what is there is damaged, of a newer schema, or without a student.
        """
        check_arguments(load_encoder, locals())
        hub: HubOptions = {"revision": revision, "token": token, "cache_dir": cache_dir}
        return load_encoder(find_encoder(path_or_hub_id, hub=hub, tokenizer=tokenizer), which, tokenizer)[0]

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write a loaded encoder into ``folder``, with a model card in words; `from_pretrained` reads it again.

        Raises
        ------
        WeightsError
            When this encoder has no card, or ``folder`` has the student of another one.
        """
        if (Path(folder) / TRAINING).exists():
            raise WeightsError(f"{folder} already has the student and heads of another encoder: choose another folder.")
        card = self._teacher_card()
        folder = save_encoder(folder, self, card)
        write_durably(folder / README, model_card(card).encode())
        return folder

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload a loaded encoder to ``owner/name`` on the Hugging Face hub; returns its address.

        Only weights, card and model card go there: no id of a participant, nor its hash, and no path of this machine.
        """
        with scratch_folder() as scratch:
            folder = self.save_pretrained(scratch)
            return upload(folder, repo_id, self._teacher_card(), private=private, token=token)

    def _teacher_card(self) -> EncoderCard:
        """Return the card of this encoder alone, without student and heads."""
        if self.card is None:
            raise WeightsError(
                "this encoder has no card that says what it is for. Load it with from_pretrained, or use "
                "semantoks.save_encoder(folder, encoder, card)."
            )
        return replace(self.card, learner=None)


def load_encoder(
    folder: str | Path, which: Which = "teacher", tokenizer: TokenizerSettings | None = None
) -> tuple[Encoder, EncoderCard]:
    """Load an encoder, in evaluation mode, with its card; WeightsError names what is missing or misshapen.

    Parameters
    ----------
    which
        The teacher, whose features are the ones to use (METHOD 9), or the student.
    tokenizer
        The settings that the encoder was made with, where they are of a kind from outside this package.
    """
    check_arguments(load_encoder, locals())
    card = read_card(folder, tokenizer)
    loaded = Encoder(card.encoder, card.atlas.network_index)
    load_weights(loaded, folder, which)
    loaded.card = card
    return loaded.eval(), card


def find_encoder(
    path_or_hub_id: str | Path, *, hub: HubOptions | None = None, tokenizer: TokenizerSettings | None = None
) -> Path:
    """Return the encoder folder of a run, an encoder folder, a name in the box, or ``owner/name`` on the hub.

    A folder on this machine takes precedence. What is on the hub is downloaded once. ``HF_HUB_OFFLINE=1`` is respected;
    no usage statistics are sent.

    Raises
    ------
    WeightsError
        When there is nothing here and the text cannot be an id, the hub has no such encoder, or it cannot be reached.
    """
    path, name = Path(path_or_hub_id), str(path_or_hub_id)
    for folder in (path, path / "encoder"):
        if (folder / CARD).exists():
            return folder
    if (packaged := box_folder(name)) is not None:
        return packaged
    if path.exists() or not HUB_ID.fullmatch(name):
        hint = (
            "" if path.exists() else f", nor an id on the Hugging Face hub (owner/name), nor {' or '.join(list_box())}"
        )
        raise WeightsError(f"{name} is neither a run with a saved encoder nor an encoder folder{hint}.")
    folder = _downloaded(name, hub or {})
    if not (folder / CARD).exists():
        raise WeightsError(
            f"{name} on the Hugging Face hub has no {CARD}, so it is not a semantoks encoder. Check owner and name."
        )
    try:
        read_card(folder, tokenizer)
    except WeightsError as error:
        raise WeightsError(f"{name} on the Hugging Face hub cannot be used here: {error}") from error
    return folder


def _downloaded(name: str, options: HubOptions) -> Path:
    import huggingface_hub as hub

    with _at_the_hub(
        f"there is no folder {name} here, and on the Hugging Face hub {name}",
        unreached=", and it was not downloaded before. Go online once, or give a folder.",
    ):
        return Path(hub.snapshot_download(name, allow_patterns=list(FILES), **options))


@contextmanager
def _at_the_hub(it: str, *, unreached: str) -> Iterator[None]:
    """Send no usage statistics, and turn what the hub's library raises into one sentence about ``it``."""
    from huggingface_hub import constants, errors

    constants.HF_HUB_DISABLE_TELEMETRY = True
    network: type[Exception] = errors.HfHubHTTPError.__bases__[0]  # of requests, httpx or httpx2, by its version
    try:
        yield
    except (network, ValueError, OSError) as error:
        raise WeightsError(f"{it} {_why(error, unreached)}") from error


def _why(error: Exception, unreached: str) -> str:
    """Say what keeps us from the hub and what to do; ``unreached`` ends the sentence where there is no way there."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        return "is gated: accept its terms there, then log in with `hf auth login`."
    if isinstance(error, (errors.RepositoryNotFoundError, errors.RevisionNotFoundError)):
        return "is absent or private: check owner, name and revision, or log in with `hf auth login`."
    answered = isinstance(error, (errors.HfHubHTTPError, ValueError, OSError))
    if not answered or isinstance(error, (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)):
        return f"is out of reach: {'HF_HUB_OFFLINE is set' if constants.HF_HUB_OFFLINE else NO_ANSWER}{unreached}"
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code in (401, 403):
        return "refuses this login: log in with `hf auth login`, with a token that may read and write there."
    return f"cannot be used: {' '.join(str(error).split())}"


def write_folder(source: Path, folder: Path, card: EncoderCard) -> Path:
    """Copy the weights of the encoder folder ``source`` to ``folder``, under ``card`` and with a README of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES[1:]:
        if (source / name).exists():
            (folder / name).unlink(missing_ok=True)  # a link would be written through
            shutil.copyfile(source / name, folder / name)
    write_durably(folder / README, model_card(card).encode())
    return write_card(folder, card)


def upload(source: Path, repo_id: str, card: EncoderCard, *, private: bool, token: str | None) -> str:
    """Upload an encoder folder as ``owner/name`` with its model card; returns the address of what is there now."""
    import huggingface_hub as hub

    if not HUB_ID.fullmatch(repo_id):
        raise WeightsError(f"an id on the Hugging Face hub is owner/name, not {repo_id!r}.")
    check_weights(source)
    api, it = hub.HfApi(token=token), f"on the Hugging Face hub {repo_id}"
    with scratch_folder() as scratch, _at_the_hub(it, unreached=". Go online to upload."):
        folder = write_folder(source, scratch, published(card))
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        if private and api.model_info(repo_id).private is False:
            raise WeightsError(
                f"{it} already exists and is public: make it private there, or push with --public (private=False)."
            )
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            allow_patterns=[*FILES, README],
            delete_patterns=list(FILES),  # what an earlier upload left and this one has not: its student
            commit_message="An encoder",
        )
    return str(address)
