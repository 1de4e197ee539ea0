"""The paper's protocol: its sides, whom the rate is chosen by, and that nobody's labels reach the test side."""

import dataclasses
import zlib

import numpy as np
import pytest
import torch
from scipy.special import softmax

from semantoks.errors import DataError
from semantoks.evaluate.models.paper import paper_probes, paper_splits, validation_split
from semantoks.evaluate.models.predictors import Fixed, Linear, Stacked
from semantoks.evaluate.models.sgd_probe import ProbeJob, SgdRecipe, train_probes
from semantoks.evaluate.study.crossval import cross_validate, task_of
from semantoks.evaluate.study.tasks import Plan

pytestmark = pytest.mark.slow

PEOPLE, CROPS = 120, 3
CPU = torch.device("cpu")
OWNER = np.append(np.arange(PEOPLE), [5, 9])
"""Two people came twice."""


def crops(seed=0, width=10):
    """A row of a person is that person plus noise."""
    rng = np.random.default_rng(seed)
    person = rng.standard_normal((PEOPLE, 1, width))
    return (person[OWNER] + 0.3 * rng.standard_normal((len(OWNER), CROPS, width))).astype(np.float32)


def plan_of(target, labels, *, repetitions=3, people=None, groups=None):
    people = np.arange(PEOPLE) if people is None else people
    kind = "value" if labels.dtype.kind == "f" else "class"
    groups = np.arange(len(people)) if groups is None else groups
    plan = Plan(target=target, kind=kind, people=people, labels=labels, groups=groups, splits=())
    return dataclasses.replace(plan, splits=tuple(paper_splits(plan, repetitions, 0)))


def planted(rows, target):
    """A class or a value that the first feature decides."""
    signal = np.stack([rows[person == OWNER, :, 0].mean() for person in range(PEOPLE)]).astype(float)
    return 40 + 9 * signal if target == "age" else np.where(signal > 0, "F", "M")


def recipe_of(**changes):
    return SgdRecipe(**{"seed": 0, "device": CPU, "epochs": 8} | changes)


def run(plans, rows, **changes):
    methods = paper_probes({"encoder": rows}, OWNER, plans, recipe_of(**changes), stacked=())
    return {plan.target: cross_validate(plan, methods[plan.target], seed=0) for plan in plans}


def test_sides_are_those_of_the_paper_and_share_no_group():
    groups = np.arange(200) // 2
    labels = np.array(["a", "b"])[groups % 2]
    plan = plan_of("dx", labels, people=np.arange(200), groups=groups, repetitions=10)
    for train, test in plan.splits:
        fitted, chooser = validation_split(labels[train], groups[train], kind="class", seed=0)
        sides = [train[fitted], train[chooser], test]
        assert [len(side) for side in sides] == pytest.approx([61.4, 15.8, 122.8], abs=2.2)
        assert sum(len(set(groups[side])) for side in sides) == 100
        assert len(set.union(*(set(groups[side]) for side in sides))) == 100


