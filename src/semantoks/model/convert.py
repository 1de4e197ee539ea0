"""The authors' released checkpoints, turned into our encoder folders and back (docs/weights.md)."""

import hashlib
import io
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semantoks.atlas.catalog import get_atlas
from semantoks.config import LARGEST, check_arguments
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.card import CARD, EncoderCard, read_card
from semantoks.model.encoder import random_encoder
from semantoks.model.hub import find_encoder
from semantoks.model.network_map import PUBLISHED, atlas_of_map, part_names, write_map
from semantoks.model.released import (
    ROLES,
    ReleasedLayout,
    ReleasedSizes,
    expected_buffer,
    from_ours,
    problems,
    released_tensors,
    to_ours,
)
from semantoks.model.tensors import load_state, load_weights, read_training, save_encoder, under, with_prefix
from semantoks.model.tokenizers.published import TokenizerConfig
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import hold_file, hold_folder

LEARNER = "self-distillation"
"""The objective that a released checkpoint was trained with, and whose heads it has."""
PLAIN = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}
"""Numbers that a checkpoint may hold."""
PATCH = 20
"""Frames per patch in every published run; the released file does not record it."""


def convert(
    source: str | Path,
    out: str | Path,
    *,
    config: str | Path | None = None,
    network_map: str | Path | None = None,
    patch: int | None = None,
    back: bool = False,
) -> Path:
    """Turn a released checkpoint into an encoder folder, or an encoder ``back`` into the authors' layout.

    Parameters
    ----------
    source
        The authors' file (see `convert_checkpoint`); back, a run, an encoder folder or an id on the hub.
    out
        The encoder folder; back, the file (see `convert_back`).
    config, network_map, patch
        As for `convert_checkpoint`; back, the encoder folder has all of these.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    ConfigError
        If ``back`` comes with what an encoder folder has.
    WeightsError
        When the file is no such checkpoint, or that layout has no place for the encoder.
    """
    check_arguments(convert, locals())
    if not back:
        return convert_checkpoint(source, out, config=config, network_map=network_map, patch=patch)
    if (config, network_map, patch) != (None, None, None):
        raise ConfigError("--back takes no --config, --network-map or --patch: the encoder folder has all of these.")
    return convert_back(find_encoder(source), out)


