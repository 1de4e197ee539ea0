"""An encoder in closed form: its columns are principal components, and it goes where a trained one goes."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.linalg

from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import embed
from semantoks.model.card import hash_participant
from semantoks.model.hub import load_encoder
from semantoks.signals.part import Part
from semantoks.statistics.shrinkage import SHRINKAGES
from semantoks.storage.durable import TEMPORARY
from semantoks.storage.lock import LOCK, hold_folder
from semantoks.train import closed_form
from semantoks.train.closed_form import FitConfig, even_rotation, fit
from semantoks.train.fit_recordings import Recordings, choose_shrinkage
from tiny_people import make_people, write_cohort

pytestmark = pytest.mark.slow

CONFIG = FitConfig(columns=4, components=8, shrinkage=0.3)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    series, table = make_people(40)
    return write_cohort(tmp_path_factory.mktemp("fit"), series, table)


@pytest.fixture(scope="module")
def folder(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("encoders") / "a"
    fit([cohort], out=out, config=CONFIG)
    return out


def correlations(cohort):
    return [np.corrcoef(np.asarray(cohort.series(i), np.float64).T) for i in range(len(cohort))]


def naive_scores(cohort, share=0.3):
    """Tangent space at the mean correlation, a person's mean, and its principal components, all in float64."""
    every = correlations(cohort)
    group = np.mean(every, axis=0)
    white = np.linalg.inv(scipy.linalg.sqrtm((1 - share) * group + share * np.eye(8)))
    rows = [scipy.linalg.logm(white @ ((1 - share) * c + share * np.eye(8)) @ white) for c in every]
    people = pd.factorize(cohort.recordings["participant_id"])[0]
    means = np.stack([np.mean([rows[i].ravel() for i in np.flatnonzero(people == p)], axis=0) for p in range(40)])
    mean = means.mean(axis=0)
    components = np.linalg.svd(means - mean, full_matrices=False)[2][:4]
    return np.stack([row.ravel() - mean for row in rows]) @ components.T


def test_an_embedding_is_the_people_s_scores_on_principal_components_but_for_a_rotation(cohort, folder):
    table = embed(cohort, model=folder)
    found = table.filter(like="avg_").to_numpy()
    expected = naive_scores(cohort)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)
    assert not table["short"].any()
    assert table.shape[1] - list(table).index("avg_0000") == 4


def test_its_columns_vary_alike_so_that_standardising_them_blows_nothing_up(cohort, folder):
    people = embed(cohort, model=folder).filter(like="avg_").groupby("participant_id").mean().to_numpy()
    np.testing.assert_allclose(people.var(axis=0), people.var(axis=0).mean(), rtol=1e-3)


def test_a_rotation_evens_variances_out():
    variance = np.array([16.0, 4.0, 1.0, 1.0, 0.5])
    rotation = even_rotation(variance)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(5), atol=1e-12)
    np.testing.assert_allclose((rotation.T @ np.diag(variance) @ rotation).diagonal(), 4.5, rtol=1e-9)
    np.testing.assert_array_equal(even_rotation(np.ones(3)), np.eye(3))


def test_more_people_than_edges_give_the_same_components(cohort, tmp_path, monkeypatch):
    fit([cohort], out=tmp_path / "b", config=FitConfig(columns=2, components=2, shrinkage=0.3))
    few = embed(cohort, model=tmp_path / "b").filter(like="avg_").to_numpy()
    monkeypatch.setattr(closed_form, "_in_memory", lambda *_: True)
    fit([cohort], out=tmp_path / "c", config=FitConfig(columns=2, components=2, shrinkage=0.3))
    np.testing.assert_allclose(embed(cohort, model=tmp_path / "c").filter(like="avg_").to_numpy(), few, atol=1e-4)


def test_edges_are_the_tangent_matrices_themselves_of_any_number_of_people(cohort, tmp_path):
    """All 36 distances of 8 ROIs are kept, with more columns than the 3 people here."""
    three = Part(cohort, people=cohort.recordings["participant_id"].unique()[:3].tolist())
    fit([three], out=tmp_path / "e", config=FitConfig(edges=True, components=8, shrinkage=0.3))
    found = embed(three, model=tmp_path / "e").filter(like="avg_").to_numpy()
    every = correlations(three)
    white = np.linalg.inv(scipy.linalg.sqrtm(0.7 * np.mean(every, axis=0) + 0.3 * np.eye(8)))
    rows = np.stack([scipy.linalg.logm(white @ (0.7 * c + 0.3 * np.eye(8)) @ white).ravel() for c in every])
    assert found.shape == (len(three), 36)
    np.testing.assert_allclose(found @ found.T, rows @ rows.T, atol=2e-3)


