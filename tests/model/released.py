"""A second reading of the released checkpoint: made-up ones with its exact keys, and a NumPy float64 forward pass.

Written from a description of the file alone (docs/weights.md, docs/METHOD.md), sharing nothing with the package, to
test the converter against. B batch, R ROIs, T frames, N networks, P patches, D width, d = D/2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.special import erf

State = Mapping[str, torch.Tensor]
Array = np.ndarray[Any, np.dtype[np.float64]]

BUFFERS = ("multiplier", "kernel_norm", "kernel_norm_initialized", "temporal_pos_embedding")
HEAD_WIDTH = 64  # channels of an attention head; a narrower model has one head of its width
REPEATS = (1, 1, 2)  # of every tap, in the three pieces of 4 taps that make the long kernel

# Runs of the seven networks along the published cortical ROIs: left hemisphere, then right (METHOD 1).
LEFT, RIGHT = (31, 37, 23, 22, 13, 22, 52), (30, 40, 23, 25, 13, 30, 39)


@dataclass(frozen=True)
class Sizes:
    """What a checkpoint's shapes follow from.

    `parts` gives each atlas in stacking order with one network number per ROI, local to that atlas: whatever its
    smallest number, it becomes the one after the previous atlas's last. The order of ROIs is free.
    """

    width: int = 128
    depth: int = 2
    hidden: int = 48
    projection: int = 16
    patches: int = 5
    patch: int = 20
    parts: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("schaefer400", (0, 0, 2, 1, 1, 2, 2, 0, 2, 1, 2, 2, 0)),
        ("tian3", (1, 1, 1)),
        ("buckner7", (0, 0)),
    )

    @classmethod
    def published(cls, width: int = 768, depth: int = 8, hidden: int = 1024, projection: int = 128) -> Self:
        """The true map, 457 ROIs of nine networks; at the defaults, the paper's sizes."""
        cortex = tuple(int(n) for n in np.repeat(np.r_[0:7, 0:7], LEFT + RIGHT))
        parts = (("schaefer400", cortex), ("tian3", (0,) * 50), ("buckner7", (0,) * 7))
        return cls(width, depth, hidden, projection, parts=parts)

    @property
    def network_of(self) -> np.ndarray:
        """Network number of each stacked ROI, [R]."""
        shifted: list[int] = []
        for name, numbers in self.parts:
            first, offset = min(numbers), max(shifted, default=-1) + 1
            if sorted(set(numbers)) != list(range(first, max(numbers) + 1)):
                raise ValueError(f"{name}: network numbers with a gap")
            shifted += [n - first + offset for n in numbers]
        return np.asarray(shifted)

    @property
    def members(self) -> tuple[np.ndarray, ...]:
        """Stacked ROI indices of each network, rising."""
        owner = self.network_of
        return tuple(np.flatnonzero(owner == n) for n in range(owner.max() + 1))

    @property
    def networks(self) -> tuple[int, ...]:
        """ROI count of each network."""
        return tuple(len(rois) for rois in self.members)


def is_buffer(key: str) -> bool:
    """Whether it is stored but never trained, decayed or averaged."""
    return key.rsplit(".", 1)[-1] in BUFFERS


def tokenizer_key(encoder: str, sizes: Sizes, network: int) -> str:
    """Where one used tokenizer's keys begin: all networks use the first atlas's list."""
    return f"{encoder}.network_tokenizers.{sizes.parts[0][0]}.{network}"


# ---- a made-up checkpoint


def _affine(key: str, out: int, *rest: int) -> dict[str, tuple[int, ...]]:
    return {f"{key}.weight": (out, *rest), f"{key}.bias": (out,)}