def convert_checkpoint(
    checkpoint: str | Path,
    out: str | Path,
    *,
    config: str | Path | None = None,
    network_map: str | Path | None = None,
    patch: int | None = None,
) -> Path:
    """Turn a released checkpoint (.pth) into an encoder folder, student and heads included.

    Parameters
    ----------
    checkpoint
        The authors' file; nothing in it is run (``weights_only``). Sizes are read off its shapes.
    out
        Encoder folder: embed with it, or go on training from it (``pretrain --init-from``).
    config
        ``config_used.yaml``, looked at for the frames of a patch alone; it may be absent or empty.
    network_map
        ``network_mapping.npz``; without it the ROIs are those of the published atlas, 457 in 9 networks.
    patch
        Frames of a patch; else what the configuration says, else 20, as in every published run.

    Raises
    ------
    WeightsError
        When the file is no such checkpoint: every key that is missing, misshapen or unknown is named.
    """
    path = Path(checkpoint)
    content, state = _read(path)
    sizes = ReleasedSizes(state, path)
    parts, counts = sizes.parts(), sizes.networks()
    atlas = get_atlas(PUBLISHED) if network_map is None else atlas_of_map(Path(network_map), parts, counts)
    if network_map is None and len(counts) != atlas.n_networks:
        raise WeightsError(
            f"{path} has {len(counts)} networks of {counts} ROIs, the published atlas has {atlas.n_networks}: give the "
            "checkpoint's own --network-map FILE.npz."
        )
    layout = ReleasedLayout(
        encoder=sizes.encoder(patch or _patch_of(config) or PATCH),
        head=sizes.head(),
        parts=parts,
        network_index=tuple(atlas.network_index.tolist()),
    )
    _check(state, layout, path)
    student, teacher = (to_ours(state, layout, role) for role in ROLES)
    encoder = random_encoder(layout.encoder, layout.network_index, seed=0)
    load_state(encoder, under(teacher, "encoder."), path)
    training = with_prefix(student, "student.") | with_prefix(under(teacher, "head."), "teacher.head.")
    card = EncoderCard(
        encoder=layout.encoder,
        learner={"kind": LEARNER, "head": layout.head},
        atlas=atlas,
        tr=2.0,
        band=(0.01, 0.1),
        origin=_origin(path, content, state),
    )
    with hold_folder(Path(out)):
        return save_encoder(out, encoder, card, training)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the file without running anything in it; return all its content, and the weights without ``module.``."""
    _refuse_bomb(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of other pickles than its own; what follows says more
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"there is no checkpoint {path}.") from None
    except Exception as error:  # whatever PyTorch makes of a damaged file; its advice is to load it unsafely
        reason = "" if isinstance(error, pickle.UnpicklingError) else f" ({type(error).__name__})"
        raise WeightsError(
            f"{path} cannot be read as a PyTorch checkpoint of plain tensors{reason}: it is damaged, or has Python "
            "objects in it, which are not opened, because reading them could run code. Download it again."
        ) from error
    content = content if isinstance(content, dict) else {}
    weights = content.get("model_state_dict", content)
    weights = weights if isinstance(weights, dict) else {}
    state = {re.sub(r"^(module\.)+", "", str(k)): v for k, v in weights.items() if isinstance(v, Tensor)}
    if not state:
        raise WeightsError(f"{path} has no model_state_dict and no tensors: it is not a released checkpoint.")
    if odd := [key for key, value in state.items() if not _is_plain(value)]:
        raise WeightsError(
            f"{path} is not a released checkpoint: {odd[0]} and {len(odd) - 1} more of its tensors are sparse, "
            "quantised, complex or without values of their own. Download it again."
        )
    return content, {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def _is_plain(value: Tensor) -> bool:
    """Say whether a tensor has plain numbers in memory, one of its own for every place (a view may repeat one)."""
    dense = value.layout is torch.strided and value.device.type == "cpu" and value.dtype in PLAIN
    return dense and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it is: PyTorch compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # no archive, or a damaged one: PyTorch says which
    if unpacked > 2 * path.stat().st_size:
        raise WeightsError(
            f"{path} would unpack to {unpacked / 2**20:,.0f} MiB, and has {path.stat().st_size / 2**20:,.1f} MiB "
            "itself; PyTorch compresses nothing: it is damaged or made to do harm. Download it again."
        )


def _check(state: dict[str, Tensor], layout: ReleasedLayout, path: Path) -> None:
    """Refuse keys that do not fit, values that are not finite, and buffers that are not the published method's."""
    if found := problems(state, layout):
        raise WeightsError(
            f"{path} is not a released checkpoint of this atlas, {len(found)} keys do not fit (another atlas needs its "
            f"--network-map): {'; '.join(found)}."
        )
    if wrong := [key for key, value in state.items() if not torch.isfinite(value).all()]:
        raise WeightsError(f"{path} has values that are not finite, in {', '.join(wrong)}.")
    for one in (one for role in ROLES for one in released_tensors(layout, role)):
        expected = expected_buffer(one, layout)
        if expected is not None and not torch.allclose(state[one.key].float(), expected, atol=1e-3):
            raise WeightsError(f"{path}: {one.key} is not that of the published method (docs/METHOD.md 3 and 4).")


def _patch_of(config: str | Path | None) -> int | None:
    """Find the frames of a patch in a configuration: the one whole number under a key like ``patch_size``."""
    if config is None:
        return None
    import yaml

    try:
        if Path(config).stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 10} KiB")
        plain = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise WeightsError(f"{config} cannot be read as YAML: it is nested too deeply.") from error
    except Exception as error:  # dates and numbers that are none raise what they like
        raise WeightsError(f"{config} cannot be read as YAML: {' '.join(str(error).split())}.") from error
    found = set(_patches(plain))
    if len(found) > 1:
        raise WeightsError(f"{config} gives the frames per patch as {sorted(found)}: choose one with --patch FRAMES.")
    return found.pop() if found else None


def _patches(plain: Any) -> list[int]:
    """Find the values of patch sizes; what aliases repeat is looked into once, however often they nest."""
    found, looked_into, waiting = [], set[int](), [plain]
    while waiting:
        part = waiting.pop()
        if id(part) in looked_into or not isinstance(part, dict | list):
            continue
        looked_into.add(id(part))
        waiting += part.values() if isinstance(part, dict) else part
        items = part.items() if isinstance(part, dict) else ()
        found += [v for k, v in items if re.search(r"patch.*(size|len)", str(k).lower()) and type(v) is int and v > 0]
    return found


