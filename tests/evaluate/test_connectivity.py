"""Connectivity against numpy and nilearn, recording by recording."""

import numpy as np
import pytest
from nilearn.connectome import ConnectivityMeasure

from semantoks.evaluate.baselines.connectivity import functional_connectivity, partial_correlation
from tiny_people import make_people, shown, write_cohort

UPPER = np.triu_indices(8, 1)


def scored(series):
    series = series.astype(float)
    return (series - series.mean(axis=0)) / series.std(axis=0)


@pytest.fixture(scope="module")
def holes(tmp_path_factory):
    """One person's three sessions; in the second, ROI 2 is missing and ROIs 4 and 5 are the same."""
    rng = np.random.default_rng(0)
    series = {f"sub-1_ses-{s}": rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8)) for s in (1, 2, 3)}
    series["sub-1_ses-2"][:, 2] = 0
    series["sub-1_ses-2"][:, 5] = series["sub-1_ses-2"][:, 4]
    return write_cohort(tmp_path_factory.mktemp("holes"), series)


def square(edges):
    matrix = np.zeros((8, 8))
    matrix[UPPER] = edges
    return matrix + matrix.T


def test_functional_connectivity_is_numpys_correlation_in_fisher_z(cohort):
    expected = [np.arctanh(np.corrcoef(cohort.series(i).astype(float).T)[UPPER]) for i in range(len(cohort))]
    np.testing.assert_allclose(functional_connectivity(shown(cohort)), np.array(expected), atol=2e-5)


def test_functional_connectivity_of_spans_is_that_of_their_frames(cohort):
    spans = np.tile([[10, 30], [35, 10], [70, 15]], (len(cohort), 1, 1))
    for some, frames in ((spans, np.r_[10:45, 70:85]), (spans[:, 0], np.r_[10:40])):
        found = functional_connectivity(shown(cohort, some))
        for i in (0, 41, 79):
            expected = np.arctanh(np.corrcoef(cohort.series(i)[frames].astype(float).T)[UPPER])
            np.testing.assert_allclose(found[i], expected, atol=2e-5)


def test_a_missing_roi_has_no_edges_and_the_same_signal_twice_a_finite_one(holes):
    edges = square(functional_connectivity(shown(holes))[1])
    assert np.all(edges[2] == 0)
    assert np.isclose(edges[4, 5], np.arctanh(0.9999), atol=1e-3)
    rest = np.delete(np.arange(8), 2)
    assert np.all(edges[np.ix_(rest, rest)][np.triu_indices(7, 1)] != 0)


@pytest.mark.parametrize("features", [functional_connectivity, partial_correlation])
def test_the_scale_and_mean_of_a_series_do_not_matter(tmp_path, features):
    series, _ = make_people(2)
    gain = np.random.default_rng(1).uniform(0.1, 10, 8)
    scaled = {name: 50 + gain * values for name, values in series.items()}
    found, other = (
        features(shown(write_cohort(tmp_path / name, some))) for name, some in (("as is", series), ("scaled", scaled))
    )
    np.testing.assert_allclose(found, other, atol=2e-3)


def test_partial_correlations_are_nilearns_in_fisher_z(cohort):
    found = partial_correlation(shown(cohort))
    for i in (0, 41, 79):
        measure = ConnectivityMeasure(kind="partial correlation")
        (expected,) = measure.fit_transform([scored(cohort.series(i))])
        np.testing.assert_allclose(found[i], np.arctanh(expected[UPPER]), atol=1e-5)


def test_partial_correlations_of_a_missing_roi_are_zero_and_the_others_as_if_it_did_not_exist(holes):
    edges = square(partial_correlation(shown(holes))[1])
    assert np.all(edges[2] == 0)
    rest = np.delete(np.arange(8), 2)
    measure = ConnectivityMeasure(kind="partial correlation")
    (expected,) = measure.fit_transform([scored(holes.series(1)[:, rest])])
    np.testing.assert_allclose(np.tanh(edges[np.ix_(rest, rest)]), expected - np.eye(7), atol=1e-5)


def test_partial_correlation_parts_a_direct_link_from_one_by_way_of_a_third(tmp_path):
    rng = np.random.default_rng(2)
    series = rng.normal(size=(4000, 8))
    series[:, 1] += series[:, 0]
    series[:, 2] += series[:, 1]
    chain = write_cohort(tmp_path, {"sub-1": series})
    full, partial = (np.tanh(square(of(shown(chain))[0])) for of in (functional_connectivity, partial_correlation))
    # Variances 1, 2, 3 along the chain: r(0, 2) = 1/sqrt(3), and nothing is left of it given 1.
    assert np.isclose(full[0, 2], 3**-0.5, atol=0.03)
    assert abs(partial[0, 2]) < 0.05
    assert np.isclose(partial[0, 1], 0.5, atol=0.05)  # precision [2 -1; -1 2] of 0 and 1 given 2


def test_several_processors_change_nothing(cohort):
    np.testing.assert_array_equal(partial_correlation(shown(cohort, n_jobs=2)), partial_correlation(shown(cohort)))
