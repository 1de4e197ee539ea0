"""A tokenizer that somebody wrote outside the package: settings and a module, no fork."""

from dataclasses import dataclass

import pytest
import torch
from einops import rearrange
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import EncoderConfig
from semantoks.model.hub import Encoder
from semantoks.model.tensors import save_encoder

NETWORKS = [0, 1, 0, 2, 1]


class MeanOfNetwork(nn.Module):
    """Each network's mean series, cut into patches, through one linear map."""

    def __init__(self, network_index, width, patch):
        super().__init__()
        members = torch.eye(max(network_index) + 1)[network_index]
        self.register_buffer("weights", members / members.sum(dim=0), persistent=False)
        self.project = nn.Linear(patch, width)

    @property
    def frames_needed(self):
        return self.project.in_features

    def flops(self, frames):
        patch = self.project.in_features
        rois, networks = self.weights.shape
        return 2 * networks * (frames * rois + frames // patch * patch * self.project.out_features)

    def forward(self, series):
        means = torch.einsum("brt,rn->bnt", series, self.weights)
        patch = self.project.in_features
        whole = means[:, :, : means.shape[2] // patch * patch]
        return self.project(rearrange(whole, "b n (p t) -> b n p t", t=patch))


@dataclass(frozen=True, kw_only=True)
class MeanConfig:
    """Settings of ``MeanOfNetwork``."""

    kind: str = "mean-of-network"

    def build(self, network_index, width, patch):
        return MeanOfNetwork(network_index, width, patch)


@dataclass(frozen=True, kw_only=True)
class Priceless(MeanConfig):
    """Builds a tokenizer that does not count its operations."""

    def build(self, network_index, width, patch):
        return nn.Linear(patch, width)


SIZE = EncoderConfig(width=16, depth=1, tokenizer=MeanConfig())


def test_its_tokens_are_those_of_a_naive_loop_and_reach_the_grid():
    encoder = Encoder(EncoderConfig(width=16, depth=0, tokenizer=MeanConfig()), NETWORKS)
    series = torch.randn(2, 5, 100, generator=torch.Generator().manual_seed(0))
    tokens = encoder.tokenizer(series)
    for network in range(3):
        rois = [i for i, n in enumerate(NETWORKS) if n == network]
        patch = torch.stack([series[1, roi, 20:40] for roi in rois]).mean(dim=0)
        linear = encoder.tokenizer.project
        torch.testing.assert_close(tokens[1, network, 1], linear.weight @ patch + linear.bias)
    assert encoder(series).grid.shape == (2, 3, 5, 16)


def test_its_operations_are_counted_as_torch_counts_them():
    encoder = Encoder(EncoderConfig(width=16, depth=0, tokenizer=MeanConfig()), NETWORKS)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.randn(3, 5, 100))
    assert encoder.flops(3) == counter.get_total_flops()


def test_it_is_saved_and_loaded_with_its_settings_and_refused_without(tmp_path):
    torch.manual_seed(0)
    encoder = Encoder(SIZE, NETWORKS)
    atlas = Atlas(name="five", labels=tuple("abcde"), networks=("x", "y", "x", "z", "y"))
    save_encoder(tmp_path, encoder, EncoderCard(encoder=SIZE, atlas=atlas, tr=2.0, band=None))
    again = Encoder.from_pretrained(tmp_path, tokenizer=MeanConfig())
    series = torch.randn(2, 5, 100)
    assert torch.equal(again(series).cls, encoder.eval()(series).cls)
    with pytest.raises(WeightsError, match="mean-of-network"):
        Encoder.from_pretrained(tmp_path)


def test_a_module_that_does_not_count_its_operations_is_an_error_and_not_free():
    with pytest.raises(ConfigError, match="built a Linear; it has to be an nn"):
        Encoder(EncoderConfig(width=16, depth=1, tokenizer=Priceless()), NETWORKS)
    encoder = Encoder(SIZE, NETWORKS)
    encoder.blocks.append(nn.Identity())
    with pytest.raises(ConfigError, match="Identity cannot say what it costs"):
        encoder.flops()


def test_a_window_shorter_than_it_needs_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Long(MeanConfig):
        def build(self, network_index, width, patch):
            return MeanOfNetwork(network_index, width, 3 * patch)

    with pytest.raises(ConfigError, match="needs windows of at least 60 frames, not 40"):
        Encoder(EncoderConfig(width=16, depth=1, frames=40, tokenizer=Long()), NETWORKS)
