"""The tokenizer: tokens against the formula, any map of ROIs to networks, every option."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from semantoks.errors import ConfigError
from semantoks.model.tokenizers.published import TokenizerConfig

MIXED = [1, 0, 1, 2, 0, 1, 2]


def test_a_token_is_the_norm_of_the_mean_of_the_active_branches_of_its_own_network_and_patch():
    torch.manual_seed(0)
    tokenizer = TokenizerConfig().build(MIXED, 8, 20).double()
    series = torch.randn(2, 7, 47, dtype=torch.float64)
    grid = tokenizer(series)
    assert grid.shape == (2, 3, 2, 8)
    for network in range(3):
        rois = [i for i, n in enumerate(MIXED) if n == network]
        module = tokenizer.networks[network]
        for patch in range(2):
            x = series[1, rois, patch * 20 : patch * 20 + 20][:, :, None]
            both = torch.cat([branch(x) for branch in module.branches])
            mean = F.gelu(both)[:, :, 0].mean(dim=1)
            expected = (mean - mean.mean()) / (mean.var(correction=0) + 1e-5).sqrt()
            torch.testing.assert_close(grid[1, network, patch], expected)


def test_tokens_depend_only_on_their_own_network_and_patch():
    tokenizer = TokenizerConfig().build(MIXED, 8, 20)
    series = torch.randn(1, 7, 60)
    other = series.clone()
    other[0, 3, 25] += 1.0  # network 2, patch 1
    changed = (tokenizer(series) - tokenizer(other)).abs().amax(dim=3)[0] > 0
    expected = torch.zeros(3, 3, dtype=torch.bool)
    expected[2, 1] = True
    assert torch.equal(changed, expected)


def test_each_roi_its_own_network_is_one_shared_linear_map_of_the_patch():
    tokenizer = TokenizerConfig().build([2, 0, 1], 6, 4).double()
    series = torch.randn(2, 3, 8, dtype=torch.float64)
    weight, bias = tokenizer.shared.weight, tokenizer.shared.bias
    expected = weight @ series[1, 0, 4:8] + bias  # ROI 0 is network 2
    torch.testing.assert_close(tokenizer(series)[1, 2, 1], expected)
    assert not hasattr(tokenizer, "networks")


def test_one_network_of_all_rois_works():
    assert TokenizerConfig().build([0] * 5, 8, 20)(torch.randn(2, 5, 100)).shape == (2, 1, 5, 8)


@pytest.mark.parametrize("branches", ["dense", "structured", "depthwise", "dense+depthwise"])
def test_single_branches_have_the_whole_width(branches):
    tokenizer = TokenizerConfig(branches=branches).build(MIXED, 8, 20)
    assert tokenizer(torch.randn(1, 7, 20)).shape == (1, 3, 1, 8)
    widths = [branch(torch.randn(3, 20, 2)).shape[0] for branch in tokenizer.networks[1].branches]
    assert sum(widths) == 8


def test_max_and_attention_pooling_differ_from_the_mean_as_they_should():
    x = torch.randn(3, 20, 2)
    torch.manual_seed(0)
    mean = TokenizerConfig().build([0, 0, 0], 8, 20).networks[0]
    torch.manual_seed(0)
    top = TokenizerConfig(pooling="max").build([0, 0, 0], 8, 20).networks[0]
    torch.manual_seed(0)
    attention = TokenizerConfig(pooling="attention").build([0, 0, 0], 8, 20).networks[0]
    frames = torch.cat([F.gelu(branch(x)) for branch in mean.branches])
    torch.testing.assert_close(top(x), F.layer_norm(frames.amax(dim=1).T, (8,)))
    torch.testing.assert_close(attention(x), mean(x))  # the query starts at 0: all frames alike
    with torch.no_grad():
        attention.query.copy_(torch.arange(8.0))
    weight = (frames.permute(2, 1, 0) @ torch.arange(8.0) / np.sqrt(8)).softmax(dim=1)
    expected = F.layer_norm(torch.einsum("wfi,if->iw", frames, weight), (8,))
    torch.testing.assert_close(attention(x), expected)


def test_a_network_without_rois_is_refused():
    with pytest.raises(ConfigError, match=r"one of 0\.\.2"):
        TokenizerConfig().build([0, 2, 2, 0], 8, 20)
