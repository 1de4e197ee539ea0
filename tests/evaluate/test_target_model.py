"""Encoder and head: rates by depth, predictions crop by crop, windows inside recordings, nothing done to the source."""

import numpy as np
import pytest
import torch

from semantoks.evaluate.finetuning.target_model import (
    draw_starts,
    fresh_model,
    gather_windows,
    parameter_groups,
    predict_people,
)
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.views.crops import Frames
from semantoks.views.pool import Pool

CPU = torch.device("cpu")
NETWORKS = np.array([0, 1, 0, 2, 1, 2])
SIZE = EncoderConfig(width=16, depth=2)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder(SIZE, NETWORKS.tolist()).eval()


@pytest.fixture(scope="module")
def pool():
    """Four people with 2, 1, 1 and 3 recordings, of 47 to 170 frames; person 1 lacks network 1."""
    length = np.array([130, 100, 170, 47, 101, 150, 110])
    frames = np.random.default_rng(0).normal(size=(length.sum(), 6)).astype(np.float16)
    missing = np.zeros((7, 3), dtype=bool)
    missing[2, 1] = True
    return Pool(
        frames=Frames([frames]),
        network_index=NETWORKS,
        first=np.cumsum([0, *length[:-1]]),
        length=length,
        good_before=np.arange(length.sum() + 1),
        missing=missing,
        person=np.array([0, 0, 1, 2, 3, 3, 3]),
    )


def model_of(encoder, outputs=3, rank=0, seed=0):
    model = fresh_model(encoder, outputs, lora_rank=rank, lora_alpha=16.0, seed=seed)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(1))
    return model


def test_predictions_are_the_mean_over_crops_and_recordings_one_at_a_time(encoder, pool):
    model = model_of(encoder)
    model.norm.running_mean.normal_(generator=torch.Generator().manual_seed(2))
    found = predict_people(model, pool, np.array([3, 1, 2]), crops=3)
    assert found.shape == (3, 3)
    for row, person in enumerate((3, 1, 2)):
        outputs = []
        for recording in np.flatnonzero(pool.person == person):
            first, length = pool.first[recording], pool.length[recording]
            for start in np.floor(np.linspace(0, max(length - 100, 0), 3)).astype(int):
                series, real = np.zeros((6, 100), dtype=np.float32), min(length, 100)
                series[:, :real] = pool.frames.shards[0][first + start : first + start + real].T
                hidden = torch.zeros(1, 3, 5, dtype=torch.bool)
                hidden[0, :, int(np.ceil(real / 20)) :] = True
                hidden[0, 1] |= person == 1
                with torch.no_grad():
                    outputs.append(model.eval()(torch.from_numpy(series)[None], hidden)[0].double().numpy())
        np.testing.assert_allclose(found[row], np.mean(outputs, axis=0), atol=1e-5)


def test_what_is_said_of_a_person_does_not_depend_on_who_else_is_asked(encoder, pool):
    model = model_of(encoder)
    together = predict_people(model, pool, np.arange(4), crops=2)
    alone = [predict_people(model, pool, np.array([person]), crops=2)[0] for person in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)  # float32 sums of another order


def test_a_random_window_is_of_any_recording_of_the_person_and_anywhere_in_it(pool):
    people, rng = np.array([3, 0, 2]), np.random.default_rng(0)
    seen = [np.stack(draw_starts(pool, people, SIZE.frames, rng)) for _ in range(300)]
    recordings, starts = np.concatenate(seen, axis=1)
    assert set(recordings[0::3]) == {4, 5, 6}
    assert set(recordings[1::3]) == {0, 1}
    assert set(recordings[2::3]) == {3}
    ranges = {r: (starts[recordings == r].min(), starts[recordings == r].max()) for r in (0, 1, 3, 4, 6)}
    assert ranges == {0: (0, 30), 1: (0, 0), 3: (0, 0), 4: (0, 1), 6: (0, 10)}


def test_windows_without_anything_empty_have_no_mask(encoder, pool):
    series, mask = gather_windows(pool, np.array([0, 4]), np.array([3, 1]), SIZE, CPU)
    assert mask is None
    np.testing.assert_array_equal(series[1].numpy().T, pool.frames.shards[0][pool.first[4] + 1 :][:100])


def test_rates_fall_with_depth_and_vectors_do_not_decay(encoder):
    model = model_of(encoder)
    groups = parameter_groups(model, layer_decay=0.5, weight_decay=0.05)
    found = {id(p): (group["scale"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(found) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        below = 3  # tokenizer, embeddings, CLS and mask vector: under two blocks and the head
        if name.startswith("encoder.blocks."):
            below = 2 - int(name.split(".")[2])
        if name.startswith(("encoder.norm", "norm", "head")):
            below = 0
        assert found[id(parameter)] == (0.5**below, 0.05 if parameter.ndim > 1 else 0.0), name


def test_with_adapters_only_they_and_the_head_are_grouped(encoder):
    model = model_of(encoder, rank=2)
    groups = parameter_groups(model, layer_decay=0.5, weight_decay=0.05)
    names = {id(p): name for name, p in model.named_parameters()}
    grouped = {names[id(p)] for group in groups for p in group["params"]}
    assert all(name.endswith((".down", ".up")) for name in grouped if name.startswith("encoder."))
    assert grouped >= {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert len(grouped) == 2 * 4 * 2 + 4


def test_a_fresh_model_is_a_copy_and_its_head_depends_on_the_seed_alone(encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    one, other, third = (fresh_model(encoder, 3, lora_rank=2, lora_alpha=16.0, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected), "the caller's random state was moved"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.head.weight, third.head.weight)
    assert one.head.weight.abs().max() <= 4e-5
    assert 1e-5 < one.head.weight.std() < 3e-5
    for parameter in one.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(p.requires_grad for p in encoder.parameters())
