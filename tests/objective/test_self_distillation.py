"""Head and branch: what the losses compare, and their published size."""

import pytest
import torch

from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.objective.self_distillation import Branch, Head, HeadConfig

PUBLISHED = [n for n, size in enumerate([61, 77, 46, 47, 26, 52, 91, 50, 7]) for _ in range(size)]


def test_the_published_size_has_the_published_number_of_parameters():
    branch = Branch(Encoder(EncoderConfig(), PUBLISHED), HeadConfig())
    assert sum(p.numel() for p in branch.encoder.parameters()) == 58_720_931
    assert sum(p.numel() for p in branch.encoder.tokenizer.parameters()) == 2_014_115
    assert sum(p.numel() for p in branch.head.parameters()) == 918_656


def test_head_projects_to_unit_vectors_from_small_weights():
    torch.manual_seed(0)
    head = Head(32, HeadConfig(hidden=512, projection=64))
    z = head(torch.randn(7, 32))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(7))
    assert head.layers[2].weight.detach().std() == pytest.approx(0.02, rel=0.02)
    assert head.layers[0].bias.abs().max() == 0


def test_one_forward_over_many_crops_equals_forwards_one_by_one():
    torch.manual_seed(0)
    branch = Branch(Encoder(EncoderConfig(width=16, depth=2), [0, 1, 1]), HeadConfig(hidden=8, projection=4)).double()
    crops = torch.randn(4, 3, 100, dtype=torch.float64)
    together = branch(crops)
    alone = [branch(crop[None]) for crop in crops]
    torch.testing.assert_close(together.cls, torch.cat([a.cls for a in alone]))
    torch.testing.assert_close(together.network, torch.cat([a.network for a in alone]))
    expected = branch.head(branch.encoder(crops).grid.mean(dim=2))
    torch.testing.assert_close(together.network, expected)


def test_a_head_with_two_hidden_layers_is_the_equations_in_float64():
    head = Head(6, HeadConfig(hidden=5, hidden_layers=2, projection=3))
    weights = {name: value.double() for name, value in head.state_dict().items()}
    assert [tuple(weights[f"layers.{i}.weight"].shape) for i in (0, 2, 4)] == [(5, 6), (5, 5), (3, 5)]
    x = torch.randn(4, 6)
    y = x.double()
    for i in (0, 2, 4):
        y = y @ weights[f"layers.{i}.weight"].T + weights[f"layers.{i}.bias"]
        y = y if i == 4 else y * 0.5 * (1 + torch.erf(y / 2**0.5))
    torch.testing.assert_close(head(x).double(), y / y.norm(dim=1, keepdim=True), rtol=1e-4, atol=1e-5)
