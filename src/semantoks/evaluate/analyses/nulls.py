"""Could it be chance? The permutation null of every feature set, on the first repeat of a plan's splits."""

import zlib
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np

from semantoks.evaluate.models.linear import fold_of
from semantoks.evaluate.study.tasks import FeatureSet, Plan, Task
from semantoks.statistics.null import permutation_null
from semantoks.statistics.tables import MAIN, row_key


def null_scores(
    plan: Plan, sets: Mapping[str, FeatureSet], *, permutations: int, seed: int, n_jobs: int = 1
) -> list[dict[str, Any]]:
    """Return one row of scores.csv per feature set (analysis ``permutation``): p, and the score of the null's model.

    All sets see the same permutations, which depend on the seed and the target's name alone. ``plan`` has one repeat.
    """
    jobs = (joblib.delayed(_null_score)(plan, name, features, permutations, seed) for name, features in sets.items())
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        return list(joblib.Parallel(n_jobs=n_jobs)(jobs))


def _null_score(plan: Plan, name: str, features: FeatureSet, permutations: int, seed: int) -> dict[str, Any]:
    kernels = []
    for train, test in plan.splits:
        task = Task(
            kind=plan.kind,
            train=plan.people[train],
            test=plan.people[test],
            labels=plan.labels[train],
            inner=(),
            seed=seed,
        )
        fold = fold_of(features, task)
        kernels.append((fold.rows @ fold.rows.T, fold.held @ fold.rows.T))
    rng = np.random.default_rng([seed, zlib.crc32(plan.target.encode())])
    found = permutation_null(
        kernels, plan.splits, plan.labels, plan.groups, plan.kind, permutations=permutations, rng=rng
    )
    key = row_key("permutation", "", plan.target, plan.kind, name, -1)
    sizes = {"n_train": len(plan.splits[0][0]), "n_test": len(plan.labels)}
    return {**key, **sizes, MAIN[plan.kind]: found.observed, "p": found.p}
