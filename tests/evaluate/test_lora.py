"""Adapters: nothing changes at the start, they alone learn; merged, they leave a plain encoder that does the same."""

import numpy as np
import pytest
import torch
from torch import nn

from semantoks.evaluate.finetuning.target_model import LowRank, adapt, merge
from semantoks.model.encoder import Encoder, EncoderConfig

NETWORKS = [0, 1, 0, 2, 1, 2]
BLOCK_MAPS = ("attention.qkv", "attention.out", "mlp.0", "mlp.2")


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(EncoderConfig(width=16, depth=2), NETWORKS)


def stir(encoder):
    """Give every B some weight, as training would."""
    for module in encoder.modules():
        if isinstance(module, LowRank):
            nn.init.normal_(module.up)
    return encoder


def test_an_adapted_map_adds_alpha_over_rank_times_b_a_x():
    torch.manual_seed(1)
    linear = nn.Linear(5, 7)
    adapted = LowRank(linear, rank=2, alpha=3.0)
    nn.init.normal_(adapted.up)
    x = torch.randn(4, 3, 5)
    w, b, up, down = (t.detach().numpy().astype(float) for t in (linear.weight, linear.bias, adapted.up, adapted.down))
    expected = np.einsum("oi,bti->bto", w + 3 / 2 * up @ down, x.numpy()) + b
    np.testing.assert_allclose(adapted(x).detach().numpy(), expected, atol=1e-5)


def test_fresh_adapters_change_no_output_at_all(encoder):
    series = torch.randn(3, 6, 100)
    before = encoder(series)
    after = adapt(encoder, rank=3, alpha=16.0)(series)
    assert torch.equal(before.cls, after.cls)
    assert torch.equal(before.grid, after.grid)


def test_all_attention_and_mlp_maps_have_an_adapter_and_nothing_else_learns(encoder):
    adapt(encoder, rank=3, alpha=16.0)
    learning = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert learning == {f"blocks.{i}.{m}.{half}" for i in (0, 1) for m in BLOCK_MAPS for half in ("down", "up")}


def test_gradients_reach_the_adapters_and_leave_the_weights_alone(encoder):
    stir(adapt(encoder, rank=3, alpha=16.0))
    encoder(torch.randn(3, 6, 100)).cls.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert (parameter.grad is not None) == name.endswith((".down", ".up")), name


def test_merging_leaves_a_plain_encoder_with_the_same_outputs(encoder):
    plain = {name: value.clone() for name, value in encoder.state_dict().items()}
    series = torch.randn(3, 6, 100)
    before = stir(adapt(encoder, rank=3, alpha=16.0))(series)
    merged = merge(encoder)
    after = merged(series)
    torch.testing.assert_close(after.cls, before.cls, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(after.grid, before.grid, atol=1e-5, rtol=1e-4)
    assert merged.state_dict().keys() == plain.keys()
    assert not any(isinstance(module, LowRank) for module in merged.modules())
    assert all(p.requires_grad for p in merged.parameters())
    changed = {name for name, value in merged.state_dict().items() if not torch.equal(value, plain[name])}
    assert changed == {f"blocks.{i}.{m}.weight" for i in (0, 1) for m in BLOCK_MAPS}


def test_merging_without_adapters_changes_nothing(encoder):
    plain = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert all(torch.equal(value, plain[name]) for name, value in merge(encoder).state_dict().items())
