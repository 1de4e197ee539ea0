"""The weights of an encoder folder, as safetensors: the teacher's encoder, and what only a further training needs."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from semantoks.errors import WeightsError
from semantoks.model.card import CARD, TEACHER, TRAINING, EncoderCard, sums_of_weights, write_card
from semantoks.model.encoder import Encoder
from semantoks.model.group import GROUP, read_group, set_group
from semantoks.storage.checksums import SEAL, read_tensors, seal_tensors
from semantoks.storage.durable import clear_temporary, write_durably

REMEDY = (
    "Copy or download the folder again; in a run, write it again with the command that made the run and --resume; or "
    "make it again."
)
Which = Literal["teacher", "student"]


def save_encoder(
    folder: str | Path, encoder: Encoder, card: EncoderCard, training: Mapping[str, Tensor] | None = None
) -> Path:
    """Write an encoder folder: the weights and ``config.json``, each file whole or not at all.

    Parameters
    ----------
    training
        Tensors that a pretraining needs to continue from this folder (``pretrain --init-from``), written to
        ``training.safetensors``: the student under ``student.encoder.``, the rest as the objective names it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clear_temporary(folder)
    write_tensors(folder / TEACHER, encoder.state_dict())
    if training is not None:
        write_tensors(folder / TRAINING, training)
    return write_card(folder, card)


def load_weights(encoder: Encoder, folder: str | Path, which: Which = "teacher") -> None:
    """Fill ``encoder`` with the teacher's weights (whose features are the ones to use, METHOD 9) or the student's.

    Raises
    ------
    WeightsError
        When a file is missing or damaged, or a tensor is missing or has another shape.
    """
    folder = Path(folder)
    if which == "teacher" and weights_file(folder).name == GROUP:
        set_group(encoder, read_group(folder, encoder.n_rois))
    elif which == "teacher":
        load_state(encoder, _read(folder / TEACHER), folder / TEACHER)
    else:
        student = under(read_training(folder), "student.encoder.")
        if not student:
            raise WeightsError(
                f"{folder} has no student beside the encoder: its objective has no teacher, and the encoder is what "
                "learned. Leave which='student' out."
            )
        load_state(encoder, student, folder / TRAINING)


def weights_file(folder: Path) -> Path:
    """Return the file from which the teacher's weights come: the weights, or the correlations that determine them."""
    derived = (folder / GROUP).exists() and not (folder / TEACHER).exists()
    return folder / (GROUP if derived else TEACHER)


def read_training(folder: str | Path) -> dict[str, Tensor]:
    """Read what a further training needs; WeightsError where the folder has the teacher alone."""
    path = Path(folder) / TRAINING
    if not path.exists():
        raise WeightsError(
            f"{folder} has only the teacher, without student and heads ({TRAINING}). Embed with the teacher, or use a "
            "folder that `semantoks pretrain` or `semantoks convert` wrote."
        )
    return _read(path)


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load ``tensors``, which came from ``path``, into ``module``; WeightsError names what does not fit."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not have the weights that {CARD} describes: {' '.join(str(error).split())}"
        ) from error


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors with ``prefix`` before their names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def write_tensors(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors durably, with their checksum; equal tensors and metadata make equal files."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_durably(path, *seal_tensors(save(tensors, metadata={"format": "pt", **(metadata or {})})))


def read_whole(path: Path, remedy: str = REMEDY) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a safetensors file, and its metadata.

    Raises
    ------
    WeightsError
        When it cannot be read, or does not have the checksum that it states; ``remedy`` is what to do then.
    """
    content, metadata = read_tensors(path, error=WeightsError, remedy=remedy)
    try:
        return load(content), metadata
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {shorten(str(error), 120)}. {remedy}") from error


def check_weights(folder: Path) -> None:
    """Raise WeightsError where a file of weights in an encoder folder is damaged, or not the one of its card."""
    for name in (TEACHER, TRAINING):
        if (folder / name).exists():
            _read(folder / name)


def _read(path: Path) -> dict[str, Tensor]:
    tensors, metadata = read_whole(path)
    expected = sums_of_weights(path.parent).get(path.name)
    if expected is not None and metadata.get(SEAL) != expected:
        raise WeightsError(
            f"{path} is not of the training step that {CARD} beside it describes: saving was interrupted, or one of "
            f"them was replaced. {REMEDY}"
        )
    return tensors
