"""The batched probes are nn.BatchNorm1d + nn.Linear, trained by torch.optim.SGD one after the other."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from semantoks.errors import DataError
from semantoks.evaluate.models import sgd_probe
from semantoks.evaluate.models.sgd_probe import (
    ProbeJob,
    SgdRecipe,
    batch_sizes,
    epoch_batches,
    initial_weights,
    train_probes,
)

pytestmark = pytest.mark.slow

PEOPLE, CROPS, FEATURES, RATES = 60, 3, 12, (0.3, 0.03, 0.001)
OWNER = np.arange(PEOPLE).repeat(CROPS)


def crops(dtype=torch.float64, seed=0):
    """Features of very different size, and far from zero."""
    rng = np.random.default_rng(seed)
    rows = 5 + rng.standard_normal((PEOPLE * CROPS, FEATURES)) * np.exp(rng.standard_normal(FEATURES))
    return torch.from_numpy(rows).to(dtype)


def job(train, classes, *key, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, PEOPLE) if classes else 40 + 7 * rng.standard_normal(PEOPLE)
    return ProbeJob(train=np.arange(train), labels=labels, classes=classes, key=key)


def one_after_the_other(rows, owner, one, rates, *, epochs, seed):
    """Train a job as one would write it down: [rate, person, output]."""
    found = []
    for rate in rates:
        rng = one.generator(seed)
        head = nn.Linear(rows.shape[1], one.classes or 1)
        probe = nn.Sequential(nn.BatchNorm1d(rows.shape[1]), head).to(rows.dtype)
        nn.init.zeros_(head.bias)
        head.weight.data.copy_(torch.from_numpy(initial_weights(one, rows.shape[1], rng)))
        optimizer = torch.optim.SGD(probe.parameters(), lr=rate, momentum=0.9)
        members = np.flatnonzero(np.isin(owner, one.train))
        mean, spread = one.labels[one.train].mean(), one.labels[one.train].std()
        for _ in range(epochs):
            for batch in epoch_batches(len(members), rng):
                truth = torch.from_numpy(one.labels[owner[members[batch]]])
                output = probe(rows[members[batch]])
                if one.classes:
                    loss = F.cross_entropy(output, truth)
                else:
                    loss = F.l1_loss(output[:, 0], ((truth - mean) / spread).to(rows.dtype))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            output = probe.eval()(rows).double().numpy()
        output = output - output[:, -1:] if one.classes else output * spread + mean
        found.append([output[owner == person].mean(axis=0) for person in range(owner.max() + 1)])
    return np.array(found)


JOBS = [job(people, classes, target, people, 0) for target, classes in enumerate((2, 0, 5)) for people in (20, 27, 34)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_all_at_once_says_what_one_after_the_other_says(dtype, tolerance):
    rows = crops(dtype)
    found = train_probes(rows, OWNER, JOBS, SgdRecipe(seed=3, rates=RATES, epochs=4))
    for one, output in zip(JOBS, found, strict=True):
        direct = one_after_the_other(rows, OWNER, one, RATES, epochs=4, seed=3)
        assert np.ptp(direct, axis=1).max() > 0.1
        np.testing.assert_allclose(output, direct, rtol=tolerance, atol=tolerance * np.abs(direct).max())


def test_jobs_of_one_target_have_batches_of_different_sizes_and_numbers():
    sizes = [batch_sizes(len(one.train) * CROPS) for one in JOBS[:3]]
    assert sizes[0] == [7] * 8 + [4]
    assert sizes[1] == [10] * 8  # and one left out
    assert sizes[2] == [12] * 8 + [6]


def test_a_batch_never_has_one_row_and_the_largest_has_256():
    for rows in range(2, 700):
        assert min(batch_sizes(rows)) >= 2
        assert rows - 1 <= sum(batch_sizes(rows)) <= rows
    assert batch_sizes(2128) == [256] * 8 + [80]
    assert batch_sizes(3) == [2]


def test_an_epoch_shows_every_row_once_and_leaves_out_another_each_time():
    rng = np.random.default_rng(0)
    shown = [np.concatenate(epoch_batches(81, rng)) for _ in range(60)]
    assert all(len(np.unique(rows)) == 80 for rows in shown)
    assert len({81 * 40 - rows.sum() for rows in shown}) > 20


def test_how_many_go_side_by_side_changes_nothing(monkeypatch):
    together = train_probes(crops(), OWNER, JOBS, SgdRecipe(seed=0, rates=RATES, epochs=3))
    monkeypatch.setitem(sgd_probe._AT_ONCE, "cpu", 1)
    alone = train_probes(crops(), OWNER, JOBS, SgdRecipe(seed=0, rates=RATES, epochs=3))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_another_target_or_rate_leaves_everybodys_numbers_alone():
    alone = train_probes(crops(), OWNER, JOBS[:3], SgdRecipe(seed=0, rates=RATES, epochs=3))
    more = train_probes(crops(), OWNER, [*JOBS[3:], *JOBS[:3]], SgdRecipe(seed=0, rates=RATES, epochs=3))[-3:]
    for one, other in zip(alone, more, strict=True):
        assert np.array_equal(one, other)
    rate = train_probes(crops(), OWNER, JOBS[:3], SgdRecipe(seed=0, rates=RATES[1:], epochs=3))
    np.testing.assert_allclose(rate[0], alone[0][1:], rtol=1e-9, atol=1e-11)


def test_the_seed_and_the_key_decide_the_batches():
    keys = [(0, 0, 0), (0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    jobs = [dataclasses.replace(JOBS[0], key=key) for key in keys]
    found = train_probes(crops(), OWNER, jobs, SgdRecipe(seed=0, rates=RATES, epochs=2))
    assert np.allclose(found[0], found[1], rtol=1e-12)
    for other in found[2:]:
        assert not np.allclose(found[0], other, rtol=1e-3)
    assert not np.allclose(
        found[0], train_probes(crops(), OWNER, jobs[:1], SgdRecipe(seed=1, rates=RATES, epochs=2))[0], rtol=1e-3
    )


def test_other_numbers_for_the_same_people_change_nothing_else():
    new = np.random.default_rng(0).permutation(PEOPLE)
    one = JOBS[3]
    labels = np.empty(PEOPLE)
    labels[new] = one.labels
    renamed = dataclasses.replace(one, train=new[one.train][::-1].copy(), labels=labels)
    (before,) = train_probes(crops(), OWNER, [one], SgdRecipe(seed=0, rates=RATES, epochs=2))
    (after,) = train_probes(crops(), new[OWNER], [renamed], SgdRecipe(seed=0, rates=RATES, epochs=2))
    np.testing.assert_allclose(after[:, new], before, rtol=1e-12)


def test_shifting_features_changes_nothing_once_the_running_mean_has_forgotten_zero():
    one = job(50, 2, 0, 0, 0)
    (before,) = train_probes(crops(), OWNER, [one], SgdRecipe(seed=0, rates=[0.01], epochs=40))
    (after,) = train_probes(crops() - 100, OWNER, [one], SgdRecipe(seed=0, rates=[0.01], epochs=40))
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_labels_outside_the_training_side_are_never_looked_at():
    one = JOBS[3]
    labels = np.where(np.isin(np.arange(PEOPLE), one.train), one.labels, np.nan)
    found = [
        train_probes(
            crops(), OWNER, [dataclasses.replace(one, labels=known)], SgdRecipe(seed=0, rates=RATES, epochs=2)
        )[0]
        for known in (one.labels, labels)
    ]
    assert np.array_equal(found[0], found[1])


def test_constant_values_and_constant_features_do_no_harm():
    rows = crops()
    rows[:, 3] = 7
    one = dataclasses.replace(JOBS[3], labels=np.full(PEOPLE, 3.0))
    (found,) = train_probes(rows, OWNER, [one], SgdRecipe(seed=0, rates=[0.0001], epochs=2))
    np.testing.assert_allclose(found, 3, atol=0.01)


def test_one_row_is_too_few():
    with pytest.raises(DataError, match="at least 2 rows"):
        train_probes(crops()[::CROPS], np.arange(PEOPLE), [job(1, 2, 0, 0, 0)], SgdRecipe(seed=0))
