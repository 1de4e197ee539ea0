"""An encoder of the full band: its card says so, and embedding gives it that band or says why it cannot."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from test_embed import smooth, write_folder

from semantoks.atlas.catalog import get_atlas
from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.features.brainmarks import SPACES, Windows
from semantoks.features.embed import embed
from semantoks.features.stored import content_key
from semantoks.model.card import EncoderCard, cleaning_for, read_card, write_card
from semantoks.model.hub import load_encoder
from semantoks.model.tensors import save_encoder
from semantoks.signals.clean import CleaningConfig, clean
from semantoks.signals.files.columns import pick
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from tiny_people import ATLAS, SIZE, save_model


def rough(frames, seed):
    """Smooth series with noise, of which the band-pass takes away a part."""
    return smooth(frames, seed) + 5 * np.random.default_rng(seed + 100).normal(size=(frames, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    series = {f"sub-{i}": rough(300 + 40 * i, i) for i in range(3)}
    return write_folder(tmp_path_factory.mktemp("raw") / "raw", series)


@pytest.fixture(scope="module")
def both(raw, tmp_path_factory):
    return prepare(raw, out=tmp_path_factory.mktemp("both") / "cohort", atlas=ATLAS, tr=0.8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    encoder, card = load_encoder(save_model(folder / "plain", seed=7))
    return save_encoder(folder / "full", encoder, dataclasses.replace(card, full_band=True))


def test_a_source_and_a_cohort_give_the_same_embedding_of_the_full_band(raw, both, model):
    table = embed(both, model=model)
    pd.testing.assert_frame_equal(table, embed(raw, model=model, tr=0.8), check_exact=True)
    pd.testing.assert_frame_equal(table, embed(both.in_band("full"), model=model), check_exact=True)
    encoder, card = load_encoder(model)
    other = embed(
        both, model=save_encoder(model.parent / "passed", encoder, dataclasses.replace(card, full_band=False))
    )
    assert np.abs(table.filter(like="cls_avg_") - other.filter(like="cls_avg_")).max().max() > 1e-3
    assert any("not band-passed, the linear trend removed" in note for note in table.attrs["notes"])
    assert any("the full band without the linear trend" in note for note in table.attrs["notes"])


def test_a_cohort_without_the_full_band_is_refused_and_the_remedy_works(raw, model, tmp_path):
    without = CleaningConfig(full_band=False)
    cohort = prepare(raw, out=tmp_path / "without", atlas=ATLAS, tr=0.8, cleaning=without)
    with pytest.raises(
        DataError, match="with --no-full-band: prepare the source again, into another folder, or use an"
    ):
        embed(cohort, model=model)
    again = prepare(raw, out=tmp_path / "again", atlas=ATLAS, tr=0.8)
    assert len(embed(again, model=model)) == 3


def test_of_a_source_what_came_band_passed_is_left_out_with_its_reason(model):
    fields = {"tr": 2.0, "source": "s"}
    good = Recording(series=rough(150, 1), participant="a", **fields)
    passed = Recording(series=rough(150, 2), participant="b", band=(0.01, 0.08), **fields)
    with pytest.warns(UserWarning, match="1 recording was excluded"):
        table = embed([good, passed], model=model)
    assert table.index.get_level_values(0).tolist() == ["a"]
    assert table.attrs["excluded"][0]["reason"].startswith("band-passed: it came filtered")
    with pytest.raises(DataError, match=r"\(1 x\) band-passed: it came filtered"):
        embed([passed], model=model)
    with pytest.raises(ConfigError, match="takes the full band, which recordings that were band-passed"):
        embed([good], model=model, already_filtered=True)


def test_the_card_keeps_its_band_and_other_cards_do_not_mention_it(model, tmp_path):
    card = read_card(model)
    assert card.full_band
    plain = json.loads((model.parent / "plain" / "config.json").read_text())
    assert "full_band" not in plain
    with pytest.raises(ConfigError, match="true only without a band"):
        EncoderCard(encoder=SIZE, atlas=ATLAS, tr=2.0, band=(0.01, 0.1), full_band=True)
    file = write_card(tmp_path, card) / "config.json"
    plain = json.loads(file.read_text()) | {"full_band": "no"}
    del plain["sha256"]
    file.write_text(json.dumps(plain))
    with pytest.raises(WeightsError, match="is not an encoder's configuration"):
        read_card(tmp_path)


def test_what_is_stored_of_one_band_is_not_taken_for_the_other(both, model):
    encoder, _ = load_encoder(model)
    assert content_key(encoder, both, 1, "cls") != content_key(encoder, both.in_band("full"), 1, "cls")


def test_doctor_and_info_know_the_band(raw, model, capsys):
    assert run(["info", str(model)]) == 0
    assert "band       the full band without the linear trend" in capsys.readouterr().out
    assert run(["doctor", str(raw), "--model", str(model), "--tr", "0.8"]) in (0, 3, 4)
    assert "3 of the 3 looked into would be kept" in capsys.readouterr().out


def test_the_suite_s_wrapper_shows_the_full_band(model):
    card = read_card(model)
    space, atlas = "schaefer400", get_atlas("schaefer400")
    card = dataclasses.replace(card, atlas=atlas)
    bold = np.random.default_rng(0).standard_normal((200, atlas.n_rois)).astype(np.float32)
    ones = np.ones(atlas.n_rois, np.float32)
    sample = {"bold": bold, "mean": 100 * ones, "std": ones, "tr": 2.0}
    ordered = pick(bold + 100, atlas.match(SPACES[space]))
    expected = clean(ordered, 2.0, cleaning_for(card)[0]).full[:100].T
    np.testing.assert_allclose(Windows(card, space, 1)(sample)["series"][0].numpy(), expected, atol=1e-3)
    with pytest.raises(ConfigError, match="takes the full band"):
        Windows(card, space, 1, already_filtered=True)
