import dataclasses
import json

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.config import from_plain
from semantoks.errors import ConfigError
from semantoks.simulation import people
from semantoks.simulation.cohort import Simulation, SimulationConfig, Site, simulate

pytestmark = pytest.mark.slow

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "Subcortical", "Cerebellar")
PEOPLE = 140
ONE_SITE = (Site(name="A", tr=2.0),)


def atlas_of(*networks: str) -> Atlas:
    return Atlas(name="small", labels=tuple(f"roi{k}" for k in range(len(networks))), networks=networks)


SMALL = atlas_of(*(name for name in NETWORKS for _ in range(4)))


def small_simulation(**settings) -> Simulation:
    defaults = {"participants": 6, "sites": ONE_SITE, "minutes": 2.0}
    return Simulation(SimulationConfig(**(defaults | settings)), SMALL)


def upper(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


def zero_lag(series: np.ndarray) -> np.ndarray:
    return np.arctanh(upper(np.corrcoef(series.T)))


def lagged_antisymmetric(networks: np.ndarray) -> np.ndarray:
    products = [networks[lag:].T @ networks[:-lag] / len(networks) for lag in (1, 2, 3)]
    return np.concatenate([upper(product - product.T) for product in products])


def log_spectra(networks: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft(networks, axis=0)[1:]) ** 2
    return np.log(power.reshape(9, -1, power.shape[1]).mean(axis=1)).ravel()


def standardised_networks(series: np.ndarray) -> np.ndarray:
    networks = series.reshape(len(series), len(NETWORKS), 4).mean(axis=2)
    return (networks - networks.mean(axis=0)) / networks.std(axis=0)


@pytest.fixture(scope="module")
def cohort() -> tuple[dict, dict]:
    simulation = small_simulation(participants=PEOPLE, sessions=1, minutes=6.0, seed=3)
    series = [simulation.recording(k, 0).series.astype(float) for k in range(PEOPLE)]
    networks = [standardised_networks(one) for one in series]
    features = {
        "fc": np.stack([zero_lag(one) for one in series]),
        "network fc": np.stack([zero_lag(one) for one in networks]),
        "lagged": np.stack([lagged_antisymmetric(one) for one in networks]),
        "spectra": np.stack([log_spectra(one) for one in networks]),
    }
    return features, simulation.participants_table().to_dict("series")


def predicted_r(features: np.ndarray, target: np.ndarray) -> float:
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(1, 4, 4)))
    predicted = cross_val_predict(ridge, features, target, cv=KFold(5, shuffle=True, random_state=0))
    return float(np.corrcoef(predicted, target)[0, 1])


def test_sequence_is_recovered_from_lagged_covariance(cohort):
    features, truth = cohort
    assert predicted_r(features["lagged"], truth["sequence"]) > 0.7


@pytest.mark.parametrize("kind", ["fc", "network fc", "spectra"])
def test_sequence_is_hidden_from_zero_lag_features(cohort, kind):
    features, truth = cohort
    assert predicted_r(features[kind], truth["sequence"]) < 2 / np.sqrt(PEOPLE)


@pytest.mark.parametrize(("trait", "kind", "floor"), [("occupancy", "fc", 0.5), ("tempo", "spectra", 0.4)])
def test_the_other_traits_show_where_the_table_says(cohort, trait, kind, floor):
    features, truth = cohort
    assert predicted_r(features[kind], truth[trait]) > floor
    assert predicted_r(features["lagged"], truth[trait]) < 2 / np.sqrt(PEOPLE)


def test_motion_shows_in_framewise_displacement_and_fc(cohort):
    features, truth = cohort
    assert np.corrcoef(truth["mean_fd"], truth["motion"])[0, 1] > 0.7
    assert predicted_r(features["fc"], truth["motion"]) > 0.2


def test_a_recording_is_the_same_whatever_else_is_made():
    alone = small_simulation(participants=3, sessions=2).recording(2, 1)
    among_others = small_simulation(participants=9, sessions=4)
    among_others.recording(0, 0)
    again = among_others.recording(2, 1)
    np.testing.assert_array_equal(again.series, alone.series)
    assert (again.participant, again.session, again.site, again.tr) == ("0003", "2", "A", 2.0)
    assert again.series.dtype == np.float32


def test_seed_and_session_draw_other_moments_of_the_same_population():
    first = small_simulation().recording(0, 0).series.ravel()
    for other in (small_simulation(seed=1).recording(0, 0), small_simulation().recording(0, 1)):
        assert abs(np.corrcoef(first, other.series.ravel())[0, 1]) < 0.5
    own, same, another = (small_simulation(**one).population for one in ({}, {"seed": 1}, {"population": 1}))
    np.testing.assert_array_equal(same.state_maps, own.state_maps)
    assert np.abs(another.state_maps - own.state_maps).max() > 0.5


def test_fc_finds_the_person_again_in_another_session():
    simulation = small_simulation(participants=12, minutes=6.0)
    first, second = (np.stack([zero_lag(simulation.recording(k, s).series) for k in range(12)]) for s in (0, 1))
    likeness = np.corrcoef(first, second)[:12, 12:]
    assert np.mean(likeness.argmax(axis=1) == np.arange(12)) >= 10 / 12


def test_the_table_has_the_mean_displacement_and_site_of_every_recording():
    sites = (Site(name="north", tr=2.0), Site(name="south", tr=1.5, length=0.5))
    simulation = small_simulation(participants=3, sites=sites)
    table = simulation.participants_table()
    for row, (participant, session) in enumerate((k, s) for k in range(3) for s in range(2)):
        recording = simulation.recording(participant, session)
        assert table.mean_fd[row] == pytest.approx(recording.mean_fd)
        assert table.loc[row, ["participant_id", "session_id", "site", "tr"]].tolist() == [
            recording.participant,
            recording.session,
            recording.site,
            recording.tr,
        ]
    assert table.site.tolist() == ["north", "north", "south", "south", "north", "north"]
    assert [len(simulation.recording(k, 0).series) for k in (0, 1)] == [60, 40]


