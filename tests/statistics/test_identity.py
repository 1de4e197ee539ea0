"""Identification and reliability against published numbers, naive loops and what random people would show."""

import numpy as np
import pytest

from semantoks.statistics.identity import agreement, i_diff, icc, identification, over_people, similarity

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)
"""Four judges' ratings of six targets (Shrout & Fleiss 1979, table 2)."""


def two_parts(people=30, features=50, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    person = rng.normal(size=(people, features))
    return person + noise * rng.normal(size=person.shape), person + noise * rng.normal(size=person.shape)


def test_the_icc_is_the_published_one_of_shrout_and_fleiss():
    found = icc(SHROUT_FLEISS.T[:, :, None])
    assert found == pytest.approx([0.7148], abs=5e-5)
    assert found == pytest.approx([(11.24 - 1.02) / (11.24 + 3 * 1.02)], abs=2e-3)


def test_the_icc_of_two_parts_is_their_covariance_over_their_mean_variance():
    first, second = two_parts(noise=0.7)
    expected = [
        2 * np.cov(a, b)[0, 1] / (a.var(ddof=1) + b.var(ddof=1)) for a, b in zip(first.T, second.T, strict=True)
    ]
    np.testing.assert_allclose(icc(np.stack([first, second])), expected)


def test_the_icc_ignores_what_a_part_adds_for_everybody_and_the_unit():
    first, second = two_parts(features=4)
    same = icc(np.stack([first, second]))
    np.testing.assert_allclose(icc(np.stack([3 * first + 100, 3 * second - 7])), same)
    assert not np.allclose(icc(np.stack([first, 3 * second])), same)


def test_agreement_counts_the_features_that_vary():
    first, second = two_parts(people=200, features=6, noise=0.2)
    second[:, :2] = np.random.default_rng(1).normal(size=(200, 2))
    first[:, 5], second[:, 5] = 0.1, 0.1
    found = agreement(np.stack([first, second]))
    assert np.isnan(found.each[5])
    assert np.all(np.abs(found.each[:2]) < 0.3)
    assert np.all(found.each[2:5] > 0.9)
    assert found.median == np.median(found.each[:5])
    assert found.fair == found.good == 3 / 5
    nothing = agreement(np.ones((2, 3, 2)))
    assert np.isnan([nothing.median, nothing.fair, nothing.good, *nothing.each]).all()


def test_fair_and_good_have_their_thresholds():
    rng = np.random.default_rng(0)
    person = rng.normal(size=20_000)
    true = np.array([0.3, 0.5, 0.7])
    noise = np.sqrt(1 / true - 1)
    parts = person[:, None] + noise * rng.normal(size=(2, 20_000, 3))
    found = agreement(parts)
    np.testing.assert_allclose(found.each, true, atol=0.02)
    assert (found.fair, found.good) == (2 / 3, 1 / 3)


def correlations(first, second):
    return np.array([[np.corrcoef(a, b)[0, 1] for b in second] for a in first])


@pytest.mark.parametrize("features", [20, 1100])
def test_similarity_is_numpys_correlation_of_every_pair_over_people(features):
    first, second = two_parts(people=7, features=features)
    found = similarity(100 + 3 * first, second)
    np.testing.assert_allclose(found, correlations(over_people(first), over_people(second)), atol=1e-12)


def test_features_that_are_all_the_same_go_with_nothing():
    first, second = two_parts(people=3, features=700)
    first[:] = [[1.0], [4.0], [2.0]]
    assert np.all(similarity(first, second) == 0)


def test_without_a_feature_everybody_is_as_near_as_anybody():
    nothing = np.empty((2, 4, 0), np.float32)
    assert identification(similarity(*nothing)) == 1 / 4
    assert np.isnan(agreement(nothing).median)


def test_everybody_is_identified_by_what_stays_and_nobody_by_noise():
    first, second = two_parts(noise=0.3)
    assert identification(similarity(first, second)) == 1
    rng = np.random.default_rng(0)
    strangers = [identification(similarity(*rng.normal(size=(2, 40, 30)))) for _ in range(200)]
    assert np.mean(strangers) == pytest.approx(1 / 40, abs=0.006)


def test_identification_averages_both_directions():
    alike = np.array([[0.9, 0.8, 0.95], [0.1, 0.7, 0.2], [0.0, 0.3, 0.5]])
    # Rows find 2, 1, 2 (two of three right); columns find 0, 0, 0 (one right).
    assert identification(alike) == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert identification(alike.T) == identification(alike)


def test_people_who_are_all_alike_are_identified_by_chance():
    assert identification(np.zeros((8, 8))) == pytest.approx(1 / 8)


def test_i_diff_is_the_mean_with_oneself_minus_the_mean_with_others():
    alike = np.array([[0.9, 0.1, 0.2], [0.3, 0.7, 0.2], [0.0, 0.4, 0.5]])
    assert i_diff(alike) == pytest.approx(0.7 - 1.2 / 6)


def test_what_everybody_has_in_common_is_no_likeness():
    first, second = two_parts(noise=0.5)
    common = 50 * np.random.default_rng(3).normal(size=50)
    before, after = similarity(first, second), similarity(first + common, second - 2 * common)
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert i_diff(before) > 10 * i_diff(correlations(first + common, second + common))


def test_every_feature_counts_alike_over_people_and_a_constant_one_not_at_all():
    part = two_parts()[0] * np.arange(50) + 2
    found = over_people(part.astype(np.float32))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found[:, 1:].std(axis=0), 1, atol=1e-6)
    assert np.all(found[:, 0] == 0)
