"""The released training step, a second time: losses, gradients and updates on a plain dict of float64 tensors.

Written from a description alone, sharing nothing with the package; even the forward pass is not that of `released`,
so that the two check each other. A state is `model_state_dict` as the checkpoint has it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from released import HEAD_WIDTH, REPEATS, Sizes, is_buffer, tokenizer_key
from torch import Tensor

State = Mapping[str, Tensor]
Views = Sequence[Tensor | np.ndarray]

EPSILON = 0.05  # of the coding rate
BETAS, STABLE = (0.9, 0.999), 1e-8  # of AdamW
LONGEST = 1.0  # gradient norm


def double(state: State) -> dict[str, Tensor]:
    """A copy in float64, flags as they are, without gradient."""
    return {
        key: value.detach().clone() if value.dtype == torch.bool else value.detach().double().clone()
        for key, value in state.items()
    }


def student_parameters(state: State) -> list[str]:
    """Keys that AdamW is given: student encoder and head; aliases and buffers left out."""
    return [key for key in state if key.startswith(("student_encoder.", "student_predictor.")) and not is_buffer(key)]


# ---- the forward pass


def _long_kernel(state: State, key: str) -> Tensor:
    """[g, R_n, 16], not normalised."""
    m = state[f"{key}.multiplier"]
    pieces = [state[f"{key}.kernel_list.{i}"].repeat_interleave(REPEATS[i], dim=2) * m ** (2 - i) for i in range(3)]
    return torch.cat(pieces, dim=2)


def _kernel_norm(state: State, key: str) -> Tensor:
    """The stored norm, or before the first forward pass that of the kernel now, [g, R_n, 1], without gradient."""
    if state[f"{key}.kernel_norm_initialized"]:
        return state[f"{key}.kernel_norm"]
    return _long_kernel(state, key).detach().square().sum(dim=2, keepdim=True).sqrt()


def _token(state: State, key: str, x: Tensor) -> Tensor:
    """Patches [M, R_n, p] of one network -> tokens [M, D]."""
    slconv, rois = f"{key}.branches.1.slconv", x.shape[1]
    dense = F.conv1d(x, state[f"{key}.branches.0.weight"], state[f"{key}.branches.0.bias"], padding=1)
    kernel = _long_kernel(state, slconv) / _kernel_norm(state, slconv)
    taps = kernel.transpose(0, 1).reshape(-1, 1, kernel.shape[2]).flip(2)  # ROI major; flipped, conv1d correlates
    skip = state[f"{slconv}.D"].T.reshape(-1, 1)
    filtered = F.conv1d(F.pad(x, (7, 8)), taps, groups=rois)
    filtered = filtered + skip * x.repeat_interleave(len(taps) // rois, dim=1)
    weight, bias = state[f"{key}.branches.1.projection.weight"], state[f"{key}.branches.1.projection.bias"]
    structured = F.conv1d(filtered, weight[:, :, None], bias)
    pooled = F.gelu(torch.cat([dense, structured], dim=1)).mean(dim=2)
    return _norm(state, f"{key}.norm", pooled)


def _norm(state: State, key: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{key}.weight"], state[f"{key}.bias"], 1e-5)


def _affine(state: State, key: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{key}.weight"], state.get(f"{key}.bias"))


def _block(state: State, key: str, x: Tensor) -> Tensor:
    heads = max(1, x.shape[2] // HEAD_WIDTH)
    q, k, v = _affine(state, f"{key}.attn.qkv", _norm(state, f"{key}.norm1", x)).chunk(3, dim=2)
    attended = []
    for q_h, k_h, v_h in zip(q.chunk(heads, dim=2), k.chunk(heads, dim=2), v.chunk(heads, dim=2), strict=True):
        attended.append(torch.softmax(q_h @ k_h.mT / q_h.shape[2] ** 0.5, dim=2) @ v_h)
    x = x + state[f"{key}.ls1.gamma"] * _affine(state, f"{key}.attn.proj", torch.cat(attended, dim=2))
    hidden = F.gelu(_affine(state, f"{key}.mlp.0", _norm(state, f"{key}.norm2", x)))
    return x + state[f"{key}.ls2.gamma"] * _affine(state, f"{key}.mlp.3", hidden)


def encode(state: State, encoder: str, series: Tensor, sizes: Sizes, mask: Tensor | None = None) -> Tensor:
    """Tokens [B, 1 + N * P, D] of series [B, R, T]; a boolean mask [B, N, P] is True where the mask vector goes."""
    inner, batch = f"{encoder}.inter_network_transformer", len(series)
    patches = series[:, :, : sizes.patches * sizes.patch].unflatten(2, (sizes.patches, sizes.patch))
    grid = []
    for n, rois in enumerate(sizes.members):
        x = patches[:, rois].transpose(1, 2).flatten(0, 1)  # item b * P + j
        grid.append(_token(state, tokenizer_key(encoder, sizes, n), x).unflatten(0, (batch, sizes.patches)))
    tokens = torch.stack(grid, dim=1)
    if mask is not None:
        tokens = torch.where(mask[..., None], state[f"{inner}.mask_embedding"], tokens)
    tokens = tokens + state[f"{inner}.network_learnable_pos_embedding.weight"][:, None]
    tokens = (tokens + state[f"{inner}.temporal_pos_embedding"]).flatten(1, 2)
    x = torch.cat([state[f"{inner}.cls_token"].expand(batch, 1, -1), tokens], dim=1)
    for i in range(sizes.depth):
        x = _block(state, f"{inner}.transformer_blocks.{i}", x)
    return _norm(state, f"{encoder}.norm", x)


def project(state: State, head: str, vectors: Tensor) -> Tensor:
    """Unit vectors [..., q] of vectors [..., D]."""
    return F.normalize(_affine(state, f"{head}.mlp.2", F.gelu(_affine(state, f"{head}.mlp.0", vectors))), dim=-1)


# ---- the objective


def _mcr(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """SimDINO's loss: two views each, unit rows [m, q]."""
    m, q = student[0].shape
    comp = 0.5 * ((teacher[0] * student[1]).sum(1).mean() + (teacher[1] * student[0]).sum(1).mean())
    expa = torch.zeros((), dtype=torch.float64)
    for s, z in zip(student, teacher, strict=True):
        f = (s + z) / 2
        gram = torch.eye(q, dtype=torch.float64) + q / (m * EPSILON) * f.T @ f
        expa = expa + 0.5 * torch.logdet(gram)
    return -comp - (q + m) / (q * m) * 0.5 * expa


