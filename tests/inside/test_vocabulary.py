"""The vocabulary: words follow states, transitions know the direction of time, and codebooks know no test people."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semantoks.cli.main import run
from semantoks.inside.codebook import learn_words
from semantoks.inside.opened import open_inside
from semantoks.inside.settings import InsideConfig
from semantoks.inside.tokens import TokenSeries, tokens_over_time
from semantoks.inside.vocabulary import _direction, _dwells, _patterns, _words
from semantoks.inside.words import Codebooks, WordDirection, name_tokens, transitions, usage
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tensors import save_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from simulated_people import ATLAS as FEW
from simulated_people import write_simulated
from tiny_people import ATLAS, write_cohort

PEOPLE, DWELL = 40, 4
PATCHES = EncoderConfig(width=16, depth=1, frames=100, patch=DWELL)
WINDOWS = EncoderConfig(width=16, depth=0, frames=20, patch=20, norm=False, tokenizer=ConnectivityConfig(components=2))


def cycles(people=PEOPLE):
    """Three states in turn, four frames each: forwards in half of the people, backwards in the others."""
    rng = np.random.default_rng(3)
    maps, series = 2 * rng.normal(size=(3, 8)), {}
    direction = np.where(np.arange(people) % 2, 1, -1)
    for i in range(people):
        steps = np.where(rng.random(52) < 0.9, direction[i], -direction[i])
        states = np.cumsum(steps) % 3
        series[f"sub-{i:02d}_ses-1"] = maps[states].repeat(DWELL, axis=0) + rng.normal(size=(52 * DWELL, 8))
    ids = [f"{i:02d}" for i in range(people)]
    return series, pd.DataFrame({"participant_id": ids, "way": np.where(direction > 0, "on", "back")})


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A cohort in which states cycle."""
    return write_cohort(tmp_path_factory.mktemp("cycles"), *cycles())


def save(folder, size, atlas=ATLAS, band=None):
    encoder = random_encoder(size, atlas.network_index, 0)
    return save_encoder(folder, encoder, EncoderCard(encoder=size, atlas=atlas, tr=2.0, band=band, seed=0))


@pytest.fixture(scope="module")
def found(people, tmp_path_factory):
    """Their vocabulary, by the command line."""
    folder = tmp_path_factory.mktemp("vocabulary")
    model, out = save(folder / "encoder", PATCHES), folder / "out"
    words = ["vocabulary", model, people.path, "--out", out, "--words", "6", "--target", "way", "--folds", "4"]
    assert run([str(word) for word in [*words, "--repeats", "1"]]) == 0
    return out


def test_transitions_of_words_know_in_which_direction_states_follow_each_other(found):
    scores = pd.read_csv(found / "probe" / "scores.csv").query("analysis == 'main'")
    accuracy = scores.groupby("method")["balanced_accuracy"].mean()
    assert accuracy["word_transitions"] > 0.9
    assert accuracy[["words", "fc"]].max() < 0.75


def test_tables_and_page_agree_on_the_words(found):
    words = pd.read_csv(found / "words.tsv", sep="\t")
    assert len(words) == 6
    assert words["share"].sum() == pytest.approx(1)
    assert (words["share"].diff().dropna() < 0.1).all()
    usage_ = pd.read_csv(found / "usage.tsv", sep="\t")
    np.testing.assert_allclose(usage_.groupby("network")["share"].sum(), 1)
    after = pd.read_csv(found / "transitions.tsv", sep="\t").groupby("word")["probability"].sum()
    np.testing.assert_allclose(after, 1)
    page = (found / "report.html").read_text(encoding="utf-8")
    for text in ("Word 1", "What follows what?", "way: transitions of words", "a token is of 8 s"):
        assert text in page


def named_of(rows):
    return np.array(rows)[:, :, None]


def test_dwells_transitions_and_usage_are_counted_within_a_recording_and_not_across_gaps():
    named = named_of([[0, 0, 1, 1, 1], [1, -1, 1, 0, 0]])
    np.testing.assert_allclose(_dwells(named, 3), [2, 5 / 3, 0])
    np.testing.assert_array_equal(transitions(named, 2), [[[1, 1], [0, 2]], [[1, 0], [1, 0]]])
    np.testing.assert_array_equal(usage(named, 2)[:, 0], [[2, 3], [2, 2]])


def test_a_word_that_nobody_uses_has_no_share_no_time_and_no_pattern(people, tmp_path):
    opened = open_inside(save(tmp_path / "encoder", PATCHES), people.path, InsideConfig())
    named = named_of([[0, 0, 1]] * PEOPLE)
    tokens = np.zeros((PEOPLE, 3, 1, 4), np.float32)
    series = TokenSeries(tokens=tokens, there=named >= 0, of=("x",), frames=4, seconds=8.0)
    row = _words(named, usage(named, 3), series, opened).iloc[2]
    assert (row["share"], row["people"], row["dwell"], row["dwell_by_chance"], row["of_network"]) == (0, 0, 0, 8, 0)
    pattern = _patterns(named, series, opened, 3).query("word == '3'")
    assert (pattern[["together", "level"]].fillna(0) == 0).all(axis=None)