def _origin(path: Path, content: dict[str, Any], state: dict[str, Tensor]) -> tuple[str, ...]:
    """Say where the weights come from, and what of the file was left aside or differs from what it should be."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    epoch = content.get("epoch")
    lines = [
        f"converted from {path.name} (sha256 {digest[:16]}"
        + (f", after epoch {epoch + 1})" if type(epoch) is int else ")"),
        "a checkpoint in the layout of Brain-Semantoks (Gijsen, Schulz, Ritter, ICLR 2026); if it is the published "
        "one, it was pretrained on 39,139 recordings of UK Biobank, and its licence is not known",
    ]
    if any(f"{role}_encoder.inter_network_transformer.mask_embedding" not in state for role in ROLES):
        lines.append("trained without masks: hidden tokens are replaced by zeros, which the encoder has never seen")
    heads = [key for key in state if "_mask_predictor." in key]
    if any(not torch.equal(state[key], state[key.replace("_mask_predictor.", "_predictor.")]) for key in heads):
        lines.append("its masked tokens had a head of their own, which was left aside; features do not depend on it")
    return tuple(lines)


def convert_back(folder: str | Path, out: str | Path) -> Path:
    """Write an encoder folder as a checkpoint (.pth) in the authors' layout; another atlas comes with its map (.npz).

    Optimiser, scheduler and gradient scaler are those of a training that has taken no step, at the published rates.

    Raises
    ------
    WeightsError
        When the folder has no student and heads, or that layout has no place for its tokenizer.
    """
    card, training = read_card(folder), read_training(folder)
    tokenizer, atlas, learner = card.encoder.tokenizer, card.atlas, card.learner or {}
    if learner.get("kind") != LEARNER or "head" not in learner:
        raise WeightsError(f"{Path(folder) / CARD} does not say the size of the heads that the authors' layout has.")
    if not isinstance(tokenizer, TokenizerConfig):
        raise WeightsError(f"the authors' layout has no tokenizer of the kind {tokenizer.kind!r}.")
    if tokenizer.branches not in ("both", "dense", "structured") or tokenizer.pooling != "mean":
        raise WeightsError(
            f"the authors' layout has no tokenizer with branches {tokenizer.branches} and {tokenizer.pooling} pooling."
        )
    if atlas.n_networks == atlas.n_rois > 1:
        raise WeightsError("the authors' layout has no projection that all ROIs share (one network per ROI).")
    parts, path = part_names(atlas), Path(out)
    index = tuple(atlas.network_index.tolist())
    layout = ReleasedLayout(encoder=card.encoder, head=learner["head"], parts=tuple(parts), network_index=index)
    encoder = random_encoder(card.encoder, index, seed=0)
    load_weights(encoder, folder)
    heads = with_prefix(under(training, "teacher.head."), "head.")
    ours = {"student": under(training, "student."), "teacher": with_prefix(encoder.state_dict(), "encoder.") | heads}
    state = {key: tensor for role in ROLES for key, tensor in from_ours(ours[role], layout, role).items()}
    buffer = io.BytesIO()
    torch.save({"epoch": 0, "model_state_dict": state, "config": {}, **_start_of_training(layout)}, buffer)
    with hold_file(path):
        write_durably(path, buffer.getvalue())
        if atlas.fingerprint != get_atlas(PUBLISHED).fingerprint:
            write_map(path.with_suffix(".npz"), parts)
    return path


def _start_of_training(layout: ReleasedLayout) -> dict[str, Any]:
    """Return what else the authors' code reads when it resumes: AdamW over the student's parameters, before a step."""
    count = sum(one.learnt for one in released_tensors(layout, "student"))
    rate, decay = 2 * 7e-4, 0.05  # for the published batch of 512, at the first step
    optimizer = torch.optim.AdamW([torch.zeros(1) for _ in range(count)], lr=rate, weight_decay=decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    return {
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "scaler_state_dict": torch.amp.GradScaler("cpu").state_dict(),
        "loss": 0.0,
        "lr": rate,
        "wd": decay,
        "mask_loss_weight": 0.5,
    }
