"""Cross-validation: test people's labels stay behind, each test side is scored once, the tables hold it all."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from semantoks.evaluate.models.predictors import Fixed, Linear, Stacked
from semantoks.evaluate.study.crossval import cross_validate, spread_classes, task_of
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Plan, Predicted
from semantoks.evaluate.study.work import Results, Work
from semantoks.statistics.scores import class_scores, value_scores
from semantoks.statistics.tables import read_predictions, read_scores

pytestmark = pytest.mark.slow


def make_plan(kind="class", people=60, seed=0, folds=3, **changes):
    """People 5, 6, ... with a label that the first of ten features tells; and these features."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(people + 5, 10))
    signal = features[5:, 0] + 0.3 * rng.normal(size=people)
    labels = np.where(signal > 0, "p", "q") if kind == "class" else signal
    groups = np.arange(people)
    splits = split_people(labels, groups, kind=kind, folds=folds, repeats=1, seed=seed, inner=3)
    plan = Plan(
        target="t", kind=kind, people=np.arange(5, people + 5), labels=labels, groups=groups, splits=tuple(splits)
    )
    return dataclasses.replace(plan, **changes), features


def test_a_task_holds_the_labels_of_the_training_people_alone():
    plan, _ = make_plan()
    train, test = plan.splits[0]
    task = task_of(plan, plan.splits[0], seed=0)
    assert np.array_equal(task.train, train + 5)
    assert np.array_equal(task.test, test + 5)
    assert np.array_equal(task.labels, plan.labels[train])
    assert len(task.labels) == len(task.train)
    for fitted, held in task.inner:
        assert sorted([*fitted, *held]) == list(range(len(train)))


@pytest.mark.parametrize("kind", ["class", "value"])
def test_scores_are_those_of_the_kept_predictions(kind):
    plan, features = make_plan(kind)
    found = cross_validate(plan, {"a": Linear(Fixed(features)), "b": Linear(Fixed(features[:, 1:]))}, seed=0)
    scores, said = found.tables()
    assert len(scores) == 6
    assert len(said) == 2 * 60
    for row in scores.itertuples():
        part = said[(said["method"] == row.method) & (said["split"] == row.split)]
        assert len(part) == row.n_test
        if kind == "value":
            again = value_scores(part["truth"].to_numpy(), part["predicted"].to_numpy())
        else:
            chances = np.stack(part["probability"].to_list()).astype(float)
            again = class_scores(part["truth_name"].to_numpy(str), chances, np.array(["p", "q"]))
            assert np.array_equal(part["predicted"], chances.argmax(axis=1))
        for metric, value in again.items():
            assert getattr(row, metric) == pytest.approx(value, abs=1e-6)
        assert row.peeked >= getattr(row, "r" if kind == "value" else "balanced_accuracy")
    main = "r" if kind == "value" else "auroc"
    good, poor = (scores.loc[scores["method"] == method, main].mean() for method in "ab")
    assert good > 0.8
    assert abs(poor - (0 if kind == "value" else 0.5)) < 0.3


def test_labels_of_the_test_people_change_no_prediction():
    plan, features = make_plan("value")
    _, test = plan.splits[0]
    wrong = plan.labels.copy()
    wrong[test] = wrong[test[::-1]] + 7
    one = dataclasses.replace(plan, splits=plan.splits[:1])
    other = dataclasses.replace(one, labels=wrong)
    methods = {"a": Linear(Fixed(features))}
    a, b = (cross_validate(p, methods, seed=0).tables()[1]["predicted"] for p in (one, other))
    assert np.array_equal(a, b)


def test_processes_change_no_number():
    plan, features = make_plan()
    methods = {"a": Linear(Fixed(features))}
    one, two = (cross_validate(plan, methods, seed=0, work=Work(n)).tables() for n in (1, 2))
    pd.testing.assert_frame_equal(one[0], two[0])
    pd.testing.assert_frame_equal(one[1], two[1])


def test_scores_alone_are_the_same_scores_and_every_split_ticks():
    plan, features = make_plan()
    methods, seen = {"a": Linear(Fixed(features))}, []
    scores = cross_validate(plan, methods, seed=0, keep=False, tick=lambda: seen.append(1))
    assert scores.scores == cross_validate(plan, methods, seed=0).scores
    assert scores.predictions == []
    assert len(seen) == len(plan.splits)


def test_a_class_that_the_training_side_lacks_has_probability_zero():
    full = spread_classes(np.array([[0.3, 0.7]]), np.array(["a", "c"]), np.array(["a", "b", "c"]))
    assert full.tolist() == [[0.3, 0.0, 0.7]]


def test_a_stack_knows_what_either_part_knows():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 120, 3))
    labels = one[:, 0] + two[:, 0]
    splits = tuple(split_people(labels, np.arange(120), kind="value", folds=3, repeats=1, seed=0))
    plan = Plan(target="t", kind="value", people=np.arange(120), labels=labels, groups=np.arange(120), splits=splits)
    methods = {"a": Linear(Fixed(one)), "b": Linear(Fixed(two)), "a+b": Stacked(("a", "b"))}
    r = cross_validate(plan, methods, seed=0).tables()[0].groupby("method")["r"].mean()
    assert r["a+b"] > 0.95 > r[["a", "b"]].max() + 0.1


def test_the_tables_survive_the_disk_and_people_stay_numbers(tmp_path):
    plan, features = make_plan()
    found = cross_validate(plan, {"a": Linear(Fixed(features))}, seed=0)
    scores, said = found.write(tmp_path)
    pd.testing.assert_frame_equal(read_scores(tmp_path / "scores.csv"), scores, check_dtype=False)
    back = read_predictions(tmp_path / "predictions.parquet")
    assert np.array_equal(back["person"], said["person"])
    assert "participant_id" not in back
    ids = [f"sub{i}" for i in range(65)]
    _, named = found.write(tmp_path, ids)
    assert named["participant_id"].tolist() == [ids[i] for i in named["person"]]


def test_a_method_of_ones_own_gets_what_it_needs():
    class Mean:
        def predict(self, task, before):
            value = np.full((len(task.test), 1), task.labels.mean())
            return Predicted(classes=None, test=value, inner=np.zeros((len(task.train), 1)), candidates=value[None])

    plan, _ = make_plan("value")
    scores = Results(cross_validate(plan, {"mean": Mean()}, seed=0).scores).tables()[0]
    assert (scores["r"] == 0).all()
    assert (scores["r2"] <= 0).all()