def test_a_network_of_which_nobody_has_data_is_neither_high_nor_low(people, tmp_path, monkeypatch):
    opened = open_inside(save(tmp_path / "encoder", PATCHES), people.path, InsideConfig())
    networks = opened.card.atlas.network_names
    nobodys = np.tile(np.arange(len(networks)) == 1, (PEOPLE, 1))
    monkeypatch.setattr("semantoks.inside.vocabulary.missing_networks", lambda *_: nobodys)
    named = named_of([[0, 0, 1]] * PEOPLE)
    tokens = np.zeros((PEOPLE, 3, 1, 4), np.float32)
    series = TokenSeries(tokens=tokens, there=named >= 0, of=("x",), frames=4, seconds=8.0)
    pattern = _patterns(named, series, opened, 2)
    known = pattern[pattern["level"].notna() | pattern["together"].notna()]
    assert set(known["network"]) | set(known["other"]) == set(networks) - {networks[1]}


def test_a_codebook_of_training_people_has_seen_no_other_tokens():
    rng = np.random.default_rng(0)
    series = TokenSeries(
        tokens=rng.normal(size=(6, 30, 1, 4)).astype(np.float32),
        there=np.ones((6, 30, 1), bool),
        of=("x",),
        frames=2,
        seconds=4.0,
    )
    train, owner = np.array([0, 1]), np.array([0, 0, 1, 1, 2, 2])
    books = Codebooks(series, owner, 3, 4, 0)
    wanted = name_tokens(series, learn_words(series.tokens[:4].reshape(-1, 4), 4, 0))
    np.testing.assert_array_equal(books.named(train), wanted)


def test_a_direction_that_all_share_is_found_and_none_is_not(people, tmp_path):
    opened = open_inside(save(tmp_path / "encoder", PATCHES), people.path, InsideConfig())
    forward = np.zeros((PEOPLE, 3, 3))
    forward[:, [0, 1, 2], [1, 2, 0]] = 10
    assert _direction(forward, opened)[2] < 0.01
    both = forward + forward.transpose(0, 2, 1)
    assert _direction(both, opened) == (0.0, 0.0, 1.0)


def test_windows_of_any_length_are_as_long_as_asked_and_patches_as_they_are(people, tmp_path):
    opened = open_inside(save(tmp_path / "windows", WINDOWS), people.path, InsideConfig())
    series = tokens_over_time(opened, 40.0)
    assert (series.frames, series.seconds, series.tokens.shape) == (20, 40.0, (PEOPLE, 11, 3, 16))
    np.testing.assert_array_equal(series.there.sum(axis=1), 10)  # of 208 frames, the last 8 fill no window
    patches = tokens_over_time(open_inside(save(tmp_path / "patches", PATCHES), people.path, InsideConfig()), None)
    assert (patches.seconds, patches.there.sum()) == (8.0, PEOPLE * 52 * 3)


@pytest.mark.parametrize(
    ("size", "words", "told"),
    [
        (PATCHES, ["--seconds", "30"], "this one has a token every 8 s. Leave --seconds out."),
        (WINDOWS, ["--seconds", "2"], "--seconds has to be at least 4 for this encoder, not 2."),
        (WINDOWS, ["--seconds", "60", "--words", "80"], "needs 800 tokens, but there are 720: use --words 72."),
        (
            WINDOWS,
            ["--words", "22", "--codebook", "fsq"],
            "that are a product of numbers from 2 to 8, such as 21, not 22.",
        ),
        (WINDOWS, ["--words", "1"], "--words has to be at least 2, not 1."),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_way_out(people, tmp_path, capsys, size, words, told):
    model = save(tmp_path / "encoder", size)
    assert run(["vocabulary", str(model), str(people.path), "--out", str(tmp_path / "v"), *words]) == 2
    assert told in capsys.readouterr().err


def test_words_of_the_whole_brain_recover_the_direction_of_simulated_states_and_fc_does_not(tmp_path):
    cohort, truth = write_simulated(tmp_path, 120, minutes=8.0)
    model = save(tmp_path / "encoder", PATCHES, FEW, (0.01, 0.1))
    opened = open_inside(model, cohort.path, InsideConfig())
    each, everybody = tokens_over_time(opened, None), np.arange(120)
    found = {}
    for name, tokens in (("each network", each), ("whole brain", each.of_brain())):
        books = Codebooks(tokens, opened.people.owner, 120, 8, 0)
        found[name] = predicted_r(WordDirection(books).matrix(everybody, everybody), truth["sequence"])
    fc = [np.corrcoef(cohort.series(k).T)[np.triu_indices(36, 1)] for k in range(120)]
    found["fc"] = predicted_r(np.stack(fc), truth["sequence"])
    assert found["whole brain"] > 0.4
    assert found["fc"] < 2 / np.sqrt(120)
    assert found["each network"] < found["whole brain"] - 0.2


def predicted_r(features, target):
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 5)))
    folds = KFold(5, shuffle=True, random_state=0)
    return float(np.corrcoef(cross_val_predict(ridge, features, target, cv=folds), target)[0, 1])
