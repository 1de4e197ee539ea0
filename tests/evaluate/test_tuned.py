"""Fine-tuning as a method: planted answers are learnt, every rate starts afresh, test people come last and once."""

import dataclasses

import numpy as np
import pytest
from planted_pool import CPU, LABELS, PEOPLE, QUICK, make_encoder, make_pool

from semantoks.errors import DataError
from semantoks.evaluate.finetuning import tuning
from semantoks.evaluate.finetuning.finetune import Finetune, hold_out
from semantoks.evaluate.finetuning.target_model import predict_people
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Task

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.fixture(scope="module")
def pool():
    return make_pool()


def task_of(labels, kind="class", seed=0):
    train, test = np.arange(0, 30), np.arange(30, PEOPLE)
    inner = split_people(labels[train], train, kind=kind, folds=3, repeats=1, seed=seed)
    return Task(kind=kind, train=train, test=test, labels=labels[train], inner=tuple(inner), seed=seed)


def method(encoder, pool, config=QUICK, groups=None):
    groups = np.arange(PEOPLE) if groups is None else groups
    return Finetune(start=encoder, pool=pool, groups=groups, config=config, device=CPU)


def test_a_planted_class_is_learnt_and_told_of_people_who_were_not_trained_on(encoder, pool):
    names = np.array(["no", "yes"])[LABELS]
    said = method(encoder, pool, dataclasses.replace(QUICK, epochs=6)).predict(task_of(names), {})
    assert said.classes.tolist() == ["no", "yes"]
    np.testing.assert_allclose(said.test.sum(axis=1), 1)
    assert np.mean(said.classes[said.test.argmax(axis=1)] == names[30:]) > 0.85


def test_a_planted_value_is_learnt_in_its_own_units(encoder, pool):
    values = 1000.0 + 50 * LABELS + np.random.default_rng(3).normal(size=PEOPLE)
    said = method(encoder, pool, dataclasses.replace(QUICK, epochs=15)).predict(task_of(values, "value"), {})
    assert said.classes is None
    assert said.test.shape == (10, 1)
    assert np.corrcoef(said.test[:, 0], values[30:])[0, 1] > 0.8
    assert np.abs(said.test[:, 0] - values[30:]).mean() < 10


def test_the_order_of_the_grid_changes_nothing_since_every_rate_starts_afresh(encoder, pool):
    config = dataclasses.replace(QUICK, epochs=2, lr=(1e-2, 1e-3))
    turned = dataclasses.replace(config, lr=(1e-3, 1e-2))
    one, other = (method(encoder, pool, c).predict(task_of(LABELS), {}) for c in (config, turned))
    np.testing.assert_array_equal(one.candidates, other.candidates[::-1])
    np.testing.assert_array_equal(one.test, other.test)
    alone = method(encoder, pool, dataclasses.replace(config, lr=(1e-3,))).predict(task_of(LABELS), {})
    np.testing.assert_array_equal(alone.test, other.candidates[0])
    assert np.abs(one.candidates[0] - one.candidates[1]).max() > 1e-4


def test_the_rate_is_the_one_that_the_validation_liked_best(encoder, pool, monkeypatch):
    said = iter([(0.5, -1.0), (0.8, -9.0), (0.8, -1.0)])
    monkeypatch.setattr(tuning, "quality", lambda *_: next(said))
    config = dataclasses.replace(QUICK, epochs=1, lr=(1e-2, 1e-3, 1e-4))
    found = method(encoder, pool, config).predict(task_of(LABELS), {})
    np.testing.assert_array_equal(found.test, found.candidates[2])


def test_test_people_are_shown_to_the_models_after_all_training_and_once_each(encoder, pool, monkeypatch):
    asked = []

    def remember(where, call):
        return lambda model, pool, people, crops: asked.append((where, people)) or call(model, pool, people, crops)

    monkeypatch.setattr("semantoks.evaluate.finetuning.tuning.predict_people", remember("train", predict_people))
    monkeypatch.setattr("semantoks.evaluate.finetuning.finetune.predict_people", remember("test", predict_people))
    task = task_of(LABELS)
    method(encoder, pool, dataclasses.replace(QUICK, epochs=2, lr=(1e-2, 1e-3))).predict(task, {})
    assert [where for where, _ in asked] == ["train"] * 4 + ["test"] * 2
    assert all(set(people) <= set(task.train) for where, people in asked if where == "train")
    assert all(people is task.test for where, people in asked if where == "test")


def test_inner_predictions_are_the_base_rate_for_whoever_was_trained_on(encoder, pool):
    task = task_of(LABELS)
    said = method(encoder, pool).predict(task, {})
    kept, held = hold_out(task.labels, task.train, kind="class", share=0.25, seed=task.seed)
    shares = np.bincount(task.labels) / 30
    np.testing.assert_allclose(said.inner[kept], np.tile(shares, (len(kept), 1)))
    assert not np.isclose(said.inner[held], shares).any()
    np.testing.assert_allclose(said.inner.sum(axis=1), 1)


def test_groups_are_never_parted_by_the_validation():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 100)
    for kind, labels in (("class", np.array(["a", "b"])[groups % 2]), ("value", rng.normal(size=100))):
        kept, held = hold_out(labels, groups, kind=kind, share=0.2, seed=0)
        assert sorted([*kept, *held]) == list(range(100))
        assert not set(groups[kept]) & set(groups[held])
        assert 10 <= len(held) <= 30


def test_the_validation_is_stratified_and_larger_where_a_class_is_rare():
    groups = np.arange(53)
    kept, held = hold_out(np.array(["many"] * 50 + ["few"] * 3), groups, kind="class", share=0.2, seed=0)
    assert (held >= 50).sum() == 1
    assert (kept >= 50).sum() == 2
    assert len(held) in (17, 18)
    _, held = hold_out(np.array(["many"] * 40 + ["some"] * 13), groups, kind="class", share=0.2, seed=0)
    assert ((held < 40).sum(), (held >= 40).sum()) in {(8, 2), (8, 3)}
    with pytest.raises(DataError, match="'one' \\(1\\)"):
        hold_out(np.array(["many"] * 52 + ["one"]), groups, kind="class", share=0.2, seed=0)
