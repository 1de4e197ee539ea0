"""In a Python session: short names of things, one where several may be given, bars, and errors in our words."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import semantoks
from semantoks.config import as_list
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import _as_cohort
from semantoks.model.hub import load_encoder
from tiny_people import ATLAS, RECIPE, cohort, model

__all__ = ["cohort", "model"]


def test_the_version_is_the_packages():
    assert semantoks.__version__.count(".") == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: semantoks.probe("r", "c", tagets="age", out="p"), "Did you mean targets?"),
        (lambda: semantoks.pretrain("c", out="r", batchsize=8), "Did you mean config=PretrainConfig(batch_size=...)?"),
        (lambda: semantoks.probe("r", "c", targets="age", out="p", fold=3), "mean config=ProbeConfig(folds=...)?"),
        (lambda: semantoks.info("c", xyzzy=1), "info() has no option 'xyzzy'. It has path, verify."),
        (lambda: semantoks.write_report("c", outt="p"), "report() has no option 'outt'. Did you mean out?"),
    ],
)
def test_an_option_that_there_is_not_is_answered_with_the_nearest(call, words):
    with pytest.raises(TypeError) as refused:
        call()
    assert words in str(refused.value)


def test_public_functions_are_one_each_and_go_to_other_processes():
    assert semantoks.probe is semantoks.probe
    assert semantoks.checkup is semantoks.doctor
    assert pickle.loads(pickle.dumps(semantoks.embed)) is semantoks.embed


def test_what_things_say_of_themselves_fits_a_line(cohort, model):
    encoder, _ = load_encoder(model)
    tokens = encoder(torch.zeros(2, 8, 100))
    for thing, word in (
        (cohort, "80 recordings"),
        (ATLAS, "8 ROIs in 3 networks"),
        (encoder, "width 16"),
        (tokens, "[2, 16]"),
    ):
        assert word in repr(thing)
        assert len(repr(thing)) < 160
    for thing in (cohort, ATLAS, encoder):
        assert thing._repr_html_().startswith("<table>")
    assert "&lt;b&gt;" in semantoks.Atlas(name="<b>", labels=("a",), networks=("x",))._repr_html_()


def test_one_thing_may_be_given_for_a_list(tmp_path):
    assert [as_list(one) for one in ("a", tmp_path, ["a"], ("a", "b"))] == [["a"], [tmp_path], ["a"], ("a", "b")]


def test_what_fills_a_page_is_named_in_a_message_by_its_kind(cohort, model, untyped, tmp_path):
    recordings = semantoks.recordings_from_arrays([np.ones((60, 8))], tr=2.0, atlas=ATLAS)
    for call in (
        lambda: semantoks.prepare([np.zeros((50, 8))], out=tmp_path / "c", atlas=ATLAS),
        lambda: semantoks.prepare(pd.DataFrame({"path": ["a"] * 50}), out=tmp_path / "c", atlas=ATLAS),
        lambda: semantoks.prepare(recordings, out=tmp_path / "c"),
        lambda: semantoks.prepare(cohort, out=tmp_path / "c"),
        lambda: semantoks.doctor(cohort),
        lambda: semantoks.probe(model, pd.DataFrame({"age": range(50)}), targets="age", out=tmp_path / "p"),
        lambda: semantoks.embed({"a": np.zeros((50, 8))}, model=model),
        lambda: semantoks.embed(recordings, model=torch.nn.Linear(2, 2)),
        lambda: semantoks.probe(model, cohort, targets="age", out=tmp_path / "p", extra={"mine": 3}),
    ):
        with pytest.raises(ConfigError) as refused:
            call()
        assert len(str(refused.value)) < 300


def test_recordings_in_memory_are_prepared_and_examined_as_they_are(tmp_path):
    arrays = np.random.default_rng(0).normal(size=(3, 150, 8))
    recordings = semantoks.recordings_from_arrays(arrays, tr=2.0, atlas=ATLAS)
    assert repr(recordings[0]) == "Recording(1: 150 frames of 8 ROIs, TR 2 s)"
    made = semantoks.prepare(recordings, out=tmp_path / "cohort", atlas=ATLAS, verbose=False)
    assert made.recordings["participant_id"].tolist() == ["1", "2", "3"]
    found = semantoks.doctor(recordings, atlas=ATLAS, recordings=0)
    assert len(found.table) == 3
    assert len(repr(found)) < 120
    assert found._repr_html_().startswith("<table>")
    assert str(found).startswith("recognised") or "recordings in memory" in str(found)


def test_a_cohort_that_is_open_may_be_given_where_its_path_may(cohort, model):
    there = semantoks.info(cohort)
    assert (there.kind, there.path, there.problems) == ("cohort", cohort.path, ())
    assert str(there).splitlines() == list(there) == list(there.facts)
    assert len(repr(there)) < 160
    assert there._repr_html_().startswith("<table>")
    assert len(repr(load_encoder(model)[1])) < 160
    page = semantoks.report(cohort)
    assert page == semantoks.report(str(cohort.path))


def test_a_training_answers_with_its_status_and_all_of_run_json(cohort, tmp_path):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    told = semantoks.pretrain(cohort, out=tmp_path / "run", config=semantoks.load_recipe(recipe))
    assert (told.status, told.steps, told["cost"]["samples"]) == ("finished", 3, 24)
    assert repr(told).endswith("run': finished, 3 steps)")
    assert semantoks.info(tmp_path / "run").kind == "run"


def test_one_target_and_one_cohort_may_be_given_by_themselves(cohort, model, tmp_path, capsys):
    config = ProbeConfig(crops=1, folds=2, repeats=1, methods=("motion",), analyses=())
    found = semantoks.probe(str(model), str(cohort.path), targets="age", out=str(tmp_path), config=config, verbose=True)
    assert set(found["target"]) == {"age"}
    assert "probe: 100 %" in capsys.readouterr().err
    semantoks.fit(str(cohort.path), out=tmp_path / "fitted", config=semantoks.FitConfig(columns=4, components=2))
    assert (tmp_path / "fitted" / "config.json").exists()


def test_an_array_is_told_what_embed_takes():
    with pytest.raises(ConfigError, match=r"not an array \(\[100, 8\]\): make them with recordings_from_arrays"):
        _as_cohort(np.zeros((100, 8)))


@pytest.mark.parametrize("mask", [torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 3, 5), torch.zeros(1, 3, 5) > 0])
def test_a_wrong_mask_is_told_which_is_right(model, mask):
    encoder, _ = load_encoder(model)
    with pytest.raises(DataError, match=r"boolean \(True = hidden\), \[2 windows, 3 networks, 5 patches\], but is"):
        encoder._check_mask(mask, 2)


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (np.zeros((2, 8, 100)), "ndarray"),
        (torch.zeros(8, 100), r"float32 \[8, 100\]"),
        (torch.zeros(2, 8, 100, dtype=torch.int64), r"int64 \[2, 8, 100\]"),
    ],
)
def test_series_of_another_kind_are_told_which_is_right(model, series, kind):
    encoder, _ = load_encoder(model)
    with pytest.raises(DataError, match=rf"series have to be a float tensor \[batch, 8 ROIs, frame\], but are {kind}"):
        encoder._check_kind(series)
    with pytest.raises(DataError, match="the mask has to be a tensor, not ndarray"):
        encoder._check_mask(np.zeros((2, 3, 5), dtype=bool), 2)


def test_a_list_of_arrays_is_told_what_embed_takes_too():
    with pytest.raises(ConfigError, match=r"not an array \(\[100, 8\]\): make them with recordings_from_arrays"):
        _as_cohort([np.zeros((100, 8))])
