"""The scikit-learn face: what any transformer can do, and the numbers of `embed`."""

import pickle

import numpy as np
import pandas as pd
import pytest
from nilearn.connectome import ConnectivityMeasure
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags

from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.features import embedder as module
from semantoks.features.embed import embed
from semantoks.features.embedder import SemantoksEmbedder
from semantoks.model.hub import Encoder
from semantoks.signals.recording import Recording
from tiny_people import SIZE, save_model

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize("again", [False, True])
def test_another_loaded_encoder_set_later_is_another_encoder(model, series, tmp_path, again):
    first, second = (Encoder.from_pretrained(path) for path in (model, save_model(tmp_path / "other", seed=8)))
    embedder = SemantoksEmbedder(first, tr=2.0, crops=2)
    before = embedder.fit_transform(series)
    embedder.set_params(model=second)
    after = embedder.fit_transform(series) if again else embedder.transform(series)
    np.testing.assert_array_equal(after, SemantoksEmbedder(tmp_path / "other", tr=2.0, crops=2).transform(series))
    assert not np.allclose(after, before)
    embedder.set_params(model=model)
    np.testing.assert_array_equal(embedder.transform(series), before)


def test_weights_that_were_trained_anew_are_loaded_by_the_next_fit(series, tmp_path):
    embedder = SemantoksEmbedder(save_model(tmp_path / "e", seed=1), tr=2.0, crops=1)
    before = embedder.fit_transform(series)
    save_model(tmp_path / "e", seed=2)
    assert not np.allclose(embedder.fit_transform(series), before)


def test_worker_processes_change_no_number(embedder, series):
    before = embedder.fit_transform(series)
    np.testing.assert_array_equal(embedder.set_params(n_jobs=2).transform(series), before)


def test_after_fit_the_number_of_rois_is_known(embedder, series):
    assert embedder.fit(series).n_features_in_ == 8
    assert "n_features_in_" not in vars(clone(embedder))


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s: s[0], r"not ndarray of shape \[\d+, 8\]. One subject is \[series\]"),
        (lambda s: pd.DataFrame(s[0]), "not DataFrame of shape"),
        (lambda s: csr_matrix(s[0]), r"not csr_matrix of shape"),
        (lambda s: [csr_matrix(s[0])], r"subject 0: a series is a 2-D array \[frame, roi\], not csr_matrix"),
        (lambda s: [s[0], s[1][:, 0]], "subject 1: a series is a 2-D array"),
        (lambda s: [s[0], s[1].T], r"subject 1: wrong number of ROIs.* Is it transposed\?"),
        (lambda s: [s[0][:, :5]], "wrong number of ROIs. The encoder takes 8"),
        (lambda s: [s[0].astype(complex)], "real numbers, not complex128"),
        (lambda s: [], "no subjects"),
        (lambda s: "series", "not str"),
        (lambda s: 3, "not int"),
    ],
)
def test_what_is_no_list_of_series_is_refused_by_fit_and_transform(embedder, series, untyped, method, wrong, words):
    with pytest.raises(DataError, match=words):
        getattr(embedder, method)(wrong(series))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"readout": "CLS"}, "Did you mean 'cls'"),
        ({"crops": 0}, "crops must be at least 1"),
        ({"crops": 2.5}, "crops has to be of type int"),
        ({"n_jobs": 0}, "n_jobs must be"),
        ({"tr": "2"}, "tr has to be of type float"),
        ({"already_filtered": "no"}, "already_filtered has to be of type bool"),
        ({"device": "gpu9"}, "not available"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_fit_and_by_transform(model, series, untyped, setting, words):
    embedder = SemantoksEmbedder(**({"model": model, "tr": 2.0} | setting))
    for use in (embedder.fit, embedder.transform):
        with pytest.raises(ConfigError, match=words):
            use(series)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_valid_tag_types",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
        "check_parameters_default_constructible",
    ],
)
def test_it_passes_the_checks_of_scikit_learn_that_need_no_table(untyped, check):
    getattr(estimator_checks, check)("SemantoksEmbedder", SemantoksEmbedder())


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


def test_with_a_memory_the_same_series_are_embedded_once(model, tmp_path, monkeypatch):
    rng, calls = np.random.default_rng(0), []
    series = [rng.normal(size=(120, 8)) for _ in range(3)]
    embedded = module.embed

    def counted(*args, **options):
        calls.append(1)
        return embedded(*args, **options)

    monkeypatch.setattr(module, "embed", counted)
    first = SemantoksEmbedder(model, tr=2.0, memory=tmp_path / "kept").fit_transform(series)
    again = SemantoksEmbedder(model, tr=2.0, memory=str(tmp_path / "kept")).transform(series)
    np.testing.assert_array_equal(first, again)
    assert len(calls) == 1
    for changed, options in (
        (series[:2], {}),
        ([2 * series[0] + rng.normal(size=(120, 8)), *series[1:]], {}),
        (series, {"crops": 2}),
    ):
        SemantoksEmbedder(model, tr=2.0, memory=tmp_path / "kept", **options).transform(changed)
    assert len(calls) == 4
