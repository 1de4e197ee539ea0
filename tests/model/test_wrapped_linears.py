"""Adapters and hooks of other libraries on the encoder's linear maps take part in its forward and backward pass."""

import torch
from torch import nn

from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tokenizers.conv import DepthwiseConv, PlainKernel

SIZE = EncoderConfig(width=16, depth=1, frames=40)
INDEX = [0, 0, 0, 1, 1]


class Adapter(nn.Module):
    """As peft wraps a linear map: W x + B A x, with its weight still to be seen."""

    def __init__(self, base):
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, 2, bias=False)
        self.up = nn.Linear(2, base.out_features, bias=False)

    @property
    def weight(self):
        return self.base_layer.weight

    def forward(self, x, *more):
        return self.base_layer(x, *more) + self.up(self.down(x))


def test_an_adapter_on_any_linear_map_gets_a_gradient():
    encoder = random_encoder(SIZE, INDEX, seed=0)
    places = [
        (parent, name, child)
        for parent in encoder.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    assert sum(name == "projection" for _, name, _ in places) == 2
    adapters = [Adapter(child) for _, _, child in places]
    for (parent, name, _), adapter in zip(places, adapters, strict=True):
        setattr(parent, name, adapter)
    tokens = encoder(torch.randn(2, 5, 40))
    (tokens.cls.square().sum() + tokens.grid.sin().sum()).backward()
    assert all(adapter.up.weight.grad.abs().max() > 0 for adapter in adapters)


def test_an_adapter_changes_the_output_by_its_product():
    conv = DepthwiseConv(3, 8, PlainKernel(3, 2, taps=4))
    patches = torch.randn(3, 10, 6)
    before, seen = conv(patches), []
    conv.projection.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    conv.projection = Adapter(conv.projection)
    after = conv(patches)
    assert seen[0].shape == (60, 6)  # frames x items, filters x ROIs: rows, as any linear map takes them
    added = seen[0] @ conv.projection.down.weight.T @ conv.projection.up.weight.T
    torch.testing.assert_close(after - before, added.T.reshape(8, 10, 6), atol=1e-5, rtol=1e-4)


def test_a_hook_on_the_projection_is_called_and_may_replace_its_output():
    conv = DepthwiseConv(3, 8, PlainKernel(3, 2, taps=4))
    conv.projection.register_forward_hook(lambda _module, _given, out: torch.zeros_like(out))
    assert conv(torch.randn(3, 10, 6)).abs().max() == 0
