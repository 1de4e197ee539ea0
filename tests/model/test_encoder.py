"""The encoder against a forward pass written in NumPy float64 from the equations, and its documented shapes."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from semantoks.errors import ConfigError, DataError
from semantoks.model.encoder import Encoder, EncoderConfig, random_encoder, time_table
from semantoks.objective.branch import HeadConfig, build_branch
from semantoks.objective.contrastive import Contrastive
from semantoks.objective.prototypes import Prototypes
from semantoks.views.batch import Batch


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def gelu(x):
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


def numpy_encoder(p, grid, mask, heads):
    """From tokenizer output [B, N, P, D] to tokens [B, 1 + N*P, D], equation by equation."""
    batch, networks, patches, width = grid.shape
    grid = np.where(mask[..., None], p["mask_token"], grid)
    table = np.zeros((patches, width))
    for t in range(patches):
        for i in range(width // 2):
            w = 10000.0 ** (-i / (width / 2))
            table[t, i], table[t, width // 2 + i] = math.sin(t * w), math.cos(t * w)
    grid = grid + p["network_embedding"][None, :, None] + table
    x = np.zeros((batch, 1 + networks * patches, width))
    x[:, 0] = p["cls_token"]
    for n in range(networks):
        for t in range(patches):
            x[:, 1 + n * patches + t] = grid[:, n, t]
    block = 0
    while f"blocks.{block}.norm1.weight" in p:
        q = {k.removeprefix(f"blocks.{block}."): v for k, v in p.items() if k.startswith(f"blocks.{block}.")}
        y = layer_norm(x, q["norm1.weight"], q["norm1.bias"]) @ q["attention.qkv.weight"].T
        size = width // heads
        mixed = np.zeros_like(x)
        for h in range(heads):
            a, b, c = (y[..., s * width + h * size : s * width + (h + 1) * size] for s in range(3))
            score = a @ b.transpose(0, 2, 1) / math.sqrt(size)
            share = np.exp(score - score.max(-1, keepdims=True))
            mixed[..., h * size : (h + 1) * size] = share / share.sum(-1, keepdims=True) @ c
        x = x + q["scale1"] * (mixed @ q["attention.out.weight"].T + q["attention.out.bias"])
        y = layer_norm(x, q["norm2.weight"], q["norm2.bias"])
        y = gelu(y @ q["mlp.0.weight"].T + q["mlp.0.bias"]) @ q["mlp.2.weight"].T + q["mlp.2.bias"]
        x = x + q["scale2"] * y
        block += 1
    return layer_norm(x, p["norm.weight"], p["norm.bias"])


def test_the_encoder_equals_the_equations_in_float64():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(width=128, depth=2), [0, 1, 0, 2, 1, 1]).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    encoder.time.copy_(time_table(5, 128).double())
    series = torch.randn(2, 6, 100, dtype=torch.float64)
    mask = torch.rand(2, 3, 5) < 0.4
    got = encoder(series, mask)
    p = {k: v.detach().numpy() for k, v in encoder.state_dict().items()}
    expected = numpy_encoder(p, encoder.tokenizer(series).detach().numpy(), mask.numpy(), heads=2)
    np.testing.assert_allclose(got.cls.detach().numpy(), expected[:, 0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got.grid.detach().numpy(), expected[:, 1:].reshape(2, 3, 5, 128), rtol=1e-6, atol=1e-6)


def adapted(encoder):
    """Put another map, of the same shape, behind each that gives queries, keys and values, by a hook."""
    for block in encoder.blocks:
        block.attention.qkv.register_forward_hook(lambda _, __, out: out + 1)
    return encoder


@pytest.mark.parametrize("changed", [lambda same: same, adapted])
@pytest.mark.parametrize(("depth", "masked"), [(0, False), (1, True), (3, False)])
def test_cls_alone_is_that_of_all_tokens_with_the_same_gradient(depth, masked, changed):
    encoder = changed(random_encoder(EncoderConfig(width=64, depth=depth, frames=60), [0, 0, 1, 1, 2], 0)).double()
    series = torch.randn(4, 5, 60, dtype=torch.float64)
    mask = torch.rand(4, 3, 3) < 0.5 if masked else None
    found = []
    for cls in (encoder(series, mask).cls, encoder(series, mask, grid=False).cls):
        encoder.zero_grad(set_to_none=True)
        cls.sin().sum().backward()
        found.append([cls.detach(), *(p.grad.clone() for p in encoder.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1])
    for of_all, alone in zip(*found, strict=True):
        torch.testing.assert_close(alone, of_all, rtol=1e-10, atol=1e-10)


def test_where_cls_alone_is_read_the_last_block_computes_no_other_token():
    size = EncoderConfig(width=16, depth=2, frames=60)
    branch, rows = build_branch(size, HeadConfig(hidden=4, projection=2), [0, 1, 1], 0), []
    for block in branch.encoder.blocks:
        block.mlp.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[1]))
    branch(torch.randn(2, 3, 60), networks=False, grid=False)
    branch(torch.randn(2, 3, 60), networks=True, grid=False)
    assert rows == [7, 1, 7, 7]


@pytest.mark.parametrize("objective", [Contrastive(), Contrastive(by="vicreg"), Prototypes(prototypes=4)])
def test_an_objective_that_reads_cls_alone_asks_for_no_other_token_of_the_last_block(objective):
    size, rows = EncoderConfig(width=16, depth=2, frames=60), []
    learner = objective.learner(size, [0, 1, 1], 0)
    for block in learner.encoder.blocks:
        block.mlp.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[1]))
    crops = torch.randn(4, 3, 60)
    batch = Batch(crops=crops, empty=None, mask=None, overlap=np.zeros(2), recordings=np.zeros((2, 2), int))
    objective.loss(learner, learner.trained, batch, {})
    assert rows == [7, 1]


def test_cls_alone_in_a_lower_precision_is_that_of_all_tokens():
    encoder, series = random_encoder(EncoderConfig(width=32, depth=2, frames=60), [0, 0, 1], 0), torch.randn(2, 3, 60)
    encoder.lower = torch.bfloat16
    alone = encoder(series, grid=False)
    assert (alone.cls.dtype, alone.grid.shape) == (torch.float32, (2, 2, 0, 32))
    torch.testing.assert_close(alone.cls, encoder(series).cls, rtol=0.02, atol=0.02)


def test_the_head_projects_the_tokens_that_are_read_alone_and_gradients_are_the_same():
    size = EncoderConfig(width=16, depth=1, frames=60)
    branch, rows = build_branch(size, HeadConfig(hidden=4, projection=3), [0, 1, 1], 0).double(), []
    branch.head.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[:-1].numel()))
    series = torch.randn(4, 3, 60, dtype=torch.double)
    read = torch.rand(4, 2, 3, generator=torch.Generator().manual_seed(0)) < 0.6
    read[1] = False
    found = []
    for asked in (None, read, torch.zeros_like(read)):
        branch.zero_grad()
        grid = branch(series, read, asked, networks=False).grid
        (grid * read[..., None]).sin().sum().backward()
        found.append([grid.detach()[read], *(p.grad.clone() for p in branch.parameters())])
    assert rows == [4, 24, 4, int(read.sum()), 4, 0]
    for of_all, alone in zip(*found[:2], strict=True):
        torch.testing.assert_close(alone, of_all, rtol=1e-6, atol=1e-6)
    assert not found[2][0].any()


def test_what_is_hidden_has_no_influence():
    encoder = Encoder(EncoderConfig(width=16, depth=1), [0, 0, 1, 1])
    series, other = torch.randn(2, 4, 100), torch.randn(2, 4, 100)
    mask = torch.zeros(2, 2, 5, dtype=torch.bool)
    mask[:, 1] = True
    other[:, :2] = series[:, :2]
    assert torch.equal(encoder(series, mask).cls, encoder(other, mask).cls)
    assert not torch.equal(encoder(series).cls, encoder(other).cls)


def test_a_mask_that_hides_nothing_is_no_mask():
    encoder = Encoder(EncoderConfig(width=16, depth=1), [0, 0, 1, 1])
    series = torch.randn(2, 4, 100)
    nothing = torch.zeros(2, 2, 5, dtype=torch.bool)
    assert torch.equal(encoder(series, nothing).grid, encoder(series).grid)


def test_a_wrong_number_of_rois_or_frames_is_a_sentence():
    encoder = Encoder(EncoderConfig(width=16, depth=1), [0, 0, 1, 1])
    with pytest.raises(DataError, match=r"4 ROIs, 100 frames\], but got \[2, 5, 100\]"):
        encoder(torch.randn(2, 5, 100))


def test_sizes_that_cannot_be_are_refused():
    for bad in ({"width": 202}, {"width": 7}, {"patch": 0}, {"frames": 10}, {"depth": -1}):
        with pytest.raises(ConfigError):
            EncoderConfig(**bad)
    assert [EncoderConfig(width=w).heads for w in (32, 64, 192, 768)] == [1, 1, 3, 12]


def test_flops_count_the_matrix_products_one_by_one():
    encoder = Encoder(EncoderConfig(width=64, depth=3), [0] * 10 + [1] * 4)
    tokens, products = 11, 0
    for _ in range(3):
        products += tokens * 64 * 192 + 2 * tokens * tokens * 64 + tokens * 64 * 64 + 2 * tokens * 64 * 256
    for rois, filters in ((10, 4), (4, 8)):
        products += 100 * (32 * rois * 3 + rois * filters * 20 + rois * filters * 32)
    assert encoder.flops(batch=5) == 2 * 5 * products


def test_random_weights_are_those_that_a_pretraining_of_the_seed_starts_from_and_leave_the_stream_alone():
    size, index = EncoderConfig(width=16, depth=1), [0, 1, 1]
    expected = build_branch(size, HeadConfig(), index, seed=3).encoder.state_dict()
    before = torch.get_rng_state()
    found = random_encoder(size, index, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert not torch.equal(random_encoder(size, index, seed=4).cls_token, found["cls_token"])
