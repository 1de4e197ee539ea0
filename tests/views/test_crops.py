"""Starts of windows by policy, and gathering from memory or from memory maps."""

import numpy as np
import pytest
import torch

from semantoks.views.crops import Frames, apart_starts, even_starts, published_starts


def test_published_starts_are_uniform_and_independent():
    starts = published_starts(np.random.default_rng(0), np.full(40_000, 104), 100)
    for view in starts:
        np.testing.assert_allclose(np.bincount(view, minlength=5) / 40_000, 0.2, atol=0.01)
    assert abs(np.corrcoef(starts)[0, 1]) < 0.02
    assert published_starts(np.random.default_rng(0), np.array([30, 100]), 100).max() == 0


@pytest.mark.parametrize("length", [101, 119, 120, 121, 140, 176, 199, 200, 201, 220, 500])
def test_apart_starts_overlap_as_little_as_can_be_and_never_by_whole_patches(length):
    first, second = apart_starts(np.random.default_rng(1), np.full(3_000, length), 100, 20)
    gap, room = np.abs(first - second), length - 100
    assert min(first.min(), second.min()) >= 0
    assert max(first.max(), second.max()) <= room
    assert (gap % 20 != 0).all()
    widest = room - (room % 20 == 0)
    least = widest if room <= 100 else 101
    assert gap.min() == least
    assert gap.max() == widest
    assert 0.45 < (first < second).mean() < 0.55


def test_a_recording_of_one_window_has_two_equal_starts():
    for length in (20, 100):
        assert apart_starts(np.random.default_rng(0), np.array([length]), 100, 20).tolist() == [[0], [0]]


def test_even_starts_are_the_published_ones():
    assert even_starts(180, 100, 8).tolist() == [0, 11, 22, 34, 45, 57, 68, 80]
    assert even_starts(60, 100, 3).tolist() == [0, 0, 0]


def test_windows_are_the_same_from_memory_and_from_memory_maps(tmp_path):
    rng = np.random.default_rng(0)
    shards = [rng.normal(size=(n, 4)).astype(np.float16) for n in (50, 70)]
    for i, shard in enumerate(shards):
        np.save(tmp_path / f"{i}.npy", shard)
    mapped = Frames([np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(2)])
    resident = Frames(shards, torch.device("cpu"))
    first, available = np.array([0, 12, 50, 95]), np.array([30, 30, 30, 25])
    got = [frames.gather(first, available, 30, torch.device("cpu")) for frames in (mapped, resident)]
    assert torch.equal(got[0], got[1])
    whole = np.concatenate([*shards, np.zeros((5, 4), np.float16)])
    for row, begin in enumerate(first):
        np.testing.assert_array_equal(got[0][row].numpy().T, whole[begin : begin + 30].astype(np.float32))


def test_frames_past_the_end_of_a_recording_are_zero_not_the_next_recording():
    frames = Frames([np.ones((40, 2), np.float16)], torch.device("cpu"))
    window = frames.gather(np.array([0]), np.array([15]), 20, torch.device("cpu"))
    assert window[0, :, :15].eq(1).all()
    assert window[0, :, 15:].eq(0).all()
