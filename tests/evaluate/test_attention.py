"""The attention probe finds what is in some tokens alone, chooses inside, and draws no random numbers."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from semantoks.evaluate.models import attention
from semantoks.evaluate.models.attention import AttentionProbe, outputs_of
from semantoks.evaluate.models.predictors import Fixed, Linear
from semantoks.evaluate.study.crossval import cross_validate, task_of
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Plan

pytestmark = pytest.mark.slow

PEOPLE, TOKENS, WIDTH = 120, 8, 16


def hidden(seed=0, people=PEOPLE):
    """Tokens with a place of their own; a trait is in the first three, and its opposite in the next three."""
    rng = np.random.default_rng(seed)
    trait, direction = rng.standard_normal(people), rng.standard_normal(WIDTH)
    sign = np.array([1.0] * 3 + [-1.0] * 3 + [0.0] * (TOKENS - 6))
    rows = 2 * rng.standard_normal((TOKENS, WIDTH)) + 0.7 * rng.standard_normal((people, TOKENS, WIDTH))
    rows += 0.7 * trait[:, None, None] * sign[:, None] * direction
    return rows.reshape(people, -1).astype(np.float32), trait


def plan_of(labels):
    rows, kind = np.arange(len(labels)), "value" if labels.dtype.kind == "f" else "class"
    splits = split_people(labels, rows, kind=kind, folds=3, repeats=1, seed=0, inner=3)
    return Plan(target="trait", kind=kind, people=rows, labels=labels, groups=rows, splits=tuple(splits[:1]))


def mean_score(plan, method, name):
    found = cross_validate(plan, {"encoder": method}, seed=0).scores
    assert all(row["peeked"] >= row[name] for row in found)
    return np.mean([row[name] for row in found])


def test_it_finds_a_value_and_a_class_that_the_mean_token_hides():
    rows, trait = hidden()
    mean = Fixed(rows.reshape(PEOPLE, TOKENS, WIDTH).mean(axis=1))
    probe = AttentionProbe(Fixed(rows), WIDTH)
    value, group = plan_of(10 + 3 * trait), plan_of(np.where(trait > 0.7, "b", "a"))
    assert mean_score(value, probe, "r") > 0.75
    assert mean_score(value, Linear(mean), "r") < 0.5
    assert mean_score(value, probe, "mae") < 2
    assert mean_score(group, probe, "balanced_accuracy") > 0.75


def test_noise_stays_at_chance():
    rows, _ = hidden()
    coin = np.random.default_rng(5).permutation(np.array(["a", "b"]).repeat(PEOPLE // 2))
    assert 0.35 < mean_score(plan_of(coin), AttentionProbe(Fixed(rows), WIDTH), "balanced_accuracy") < 0.65


def test_it_trains_as_torch_does_with_adamw(monkeypatch):
    monkeypatch.setattr(attention, "DECAYS", (0.5, 3.0))
    rows, trait = hidden(people=40)
    x = torch.nn.functional.layer_norm(torch.from_numpy(rows).view(40, TOKENS, WIDTH), (WIDTH,))
    labels = np.where(trait > 0.5, "b", "a")
    found = outputs_of(x[:30], labels[:30], x[30:], np.array(["a", "b"]))
    for place, decay in enumerate((0.5, 3.0)):
        query, head = nn.Parameter(torch.zeros(WIDTH)), nn.Linear(WIDTH, 2)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        decayed = {"params": [query, head.weight], "weight_decay": decay}
        optimizer = torch.optim.AdamW([decayed, {"params": [head.bias], "weight_decay": 0.0}], lr=attention.RATE)
        count = np.array([(labels[:30] == name).sum() for name in "ab"])
        balanced = nn.CrossEntropyLoss(weight=torch.from_numpy(15 / count).float())
        truth = torch.from_numpy((labels[:30] == "b").astype(int))

        def said(people, query=query, head=head):
            def pool(tokens):
                return torch.stack([torch.softmax(t @ query / 4, dim=0) @ t for t in tokens])

            seen = pool(x[:30])
            return head((pool(people) - seen.mean(dim=0)) / (seen.std(dim=0, correction=0) + 1e-5) / 4)

        for step in range(1, 51):
            optimizer.zero_grad()
            balanced(said(x[:30]), truth).backward()
            optimizer.step()
            if step in (5, 50):
                chances = said(x[30:]).softmax(dim=1).detach().numpy()
                candidate = 2 * (step // 5 - 1) + place
                np.testing.assert_allclose(found[candidate], chances, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("kind", ["class", "value"])
def test_decay_and_steps_have_the_least_loss_over_the_inner_splits(kind):
    rows, trait = hidden(people=90)
    labels = trait if kind == "value" else np.where(trait > 0.5, "b", "a")
    plan = plan_of(labels)
    task = task_of(plan, plan.splits[0], 0)
    said = AttentionProbe(Fixed(rows), WIDTH).predict(task, {})
    x = torch.nn.functional.layer_norm(torch.from_numpy(rows[task.train]).view(-1, TOKENS, WIDTH), (WIDTH,))
    classes = None if kind == "value" else np.array(["a", "b"])
    losses, unseen = [], np.zeros((30, len(task.train), 1 if kind == "value" else 2))
    for fitted, held in task.inner:
        found, truth = outputs_of(x[fitted], task.labels[fitted], x[held], classes), task.labels[held]
        unseen[:, held] = found
        if kind == "value":
            losses.append(((found[:, :, 0] - truth) ** 2).mean(axis=1))
        else:
            a, b = (-np.log(found[:, truth == name, i]).mean(axis=1) for i, name in enumerate("ab"))
            losses.append((a + b) / 2)
    best = np.mean(losses, axis=0).argmin()
    assert 0 < best < 29
    assert np.array_equal(said.test, said.candidates[best])
    np.testing.assert_allclose(said.inner, unseen[best], rtol=1e-5)


def test_neither_the_order_of_people_and_tokens_nor_the_seed_changes_anything():
    rows, trait = hidden(people=60)
    plan = plan_of(trait)
    task = task_of(plan, plan.splits[0], 0)
    said = AttentionProbe(Fixed(rows), WIDTH).predict(task, {})
    order = np.random.default_rng(0).permutation(TOKENS)
    turned = Fixed(rows.reshape(60, TOKENS, WIDTH)[:, order].reshape(60, -1))
    other = AttentionProbe(turned, WIDTH).predict(dataclasses.replace(task, seed=7), {})
    np.testing.assert_allclose(other.test, said.test, rtol=1e-3, atol=1e-4)
    back = np.arange(len(task.train))[::-1].copy()
    inner = tuple((np.sort(back[a]), np.sort(back[b])) for a, b in task.inner)
    changed = dataclasses.replace(task, train=task.train[back], labels=task.labels[back], inner=inner)
    again = AttentionProbe(Fixed(rows), WIDTH).predict(changed, {})
    np.testing.assert_allclose(again.test, said.test, rtol=1e-3, atol=1e-4)
    assert np.array_equal(AttentionProbe(Fixed(rows), WIDTH).predict(task, {}).test, said.test)


def test_a_class_that_an_inner_side_lacks_is_no_obstacle():
    rows, trait = hidden(people=60)
    plan = plan_of(np.where(trait > 0, "b", "a"))
    task = task_of(plan, plan.splits[0], 0)
    task = dataclasses.replace(task, labels=np.append("c", task.labels[1:]))
    said = AttentionProbe(Fixed(rows), WIDTH).predict(task, {})
    assert said.test.shape[1] == 3
    np.testing.assert_allclose(said.test.sum(axis=1), 1, rtol=1e-5)
    assert np.isfinite(said.inner).all()


def test_constant_values_are_predicted():
    rows, _ = hidden(people=60)
    plan = plan_of(np.arange(60.0))
    task = dataclasses.replace(task_of(plan, plan.splits[0], 0), labels=np.full(len(plan.splits[0][0]), 5.0))
    np.testing.assert_allclose(AttentionProbe(Fixed(rows), WIDTH).predict(task, {}).test, 5)
