"""Explanations: maps that a loop gives, too, gradients that add up, and the check against random weights."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from semantoks.cli.main import run
from semantoks.features.encode import read_out
from semantoks.inside.explain import _sanity
from semantoks.inside.influence import _support, by_hiding, by_rollout, by_weights, embedding_similarity, kernels
from semantoks.inside.relevance import Reader, baseline_of, by_pair, integrated_gradients, reader_of
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tensors import save_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from tiny_people import ATLAS, make_people, write_cohort

NETWORKS = ATLAS.network_index
PATCHES = EncoderConfig(width=16, depth=2, frames=60, patch=20)
WINDOWS = EncoderConfig(width=16, depth=0, frames=60, patch=60, norm=False, tokenizer=ConnectivityConfig(components=2))


def window(frames=60):
    series = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 8, frames)).astype(np.float32))
    return series, torch.zeros(3, 3, 60 // 20, dtype=torch.bool)


def test_influence_is_how_much_hiding_a_network_moves_the_tokens_of_another():
    encoder, (series, hidden) = random_encoder(PATCHES, NETWORKS, 0).eval(), window()
    hidden[0, 2] = True  # a network that this window lacks
    found = by_hiding(encoder, series, hidden)
    more = hidden.clone()
    more[:, 1] = True
    with torch.inference_mode():
        before, after = encoder(series, hidden).grid[:, 0], encoder(series, more).grid[:, 0]
    cosine = (before * after).sum(-1) / before.norm(dim=-1) / after.norm(dim=-1)
    assert found[0, 1] == pytest.approx(float(1 - cosine.mean()), abs=1e-5)
    assert np.isnan(np.diag(found)).all()


def test_without_blocks_a_published_token_does_not_know_other_networks():
    flat = EncoderConfig(width=16, depth=0, frames=60, patch=20)
    found = by_hiding(random_encoder(flat, NETWORKS, 0).eval(), *window())
    np.testing.assert_allclose(found[~np.eye(3, dtype=bool)], 0, atol=1e-6)


def test_rollout_shares_out_all_attention_and_equal_scores_share_it_equally():
    encoder = random_encoder(PATCHES, NETWORKS, 0).eval()
    for block in encoder.blocks:
        torch.nn.init.zeros_(block.attention.qkv.weight)  # every token attends to all ten alike
    found = by_rollout(encoder, *window())
    within = (1 - 0.25) / 10 * 3  # half of two blocks is the input; the rest is spread over 10 tokens, 3 of a network
    np.testing.assert_allclose(found[~np.eye(3, dtype=bool)], within, atol=1e-6)


def test_weights_of_tokens_are_those_of_their_rows():
    encoder = random_encoder(WINDOWS, NETWORKS, 0)
    with torch.no_grad():
        encoder.tokenizer.rows[0].weight.zero_()
        encoder.tokenizer.rows[0].weight.view(16, 2, 6)[:, :, 2:4] = 3.0
    np.testing.assert_allclose(by_weights(encoder)[0], [0, 3 * 16**0.5, 0], rtol=1e-5)
    assert by_weights(random_encoder(PATCHES, NETWORKS, 0)) is None


def test_network_embeddings_are_compared_by_cosine_and_none_is_no_map():
    encoder = random_encoder(PATCHES, NETWORKS, 0)
    with torch.no_grad():
        encoder.network_embedding[0], encoder.network_embedding[1] = 1.0, -2.0
    assert embedding_similarity(encoder)[0, 1] == pytest.approx(-1)
    with torch.no_grad():
        encoder.network_embedding.zero_()
    assert embedding_similarity(encoder) is None


def test_the_support_is_where_the_energy_is_and_a_flat_kernel_passes_low_frequencies():
    assert _support(torch.tensor([[0.1, 0, 3, 4, 0, 0.1]])) == 2
    taps = EncoderConfig(
        width=16, depth=0, frames=60, patch=60, norm=False, tokenizer=ConnectivityConfig(components=2, taps=5)
    )
    encoder = random_encoder(taps, NETWORKS, 0)
    with torch.no_grad():
        encoder.tokenizer.filter[:] = 0.2
    rows = kernels(encoder, 2.0, ATLAS.network_names)
    assert [rows[0]["hz"], rows[-1]["hz"]] == [0, 0.25]
    assert rows[0]["power"] == max(row["power"] for row in rows)
    assert {row["network"] for row in kernels(random_encoder(PATCHES, NETWORKS, 0), 2.0, ATLAS.network_names)} == {
        *ATLAS.network_names
    }


@pytest.mark.parametrize(("size", "shifted"), [(PATCHES, False), (WINDOWS, True)])
def test_integrated_gradients_add_up_to_what_changes_along_the_path(size, shifted):
    encoder, (series, _) = random_encoder(size, NETWORKS, 0).eval(), window()
    hidden = torch.zeros(3, 3, size.patches, dtype=torch.bool)
    width = 32 if size.depth else 16
    reader = Reader(encoder, torch.linspace(-1, 1, width))
    baseline = baseline_of(series, shifted=shifted, seed=0)
    found, lost = integrated_gradients(reader, series, hidden, baseline)
    with torch.inference_mode():
        wanted = (reader(series, hidden) - reader(baseline, hidden)).numpy()
    np.testing.assert_allclose(found.sum(axis=(1, 2)), wanted, atol=0.05 * np.abs(wanted).max())
    assert lost < 0.05
    if shifted:
        np.testing.assert_allclose(baseline.sort(dim=2)[0], series.sort(dim=2)[0])


def test_pairs_say_together_what_neither_says_alone():
    encoder, (series, hidden) = random_encoder(PATCHES, NETWORKS, 0).eval(), window()
    reader = Reader(encoder, torch.ones(32))

    def f(*gone):
        more = hidden.clone()
        more[:, list(gone)] = True
        with torch.inference_mode():
            return read_out(encoder(series, more), "cls_avg").sum(dim=1)

    found = by_pair(reader, series, hidden)
    assert found[0, 2] == pytest.approx(float((f() - f(0) - f(2) + f(0, 2)).abs().mean()), abs=1e-4)
    assert found[1, 1] == pytest.approx(float((f() - f(1)).abs().mean()), abs=1e-4)


def test_the_reader_follows_the_labels_or_the_first_component():
    rng = np.random.default_rng(0)
    embedded = rng.normal(size=(50, 16)) * np.r_[np.ones(15), 0]
    reader = reader_of(random_encoder(WINDOWS, NETWORKS, 0), embedded, np.r_[np.nan, 3 * embedded[1:, 4]])
    assert int(reader.weights.abs().argmax()) == 4
    assert reader.weights[15] == 0  # a column that does not change
    assert reader_of(random_encoder(WINDOWS, NETWORKS, 0), embedded, None).weights.isfinite().all()


def test_a_map_that_random_weights_give_too_means_nothing():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 5))
    gradients = rng.normal(size=(2, 4, 9))
    first = {"squares": {"influence": one, "alike": one}, "gradients": gradients, "kernels": []}
    second = {"squares": {"influence": other, "alike": one + 1}, "gradients": gradients, "kernels": []}
    table = _sanity(first, second).set_index("map")
    assert not table.loc["influence", "survives"]
    assert table.loc["alike", "survives"]
    assert np.isnan(table.loc["relevance of ROIs", "rank_correlation"])  # of four ROIs


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Forty people with planted answers."""
    return write_cohort(tmp_path_factory.mktemp("explained"), *make_people())


