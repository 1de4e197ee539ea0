"""Corruption: realised counts, ranges and order."""

import numpy as np
import pytest
import torch

from semantoks.errors import ConfigError
from semantoks.views.corrupt import CorruptionConfig, corrupt, dropped_frames, dropped_rois


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_dropped_rois_number_from_one_to_a_tenth_and_fall_everywhere_alike():
    chosen = dropped_rois(20_000, 57, (0.0, 0.1), generator())
    count = chosen.sum(dim=1)
    share = torch.bincount(count, minlength=7) / 20_000
    expected = [0, 2 / 5.7, 1 / 5.7, 1 / 5.7, 1 / 5.7, 0.7 / 5.7, 0]  # max(1, floor(57 u)), u ~ U(0, 0.1)
    np.testing.assert_allclose(share.numpy(), expected, atol=0.012)
    per_roi = chosen.float().mean(dim=0)
    assert per_roi.min() > 0.85 * per_roi.mean()


def test_dropped_frames_are_one_block_of_at_most_three_tenths():
    chosen = dropped_frames(5_000, 100, (0.0, 0.3), generator())
    count = chosen.sum(dim=1)
    assert count.min() == 1
    assert count.max() == 29
    assert count.float().mean().item() == pytest.approx(14.51, abs=0.4)
    starts = chosen.float().diff(dim=1, prepend=torch.zeros(5_000, 1)).eq(1).sum(dim=1)
    assert starts.eq(1).all()
    at_ends = chosen[:, [0, -1]].float().mean(dim=0)
    assert at_ends[0].item() == pytest.approx(at_ends[1].item(), abs=0.015)


def test_noise_also_falls_on_what_was_set_to_zero_and_scale_does_not_touch_it():
    config = CorruptionConfig(drop_rois=(1.0, 1.0), scale=(50.0, 50.0))
    crops = corrupt(torch.ones(8, 5, 400), config, generator())
    assert crops.std().item() == pytest.approx(0.1, rel=0.05)
    assert abs(crops.mean().item()) < 0.01


def test_scale_is_one_factor_a_crop_within_its_range():
    config = CorruptionConfig(drop_rois=(0.0, 0.0), drop_frames=(0.0, 0.0), noise=0.0)
    crops = corrupt(torch.ones(2_000, 3, 4), config, generator())
    factor = crops[:, 0, 0]
    assert crops.eq(factor[:, None, None]).all()
    assert factor.min() >= 0.8
    assert factor.max() <= 1.2
    assert factor.std().item() == pytest.approx(0.4 / np.sqrt(12), rel=0.05)


def test_everything_off_changes_nothing():
    config = CorruptionConfig(drop_rois=(0.0, 0.0), drop_frames=(0.0, 0.0), scale=(1.0, 1.0), noise=0.0)
    crops = torch.randn(2, 3, 4)
    assert torch.equal(corrupt(crops.clone(), config, generator()), crops)


def test_ranges_out_of_bounds_are_refused():
    for bad in ({"drop_rois": (0.2, 0.1)}, {"drop_frames": (0.0, 1.5)}, {"noise": -1.0}, {"scale": (2.0, 1.0)}):
        with pytest.raises(ConfigError):
            CorruptionConfig(**bad)
