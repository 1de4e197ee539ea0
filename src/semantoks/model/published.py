"""Where each weight of the authors' released checkpoint stands in ours: keys and shapes, both ways.

The released file stores tokenizers once per atlas name and uses those of the first name alone; it has a LayerNorm that
is never used, and the same head twice. What is not used is checked for its shape and left aside (docs/weights.md).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from semantoks.model.conv import StructuredKernel
from semantoks.model.encoder import Encoder, EncoderConfig, time_table
from semantoks.model.head import Branch, HeadConfig

ROLES = ("student", "teacher")
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A tensor of the released file: its key there, its shape there, and our name for it (None: of no use to us)."""

    key: str
    shape: Shape
    ours: str | None = None
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All that decides keys and shapes of a released checkpoint.

    ``parts`` are the atlas names in their order, ``network_index`` the network (0..N-1) of every ROI.
    """

    encoder: EncoderConfig
    head: HeadConfig
    parts: tuple[str, ...]
    network_index: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """ROIs of each network, by number."""
        return tuple(self.network_index.count(network) for network in range(max(self.network_index) + 1))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The branches of a tokenizer, in the order in which their channels stand."""
        branches = self.encoder.tokenizer.branches
        return ("dense", "structured") if branches == "both" else (branches,)


def places(layout: Layout, role: str) -> Iterator[Place]:
    """Yield every tensor of the released file that belongs to ``role`` (student or teacher)."""
    width, root = layout.encoder.width, f"{role}_encoder"
    for part in layout.parts:
        used = part == layout.parts[0]
        for network, rois in enumerate(layout.sizes):
            for place in _tokenizer(layout, rois):
                there = f"{root}.network_tokenizers.{part}.{network}.{place.key}"
                ours = f"encoder.tokenizer.networks.{network}.{place.ours}" if used and place.ours else None
                yield Place(key=there, shape=place.shape, ours=ours, optional=place.optional)
    inner = f"{root}.inter_network_transformer"
    yield Place(key=f"{inner}.mask_embedding", shape=(1, width), ours="encoder.mask_token", optional=True)
    yield Place(key=f"{inner}.cls_token", shape=(1, 1, width), ours="encoder.cls_token")
    yield Place(key=f"{inner}.temporal_pos_embedding", shape=(layout.encoder.patches, width))
    networks = f"{inner}.network_learnable_pos_embedding.weight"
    yield Place(key=networks, shape=(len(layout.sizes), width), ours="encoder.network_embedding")
    for block in range(layout.encoder.depth):
        yield from _block(f"{inner}.transformer_blocks.{block}", f"encoder.blocks.{block}", layout.encoder)
    yield from _pair(f"{inner}.norm", None, (width,), optional=True)
    yield from _pair(f"{root}.norm", "encoder.norm", (width,))
    yield from _head(f"{role}_predictor.mlp", "head.layers", layout, optional=False)
    yield from _head(f"{role}_mask_predictor.mlp", None, layout, optional=True)


def _tokenizer(layout: Layout, rois: int) -> Iterator[Place]:
    config, kinds = layout.encoder.tokenizer, layout.kinds
    width = layout.encoder.width // len(kinds)
    filters = math.ceil(width / rois)
    for index, kind in enumerate(kinds):
        there, ours = f"branches.{index}", f"branches.{index}"
        if kind == "dense":
            yield Place(key=f"{there}.weight", shape=(width, rois, config.dense_taps), ours=f"{ours}.weight")
            yield Place(key=f"{there}.bias", shape=(width,), ours=f"{ours}.bias")
            continue
        conv = f"{there}.slconv"
        yield Place(key=f"{conv}.D", shape=(filters, rois), ours=f"{ours}.feed_through")
        for piece in range(config.pieces):
            taps = (filters, rois, config.piece_taps)
            yield Place(key=f"{conv}.kernel_list.{piece}", shape=taps, ours=f"{ours}.kernel.pieces.{piece}")
        yield Place(key=f"{conv}.multiplier", shape=(1, rois, 1))
        yield Place(key=f"{conv}.kernel_norm", shape=(filters, rois, 1), ours=f"{ours}.kernel.norm")
        yield Place(key=f"{conv}.kernel_norm_initialized", shape=())
        yield from _pair(f"{there}.projection", f"{ours}.projection", (width, filters * rois))
    yield from _pair("norm", "norm", (layout.encoder.width,))


