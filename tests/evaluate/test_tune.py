"""One training: the best epoch stays, the source is never touched, rates, clipping and batches are as stated."""

import dataclasses

import numpy as np
import pytest
import torch
from planted_pool import CPU, PEOPLE, QUICK, make_encoder, make_pool, sides

from semantoks.config import from_plain
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.finetuning import tuning
from semantoks.evaluate.finetuning.target_model import fresh_model, predict_people
from semantoks.evaluate.finetuning.tuning import (
    FinetuneConfig,
    Lesson,
    Tuning,
    TuningCorruption,
    draw_batches,
    loss_function,
    quality,
    tune,
)
from semantoks.model.precision import in_precision


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.fixture(scope="module")
def pool():
    return make_pool()


def lesson(*, lr=1e-2, seed=0, **size):
    train, validation = sides(**size)
    return Lesson(train=train, validation=validation, classes=2, lr=lr, seed=seed)


def tuned(encoder, pool, *, config=QUICK, lr=1e-2, seed=0, on_epoch=None):
    return tune(encoder, pool, lesson(lr=lr, seed=seed), config=config, device=CPU, on_epoch=on_epoch)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


def test_in_bfloat16_weights_and_outputs_are_float32_and_near_the_exact_ones(encoder, pool):
    one_epoch = dataclasses.replace(QUICK, epochs=1)
    exact, near = (
        tuned(one, pool, config=one_epoch, lr=1e-4) for one in (encoder, in_precision(encoder, "bf16-mixed", CPU))
    )
    assert {parameter.dtype for parameter in near.model.parameters()} == {torch.float32}
    assert 0 < np.abs(near.validation - exact.validation).max() < 0.02 * np.abs(exact.validation).max()


def test_what_stays_is_the_state_after_the_best_epoch_not_the_last(encoder, pool, monkeypatch):
    seen, said = [], iter([(0.5, 0.0), (0.9, 0.0), (0.7, 0.0)])

    def judge(outputs, truth):
        seen.append(outputs)
        return next(said)

    monkeypatch.setattr(tuning, "quality", judge)
    found = tuned(encoder, pool)
    assert (found.epoch, found.quality) == (2, (0.9, 0.0))
    now = predict_people(found.model, pool, sides()[1].people, QUICK.validation_crops)
    np.testing.assert_array_equal(now, seen[1])
    np.testing.assert_array_equal(found.validation, seen[1])
    assert np.abs(seen[2] - seen[1]).max() > 1e-3, "the last epoch has to differ for this test to mean something"


def test_of_equally_good_epochs_the_first_stays(encoder, pool, monkeypatch):
    monkeypatch.setattr(tuning, "quality", lambda *_: (0.5, -1.0))
    assert tuned(encoder, pool).epoch == 1


@pytest.mark.parametrize("changes", [{}, {"lora_rank": 2}, {"frozen_epochs": 2}])
def test_the_source_encoder_is_never_touched(encoder, pool, changes):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = tuned(encoder, pool, config=dataclasses.replace(QUICK, **changes))
    assert same(encoder.state_dict(), before)
    assert all(p.requires_grad and p.grad is None for p in encoder.parameters())
    assert found.model.encoder.state_dict().keys() == before.keys()
    assert not same(found.model.encoder.state_dict(), before)


def test_the_seed_decides_every_number(encoder, pool):
    a, b, c = (tuned(encoder, pool, seed=seed) for seed in (0, 0, 1))
    assert same(a.model.state_dict(), b.model.state_dict())
    assert not same(a.model.state_dict(), c.model.state_dict())


def test_frozen_epochs_train_the_head_alone_and_then_all(encoder, pool):
    config = dataclasses.replace(QUICK, frozen_epochs=1)
    model = fresh_model(encoder, 2, lora_rank=0, lora_alpha=1.0, seed=0)
    head = model.head.weight.clone()
    training = Tuning(model, pool, lesson(), config)
    training.run_epoch(1)
    assert same(model.encoder.state_dict(), encoder.state_dict())
    assert not torch.equal(model.head.weight, head)
    training.run_epoch(2)
    moved = [name for name, p in model.encoder.named_parameters() if not torch.equal(p, encoder.state_dict()[name])]
    assert {"cls_token", "blocks.0.mlp.0.weight", "norm.bias", "network_embedding"} <= set(moved)


def test_with_adapters_the_encoder_changes_by_low_rank_matrices_and_nothing_else(encoder, pool):
    found = tuned(encoder, pool, config=dataclasses.replace(QUICK, lora_rank=2)).model.encoder.state_dict()
    for name, before in encoder.state_dict().items():
        change = (found[name] - before).double()
        if name.startswith("blocks.") and change.ndim == 2:
            size = torch.linalg.svdvals(change)
            assert size[1] > 1e-5
            assert size[2] < 1e-2 * size[1], name
        else:
            assert not change.any(), name


def test_rates_fall_by_half_a_cosine_scaled_by_depth(encoder, pool, monkeypatch):
    seen = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW,
        "step",
        lambda self: (seen.append({g["scale"]: g["lr"] for g in self.param_groups}), step(self))[1],
    )
    tuned(encoder, pool, config=dataclasses.replace(QUICK, layer_decay=0.5), lr=0.4)
    assert len(seen) == 3 * 2  # 28 people: batches of 16 and 12
    for number, rates in enumerate(seen):
        peak = 0.4 * 0.5 * (1 + np.cos(np.pi * number / 6))
        assert rates == pytest.approx({1.0: peak, 0.5: peak / 2, 0.25: peak / 4})


