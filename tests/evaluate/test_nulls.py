"""The permutation null of feature sets: rows on the scale that its penalties are made for."""

import time
import zlib

import numpy as np
import pytest

from semantoks.evaluate.analyses.run import null_scores
from semantoks.evaluate.models.linear import standardise
from semantoks.evaluate.models.predictors import Fixed, Linear
from semantoks.evaluate.study.crossval import cross_validate
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Plan
from semantoks.statistics.null import permutation_null


def planned(kind):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 30)) * np.exp(rng.normal(size=30))
    signal = rows[:, 0] / rows[:, 0].std() + 2 * rng.normal(size=60)
    labels = signal if kind == "value" else np.where(signal > 0, "a", "b")
    people = np.arange(60)
    splits = split_people(labels, people, kind=kind, folds=3, repeats=1, seed=0)
    return rows, Plan(target="t", kind=kind, people=people, labels=labels, groups=people, splits=tuple(splits))


@pytest.mark.parametrize(("kind", "score"), [("value", "r"), ("class", "balanced_accuracy")])
def test_the_null_is_that_of_kernels_of_standardised_rows_of_mean_squared_length_one(kind, score):
    rows, plan = planned(kind)
    (found,) = null_scores([(plan, {"fc": Fixed(rows)})], permutations=19, seed=3)
    sides = [standardise(rows[train], rows[test]) for train, test in plan.splits]
    assert all((here**2).sum() / len(here) == pytest.approx(1) for here, _ in sides)
    rng = np.random.default_rng([3, zlib.crc32(b"t")])
    expected = permutation_null(sides, plan.splits, plan.labels, plan.groups, kind, permutations=19, rng=rng)
    assert found[score] == pytest.approx(expected.observed, rel=1e-7)
    assert found["p"] == expected.p
    assert (found["n_train"], found["n_test"], found["split"], found["method"]) == (40, 60, -1, "fc")


def test_rows_of_another_scale_would_have_other_scores():
    rows, plan = planned("value")
    observed = []
    for scale in (1, 2):
        both = (standardise(rows[train], rows[test]) for train, test in plan.splits)
        sides = [(scale * here, scale * there) for here, there in both]
        rng = np.random.default_rng(0)
        null = permutation_null(sides, plan.splits, plan.labels, plan.groups, "value", permutations=1, rng=rng)
        observed.append(null.observed)
    assert abs(observed[0] - observed[1]) > 1e-4


@pytest.mark.parametrize("kind", ["value", "class"])
def test_a_thousand_permutations_cost_less_than_scoring_the_same_features(kind):
    """A tenth of five repeats of five folds, at 400 people; here, with few people, less than all of it."""
    rows, plan = planned(kind)
    methods, times = {"fc": Linear(Fixed(rows))}, [time.process_time()]
    cross_validate(plan, methods, seed=0)
    times.append(time.process_time())
    null_scores([(plan, {"fc": Fixed(rows)})], permutations=1000, seed=0)
    times.append(time.process_time())
    scoring, null = np.diff(times)
    assert null < 5 * scoring
