"""Where each weight of the authors' released checkpoint stands in ours: keys and shapes, both ways.

The released file stores tokenizers once per atlas name and uses those of the first name alone; it has a LayerNorm that
is never used, and the same head twice. What is not used is checked for its shape and left aside (docs/weights.md).
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mode

import torch
from torch import Tensor

from semantoks.errors import ConfigError, WeightsError
from semantoks.model.encoder import EncoderConfig, time_table
from semantoks.model.network_map import PUBLISHED_PARTS
from semantoks.model.tokenizers.conv import factors_of, join_pieces
from semantoks.model.tokenizers.published import TokenizerConfig

ROLES = ("student", "teacher")
BUFFERS = (".multiplier", ".kernel_norm", ".kernel_norm_initialized", ".temporal_pos_embedding")
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ReleasedTensor:
    """A tensor of the released file, and which one of ours it is."""

    key: str
    shape: Shape
    ours: str | None = None
    """Our name for it; None where we have no use for it."""
    our_shape: Shape | None = None
    """Our shape, where it is another."""
    optional: bool = False

    @property
    def learnt(self) -> bool:
        """Whether it is a parameter there, counted once: no buffer, and no second name of the head."""
        return not self.key.endswith(BUFFERS) and "_mask_predictor." not in self.key


@dataclass(frozen=True, kw_only=True)
class ReleasedLayout:
    """All that decides keys and shapes of a released checkpoint.

    ``parts`` are the atlas names in their order, ``network_index`` the network (0..N-1) of every ROI.
    """

    encoder: EncoderConfig
    head: dict[str, int]
    parts: tuple[str, ...]
    network_index: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """ROIs of each network, by number."""
        return tuple(self.network_index.count(network) for network in range(max(self.network_index) + 1))

    @property
    def tokenizer(self) -> TokenizerConfig:
        """The tokenizer's settings; a released file has the published kind alone."""
        assert isinstance(self.encoder.tokenizer, TokenizerConfig)
        return self.encoder.tokenizer

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches of a tokenizer, in the order in which their channels stand."""
        chosen = self.tokenizer.branches
        return ("dense", "structured") if chosen == "both" else (chosen,)


def released_tensors(layout: ReleasedLayout, role: str) -> Iterator[ReleasedTensor]:
    """Yield every tensor of the released file that belongs to ``role`` (student or teacher)."""
    width, root = layout.encoder.width, f"{role}_encoder"
    for part in layout.parts:
        used = part == layout.parts[0]
        for network, rois in enumerate(layout.sizes):
            for one in _tokenizer(layout, rois):
                there = f"{root}.network_tokenizers.{part}.{network}.{one.key}"
                ours = f"encoder.tokenizer.networks.{network}.{one.ours}" if used and one.ours else None
                yield ReleasedTensor(key=there, shape=one.shape, ours=ours, optional=one.optional)
    inner = f"{root}.inter_network_transformer"
    for key, shape, ours in (("mask_embedding", (1, width), "mask_token"), ("cls_token", (1, 1, width), "cls_token")):
        optional = key == "mask_embedding"
        yield ReleasedTensor(
            key=f"{inner}.{key}", shape=shape, ours=f"encoder.{ours}", our_shape=(width,), optional=optional
        )
    yield ReleasedTensor(key=f"{inner}.temporal_pos_embedding", shape=(layout.encoder.patches, width))
    networks = f"{inner}.network_learnable_pos_embedding.weight"
    yield ReleasedTensor(key=networks, shape=(len(layout.sizes), width), ours="encoder.network_embedding")
    for block in range(layout.encoder.depth):
        yield from _block(f"{inner}.transformer_blocks.{block}", f"encoder.blocks.{block}", layout.encoder)
    yield from _pair(f"{inner}.norm", None, (width,), optional=True)
    yield from _pair(f"{root}.norm", "encoder.norm", (width,))
    yield from _head(f"{role}_predictor.mlp", "head.layers", layout, optional=False)
    yield from _head(f"{role}_mask_predictor.mlp", None, layout, optional=True)


def _tokenizer(layout: ReleasedLayout, rois: int) -> Iterator[ReleasedTensor]:
    config, branches = layout.tokenizer, layout.branches
    width = layout.encoder.width // len(branches)
    filters = math.ceil(width / rois)
    for index, kind in enumerate(branches):
        there, ours = f"branches.{index}", f"branches.{index}"
        if kind == "dense":
            yield ReleasedTensor(key=f"{there}.weight", shape=(width, rois, config.dense_taps), ours=f"{ours}.weight")
            yield ReleasedTensor(key=f"{there}.bias", shape=(width,), ours=f"{ours}.bias")
            continue
        conv = f"{there}.slconv"
        yield ReleasedTensor(key=f"{conv}.D", shape=(filters, rois), ours=f"{ours}.feed_through")
        for piece in range(config.pieces):
            taps = (filters, rois, config.piece_taps)
            yield ReleasedTensor(key=f"{conv}.kernel_list.{piece}", shape=taps, ours=f"{ours}.kernel.pieces.{piece}")
        yield ReleasedTensor(key=f"{conv}.multiplier", shape=(1, rois, 1))
        yield ReleasedTensor(key=f"{conv}.kernel_norm", shape=(filters, rois, 1), ours=f"{ours}.kernel.norm")
        yield ReleasedTensor(key=f"{conv}.kernel_norm_initialized", shape=())
        yield from _pair(f"{there}.projection", f"{ours}.projection", (width, filters * rois))
    yield from _pair("norm", "norm", (layout.encoder.width,))


def _block(there: str, ours: str, size: EncoderConfig) -> Iterator[ReleasedTensor]:
    width, hidden = size.width, size.mlp_ratio * size.width
    for norm in ("norm1", "norm2"):
        yield from _pair(f"{there}.{norm}", f"{ours}.{norm}", (width,))
    yield ReleasedTensor(key=f"{there}.attn.qkv.weight", shape=(3 * width, width), ours=f"{ours}.attention.qkv.weight")
    yield from _pair(f"{there}.attn.proj", f"{ours}.attention.out", (width, width))
    yield from _pair(f"{there}.mlp.0", f"{ours}.mlp.0", (hidden, width))
    yield from _pair(f"{there}.mlp.3", f"{ours}.mlp.2", (width, hidden))
    for index in (1, 2):
        yield ReleasedTensor(key=f"{there}.ls{index}.gamma", shape=(width,), ours=f"{ours}.scale{index}")


def _head(there: str, ours: str | None, layout: ReleasedLayout, *, optional: bool) -> Iterator[ReleasedTensor]:
    size = layout.head
    widths = [layout.encoder.width, *[size["hidden"]] * size["hidden_layers"], size["projection"]]
    for index, shape in enumerate(zip(widths[1:], widths[:-1], strict=True)):
        inner = None if ours is None else f"{ours}.{2 * index}"
        yield from _pair(f"{there}.{2 * index}", inner, shape, optional=optional)


def _pair(there: str, ours: str | None, shape: Shape, *, optional: bool = False) -> Iterator[ReleasedTensor]:
    """A weight and a bias that is as long as the weight has rows."""
    yield ReleasedTensor(key=f"{there}.weight", shape=shape, ours=ours and f"{ours}.weight", optional=optional)
    yield ReleasedTensor(key=f"{there}.bias", shape=shape[:1], ours=ours and f"{ours}.bias", optional=optional)


def problems(state: dict[str, Tensor], layout: ReleasedLayout) -> list[str]:
    """Name every key that is missing, misshapen or unknown, with what was expected."""
    expected = {one.key: one for role in ROLES for one in released_tensors(layout, role)}
    found = [
        f"{key}: missing, expected {list(one.shape)}"
        for key, one in expected.items()
        if key not in state and not one.optional
    ]
    found += [
        f"{key}: has the shape {list(state[key].shape)}, expected {list(one.shape)}"
        for key, one in expected.items()
        if key in state and tuple(state[key].shape) != one.shape
    ]
    return found + [f"{key}: unknown, expected no such key" for key in state if key not in expected]


def to_ours(state: dict[str, Tensor], layout: ReleasedLayout, role: str) -> dict[str, Tensor]:
    """Return our student or teacher, named "encoder." and "head.", from a checkpoint that has no ``problems``.

    ``kernel_norm`` counts where ``kernel_norm_initialized`` is true; elsewhere the norm is that of the stored kernel. A
    checkpoint that was trained without masks has no mask vector: ours is zero then.
    """
    ours = {"encoder.mask_token": torch.zeros(layout.encoder.width)}
    there = [one for one in released_tensors(layout, role) if one.ours is not None and one.key in state]
    ours |= {str(one.ours): state[one.key].reshape(one.our_shape or one.shape) for one in there}
    config = layout.tokenizer
    for one in there:
        if one.ours and one.key.endswith(".kernel_norm") and not bool(state[f"{one.key}_initialized"]):
            kernel = one.ours.removesuffix("norm")
            pieces = [ours[f"{kernel}pieces.{piece}"] for piece in range(config.pieces)]
            joined = join_pieces(pieces, factors_of(len(pieces), config.decay, one.shape[1]))
            ours[one.ours] = joined.norm(dim=2, keepdim=True)
    return ours


def from_ours(ours: dict[str, Tensor], layout: ReleasedLayout, role: str) -> dict[str, Tensor]:
    """Give our student or teacher the keys of the released file; what is not used there is filled in.

    The tokenizers of every atlas name are those of the first, the unused LayerNorm is fresh, the mask head is the head.

    Raises
    ------
    WeightsError
        When a tensor of ours is missing or has another shape.
    """
    tensors: dict[str, Tensor] = {}
    first = f".network_tokenizers.{layout.parts[0]}."
    for one in released_tensors(layout, role):
        if one.ours is not None:
            shape = one.our_shape or one.shape
            if one.ours not in ours or tuple(ours[one.ours].shape) != shape:
                found = f"has the shape {list(ours[one.ours].shape)}" if one.ours in ours else "is missing"
                raise WeightsError(f"{one.ours} of the {role} {found}, expected {list(shape)}.")
            tensors[one.key] = ours[one.ours].detach().cpu().reshape(one.shape).clone()
            continue
        twin = one.key.replace("_mask_predictor.", "_predictor.")
        for part in layout.parts[1:]:
            twin = twin.replace(f".network_tokenizers.{part}.", first)
        tensors[one.key] = tensors[twin].clone() if twin in tensors else _filled(one, layout)
    return tensors


def expected_buffer(one: ReleasedTensor, layout: ReleasedLayout) -> Tensor | None:
    """Return the value of a tensor that is not trained, by the published method (METHOD 3 and 4); None for others."""
    if one.key.endswith(".multiplier"):
        return torch.linspace(*layout.tokenizer.decay, one.shape[1])[None, :, None]
    if one.key.endswith(".temporal_pos_embedding"):
        return time_table(layout.encoder.patches, layout.encoder.width)
    return None


def _filled(one: ReleasedTensor, layout: ReleasedLayout) -> Tensor:
    if one.key.endswith("kernel_norm_initialized"):
        return torch.tensor(True)
    if (buffer := expected_buffer(one, layout)) is not None:
        return buffer
    return torch.ones(one.shape) if one.key.endswith("weight") else torch.zeros(one.shape)


ENCODER, HEAD = r"(?:student|teacher)_encoder\.", r"(?:student|teacher)_predictor\.mlp\."
INNER = ENCODER + r"inter_network_transformer\."


class ReleasedSizes:
    """Reads sizes off the ``state`` (key -> tensor) of the checkpoint ``path``; WeightsError where none can be had."""

    def __init__(self, state: dict[str, Tensor], path: Path) -> None:
        self.state, self.path = state, path

    def parts(self) -> tuple[str, ...]:
        """Name the atlases that tokenizers are stored for, the one that is used first."""
        names = tuple(
            dict.fromkeys(found[1] for found, _ in self._matching(ENCODER + r"network_tokenizers\.([^.]+)\..*"))
        )
        if not names:
            raise self._lacking("student_encoder.network_tokenizers.<atlas>.<network>")
        return PUBLISHED_PARTS if set(names) == set(PUBLISHED_PARTS) else names

    def networks(self) -> list[int]:
        """Count the ROIs of each network."""
        count = self._countable(self._most(INNER + r"network_learnable_pos_embedding\.weight", 0))
        return [
            self._most(self._tokenizer(network) + r"(?:\d+\.weight|\d+\.slconv\.\w+)", 1) for network in range(count)
        ]

    def encoder(self, patch: int) -> EncoderConfig:
        """Read off width, depth, patches, MLP ratio and tokenizer; a patch has ``patch`` frames."""
        width = self._most(rf"{ENCODER}norm\.weight|{INNER}cls_token", -1)
        blocks = self._numbers(INNER + r"transformer_blocks\.(\d+)\..*")
        hidden = self._most(INNER + r"transformer_blocks\.\d+\.mlp\.0\.(?:weight|bias)", 0) if blocks else 4 * width
        try:
            return EncoderConfig(
                width=width,
                depth=blocks[-1] + 1 if blocks else 0,
                frames=patch * self._most(INNER + "temporal_pos_embedding", 0),
                patch=patch,
                mlp_ratio=max(1, hidden // width),
                tokenizer=self._branches(),
            )
        except ConfigError as error:
            raise WeightsError(f"{self.path}: {error}") from error

    def head(self) -> dict[str, int]:
        """Read off hidden layers, their width and the projection's."""
        layers = self._numbers(HEAD + r"(\d+)\.weight")
        if len(layers) < 2:
            raise self._lacking("student_predictor.mlp.0.weight and .2.weight")
        first, last = (self._most(rf"{HEAD}{layer}\.(?:weight|bias)", 0) for layer in (layers[0], layers[-1]))
        return {"hidden": first, "hidden_layers": len(layers) - 1, "projection": last}

    def _branches(self) -> TokenizerConfig:
        root = self._tokenizer(0)
        dense, structured = (self._numbers(root + rest) for rest in (r"(\d+)\.weight", r"(\d+)\.slconv\.D"))
        if (dense, structured) not in (([0], [1]), ([0], []), ([], [0])):
            raise self._lacking("tokenizers of a dense branch 0 and a structured branch 1, or one of the two")
        plain = TokenizerConfig()
        taps = self._most(root + r"0\.weight", 2) if dense else plain.dense_taps
        if not structured:
            return TokenizerConfig(branches="dense", dense_taps=taps)
        conv = rf"{root}{structured[0]}\.slconv\."
        pieces = self._numbers(conv + r"kernel_list\.(\d+)")
        multiplier = next((tensor.flatten() for _, tensor in self._matching(conv + "multiplier")), None)
        if not pieces or multiplier is None or not len(multiplier):
            raise self._lacking("a slconv with kernel_list and multiplier")
        return TokenizerConfig(
            branches="both" if dense else "structured",
            dense_taps=taps,
            pieces=pieces[-1] + 1,
            piece_taps=self._most(conv + r"kernel_list\.\d+", 2),
            decay=(float(multiplier[0]), float(multiplier[-1])),
        )

    def _tokenizer(self, network: int) -> str:
        return rf"{ENCODER}network_tokenizers\.{re.escape(self.parts()[0])}\.{network}\.branches\."

    def _matching(self, pattern: str) -> Iterator[tuple[re.Match[str], Tensor]]:
        return ((found, tensor) for key, tensor in self.state.items() if (found := re.fullmatch(pattern, key)))

    def _numbers(self, pattern: str) -> list[int]:
        """The different numbers that the pattern's group finds, rising."""
        return sorted({self._countable(found[1]) for found, _ in self._matching(pattern)})

    def _countable(self, number: int | str) -> int:
        """Return how many there are of a thing that has tensors of its own: no more than there are tensors."""
        if len(str(number)) > 9 or int(number) > len(self.state):
            raise WeightsError(
                f"{self.path} is not a released checkpoint: it counts to {str(number)[:20]}, and has "
                f"{len(self.state)} tensors. Download it again."
            )
        return int(number)

    def _most(self, pattern: str, axis: int) -> int:
        """The size along ``axis`` that most of the tensors that match have."""
        sizes = [t.shape[axis] for _, t in self._matching(pattern) if t.ndim > max(axis, 0)]
        if not sizes:
            raise self._lacking(re.sub(r"\(\?:(\w+)[^)]*\)|\\", r"\1", pattern))
        return mode(sizes)

    def _lacking(self, what: str) -> WeightsError:
        shown = ", ".join(list(self.state)[:3])
        return WeightsError(
            f"{self.path} is not a released checkpoint: it lacks {what}, which gives its size. It has "
            f"{len(self.state)} tensors, such as {shown}."
        )
