"""One optimiser step and the teacher's average against NumPy, parameter by parameter."""

import numpy as np
import pytest
import torch
from torch import nn

from semantoks.errors import ConfigError
from semantoks.train.loop import build_optimizer, set_rates
from semantoks.train.recipe import OptimConfig


def test_two_steps_of_adamw_equal_the_equations_with_decay_on_everything():
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    optimizer = build_optimizer(model, OptimConfig())
    expected = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    moments = {n: (np.zeros_like(v), np.zeros_like(v)) for n, v in expected.items()}
    for step, (lr, decay) in enumerate([(0.01, 0.05), (0.02, 0.1)], start=1):
        set_rates(optimizer, lr, decay)
        gradients = {n: torch.randn_like(p) for n, p in model.named_parameters()}
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name].clone()
        optimizer.step()
        for name, gradient in gradients.items():
            g = gradient.numpy()
            m, v = moments[name]
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            moments[name] = (m, v)
            expected[name] = expected[name] * (1 - lr * decay)
            root = np.sqrt(v / (1 - 0.999**step)) + 1e-8
            expected[name] -= lr * m / (1 - 0.9**step) / root
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], rtol=1e-10)


def test_a_parameter_without_gradient_is_not_even_decayed():
    model = nn.Linear(3, 2)
    optimizer = build_optimizer(model, OptimConfig())
    set_rates(optimizer, 0.1, 0.3)
    before = model.bias.detach().clone()
    model.weight.grad = torch.ones_like(model.weight)
    optimizer.step()
    assert torch.equal(model.bias, before)


def test_every_parameter_is_in_exactly_one_group_and_vectors_can_be_spared_decay():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    for config in (OptimConfig(), OptimConfig(decay_all=False)):
        optimizer = build_optimizer(model, config)
        held = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters())
    set_rates(optimizer, 0.1, 0.3)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    assert [p.ndim for p in optimizer.param_groups[0]["params"]] == [2]


def test_settings_out_of_range_are_refused():
    for bad in ({"lr": 0.0}, {"warmup_share": 1.0}, {"weight_decay": (-0.1, 0.3)}):
        with pytest.raises(ConfigError):
            OptimConfig(**bad)