def test_a_noisier_site_adds_noise_and_a_shift_moves_the_weight_of_each_roi():
    def series_at(**settings) -> np.ndarray:
        return small_simulation(sites=(Site(name="A", tr=2.0, **settings),)).recording(0, 0).series

    plain, loud, louder = series_at(), series_at(noise_gain=2.0), series_at(noise_gain=3.0)
    np.testing.assert_allclose(louder - loud, loud - plain, atol=1e-4)
    assert (loud - plain).var() == pytest.approx(0.65**2 + 0.8**2, rel=0.1)
    silent, shifted = series_at(noise_gain=0.0), series_at(noise_gain=0.0, loading_shift=0.2)
    assert 0.1 < np.log(shifted.std(axis=0) / silent.std(axis=0)).std() < 0.3


@pytest.mark.parametrize(
    ("networks", "domains"),
    [(("Brain",) * 45, 9), (tuple(f"r{k}" for k in range(45)), 9), (("Brain",) * 3, 3), (("a", "b", "c", "d") * 5, 4)],
)
def test_an_atlas_with_too_few_or_too_many_networks_is_cut_into_blocks(networks, domains):
    atlas = atlas_of(*networks)
    domain, names = people.domains_of(atlas)
    assert len(names) == domains
    assert set(domain) == set(range(domains))
    series = Simulation(SimulationConfig(participants=1, minutes=1.0), atlas).recording(0, 0).series
    assert series.shape == (30, len(networks))
    assert np.isfinite(series).all()
    assert series.std(axis=0).min() > 0.5


def test_a_recording_that_the_cohort_does_not_have_is_an_index_error():
    for participant, session in ((6, 0), (0, 2), (-1, 0)):
        with pytest.raises(IndexError, match=f"participant {participant} with session {session}"):
            small_simulation().recording(participant, session)


@pytest.fixture
def written(tmp_path):
    seen = []
    config = SimulationConfig(participants=3, atlas="cc200", minutes=0.5)
    out = simulate(config, out=tmp_path / "cohort", progress=lambda done, total: seen.append((done, total)))
    return config, out, seen


def test_the_folder_holds_every_recording_and_the_table(written):
    config, out, seen = written
    simulation = Simulation(config, get_atlas("cc200"))
    stems = [f"sub-000{k}_ses-{s}_task-rest_timeseries.npy" for k in (1, 2, 3) for s in (1, 2)]
    assert sorted(p.name for p in out.iterdir()) == sorted([*stems, "participants.tsv", "simulation.json"])
    np.testing.assert_array_equal(np.load(out / stems[3]), simulation.recording(1, 1).series)
    table = pd.read_csv(out / "participants.tsv", sep="\t", dtype={"session_id": str})
    expected = simulation.participants_table().assign(participant_id=lambda t: "sub-" + t.participant_id)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-5, check_dtype=False)
    assert from_plain(SimulationConfig, json.loads((out / "simulation.json").read_text())) == config
    assert seen == [(2, 6), (4, 6), (6, 6)]


def test_parallel_workers_write_the_same_folder(written, tmp_path):
    config, out, _ = written
    with joblib.parallel_config(backend="threading"):
        other = simulate(config, out=tmp_path / "deeper" / "other", n_jobs=2)
    for path in out.iterdir():
        assert (other / path.name).read_bytes() == path.read_bytes()


def test_an_earlier_simulation_is_replaced_and_a_killed_one_leaves_nothing(written, tmp_path):
    config, out, _ = written
    killed = tmp_path / ".cohort.partial"
    killed.mkdir()
    (killed / "sub-9999_ses-1_task-rest_timeseries.npy").touch()
    simulate(dataclasses.replace(config, participants=1), out=out)
    assert len(list(out.iterdir())) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["cohort"]


@pytest.mark.parametrize("kept", ["notes.txt", "participants.tsv"])
def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path, kept):
    (tmp_path / kept).write_text("mine")
    with pytest.raises(ConfigError, match=f"'{kept}', which no simulation wrote"):
        simulate(SimulationConfig(participants=1, minutes=0.5), out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [kept]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        simulate(SimulationConfig(participants=1), out=tmp_path / "file")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"participants": 0}, "participants has to be 1 or more"),
        ({"sessions": 0}, "sessions has to be 1 or more"),
        ({"age_r2": 1.5}, "age_r2 has to be 0 to 1"),
        ({"sex_r2": -0.1}, "sex_r2 has to be 0 to 1"),
        ({"seed": -1}, "seed and population"),
        ({"sites": ()}, "one or more sites"),
        ({"sites": ONE_SITE * 2}, "different names"),
        ({"minutes": 0.01}, "too few for two frames at site A"),
    ],
)
def test_a_setting_out_of_its_range_is_a_config_error(settings, message):
    with pytest.raises(ConfigError, match=message):
        SimulationConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "a b"}, "name has to be letters"),
        ({"tr": 2000.0}, "tr has to be 0.3 to 6"),
        ({"length": 0.0}, "length has to be above 0"),
        ({"noise_gain": -1.0}, "at least 0"),
        ({"loading_shift": -1.0}, "at least 0"),
    ],
)
def test_a_site_out_of_its_range_is_a_config_error(settings, message):
    with pytest.raises(ConfigError, match=message):
        Site(**({"name": "A", "tr": 2.0} | settings))