def test_gradients_are_clipped_before_each_step(encoder, pool, monkeypatch):
    norms = []

    def look(self):
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])).item())

    monkeypatch.setattr(torch.optim.AdamW, "step", look)
    tuned(encoder, pool, config=dataclasses.replace(QUICK, epochs=1, clip=1e-3))
    assert norms == pytest.approx([1e-3, 1e-3], rel=1e-3)


def test_training_sees_corrupted_windows_and_validation_whole_ones(encoder, pool):
    corruption = TuningCorruption(drop_frames=(0.0, 0.0), scale=(2.0, 2.0), noise=0.0)
    config = dataclasses.replace(QUICK, corruption=corruption)
    model, seen = fresh_model(encoder, 2, lora_rank=0, lora_alpha=1.0, seed=0), []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    training = Tuning(model, pool, lesson(), config)
    training.run_epoch(1)
    predict_people(model, pool, np.arange(PEOPLE), crops=1)
    everything = torch.from_numpy(pool.frames.shards[0].astype(np.float32)).unique()
    assert torch.isin(seen[0], 2 * everything).all()
    assert not torch.isin(seen[0], everything).all()
    assert torch.isin(seen[-1], everything).all()


def test_training_stops_when_patience_runs_out(encoder, pool, monkeypatch):
    said, seen = iter([0.1, 0.5, 0.4, 0.3, 0.9]), []
    monkeypatch.setattr(tuning, "quality", lambda *_: (next(said), 0.0))
    config = dataclasses.replace(QUICK, epochs=5, patience=2)
    found = tuned(encoder, pool, config=config, on_epoch=seen.append)
    assert found.epoch == 2
    assert [(e.epoch, e.quality, e.last) for e in seen] == [
        (1, 0.1, False),
        (2, 0.5, False),
        (3, 0.4, False),
        (4, 0.3, True),
    ]


@pytest.mark.parametrize(("rows", "sizes"), [(32, [16, 16]), (33, [16, 17]), (34, [16, 16, 2]), (17, [17]), (2, [2])])
def test_a_single_person_left_over_joins_the_batch_before(rows, sizes):
    batches = draw_batches(rows, 16, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == sizes
    assert sorted(np.concatenate(batches)) == list(range(rows))


def test_seventeen_people_in_batches_of_sixteen_do_not_crash_the_batch_norm(encoder, pool):
    found = tune(encoder, pool, lesson(lr=1e-3, train=17), config=QUICK, device=CPU)
    assert np.isfinite(found.validation).all()


def test_quality_is_balanced_accuracy_then_likelihood_or_minus_the_error():
    logits = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.5, 0.5]]))
    score, likelihood = quality(logits, np.array([0, 0, 0, 1]))
    assert score == pytest.approx((2 / 3 + 0) / 2)
    assert likelihood == pytest.approx(np.log([0.9, 0.6, 0.3, 0.5]).mean())
    assert quality(np.array([[1.0], [2.0]]), np.array([1.5, 0.0])) == (-1.25, 0.0)


def test_balanced_losses_let_all_classes_count_alike():
    truth = np.array([0] * 6 + [1] * 2)
    outputs, target = torch.randn(8, 2), torch.from_numpy(truth)
    each = -torch.log_softmax(outputs, dim=1)[torch.arange(8), target]
    found = loss_function(truth, 2, "balanced", CPU)(outputs, target)
    torch.testing.assert_close(found, (each[:6].mean() + each[6:].mean()) / 2)
    torch.testing.assert_close(loss_function(truth, 2, "none", CPU)(outputs, target), each.mean())
    values = torch.tensor([0.5, -1.0])
    found = loss_function(values.numpy(), None, "none", CPU)(torch.tensor([[1.0], [1.0]]), values)
    assert found == pytest.approx(1.25)


def test_outputs_that_are_no_numbers_end_the_training_with_a_word_on_the_rate(encoder, pool):
    with pytest.raises(FloatingPointError, match=r"not finite after epoch 1 at lr 1e\+30: lower --lr"):
        tuned(encoder, pool, lr=1e30)


def test_one_person_is_too_few(encoder, pool):
    with pytest.raises(DataError, match="at least 2 people to train on, but there are 1"):
        tune(encoder, pool, lesson(lr=1e-3, train=1), config=QUICK, device=CPU)


def test_no_roi_is_dropped_also_where_only_the_noise_is_given():
    assert from_plain(FinetuneConfig, {"corruption": {"noise": 0.3}}).corruption.drop_rois == (0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 1}, "batch_size has to be at least 2"),
        ({"epochs": 0}, "epochs, crops and validation_crops at least 1"),
        ({"lr": ()}, "lr has to be one rate above 0, or several different ones"),
        ({"lr": (1e-3, 1e-3)}, "lr has to be one rate above 0, or several different ones"),
        ({"lr": (1e-3, 0.0)}, "above 0"),
        ({"beside_lr": (1e-3, 1e-3)}, "beside_lr has to be one rate above 0, or several different ones"),
        ({"clip": 0.0}, "clip and lora_alpha have to be above 0"),
        ({"validation": 0.6}, r"validation in \(0, 0.5\]"),
        ({"layer_decay": 0.0}, r"layer_decay in \(0, 1\]"),
        ({"patience": 0}, "patience at least 1"),
        ({"lora_rank": -1}, "lora_rank have to be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        FinetuneConfig(**changes)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rank", [0, 2])
def test_an_epoch_never_waits_for_the_device(encoder, pool, rank):
    model = fresh_model(encoder, 2, lora_rank=rank, lora_alpha=16.0, seed=0).to("cuda")
    training = Tuning(model, pool, lesson(), QUICK)
    training.run_epoch(1)  # libraries set themselves up in the first call
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.run_epoch(2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
