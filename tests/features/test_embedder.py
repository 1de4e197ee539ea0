"""The scikit-learn face: what any transformer can do, and the numbers of `embed`."""

import pickle

import numpy as np
import pandas as pd
import pytest
from nilearn.connectome import ConnectivityMeasure
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.features.embed import embed
from semantoks.features.embedder import SemantoksEmbedder
from semantoks.signals.recording import Recording
from tiny_people import SIZE, save_model


@pytest.fixture(scope="module")
def series():
    """Twelve people of different lengths."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(int(n), 8)).cumsum(axis=0).astype(np.float32) for n in rng.integers(101, 140, 12)]


@pytest.fixture
def embedder(model):
    return SemantoksEmbedder(model, tr=2.0, crops=3)


def test_a_row_a_subject_with_the_numbers_of_embed(embedder, model, series):
    found = embedder.fit_transform(series)
    given = [Recording(series=s, tr=2.0, participant=f"p{i:02d}", source="s") for i, s in enumerate(series)]
    table = embed(given, model=model, crops=3)
    np.testing.assert_array_equal(found, table[[c for c in table if c.startswith("cls_avg_")]])
    assert found.dtype == np.float32
    even = np.stack([s[:101] for s in series])
    np.testing.assert_array_equal(embedder.transform(even), embedder.transform(list(even)))


@pytest.mark.parametrize(("readout", "width"), [("cls_avg", 2), ("cls", 1), ("avg", 1), ("network", 3)])
def test_features_have_the_names_of_embed(model, series, readout, width):
    embedder = SemantoksEmbedder(model, tr=2.0, crops=1, readout=readout).set_output(transform="pandas")
    table = embedder.fit_transform(series)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == [f"{readout}_{i:04d}" for i in range(width * SIZE.width)]
    assert embedder.get_feature_names_out().dtype == object


def test_it_is_cloned_and_pickled_without_its_weights(embedder, series):
    found = embedder.fit_transform(series)
    copy = clone(embedder)
    assert copy.get_params() == embedder.get_params()
    np.testing.assert_array_equal(copy.transform(series), found)
    packed = pickle.dumps(embedder)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed).transform(series), found)


@pytest.mark.slow
def test_it_works_in_pipelines_cross_validation_and_grid_search_beside_connectivity(embedder, series):
    y = np.array([s[:, 0].std() for s in series])
    fc = ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True, standardize=False)
    for features in (embedder, fc, make_union(embedder, fc)):
        scores = cross_val_score(make_pipeline(features, StandardScaler(), Ridge()), series, y, cv=3)
        assert np.isfinite(scores).all()
    pipeline = make_pipeline(embedder, StandardScaler(), Ridge())
    grid = GridSearchCV(pipeline, {"semantoksembedder__readout": ["cls", "avg"], "ridge__alpha": [1, 10]}, cv=3)
    assert grid.fit(series, y).best_params_["semantoksembedder__readout"] in ("cls", "avg")


def test_another_model_set_later_is_another_encoder(embedder, series, tmp_path):
    before = embedder.fit_transform(series)
    embedder.set_params(model=save_model(tmp_path / "other", seed=8))
    assert not np.allclose(embedder.transform(series), before)


def test_it_says_what_it_takes(embedder):
    tags = get_tags(embedder)
    assert not tags.requires_fit
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.allow_nan


def test_missing_rois_are_hidden_and_what_cannot_be_used_is_refused_by_its_row(embedder, series):
    lacking = [s.copy() for s in series[:3]]
    lacking[1][:, [1, 4]] = np.nan
    assert np.isfinite(embedder.transform(lacking)).all()
    lacking[2][5, 5] = np.nan
    with pytest.raises(DataError, match=r"1 of 3 subjects cannot be embedded: subject 2: not finite"):
        embedder.transform(lacking)
    with pytest.raises(DataError, match="wrong number of ROIs"):
        embedder.transform([series[0][:, :5]])


def test_no_repetition_time_and_no_model_are_said(model, series, tmp_path):
    with pytest.raises(ConfigError, match="needs tr"):
        SemantoksEmbedder(model).fit(series)
    with pytest.raises(WeightsError, match="neither a run"):
        SemantoksEmbedder(tmp_path, tr=2.0).fit(series)
