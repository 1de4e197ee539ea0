"""Batches: who is drawn, from where, what is hidden, and that (seed, step, chunk) decides all of it."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_pool import LENGTHS, PEOPLE, make_pool

from semantoks.errors import ConfigError
from semantoks.views.batch import Slice, ViewConfig, choose_windows, draw_batch, people_of_step, step_is_masked, stream
from semantoks.views.corrupt import CorruptionConfig
from semantoks.views.masks import MaskConfig

CLEAN = CorruptionConfig(drop_rois=(0.0, 0.0), drop_frames=(0.0, 0.0), scale=(1.0, 1.0), noise=0.0)
CPU = torch.device("cpu")


def draw(pool, step=0, *, batch_size=4, seed=0, chunk=0, chunks=1, **view):
    part = Slice(step=step, seed=seed, chunk=chunk, chunks=chunks)
    config = ViewConfig(**{"corruption": CLEAN, **view})
    return draw_batch(pool, part, batch_size=batch_size, config=config, window=100, patch=20, device=CPU)


def test_an_epoch_shows_every_person_once_and_the_next_one_in_another_order(pool):
    seen = [people_of_step(pool, Slice(step=s, seed=3), 2).tolist() for s in range(8)]
    epochs = [seen[i] + seen[i + 1] for i in range(0, 8, 2)]
    assert all(sorted(epoch) == [0, 1, 2, 3] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_ranks_and_accumulation_share_a_step_without_overlap(pool):
    whole = people_of_step(pool, Slice(step=5, seed=1), 4)
    parts = [people_of_step(pool, Slice(step=5, seed=1, chunk=c, chunks=2), 4) for c in range(2)]
    assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize(("purpose", "numbers"), [(1, [597, 293, 179, 147]), ("mine", [16, 650, 35, 481])])
def test_the_numbers_of_a_purpose_stay_what_they_are(purpose, numbers):
    """Old runs resume, and new purposes shift none, only while these do not change."""
    assert stream(Slice(step=5, seed=3, chunk=1, chunks=2), purpose).integers(1000, size=4).tolist() == numbers


def test_who_is_drawn_and_which_steps_are_masked_stay_what_they_are(pool):
    assert (
        people_of_step(pool, Slice(step=0, seed=3), 4).tolist()
        == np.random.default_rng([3, 0, 0]).permutation(4).tolist()
    )
    masked = [step_is_masked(MaskConfig(probability=0.5), Slice(step=step, seed=3)) for step in range(20)]
    assert masked == [np.random.default_rng([3, 2, step]).random() < 0.5 for step in range(20)]


def test_a_batch_larger_than_the_pool_is_a_sentence(pool):
    with pytest.raises(ConfigError, match="batch of 5 people cannot be drawn from 4"):
        draw(pool, batch_size=5)


def test_a_crop_is_the_window_of_its_recording(pool):
    for step in range(6):
        batch = draw(pool, step, batch_size=1)
        for view in range(2):
            recording = int(batch.recordings[view, 0])
            real = min(100, LENGTHS[recording])
            name, frames = batch.crops[view, 0, :real], batch.crops[view, 3]
            assert name.eq(recording).all()
            assert 0 <= frames[0] <= max(LENGTHS[recording] - 100, 0)
            assert torch.equal(frames[:real], frames[0] + torch.arange(real))
            assert frames[real:].eq(0).all()


def test_patches_past_the_end_are_empty_for_both_and_never_in_the_mask(pool):
    for step in range(10):
        batch = draw(pool, step, masks=MaskConfig(probability=1.0))
        rows = batch.recordings.ravel()
        for row, recording in enumerate(rows):
            empty = torch.arange(5) * 20 >= LENGTHS[recording]
            got = torch.zeros(3, 5, dtype=torch.bool) if batch.empty is None else batch.empty[row]
            assert torch.equal(got, empty.expand(3, 5))
        if batch.empty is not None:
            assert not (batch.mask & batch.empty).any()
            assert torch.equal(batch.hidden, batch.mask | batch.empty)


def test_a_mask_never_hides_all_that_a_short_recording_has(pool):
    seen = 0
    for step in range(60):
        batch = draw(pool, step, masks=MaskConfig(probability=1.0, kind="time"))
        if batch.empty is None:
            continue
        left = ~batch.hidden.flatten(1)
        assert (left.any(dim=1) | batch.empty.flatten(1).all(dim=1)).all()
        seen += int((~batch.mask.flatten(1).any(dim=1)).sum())
    assert seen > 0  # some masks were dropped for that


def test_missing_networks_are_empty():
    missing = np.zeros((6, 3), dtype=bool)
    missing[:, 2] = True
    batch = draw(make_pool(CPU, missing))
    assert batch.empty[:, 2].all()
    assert not batch.empty[batch.recordings.ravel() != 3, :2].any()


def test_the_coin_is_the_steps_not_the_parts(pool):
    config = MaskConfig()
    tosses = [step_is_masked(config, Slice(step=s, seed=0)) for s in range(2_000)]
    assert np.mean(tosses) == pytest.approx(0.5, abs=0.04)
    for step in range(20):
        assert step_is_masked(config, Slice(step=step, seed=0, chunk=3, chunks=4)) == tosses[step]


def test_across_takes_two_recordings_where_there_are_two_and_else_goes_apart(pool):
    people = np.arange(4)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        recordings, starts = choose_windows(pool, people, "across", 100, 20, rng)
        assert (recordings[0] != recordings[1]).tolist() == [True, False, True, False]
        assert np.array_equal(np.array(PEOPLE)[recordings[0]], people)
        assert np.array_equal(np.array(PEOPLE)[recordings[1]], people)
        assert abs(starts[0, 3] - starts[1, 3]) == 19  # 120 frames: 20 apart, but not a whole patch


def test_published_views_come_from_one_recording_and_overlap_is_measured(pool):
    for step in range(5):
        batch = draw(pool, step)
        assert np.array_equal(batch.recordings[0], batch.recordings[1])
        for person in range(4):
            frames = [set(batch.crops[view * 4 + person, 1].tolist()) for view in range(2)]
            if LENGTHS[batch.recordings[0, person]] >= 100:
                assert batch.overlap[person] == pytest.approx(len(frames[0] & frames[1]) / 100)


def test_the_same_seed_and_step_give_the_same_batch_and_others_do_not(pool):
    config = {"corruption": CorruptionConfig(), "masks": MaskConfig(probability=1.0)}
    one, again = draw(pool, 7, seed=5, **config), draw(pool, 7, seed=5, **config)
    assert torch.equal(one.crops, again.crops)
    assert torch.equal(one.mask, again.mask)
    for other in (draw(pool, 8, seed=5, **config), draw(pool, 7, seed=6, **config)):
        assert not torch.equal(one.crops, other.crops)


def test_batches_are_equal_from_memory_and_from_shards(pool):
    one, other = draw(pool, 3), draw(dataclasses.replace(make_pool(None)), 3)
    assert torch.equal(one.crops, other.crops)


def test_patches_without_a_good_frame_are_empty_and_one_good_frame_is_enough():
    good = np.ones(sum(LENGTHS), dtype=bool)
    first = int(np.cumsum([0, *LENGTHS])[2])  # the third recording has exactly one window
    good[first + 20 : first + 41] = False
    pool = make_pool(good=good)
    seen = 0
    for step in range(4):
        batch = draw_batch(
            pool, Slice(step=step, seed=0), batch_size=2, config=ViewConfig(), window=100, patch=20, device=CPU
        )
        for row, recording in enumerate(batch.recordings.ravel()):
            if recording == 2:
                seen += 1
                assert batch.empty[row].any(dim=0).tolist() == [False, True, False, False, False]
    assert seen


def draw_any_length(pool, step=0, **view):
    config = ViewConfig(**{"corruption": CLEAN, "masks": MaskConfig(probability=0.0), **view})
    part = Slice(step=step, seed=0)
    return draw_batch(pool, part, batch_size=4, config=config, window=100, patch=100, device=CPU, any_length=True)


def runs_of(seen):
    """First and last frame that is seen, and whether all between them are."""
    place = np.flatnonzero(seen)
    return place[0], place[-1], len(place) == place[-1] - place[0] + 1


def test_a_student_is_shown_a_run_of_whole_patches_and_guesses_what_it_would_have_to(pool):
    for step in range(10):
        batch = draw(pool, step, student_seconds=(60.0, 90.0))
        for row, (seen, unseen) in enumerate(zip(batch.glimpse.numpy(), batch.unseen.numpy(), strict=True)):
            first, last, unbroken = runs_of(seen)
            real = min(LENGTHS[batch.recordings.ravel()[row]], 100)
            assert unbroken
            assert first % 20 == 0
            assert seen.sum() in {20, 40}
            assert last < max(real, 20)
            assert unseen[:, first // 20 : last // 20 + 1].sum() == 0
            assert unseen.sum() == 3 * (5 - seen.sum() // 20)
        assert (batch.student_crops == batch.crops * batch.glimpse[:, None]).all()
        assert (batch.hidden >= batch.unseen).all()
        if batch.mask is not None:
            assert not (batch.mask | batch.unseen).flatten(1).all(dim=1).any()


def test_the_views_are_the_published_ones_where_no_length_is_asked_for(pool):
    batch = draw(pool)
    assert batch.glimpse is None
    assert batch.unseen is None
    assert batch.student_crops is batch.crops


def test_views_of_an_encoder_of_any_length_are_as_long_as_the_teacher_is_shown(pool):
    lengths = set()
    for step in range(12):
        batch = draw_any_length(pool, step, teacher_seconds=(100.0, 400.0), student_seconds=(20.0, 40.0))
        assert batch.crops.shape[2] == 200
        assert batch.unseen is None
        for row, crop in enumerate(batch.crops[:, 1:]):
            frames = int((crop != 0).any(dim=0).sum())
            assert frames <= LENGTHS[batch.recordings.ravel()[row]]
            lengths.add(frames)
            first, last, unbroken = runs_of(batch.glimpse[row])
            assert unbroken
            assert 10 <= last - first + 1 <= 20
            assert last < frames + 1
    assert len(lengths) > 10
    assert max(lengths) > 100


def test_frames_that_are_not_good_are_0_for_an_encoder_of_any_length_even_with_noise():
    good = np.ones(sum(LENGTHS), dtype=bool)
    good[:40] = False
    pool = make_pool(good=good)
    noisy = dataclasses.replace(CLEAN, noise=0.5)
    for step in range(8):
        batch = draw_any_length(pool, step, corruption=noisy)
        for row in np.flatnonzero(batch.recordings.ravel() == 0):
            frame = draw_any_length(pool, step).crops[row, 1].numpy()
            shown = (batch.crops[row] != 0).any(dim=0).numpy()
            assert not shown[frame == 0].any()
            assert shown[frame >= 40].all()


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ({"student_seconds": (0.0, 30.0)}, "range of seconds above 0"),
        ({"teacher_seconds": (90.0, 30.0)}, "range of seconds above 0"),
        ({"teacher_seconds": (100.0, 400.0)}, "raise encoder.frames to 200"),
        ({"student_seconds": (10.0, 30.0)}, "hold no whole patch of 40 s"),
    ],
)
def test_lengths_that_the_encoder_cannot_take_are_refused(pool, view, said):
    with pytest.raises(ConfigError, match=said):
        draw(pool, **view)