def test_a_planted_class_and_value_are_found_and_a_coin_is_not():
    rows, coin = crops(), np.random.default_rng(1).permutation(np.array(["heads", "tails"]).repeat(PEOPLE // 2))
    plans = [plan_of("sex", planted(rows, "sex")), plan_of("age", planted(rows, "age")), plan_of("coin", coin)]
    found = run(plans, rows)
    assert np.mean([row["balanced_accuracy"] for row in found["sex"].scores]) > 0.85
    assert np.mean([row["r"] for row in found["age"].scores]) > 0.8
    assert np.mean([row["mae"] for row in found["age"].scores]) < 7
    assert 0.4 < np.mean([row["balanced_accuracy"] for row in found["coin"].scores]) < 0.6
    for result in found.values():
        assert [row["split"] for row in result.scores] == [0, 1, 2]
        for row in result.scores:
            assert row["peeked"] >= row["r" if row["kind"] == "value" else "balanced_accuracy"]


@pytest.mark.parametrize("target", ["coin", "age"])
def test_the_rate_is_the_one_that_the_validation_people_like_best(target):
    rows, rng = crops(), np.random.default_rng(1)
    labels = planted(rows, "age") if target == "age" else rng.permutation(np.array(["a", "b"]).repeat(PEOPLE // 2))
    plan = plan_of(target, labels, repetitions=3)
    probes = paper_probes({"encoder": rows}, OWNER, [plan], recipe_of(epochs=6), stacked=())
    chosen = set()
    for repetition, (train, test) in enumerate(plan.splits):
        said = probes[target]["encoder"].predict(task_of(plan, (train, test), 0), {})
        fitted, chooser = validation_split(labels[train], train, kind=plan.kind, seed=repetition)
        output = direct(rows, plan, train[fitted], repetition)
        losses = [loss(labels[train[chooser]], one[train[chooser]]) for one in output]
        assert len(set(losses)) > 1
        expected = softmax(output, axis=2) if target == "coin" else output
        np.testing.assert_allclose(said.candidates, expected[:, test], rtol=1e-5)
        np.testing.assert_allclose(said.test, expected[np.argmin(losses), test], rtol=1e-5)
        assert np.isnan(said.inner).all()
        chosen.add(int(np.argmin(losses)))
    assert len(chosen) > 1


def direct(rows, plan, train, repetition):
    """Train the probes of one repetition."""
    classes = np.unique(plan.labels) if plan.kind == "class" else []
    labels = np.searchsorted(classes, plan.labels) if len(classes) else plan.labels
    key = (zlib.crc32(plan.target.encode()), repetition, 0)
    job = ProbeJob(train=train, labels=labels, classes=len(classes), key=key)
    return train_probes(
        torch.from_numpy(rows.reshape(-1, 10)), OWNER.repeat(CROPS), [job], SgdRecipe(seed=0, epochs=6)
    )[0]


def loss(truth, said):
    if truth.dtype.kind == "f":
        return np.abs(said[:, 0] - truth).mean()
    right = np.array(["a", "b"])[said.argmax(axis=1)] == truth
    return -(right[truth == "a"].mean() + right[truth == "b"].mean()) / 2


def test_the_labels_of_the_test_people_change_no_prediction():
    rows = crops()
    plan = plan_of("age", planted(rows, "age"), repetitions=1)
    said = []
    for shift in (0, 1000):
        labels = plan.labels.copy()
        labels[plan.splits[0][1]] += shift
        other = dataclasses.replace(plan, labels=labels)
        method = paper_probes({"encoder": rows}, OWNER, [other], recipe_of(epochs=2))["age"]["encoder"]
        said.append(method.predict(task_of(other, other.splits[0], 0), {}))
    assert np.array_equal(said[0].test, said[1].test)
    assert np.array_equal(said[0].inner, said[1].inner)


def test_another_target_leaves_the_numbers_of_the_first_alone():
    rows = crops()
    sex, age = plan_of("sex", planted(rows, "sex")), plan_of("age", planted(rows, "age"))
    alone, beside = run([sex], rows, epochs=2)["sex"], run([age, sex], rows, epochs=2)["sex"]
    assert alone.scores == beside.scores
    for one, other in zip(alone.predictions, beside.predictions, strict=True):
        assert one.equals(other)


def test_a_stack_gets_predictions_of_people_whom_the_probe_had_not_seen():
    rows = crops()
    plan = plan_of("age", planted(rows, "age"), repetitions=1)
    methods = paper_probes({"encoder": rows}, OWNER, [plan], recipe_of(epochs=12))["age"]
    noise = Fixed(np.random.default_rng(0).standard_normal((PEOPLE, 4)))
    found = cross_validate(plan, {"fc": Linear(noise), **methods, "fc+encoder": Stacked(("fc", "encoder"))}, seed=0)
    score = {row["method"]: row["r"] for row in found.scores}
    assert score["fc+encoder"] == pytest.approx(score["encoder"], abs=0.1)
    # Values at random that are learnt by heart are known of those who were seen, and of nobody else.
    plan = plan_of("coin", np.random.default_rng(3).standard_normal(PEOPLE), repetitions=1)
    task = task_of(plan, plan.splits[0], 0)
    method = paper_probes({"encoder": rows}, OWNER, [plan], SgdRecipe(seed=0, rates=(0.03,)))["coin"]["encoder"]
    assert abs(np.corrcoef(method.predict(task, {}).inner[:, 0], task.labels)[0, 1]) < 0.3
    seen = direct(rows, plan, plan.splits[0][0], 0)[0]
    assert np.corrcoef(seen[task.train, 0], task.labels)[0, 1] > 0.4


def test_people_without_a_label_are_left_out_and_rare_classes_refused():
    rows, some = crops(), np.flatnonzero(np.arange(PEOPLE) % 3)
    plan = plan_of("dx", np.array(["a", "b", "c", "c"])[np.arange(len(some)) % 4], people=some, repetitions=2)
    found = run([plan], rows, epochs=2)["dx"]
    for table, (_, test) in zip(found.predictions, plan.splits, strict=True):
        assert set(table["person"]) == set(some[test])
        np.testing.assert_allclose([chance.sum() for chance in table["probability"]], 1, rtol=1e-5)
    with pytest.raises(DataError, match="too few in: 'rare'"):
        plan_of("dx", np.array(["a"] * 113 + ["rare"] * 7))
