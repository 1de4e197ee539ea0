"""Methods over feature sets: scaling changes nothing, neighbours vote fairly, k is chosen inside."""

import numpy as np
import pytest

from semantoks.evaluate.models.linear import fold_of
from semantoks.evaluate.models.predictors import Fixed, Linear, Neighbours, Svm
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Task


def make_task(kind="class", people=80, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(people, 6))
    labels = np.where(features[:, 0] > 0.5, "rare", "usual") if kind == "class" else features[:, 0] * 3 + 1
    train, test = np.arange(people - 20), np.arange(people - 20, people)
    inner = split_people(labels[train], train, kind=kind, folds=3, repeats=1, seed=0)
    return Task(kind=kind, train=train, test=test, labels=labels[train], inner=tuple(inner), seed=0), features, labels


@pytest.mark.parametrize("kind", ["class", "value"])
@pytest.mark.parametrize("method", [Linear, Svm, Neighbours])
def test_scaling_or_shifting_a_feature_changes_nothing(method, kind):
    task, features, _ = make_task(kind)
    scale = np.array([1e-3, 7.0, 1.0, 1e4, 2.0, 0.5])
    a, b = (method(Fixed(table)).predict(task, {}) for table in (features, features * scale + 3 * scale))
    np.testing.assert_allclose(a.test, b.test, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["class", "value"])
@pytest.mark.parametrize("method", [Linear, Svm, Neighbours])
def test_every_method_finds_what_a_feature_tells(method, kind):
    task, features, labels = make_task(kind)
    found = method(Fixed(features)).predict(task, {})
    assert found.inner.shape == (60, 2 if kind == "class" else 1)
    if kind == "class":
        np.testing.assert_allclose(found.test.sum(axis=1), 1)
        assert (found.classes[found.test.argmax(axis=1)] == labels[task.test]).mean() >= 0.8
    else:
        assert np.corrcoef(found.test[:, 0], labels[task.test])[0, 1] > 0.6


def test_many_columns_in_single_precision_give_what_few_give_in_double():
    task, features, _ = make_task("value")
    few = Linear(Fixed(features)).predict(task, {})
    many = Linear(Fixed(np.tile(features, 700).astype(np.float32))).predict(task, {})
    np.testing.assert_allclose(many.test, few.test, atol=1e-3)


def test_neighbours_of_equally_frequent_classes_vote_by_their_share():
    task, features, _ = make_task()
    found = Neighbours(Fixed(features)).predict(task, {})
    fold = fold_of(Fixed(features), task)
    rows, held = fold.rows, fold.test
    cosine = held @ rows.T / np.linalg.norm(held, axis=1)[:, None] / np.linalg.norm(rows, axis=1)
    near = np.argsort(-cosine, axis=1)
    rare = task.labels == "rare"
    for k, candidate in zip((5, 9, 17, 33), found.candidates, strict=False):
        votes = rare[near[:, :k]].sum(axis=1) / rare.sum(), (~rare)[near[:, :k]].sum(axis=1) / (~rare).sum()
        np.testing.assert_allclose(candidate[:, 0], votes[0] / (votes[0] + votes[1]))
