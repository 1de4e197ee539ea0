"""Tangent space against a naive loop in double precision; what is fitted comes from the training people alone."""

import numpy as np
import pytest
from nilearn.connectome import ConnectivityMeasure, sym_matrix_to_vec
from scipy.linalg import logm, sqrtm

from semantoks.evaluate.baselines import tangent
from semantoks.evaluate.baselines.tangent import Tangent, tangent_space
from semantoks.statistics.shrinkage import SHRINKAGES, likelihoods
from tiny_people import shown, write_cohort

UPPER = np.triu_indices(8)


@pytest.fixture(scope="module")
def features(cohort):
    return tangent_space(shown(cohort))


def naive(correlations, train, people, share):
    """log(M^-1/2 S M^-1/2), entry by entry."""
    shrunk = [(1 - share) * one.astype(float) + share * np.eye(8) for one in correlations]
    root = np.linalg.inv(sqrtm(np.mean([shrunk[i] for i in train], axis=0)))
    scale = np.where(UPPER[0] == UPPER[1], 1, np.sqrt(2))
    return np.array([logm(root @ shrunk[i] @ root)[UPPER] * scale for i in people])


def test_the_correlations_of_a_person_are_averaged_and_a_missing_roi_goes_with_nothing(tmp_path):
    rng = np.random.default_rng(0)
    series = {f"sub-1_ses-{s}": rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8)) for s in (1, 2, 3)}
    series["sub-1_ses-2"][:, 2] = 0
    holes = write_cohort(tmp_path, series)
    expected = np.zeros((8, 8))
    for i, rois in enumerate([np.arange(8), np.delete(np.arange(8), 2), np.arange(8)]):
        one = np.eye(8)
        one[np.ix_(rois, rois)] = np.corrcoef(holes.series(i)[:, rois].astype(float).T)
        expected += one / 3
    found = tangent_space(shown(holes)).correlations
    assert found.shape == (1, 8, 8)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_the_features_are_those_of_a_naive_loop(features, monkeypatch):
    monkeypatch.setattr(tangent, "_AT_ONCE", 7)  # so that people come in several parts, of different lengths
    train, people = np.arange(5, 25), np.arange(40)[::-1]
    expected = naive(features.correlations, train, people, features.shrinkage(train))
    np.testing.assert_allclose(features.matrix(train, people), expected, atol=2e-5)


def test_they_are_nilearns_but_for_a_reference_that_is_the_mean(features):
    train, share = np.arange(20), features.shrinkage(np.arange(20))
    shrunk = (1 - share) * features.correlations[:20].astype(float) + share * np.eye(8)
    measure = ConnectivityMeasure(kind="tangent", cov_estimator=None)
    root = np.linalg.inv(sqrtm(shrunk.mean(axis=0)))
    own = [sym_matrix_to_vec(logm(root @ one @ root)) for one in shrunk]
    assert measure.kind == "tangent"
    # The order of nilearn's triangle is another one, and its entries are sqrt(2) smaller: distances tell.
    found = features.matrix(train, train)
    ours, theirs = (np.linalg.norm(some[:, None] - some[None], axis=2) for some in (found, np.array(own)))
    np.testing.assert_allclose(ours, theirs * np.sqrt(2), atol=1e-4)


def test_the_shrinkage_is_the_one_under_which_training_peoples_other_halves_are_likeliest(cohort, features):
    rows = cohort.recordings.groupby("participant_id").indices
    train = np.arange(3, 31, 2)
    total = np.zeros(len(SHRINKAGES))
    for name in [sorted(rows)[i] for i in train]:
        early, late = (cohort.series(int(i)).astype(float).T for i in (rows[name][0], rows[name][-1]))
        total += likelihoods(early[:, : early.shape[1] // 2], late[:, late.shape[1] // 2 :])
    assert features.shrinkage(train) == SHRINKAGES[int(total.argmax())]
    np.testing.assert_allclose(features.votes[train].sum(axis=0), total, rtol=1e-4)


def test_the_people_who_train_decide_the_shrinkage_and_ties_go_to_the_strongest():
    votes = np.zeros((3, len(SHRINKAGES)), dtype=np.float32)
    votes[0, 2], votes[1, 9] = 1, 2
    some = Tangent(np.tile(np.eye(8, dtype=np.float32), (3, 1, 1)), votes)
    chosen = [some.shrinkage(np.array(train)) for train in ([0], [1], [0, 1], [2])]
    assert chosen == [SHRINKAGES[2], SHRINKAGES[9], SHRINKAGES[9], SHRINKAGES[-1]]


def test_short_recordings_are_shrunk_more_than_long_ones(tmp_path):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(8, 8))
    chosen = []
    for frames in (20, 400):
        series = {f"sub-{i:02d}": rng.normal(size=(frames, 8)) @ mixing for i in range(12)}
        some = write_cohort(tmp_path / str(frames), series)
        chosen.append(tangent_space(shown(some)).shrinkage(np.arange(12)))
    assert chosen[0] > chosen[1]


def test_nothing_of_the_test_people_reaches_the_features_of_others(features):
    train, test = np.arange(30), np.arange(30, 40)
    correlations, votes = features.correlations.copy(), features.votes.copy()
    correlations[test] *= 3
    votes[test] = -votes[test]
    changed = Tangent(correlations, votes)
    np.testing.assert_array_equal(changed.matrix(train, train), features.matrix(train, train))
    assert not np.allclose(features.matrix(test, train), features.matrix(train, train), atol=1e-3)


def test_a_group_of_other_correlations_gives_the_reference(features):
    train, people = np.arange(20), np.arange(20, 40)
    half = Tangent(features.correlations[::-1].copy(), features.votes, group=features.correlations)
    share = features.shrinkage(train)
    both = np.concatenate([features.correlations, features.correlations[::-1]])
    np.testing.assert_allclose(half.matrix(train, people), naive(both, train, people + 40, share), atol=2e-5)


def test_several_processors_change_nothing(cohort, features):
    two = tangent_space(shown(cohort, n_jobs=2))
    np.testing.assert_array_equal(two.correlations, features.correlations)
    np.testing.assert_array_equal(two.votes, features.votes)


def test_the_tangent_space_works_on_correlations_that_other_processes_share(features, tmp_path):
    np.save(tmp_path / "correlations.npy", features.correlations)
    mapped = Tangent(np.load(tmp_path / "correlations.npy", mmap_mode="r"), features.votes)
    everybody = np.arange(40)
    np.testing.assert_array_equal(mapped.matrix(everybody, everybody), features.matrix(everybody, everybody))