def save(folder, size):
    card = EncoderCard(encoder=size, atlas=ATLAS, tr=2.0, band=None, seed=0)
    return save_encoder(folder, random_encoder(size, NETWORKS, 7), card)


@pytest.mark.parametrize(("size", "target"), [(PATCHES, "sex"), (WINDOWS, None)])
def test_both_kinds_of_tokenizers_are_explained_on_a_page(people, tmp_path, size, target):
    out = tmp_path / "explain"
    words = ["explain", save(tmp_path / "encoder", size), people.path, "--out", out, "--windows", "5"]
    assert run([str(word) for word in [*words, *(["--target", target] if target else [])]]) == 0
    sanity = pd.read_csv(out / "sanity.tsv", sep="\t")
    own = {"attention rollout", "kernel spectra"} if size is PATCHES else {"weights of tokens"}
    assert own <= set(sanity["map"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Which of its maps mean anything?" in page
    assert "Carpet plot, ROI by time, one window" in page
    gradients, rois = np.load(out / "relevance.npy"), pd.read_csv(out / "rois.tsv", sep="\t")
    assert gradients.shape == (5, len(NETWORKS), 60)
    np.testing.assert_allclose(np.abs(gradients).mean(axis=(0, 2)), rois["encoder"], rtol=1e-5)
    notes = " ".join(json.loads((out / "findings.json").read_text())["notes"])
    assert ("No attention rollout" in notes) == (size is WINDOWS)
    assert "5 windows of 60 frames" in notes


def test_a_target_that_cannot_be_explained_is_refused(people, tmp_path, capsys):
    model = save(tmp_path / "encoder", PATCHES)
    words = ["explain", str(model), str(people.path), "--out", str(tmp_path / "e"), "--target", "height"]
    assert run(words) == 3
    assert "no target 'height'" in capsys.readouterr().err
