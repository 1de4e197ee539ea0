"""A probe in both bands: baselines on either series of the same frames, the encoder on that of its card."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from semantoks.evaluate.analyses.reliability import reliability_scores
from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.methods import BASELINES, feature_sets
from semantoks.evaluate.plans import _input_notes, open_study
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.work import Work
from semantoks.features.encode import embed_crops, open_encoder
from semantoks.model.hub import load_encoder
from semantoks.model.tensors import save_encoder
from semantoks.signals.prepare import prepare
from semantoks.statistics.methods import FC, FC_FULL, TANGENT, TANGENT_FULL
from semantoks.storage import arrays
from tiny_people import ATLAS, make_people, save_model, shown

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    (folder / "raw").mkdir()
    series, table = make_people(40)
    for name, values in series.items():
        np.save(folder / "raw" / f"{name}_timeseries.npy", values.astype(np.float32))
    table.to_csv(folder / "raw" / "participants.tsv", sep="\t", index=False)
    return prepare(folder / "raw", out=folder / "cohort", atlas=ATLAS, tr=2.0)


@pytest.fixture(scope="module")
def full_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    encoder, card = load_encoder(save_model(folder / "plain", seed=7))
    return save_encoder(folder / "full", encoder, dataclasses.replace(card, full_band=True))


def test_the_full_band_has_rows_of_its_own_and_the_others_keep_theirs(both):
    spans = np.tile([[10, 60]], (len(both), 1))
    full = both.in_band("full")
    for cohort in (both, full):
        assert np.array_equal(shown(cohort, spans).runs(3)[0].shape, (60, 8))
    found = BASELINES[FC_FULL](shown(both, spans))
    np.testing.assert_array_equal(found, functional_connectivity(shown(full, spans)))
    assert np.abs(found - BASELINES[FC](shown(both, spans))).max() > 0.1


def test_without_a_second_series_there_is_no_second_row(cohort):
    assert BASELINES[FC_FULL](shown(cohort)) is None
    assert BASELINES[TANGENT_FULL](shown(cohort)) is None


def test_why_there_is_no_row_of_the_full_band_is_said_in_words(both, cohort):
    without = copy.copy(both)
    without.recordings = both.recordings.assign(full_sha256="")
    without.description = both.description | {"FullBand": False}
    assert _input_notes(without, without) == [
        "FC and tangent FC of the full band have no rows: the full band is not kept (as asked)."
    ]
    assert _input_notes(both, both) == _input_notes(cohort, cohort) == []


def test_an_encoder_of_the_full_band_is_shown_it_whatever_band_the_cohort_is_given_in(both, full_model, tmp_path):
    config = ProbeConfig(crops=1, folds=2, repeats=1, analyses=(), methods=(FC_FULL, TANGENT_FULL))
    for given in (both, both.in_band("full")):
        study = open_study(full_model, given, ["sex"], config, device="cpu", out=tmp_path)
        assert (study.cohort.band, study.embedded.band) == ("passed", "full")
        assert any("but for FC and tangent FC of that band" in note for note in study.notes)
    table = probe(full_model, both, targets=["sex"], out=tmp_path / "probe", config=config)
    assert {"encoder", FC, FC_FULL, TANGENT_FULL} <= set(table["method"])


def test_tables_of_both_bands_are_files_of_their_own(both, full_model, tmp_path, monkeypatch):
    config = ProbeConfig(crops=1, folds=2, repeats=1, analyses=(), methods=(FC_FULL, TANGENT, TANGENT_FULL))
    everybody = np.arange(40)
    tables = []
    for large in (1 << 24, 64):
        monkeypatch.setattr(arrays, "LARGE", large)
        study = open_study(full_model, both, ["sex"], config, device="cpu", out=tmp_path)
        study.work = Work(folder=tmp_path / str(large))
        study.work.arrays.mkdir(parents=True)
        sets = feature_sets(study)
        tables.append({name: sets[name].matrix(everybody, everybody)[:, :] for name in (FC, *config.methods)})
    assert list(study.work.arrays.glob("*.npy"))
    for name, table in tables[0].items():
        np.testing.assert_allclose(tables[1][name], table, atol=1e-6)
    assert np.abs(tables[1][FC] - tables[1][FC_FULL]).max() > 0.1
    assert np.abs(tables[1][TANGENT] - tables[1][TANGENT_FULL]).max() > 0.1


def test_halves_are_compared_in_both_bands(both, full_model):
    encoder, _ = open_encoder(full_model)
    options = {"readout": "cls", "device": torch.device("cpu")}
    rows, _ = reliability_scores({"encoder": encoder}, both.in_band("full"), **options)
    assert {row["method"] for row in rows} == {"encoder", FC, TANGENT, FC_FULL, TANGENT_FULL}
    assert len(embed_crops(encoder, both.in_band("full"), readouts=["cls"], crops=1, device=options["device"])[1]) == 80