def losses(state: State, views: Views, masks: Views | None, sizes: Sizes) -> tuple[Tensor, Tensor, Tensor]:
    """L_cls, L_net and L_patch, the last two without their weights.

    Parameters
    ----------
    state
        All of it float64, as from `double`. Gradients flow to whatever student tensor asks for one.
    views, masks
        Two each: [B, R, T], and booleans [B, N, P] that only the student sees.
    """
    series = [torch.as_tensor(view, dtype=torch.float64) for view in views]
    hidden = [None, None] if masks is None else [torch.as_tensor(mask, dtype=torch.bool) for mask in masks]
    with torch.no_grad():
        t = [encode(state, "teacher_encoder", x, sizes) for x in series]
        t_all = [project(state, "teacher_predictor", x) for x in t]
        t_net = [project(state, "teacher_predictor", _network_means(x, sizes)) for x in t]
    s = [encode(state, "student_encoder", x, sizes, mask) for x, mask in zip(series, hidden, strict=True)]
    s_all = [project(state, "student_predictor", x) for x in s]
    s_net = [project(state, "student_predictor", _network_means(x, sizes)) for x in s]
    patch = torch.zeros((), dtype=torch.float64)
    for v, mask in enumerate(hidden):
        for b in range(0 if mask is None else len(mask)):
            places = 1 + torch.nonzero(mask[b].flatten()).flatten()
            cosines = (s_all[v][b, places] * t_all[v][b, places]).sum(1)
            patch = patch - cosines.sum() / max(1, len(places)) / (2 * len(mask))
    return _mcr([z[:, 0] for z in s_all], [z[:, 0] for z in t_all]), _mcr(s_net, t_net), patch