def _block(there: str, ours: str, size: EncoderConfig) -> Iterator[Place]:
    width, hidden = size.width, size.mlp_ratio * size.width
    for norm in ("norm1", "norm2"):
        yield from _pair(f"{there}.{norm}", f"{ours}.{norm}", (width,))
    yield Place(key=f"{there}.attn.qkv.weight", shape=(3 * width, width), ours=f"{ours}.attention.qkv.weight")
    yield from _pair(f"{there}.attn.proj", f"{ours}.attention.out", (width, width))
    yield from _pair(f"{there}.mlp.0", f"{ours}.mlp.0", (hidden, width))
    yield from _pair(f"{there}.mlp.3", f"{ours}.mlp.2", (width, hidden))
    for index in (1, 2):
        yield Place(key=f"{there}.ls{index}.gamma", shape=(width,), ours=f"{ours}.scale{index}")


def _head(there: str, ours: str | None, layout: Layout, *, optional: bool) -> Iterator[Place]:
    size = layout.head
    widths = [layout.encoder.width, *[size.hidden] * size.hidden_layers, size.projection]
    for index, shape in enumerate(zip(widths[1:], widths[:-1], strict=True)):
        inner = None if ours is None else f"{ours}.{2 * index}"
        yield from _pair(f"{there}.{2 * index}", inner, shape, optional=optional)


def _pair(there: str, ours: str | None, shape: Shape, *, optional: bool = False) -> Iterator[Place]:
    """A weight and a bias that is as long as the weight has rows."""
    yield Place(key=f"{there}.weight", shape=shape, ours=ours and f"{ours}.weight", optional=optional)
    yield Place(key=f"{there}.bias", shape=shape[:1], ours=ours and f"{ours}.bias", optional=optional)


def problems(state: dict[str, Tensor], layout: Layout) -> list[str]:
    """Name every key that is missing, misshapen or unknown, with what was expected."""
    expected = {place.key: place for role in ROLES for place in places(layout, role)}
    found = [
        f"{key}: missing, expected {list(place.shape)}"
        for key, place in expected.items()
        if key not in state and not place.optional
    ]
    found += [
        f"{key}: has the shape {list(state[key].shape)}, expected {list(place.shape)}"
        for key, place in expected.items()
        if key in state and tuple(state[key].shape) != place.shape
    ]
    return found + [f"{key}: unknown, expected no such key" for key in state if key not in expected]


def to_branch(state: dict[str, Tensor], layout: Layout, role: str) -> Branch:
    """Build our student or teacher from a checkpoint that has no ``problems``.

    ``kernel_norm`` counts where ``kernel_norm_initialized`` is true; elsewhere the norm is that of the stored kernel. A
    checkpoint that was trained without masks has no mask vector: ours is zero then.
    """
    with torch.random.fork_rng():
        branch = Branch(Encoder(layout.encoder, layout.network_index), layout.head)
    ours = branch.state_dict()
    with torch.no_grad():
        ours["encoder.mask_token"].zero_()
        for place in places(layout, role):
            if place.ours is not None and place.key in state:
                ours[place.ours].copy_(state[place.key].reshape(ours[place.ours].shape))
        kernels = {n: m for n, m in branch.named_modules() if isinstance(m, StructuredKernel)}
        for place in places(layout, role):
            if place.ours and place.key.endswith(".kernel_norm") and not bool(state[f"{place.key}_initialized"]):
                kernel = kernels[place.ours.removesuffix(".norm")]
                kernel.norm.fill_(1)
                kernel.norm.copy_(kernel().norm(dim=2, keepdim=True))
    return branch


def from_branch(branch: Branch, layout: Layout, role: str) -> dict[str, Tensor]:
    """Give our student or teacher the keys of the released file; what is not used there is filled in.

    The tokenizers of every atlas name are those of the first, the unused LayerNorm is fresh, the mask head is the head.
    """
    ours, tensors = branch.state_dict(), {}
    first = f".network_tokenizers.{layout.parts[0]}."
    for place in places(layout, role):
        if place.ours is not None:
            tensors[place.key] = ours[place.ours].detach().cpu().reshape(place.shape).clone()
            continue
        twin = place.key.replace("_mask_predictor.", "_predictor.")
        for part in layout.parts[1:]:
            twin = twin.replace(f".network_tokenizers.{part}.", first)
        tensors[place.key] = tensors[twin].clone() if twin in tensors else _filled(place, layout)
    return tensors


def _filled(place: Place, layout: Layout) -> Tensor:
    if place.key.endswith("kernel_norm_initialized"):
        return torch.tensor(True)
    if place.key.endswith("multiplier"):
        return torch.linspace(*layout.encoder.tokenizer.decay, place.shape[1])[None, :, None]
    if place.key.endswith("temporal_pos_embedding"):
        return time_table(layout.encoder.patches, layout.encoder.width)
    return torch.ones(place.shape) if place.key.endswith("weight") else torch.zeros(place.shape)
