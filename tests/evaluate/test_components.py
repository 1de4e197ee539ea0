import numpy as np
import pytest

from semantoks.evaluate.baselines import components
from semantoks.evaluate.baselines.components import Components, principal_components
from semantoks.evaluate.study.people import people_of
from tiny_people import ATLAS, make_people, shown, write_cohort


def scored(series):
    series = series.astype(float)
    return (series - series.mean(axis=0)) / series.std(axis=0)


@pytest.fixture(scope="module")
def one_session(tmp_path_factory):
    """Twenty people, one recording each, of which the odd ones are slow in one ROI."""
    series = {name: values for name, values in make_people(20)[0].items() if name.endswith("ses-1")}
    for values in list(series.values())[1::2]:
        values[:, 7] = np.convolve(values[:, 7], np.ones(6), mode="same")
    return write_cohort(tmp_path_factory.mktemp("one"), series)


def test_features_are_log_variance_and_lag_one_autocorrelation_of_each_components_series(one_session):
    features = principal_components(shown(one_session))
    train = np.arange(3, 17)
    found = features.matrix(train, np.arange(20))
    mean = np.mean([np.corrcoef(one_session.series(i).astype(float).T) for i in train.tolist()], axis=0)
    values, vectors = np.linalg.eigh(mean)
    vectors = vectors[:, np.argsort(-values)]
    assert np.abs(np.sum(features.components(train) * vectors, axis=0)).min() > 0.999
    for i in range(20):
        series = scored(one_session.series(i)) @ vectors
        np.testing.assert_allclose(found[i, :8], np.log(series.var(axis=0)), atol=2e-3)
        lagged = (series[:-1] * series[1:]).sum(axis=0) / (series**2).sum(axis=0)
        np.testing.assert_allclose(found[i, 8:], lagged, atol=2e-3)


def test_slowness_shows_in_the_autocorrelation(one_session):
    features = principal_components(shown(one_session))
    everybody = np.arange(20)
    place = np.abs(features.components(everybody)[7]).argmax()
    slowness = features.matrix(everybody, everybody)[:, 8 + place]
    assert slowness[1::2].min() > slowness[::2].max()


def test_components_come_from_the_training_people_alone(one_session):
    features = principal_components(shown(one_session))
    train, test = np.arange(12), np.arange(12, 20)
    noise = np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32)
    instant, lagged = features.instant.copy(), features.lagged.copy()
    instant[test] += noise @ noise.transpose(0, 2, 1)
    lagged[test] += noise
    changed = Components(instant, lagged)
    np.testing.assert_array_equal(changed.matrix(train, train), features.matrix(train, train))
    assert not np.allclose(changed.matrix(train, test), features.matrix(train, test), atol=1e-2)
    assert not np.allclose(features.matrix(test, train), features.matrix(train, train), atol=1e-2)


def test_a_persons_recordings_are_averaged_and_no_more_than_fifty_components_are_kept(cohort, monkeypatch):
    people = people_of(cohort)
    features = principal_components(shown(cohort))
    twice = [np.corrcoef(cohort.series(i).astype(float).T) for i in range(80) if people.owner[i] == 17]
    assert len(twice) == 2
    np.testing.assert_allclose(features.instant[17], np.mean(twice, axis=0), atol=1e-5)
    everybody = np.arange(len(people))
    whole = features.matrix(everybody, everybody)
    monkeypatch.setattr(components, "COMPONENTS", 3)
    np.testing.assert_allclose(features.matrix(everybody, everybody), whole[:, [0, 1, 2, 8, 9, 10]], atol=1e-4)


def test_products_over_a_gap_between_spans_do_not_count(one_session):
    spans = np.tile([[0, 40], [50, 30]], (20, 1, 1))
    features = principal_components(shown(one_session, spans))
    raw = one_session.series(4).astype(float)
    whole = np.concatenate([raw[:40], raw[50:80]])
    first, second = np.split((whole - whole.mean(0)) / whole.std(0), [40])
    product = (first[:-1].T @ first[1:] + second[:-1].T @ second[1:]) / 70
    np.testing.assert_allclose(features.lagged[4], (product + product.T) / 2, atol=1e-5)


def test_a_missing_roi_takes_no_part_and_nothing_becomes_infinite(tmp_path):
    series, _ = make_people(2)
    series["sub-00_ses-1"][:, 1:] = 0
    series["sub-00_ses-2"][:, 1:] = 0
    cohort = write_cohort(tmp_path, series)
    features = principal_components(shown(cohort))
    assert np.count_nonzero(features.instant[0]) == 1
    assert features.instant.shape == (2, ATLAS.n_rois, ATLAS.n_rois)
    assert np.isfinite(features.matrix(np.array([1]), np.array([0, 1]))).all()
