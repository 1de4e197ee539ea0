"""The permutation null against explicit refits and loops."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from semantoks.errors import DataError
from semantoks.evaluate.models.linear import INVERSE_PENALTIES, standardise
from semantoks.statistics.null import PENALTIES, permutation_null, permuted_rows

N = 24


def some_splits(rng, n=N, folds=3):
    order = rng.permutation(n)
    cuts = np.linspace(0, n, folds + 1).astype(int)[1:-1] - 1  # the first is smaller than the others, the last larger
    return [(np.setdiff1d(order, test), np.sort(test)) for test in np.split(order, cuts)]


def some_rows(features, splits):
    return [standardise(features[train], features[test]) for train, test in splits]


def ridge(train, targets, test, penalty):
    """Fit with an intercept that is not penalised, in the space of features, and predict."""
    mean, middle = train.mean(axis=0), targets.mean(axis=0)
    gram = (train - mean).T @ (train - mean) + penalty * np.eye(train.shape[1])
    return middle + (test - mean) @ np.linalg.solve(gram, (train - mean).T @ (targets - middle))


def plain_score(train, test, labels, held, kind):
    """Choose the penalty by really leaving out one row after the other, refit, predict, score: in loops."""
    classes = np.unique(labels)
    shares = np.array([(labels == name).mean() for name in classes])
    targets = (labels[:, None] == classes) / np.sqrt(shares) if kind == "class" else labels[:, None]
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for i in range(len(train)):
            rest = np.arange(len(train)) != i
            error += ((ridge(train[rest], targets[rest], train[[i]], penalty) - targets[i]) ** 2).sum()
        errors.append(error)
    predicted = ridge(train, targets, test, PENALTIES[int(np.argmin(errors))])
    if kind == "class":
        return balanced_accuracy_score(held, classes[(predicted / np.sqrt(shares)).argmax(axis=1)])
    return np.corrcoef(predicted[:, 0], held)[0, 1]


@pytest.mark.parametrize("features", [5, 40])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_null_equals_a_loop_of_refits_with_explicit_leave_one_out(classes, features):
    rng = np.random.default_rng(classes)
    kind = "class" if classes else "value"
    labels = np.array(["a", "a", "b", "c"])[np.arange(N) % (classes + 1)] if classes else rng.normal(size=N)
    matrix = rng.normal(size=(N, features))
    matrix[:, 0] += labels == "b" if classes else labels
    splits, groups = some_splits(rng), np.arange(N)
    rows = some_rows(matrix, splits)
    found = permutation_null(rows, splits, labels, groups, kind, permutations=2, rng=np.random.default_rng(7))
    orders = permuted_rows([test for _, test in splits], groups, 2, np.random.default_rng(7))
    expected = [
        np.average(
            [
                plain_score(*sides, given[train], given[test], kind)
                for sides, (train, test) in zip(rows, splits, strict=True)
            ],
            weights=[len(test) for _, test in splits],
        )
        for given in (labels, *labels[orders])
    ]
    assert found.observed == pytest.approx(expected[0])
    assert found.null == pytest.approx(np.array(expected[1:]))


def test_the_penalties_are_those_of_the_linear_models():
    assert np.sort(PENALTIES) == pytest.approx(np.sort(1 / INVERSE_PENALTIES))


def test_p_counts_the_permutations_that_do_as_well_and_the_labels_themselves():
    rng = np.random.default_rng(0)
    splits, labels = some_splits(rng), rng.normal(size=N)
    rows = some_rows(rng.normal(size=(N, 4)), splits)
    found = permutation_null(rows, splits, labels, np.arange(N), "value", permutations=99, rng=rng)
    assert found.null.shape == (99,)
    assert found.p == (1 + (found.null >= found.observed).sum()) / 100


def test_features_that_hold_the_label_get_the_smallest_p_there_is_and_empty_features_the_largest():
    rng = np.random.default_rng(0)
    splits, labels = some_splits(rng), np.array(["a", "b"])[np.arange(N) % 2]
    for features, p in (((labels == "a")[:, None] + rng.normal(0, 0.1, (N, 3)), 1 / 100), (np.zeros((N, 3)), 1.0)):
        rows = some_rows(features, splits)
        found = permutation_null(rows, splits, labels, np.arange(N), "class", permutations=99, rng=rng)
        assert found.p == p
    values = permutation_null(rows, splits, rng.normal(size=N), np.arange(N), "value", permutations=9, rng=rng)
    assert values.observed == 0
    assert values.p == 1


def test_rare_classes_are_predicted_too():
    """With 1 in 6 of a class that the features tell only roughly, the largest indicator alone would never name it."""
    rng = np.random.default_rng(0)
    labels = np.array(["rare", *["common"] * 5])[np.arange(300) % 6]
    splits = some_splits(rng, 300)
    rows = some_rows((labels == "rare")[:, None] + rng.normal(0, 0.7, (300, 1)), splits)
    found = permutation_null(rows, splits, labels, np.arange(300), "class", permutations=9, rng=rng)
    assert found.observed > 0.7


def test_the_numbers_do_not_depend_on_how_many_targets_are_held_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    splits, labels = some_splits(rng), np.array(["a", "b", "c"])[np.arange(N) % 3]
    rows = some_rows(rng.normal(size=(N, 4)), splits)
    arguments = (rows, splits, labels, np.arange(N), "class")
    whole = permutation_null(*arguments, permutations=20, rng=np.random.default_rng(1))
    monkeypatch.setattr("semantoks.statistics.null._CELLS", 16 * 3 * 4)
    assert permutation_null(*arguments, permutations=20, rng=np.random.default_rng(1)).null == pytest.approx(whole.null)


def test_labels_stay_on_their_test_side_and_families_move_as_blocks():
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 6, 6, 7, 8, 8, 9, 9, 10])
    tests = [np.arange(0, 9), np.arange(9, 16)]  # 16 and 17 are never tested
    orders = permuted_rows(tests, groups, 200, np.random.default_rng(0))
    for rows in (*tests, np.array([16, 17])):
        assert (np.sort(orders[:, rows], axis=1) == rows).all()
    for pair in ([0, 1], [2, 3], [4, 5], [13, 14]):
        first, second = orders[:, pair[0]], orders[:, pair[1]]
        assert (second == first + 1).all()
        assert (groups[first] == groups[second]).all()
    assert set(orders[:, 0]) == {0, 2, 4}
    assert set(orders[:, 6]) == {6, 7, 8}
    assert set(orders[:, 16]) == {16, 17}
    assert (orders[:, 9:12] == [9, 10, 11]).all()  # a family of three without a partner


def test_every_order_is_equally_likely():
    orders = permuted_rows([np.arange(3)], np.arange(3), 6000, np.random.default_rng(0))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts == pytest.approx(np.full(6, 1000), abs=5 * np.sqrt(1000))


def test_a_row_that_is_tested_twice_is_refused():
    rng = np.random.default_rng(0)
    splits = some_splits(rng) * 2
    rows = some_rows(rng.normal(size=(N, 4)), splits)
    with pytest.raises(DataError, match="24 rows are tested twice"):
        permutation_null(rows, splits, rng.normal(size=N), np.arange(N), "value", permutations=9, rng=rng)