def _network_means(tokens: Tensor, sizes: Sizes) -> Tensor:
    """[B, 1 + N * P, D] -> [B * N, D]."""
    return tokens[:, 1:].unflatten(1, (len(sizes.networks), sizes.patches)).mean(dim=2).flatten(0, 1)


def gradients(
    state: State, views: Views, masks: Views | None, sizes: Sizes, *, w_net: float, w_mask: float = 0.5
) -> dict[str, Tensor | None]:
    """Gradient of L_cls + w_net L_net + w_mask L_patch by student parameter; None where it has no part in the loss."""
    keys = student_parameters(state)
    leaves = {key: state[key].detach().clone().requires_grad_() for key in keys}
    cls, net, patch = losses({**state, **leaves}, views, masks, sizes)
    total = cls + w_net * net + w_mask * patch
    return dict(zip(keys, torch.autograd.grad(total, list(leaves.values()), allow_unused=True), strict=True))


# ---- the update


def with_kernel_norms(state: State, sizes: Sizes) -> dict[str, Tensor]:
    """The state after its first forward pass: the used tokenizers' norms stored, if they were not."""
    new = dict(state)
    for encoder in ("student_encoder", "teacher_encoder"):
        for n in range(len(sizes.networks)):
            key = f"{tokenizer_key(encoder, sizes, n)}.branches.1.slconv"
            new[f"{key}.kernel_norm"] = _kernel_norm(state, key)
            new[f"{key}.kernel_norm_initialized"] = torch.tensor(True)
    return new


def clipped(found: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """The gradients there are, scaled by min(1, 1 / (global norm + 1e-6))."""
    there = {key: g for key, g in found.items() if g is not None}
    norm = sum(float(g.square().sum()) for g in there.values()) ** 0.5
    return {key: g * min(1.0, LONGEST / (norm + 1e-6)) for key, g in there.items()}


def two_steps(
    state: State,
    sizes: Sizes,
    views: Sequence[Views],
    masks: Sequence[Views | None],
    *,
    lr: Sequence[float],
    decay: Sequence[float],
    momentum: Sequence[float],
    w_net: Sequence[float],
    w_mask: float = 0.5,
) -> dict[str, Tensor]:
    """The float64 state after consecutive steps, one per entry of each sequence.

    AdamW on every student parameter that has a gradient in that step, the others left alone, moments and step count
    too; then every teacher parameter becomes momentum * teacher + (1 - momentum) * student.
    """
    new = with_kernel_norms(double(state), sizes)
    count: dict[str, int] = {}
    first: dict[str, Tensor] = {}
    second: dict[str, Tensor] = {}
    for x, mask, rate, shrink, mu, w in zip(views, masks, lr, decay, momentum, w_net, strict=True):
        for key, g in clipped(gradients(new, x, mask, sizes, w_net=w, w_mask=w_mask)).items():
            t = count[key] = count.get(key, 0) + 1
            first[key] = BETAS[0] * first.get(key, torch.zeros_like(g)) + (1 - BETAS[0]) * g
            second[key] = BETAS[1] * second.get(key, torch.zeros_like(g)) + (1 - BETAS[1]) * g * g
            step = first[key] / (1 - BETAS[0] ** t) / ((second[key] / (1 - BETAS[1] ** t)).sqrt() + STABLE)
            new[key] = (1 - rate * shrink) * new[key] - rate * step
        for key in student_parameters(new):
            teacher = key.replace("student_", "teacher_", 1)
            new[teacher] = mu * new[teacher] + (1 - mu) * new[key]
    for key in new:
        if "_mask_predictor." in key:
            new[key] = new[key.replace("_mask_predictor.", "_predictor.")].clone()
    return new
