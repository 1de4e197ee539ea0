"""Masks: the realised counts are the contract."""

import numpy as np
import pytest
import torch

from semantoks.errors import ConfigError
from semantoks.views.masks import MaskConfig, draw_masks, network_counts


def draw(networks, patches, kind="slice", rows=20_000):
    return draw_masks(rows, networks, patches, MaskConfig(kind=kind), torch.Generator().manual_seed(0))


def test_nine_networks_and_five_patches_have_the_published_counts():
    masks = draw(9, 5)
    whole_networks = (masks.all(dim=2) | ~masks.any(dim=2)).all(dim=1)
    share_network = whole_networks.float().mean().item()
    assert share_network == pytest.approx(0.5, abs=0.015)
    networks = masks[whole_networks].any(dim=2).sum(dim=1)
    np.testing.assert_allclose(torch.bincount(networks, minlength=10)[5:7] / len(networks), [0.5, 0.5], atol=0.02)
    assert torch.bincount(networks).sum() == torch.bincount(networks)[5:7].sum()
    runs = masks[~whole_networks]
    assert (runs == runs[:, :1]).all()
    length = runs[:, 0].sum(dim=1)
    np.testing.assert_allclose(torch.bincount(length, minlength=6)[3:5] / len(length), [0.75, 0.25], atol=0.02)
    assert set(length.tolist()) == {3, 4}


def test_runs_of_patches_are_contiguous_and_start_anywhere_alike():
    runs = draw(9, 5, "time")[:, 0]
    starts = runs.float().diff(dim=1, prepend=torch.zeros(len(runs), 1)).eq(1)
    assert starts.sum(dim=1).eq(1).all()
    three = runs.sum(dim=1) == 3
    np.testing.assert_allclose(starts[three].float().mean(dim=0)[:3], 1 / 3, atol=0.02)


def test_every_network_and_patch_is_hidden_equally_often():
    masks = draw(9, 5, "network").float().mean(dim=(0, 2))
    np.testing.assert_allclose(masks, 5.5 / 9, atol=0.02)


@pytest.mark.parametrize(
    ("networks", "expected"), [(1, (1, 1)), (2, (1, 1)), (3, (1, 1)), (7, (4, 4)), (9, (5, 6)), (457, (297, 387))]
)
def test_network_counts_follow_the_published_rule(networks, expected):
    assert network_counts(networks, (0.65, 0.85)) == expected


@pytest.mark.parametrize("kind", ["slice", "network", "time", "random", "block"])
@pytest.mark.parametrize("grid", [(1, 5), (2, 5), (9, 1), (9, 5), (30, 3)])
def test_something_is_hidden_and_something_is_left_on_any_grid(kind, grid):
    masks = draw(*grid, kind, rows=500).flatten(1)
    assert masks.any(dim=1).all()
    assert not masks.all(dim=1).any()


def test_random_masks_hide_single_tokens_in_the_nominal_share():
    masks = draw(9, 5, "random")
    assert masks.float().mean().item() == pytest.approx(0.75 - 0.5 / 45, abs=0.005)
    np.testing.assert_allclose(masks.float().mean(dim=0), masks.float().mean().item(), atol=0.02)


def test_a_block_is_networks_times_a_run_of_patches():
    for mask in draw(9, 5, "block", rows=200):
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns)
        assert columns.nonzero().flatten().diff().eq(1).all()


def test_one_token_cannot_be_masked():
    with pytest.raises(ConfigError, match=r"cannot be masked: pass --views\.masks\.probability 0"):
        draw(1, 1)
