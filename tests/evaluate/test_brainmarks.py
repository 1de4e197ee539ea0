"""The Brainmarks protocol is scikit-learn's StandardScaler and LogisticRegressionCV on random splits."""

import dataclasses
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.models.brainmarks import PENALTIES, LogisticCV, brainmarks_splits
from semantoks.evaluate.models.predictors import Fixed
from semantoks.evaluate.study.crossval import cross_validate, task_of
from semantoks.evaluate.study.tasks import Plan

pytestmark = pytest.mark.slow


def plan_of(labels, *, kind="class", groups=None, trials=3):
    people = np.arange(len(labels))
    groups = people if groups is None else groups
    plan = Plan(target="dx", kind=kind, people=people, labels=labels, groups=groups, splits=())
    return dataclasses.replace(plan, splits=tuple(brainmarks_splits(plan, trials, 0)))


def people(features=150, classes="ab"):
    """Features of very different sizes, in all of which a little of what makes the classes is."""
    rng = np.random.default_rng(1)
    signal = rng.standard_normal((150, 2))
    rows = signal @ rng.standard_normal((2, features)) + 4 * rng.standard_normal((150, features))
    labels = np.array(list(classes))[np.searchsorted([-0.5, 1.5][: len(classes) - 1], signal.sum(axis=1))]
    return rows * np.exp(rng.standard_normal(features)) + 4, labels


@pytest.mark.parametrize(("features", "classes"), [(150, "ab"), (20, "ab"), (150, "abc")])
def test_it_is_what_scikit_learn_says(features, classes):
    rows, labels = people(features, classes)
    plan = plan_of(labels, trials=1)
    task = task_of(plan, plan.splits[0], 0)
    found = LogisticCV(Fixed(rows)).predict(task, {})
    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10, cv=task.inner, max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of attributes that change their shape some day
        direct = model.fit(rows[task.train], task.labels).predict_proba(rows[task.test])
    np.testing.assert_allclose(found.test, direct, atol=2e-3)
    chosen = next(place for place, said in enumerate(found.candidates) if np.array_equal(said, found.test))
    assert PENALTIES[chosen] == pytest.approx(np.ravel(model[-1].C_)[0])
    assert 0 < chosen < 9


def test_a_trial_holds_a_fifth_of_the_people_back_and_parts_no_group():
    groups = np.arange(100) // 2
    plan = plan_of(np.array(["a", "b"])[groups % 2], groups=groups, trials=100)
    assert len(plan.splits) == 100
    for train, test in plan.splits:
        assert len(test) == 20
        assert not set(groups[train]) & set(groups[test])
    assert len({test.tobytes() for _, test in plan.splits}) == 100


def test_a_planted_class_is_found_and_a_coin_is_not():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((120, 20))
    sex, coin = np.where(rows[:, 0] + rows[:, 1] > 0, "F", "M"), rng.permutation(np.array(["a", "b"]).repeat(60))
    scores = {}
    for name, labels in (("sex", sex), ("coin", coin)):
        found = cross_validate(plan_of(labels), {"encoder": LogisticCV(Fixed(rows))}, seed=0).scores
        assert all(row["peeked"] >= row["balanced_accuracy"] for row in found)
        scores[name] = np.mean([row["balanced_accuracy"] for row in found])
    assert scores["sex"] > 0.8
    assert 0.35 < scores["coin"] < 0.6


def test_the_size_of_a_feature_does_not_matter():
    rows, labels = people()
    plan = plan_of(labels, trials=1)
    task = task_of(plan, plan.splits[0], 0)
    scale = np.exp(np.random.default_rng(1).standard_normal(rows.shape[1]))
    before, after = (LogisticCV(Fixed(values)).predict(task, {}) for values in (rows, rows * scale + 3))
    np.testing.assert_allclose(before.test, after.test, atol=1e-6)


def test_values_and_rare_classes_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match=r"cut dx into classes \(--bins 3\)"):
        plan_of(np.arange(50.0), kind="value")
    with pytest.raises(DataError, match=r"at least 4 people .* too few in: 'b' \(3\)"):
        plan_of(np.array(["a", "b"]).repeat([40, 3]))