def _tokenizer_shapes(key: str, d: int, rois: int) -> dict[str, tuple[int, ...]]:
    long, g = f"{key}.branches.1.slconv", -(-d // rois)  # g = ceil(d / R_n)
    shapes = _affine(f"{key}.branches.0", d, rois, 3)
    shapes |= {f"{long}.D": (g, rois), f"{long}.multiplier": (1, rois, 1)}
    shapes |= {f"{long}.kernel_norm": (g, rois, 1), f"{long}.kernel_norm_initialized": ()}
    shapes |= {f"{long}.kernel_list.{j}": (g, rois, 4) for j in range(3)}
    return shapes | _affine(f"{key}.branches.1.projection", d, g * rois) | _affine(f"{key}.norm", 2 * d)


def _block_shapes(key: str, width: int) -> dict[str, tuple[int, ...]]:
    shapes = _affine(f"{key}.norm1", width) | {f"{key}.attn.qkv.weight": (3 * width, width)}
    shapes |= _affine(f"{key}.attn.proj", width, width) | _affine(f"{key}.norm2", width)
    shapes |= _affine(f"{key}.mlp.0", 4 * width, width) | _affine(f"{key}.mlp.3", width, 4 * width)
    return shapes | {f"{key}.ls1.gamma": (width,), f"{key}.ls2.gamma": (width,)}


def _encoder_shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Keys without the encoder's name, in the order of the released file."""
    width, inner = sizes.width, "inter_network_transformer"
    shapes: dict[str, tuple[int, ...]] = {}
    for atlas, _ in sizes.parts:
        for n, rois in enumerate(sizes.networks):
            shapes |= _tokenizer_shapes(f"network_tokenizers.{atlas}.{n}", width // 2, rois)
    shapes |= {f"{inner}.mask_embedding": (1, width), f"{inner}.cls_token": (1, 1, width)}
    shapes[f"{inner}.temporal_pos_embedding"] = (sizes.patches, width)
    shapes[f"{inner}.network_learnable_pos_embedding.weight"] = (len(sizes.networks), width)
    for i in range(sizes.depth):
        shapes |= _block_shapes(f"{inner}.transformer_blocks.{i}", width)
    return shapes | _affine(f"{inner}.norm", width) | _affine("norm", width)  # the former is never used


def _centre_and_spread(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if "norm" in key.split(".")[-2] and key.endswith("weight"):
        return 1.0, 0.2
    if key.endswith("gamma"):
        return 0.3, 0.1
    if "embedding" in key or key.endswith(("bias", "cls_token")):
        return 0.0, 0.2
    return 0.0, 1.0 if "slconv" in key else float(np.prod(shape[1:])) ** -0.5


def _buffer(key: str, shape: tuple[int, ...], start: Mapping[str, Array], known: bool) -> Array:
    """One buffer; a `known` kernel norm is that of the starting kernels."""
    if key.endswith("initialized"):
        return np.asarray(known)
    if key.endswith("kernel_norm") and known:
        pieces = [start[key.replace("kernel_norm", f"kernel_list.{j}")] for j in range(3)]
        return np.linalg.norm(long_kernel(pieces, 2.0), axis=-1, keepdims=True)
    if key.endswith("temporal_pos_embedding"):
        half = shape[1] // 2
        angle = np.arange(shape[0])[:, None] * 10000.0 ** (-np.arange(half) / half)
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    return np.full(shape, 2.0 if key.endswith("multiplier") else 1.0)


def synthetic_checkpoint(sizes: Sizes, seed: int, *, trained: bool = True) -> dict[str, Any]:
    """A whole released file, random float32 inside, safe for `torch.load(weights_only=True)`.

    Teacher and student leave one common beginning, each by half its spread. When trained, both hold the kernel norm of
    that beginning; otherwise norm 1 and the flag False, as tokenizers that are never used do always.
    """
    rng = np.random.default_rng(seed)
    encoder = _encoder_shapes(sizes)
    head = _affine("mlp.0", sizes.hidden, sizes.width) | _affine("mlp.2", sizes.projection, sizes.hidden)
    state: dict[str, torch.Tensor] = {}
    for part, shapes in (("encoder", encoder), ("predictor", head)):
        start = {key: rng.standard_normal(shape) for key, shape in shapes.items()}
        for name in (f"student_{part}", f"teacher_{part}"):
            for key, shape in shapes.items():
                if is_buffer(key):
                    value = _buffer(key, shape, start, trained and f".{sizes.parts[0][0]}." in key)
                else:
                    centre, spread = _centre_and_spread(key, shape)
                    value = centre + spread * (start[key] + 0.5 * rng.standard_normal(shape))
                state[f"{name}.{key}"] = torch.tensor(value, dtype=None if value.dtype == bool else torch.float32)
    state |= {key.replace("_predictor", "_mask_predictor"): state[key] for key in list(state) if "_predictor" in key}
    group = {"lr": 1.4e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.3, "params": []}
    file: dict[str, Any] = {"epoch": 99 if trained else 0, "model_state_dict": state, "loss": -2.5, "wd": 0.3}
    file["config"] = {"base_lr_scale": 7e-4, "do_masking": True, "masking_frequency": 0.5}
    file["optimizer_state_dict"] = {"state": {}, "param_groups": [group]}
    file["scheduler_state_dict"] = {"last_epoch": 100, "base_lrs": [1.4e-3]}
    file["scaler_state_dict"] = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5}
    return file | {"lr": 1.4e-3, "mask_loss_weight": 0.5}


# ---- the forward pass


def _value(state: State, key: str) -> Array:
    return state[key].detach().double().numpy()


def _gelu(x: Array) -> Array:
    return x * 0.5 * (1.0 + erf(x / np.sqrt(2.0)))


def _linear(state: State, key: str, x: Array) -> Array:
    y = x @ _value(state, f"{key}.weight").T
    return y + _value(state, f"{key}.bias") if f"{key}.bias" in state else y


def _layer_norm(state: State, key: str, x: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return unit * _value(state, f"{key}.weight") + _value(state, f"{key}.bias")


def long_kernel(pieces: list[Array], multiplier: Array | float) -> Array:
    """Three pieces [g, R_n, 4] stretched, weighted and joined, [g, R_n, 16], not normalised."""
    stretched = [np.repeat(k, REPEATS[i], axis=-1) * multiplier ** (2 - i) for i, k in enumerate(pieces)]
    return np.concatenate(stretched, axis=-1)


def _dense(state: State, key: str, x: Array) -> Array:
    weight, frames = _value(state, f"{key}.weight"), x.shape[-1]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    out = np.tile(_value(state, f"{key}.bias")[:, None], (len(x), 1, frames))
    for tap in range(3):
        out += np.einsum("cr,mrl->mcl", weight[:, :, tap], padded[:, :, tap : tap + frames])
    return out


def _structured(state: State, key: str, x: Array) -> Array:
    pieces = [_value(state, f"{key}.slconv.kernel_list.{j}") for j in range(3)]
    kernel = long_kernel(pieces, _value(state, f"{key}.slconv.multiplier"))
    if state[f"{key}.slconv.kernel_norm_initialized"]:
        kernel = kernel / _value(state, f"{key}.slconv.kernel_norm")
    else:
        kernel = kernel / np.linalg.norm(kernel, axis=-1, keepdims=True)
    (g, rois, taps), frames = kernel.shape, x.shape[-1]
    skip = _value(state, f"{key}.slconv.D")[None, :, :, None]
    y = skip * x[:, None]  # [M, g, R_n, p]
    padded = np.pad(x, ((0, 0), (0, 0), (7, 8)))  # padded[..., i + 7] is x[..., i]
    for tap in range(taps):
        first = 8 - tap + 7  # frame l meets x at l + 8 - tap
        y += kernel[None, :, :, tap, None] * padded[:, None, :, first : first + frames]
    channels = y.transpose(0, 2, 1, 3).reshape(len(x), rois * g, frames)  # ROI major: r * g + c
    return _linear(state, f"{key}.projection", channels.transpose(0, 2, 1)).transpose(0, 2, 1)


def _tokens(state: State, encoder: str, series: Array, sizes: Sizes) -> Array:
    """[B, R, T] -> [B, N, P, D]; frames past the last whole patch are dropped."""
    batch, _, frames = series.shape
    if frames // sizes.patch != sizes.patches:
        raise ValueError(f"{frames} frames are not {sizes.patches} patches of {sizes.patch}")
    out = np.zeros((batch, len(sizes.networks), sizes.patches, sizes.width))
    for n, rois in enumerate(sizes.members):
        key = tokenizer_key(encoder, sizes, n)
        for j in range(sizes.patches):
            x = series[:, rois, j * sizes.patch : (j + 1) * sizes.patch]
            both = [_dense(state, f"{key}.branches.0", x), _structured(state, f"{key}.branches.1", x)]
            pooled = _gelu(np.concatenate(both, axis=1)).mean(-1)
            out[:, n, j] = _layer_norm(state, f"{key}.norm", pooled)
    return out


def _attention(state: State, key: str, x: Array) -> Array:
    batch, tokens, width = x.shape
    heads = max(1, width // HEAD_WIDTH)
    qkv = _linear(state, f"{key}.qkv", x).reshape(batch, tokens, 3, heads, width // heads)
    q, k, v = (qkv[:, :, i].transpose(0, 2, 1, 3) for i in range(3))  # each [B, H, tokens, 64]
    score = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width // heads)
    share = np.exp(score - score.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    return _linear(state, f"{key}.proj", (share @ v).transpose(0, 2, 1, 3).reshape(batch, tokens, width))


def encode(state: State, encoder: str, series: Array, sizes: Sizes, mask: np.ndarray | None = None) -> Array:
    """All tokens [B, 1 + N * P, D] of series [B, R, T]: CLS first, then network major.

    `encoder` is "teacher_encoder" or "student_encoder"; a boolean `mask` [B, N, P] is True where the mask vector goes.
    """
    inner = f"{encoder}.inter_network_transformer"
    grid = _tokens(state, encoder, np.asarray(series, dtype=np.float64), sizes)
    if mask is not None:
        grid[np.asarray(mask, dtype=bool)] = _value(state, f"{inner}.mask_embedding")[0]
    grid = grid + _value(state, f"{inner}.network_learnable_pos_embedding.weight")[None, :, None]
    grid = grid + _value(state, f"{inner}.temporal_pos_embedding")[None, None]
    cls = np.repeat(_value(state, f"{inner}.cls_token"), len(grid), axis=0)
    x = np.concatenate([cls, grid.reshape(len(grid), -1, sizes.width)], axis=1)
    for i in range(sizes.depth):
        block = f"{inner}.transformer_blocks.{i}"
        attended = _attention(state, f"{block}.attn", _layer_norm(state, f"{block}.norm1", x))
        x = x + _value(state, f"{block}.ls1.gamma") * attended
        middle = _gelu(_linear(state, f"{block}.mlp.0", _layer_norm(state, f"{block}.norm2", x)))
        x = x + _value(state, f"{block}.ls2.gamma") * _linear(state, f"{block}.mlp.3", middle)
    return _layer_norm(state, f"{encoder}.norm", x)


def project(state: State, head: str, vectors: Array) -> Array:
    """Vectors [..., D] through one head, say "student_predictor", to unit length [..., q]."""
    z = _linear(state, f"{head}.mlp.2", _gelu(_linear(state, f"{head}.mlp.0", vectors)))
    return z / np.maximum(np.sqrt((z**2).sum(-1, keepdims=True)), 1e-12)


def features(tokens: Array) -> tuple[Array, Array]:
    """`cls` [B, D] and `cls_avg` [B, 2D], the average first."""
    cls = tokens[:, 0]
    return cls, np.concatenate([tokens[:, 1:].mean(1), cls], axis=1)