def test_the_shrinkage_is_the_one_under_which_second_halves_are_likeliest(cohort):
    scores = []
    table = cohort.recordings
    for share in SHRINKAGES:
        each = []
        for _, rows in table.groupby("participant_id"):
            early, late = (np.asarray(cohort.series(i), np.float64).T for i in (rows.index[0], rows.index[-1]))
            model = (1 - share) * np.corrcoef(early[:, : early.shape[1] // 2]) + share * np.eye(8)
            seen = np.corrcoef(late[:, late.shape[1] // 2 :])
            each.append(-np.linalg.slogdet(model)[1] - np.trace(np.linalg.solve(model, seen)))
        scores.append(np.mean(each))
    assert choose_shrinkage(Recordings([cohort], 0.0)) == SHRINKAGES[int(np.argmax(scores))]


def test_it_says_whose_recordings_it_was_made_of_and_holds_nothing_else(cohort, folder):
    encoder, card = load_encoder(folder)
    assert len(card.participants) == 40
    assert card.origin == (f"closed form, from {len(cohort)} recordings of 40 people (semantoks cohort of raw)",)
    assert encoder.config.depth == 0
    assert encoder.any_length
    assert not {"00", "sub-00"} & set(json.dumps(card.participants).split('"'))
    assert set(card.recordings) == {hash_participant(card.salt, one) for one in cohort.recordings["sha256"]}


def test_it_is_probed_like_any_other(cohort, folder, tmp_path):
    config = ProbeConfig(folds=3, repeats=1, methods=("random_weights",), analyses=("reliability",))
    summary = probe(folder, cohort, targets=["sex"], out=tmp_path / "probe", config=config)
    means = summary[summary["metric"] == "balanced_accuracy"].set_index("method")["mean"]
    assert means["encoder"] > 0.85


def test_the_command_fits_embeds_and_describes(cohort, tmp_path, capsys):
    words = ["fit", str(cohort.path), "--out", str(tmp_path / "e"), "--columns", "2", "--components", "2"]
    assert run(words) == 0
    printed = capsys.readouterr().out
    assert "8 ROIs x any number of frames" in printed
    assert "Next: semantoks probe" in printed
    assert run(["embed", str(cohort.path), "--model", str(tmp_path / "e"), "--out", str(tmp_path / "f.parquet")]) == 0
    printed = capsys.readouterr().out
    assert "80 rows x 2 features" in printed
    assert "any number of frames of 2 s" in printed


def test_what_cannot_be_fitted_is_refused(cohort, folder, tmp_path):
    with pytest.raises(DataError, match=r"40 columns need more than 40 people.* --edges, .* \(--columns 38\)"):
        fit([cohort], out=tmp_path / "x", config=FitConfig(columns=40))
    with pytest.raises(DataError, match="0 people have 9000 s of good data: too few"):
        fit([cohort], out=tmp_path / "x", config=FitConfig(columns=2, min_seconds=9000.0))
    with pytest.raises(ConfigError, match="3 spatial components give 6 edges, fewer than 8 columns"):
        fit([cohort], out=tmp_path / "x", config=FitConfig(columns=8, components=1))
    with pytest.raises(ConfigError, match="is not empty: choose a new folder"):
        fit([cohort], out=folder, config=CONFIG)
    with pytest.raises(ConfigError, match="columns has to be an even number"):
        FitConfig(columns=3)
    with pytest.raises(ConfigError, match="leave columns and lag out"):
        FitConfig(edges=True, columns=4)


def test_a_folder_that_another_job_writes_is_refused_and_what_a_killed_one_left_is_taken_over(cohort, tmp_path):
    with hold_folder(tmp_path / "x"), pytest.raises(ConfigError, match="x is being written by process"):
        fit([cohort], out=tmp_path / "x", config=CONFIG)
    (tmp_path / "y").mkdir()
    for name in (LOCK, f"{TEMPORARY}1-a", "model.safetensors"):
        (tmp_path / "y" / name).write_text("{}")
    fit([cohort], out=tmp_path / "y", config=CONFIG)
    assert load_encoder(tmp_path / "y")[1].encoder.width == 4


def test_people_who_are_copies_of_one_another_are_no_columns(tmp_path):
    series, table = make_people(12)
    copied = {name: series[f"sub-{int(name[4:6]) % 8:02d}_ses-1"] for name in series}
    cohort = write_cohort(tmp_path / "c", copied, table)
    with pytest.raises(DataError, match=r"the people differ in \d components only, fewer than 10 columns"):
        fit([cohort], out=tmp_path / "x", config=FitConfig(columns=10, components=8, shrinkage=0.3))
