"""The audit: what is planted in one order is found in that order, and nothing is read where nothing is."""

import numpy as np
import pandas as pd
import pytest

from semantoks.cli.main import run
from semantoks.evaluate.models.predictors import Fixed
from semantoks.inside.audit import audit
from semantoks.inside.orders import co_skewness, lagged_covariance, mixing
from semantoks.inside.reading import folds_of, opened_to_reading, read, resampling
from semantoks.inside.settings import InsideConfig
from semantoks.model.encoder import random_encoder
from semantoks.model.tensors import with_prefix, write_tensors
from tiny_people import ATLAS, SIZE, save_model, shown, write_cohort

QUICK = InsideConfig(folds=4, repeats=1)
SEEN = 60


def triples(people=SEEN):
    """White noise in which c follows a times b the more, the higher the trait: no correlation shows it."""
    rng = np.random.default_rng(5)
    trait, series = rng.normal(size=people), {}
    for i in range(people):
        values = rng.normal(size=(240, 8))
        values[:, 2] += 0.8 * trait[i] * values[:, 0] * values[:, 1]
        series[f"sub-{i:02d}_ses-1"] = values
    ids = [f"{i:02d}" for i in range(people)]
    return series, pd.DataFrame({"participant_id": ids, "trait": trait, "family_id": ids[: people - 1] + ids[:1]})


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A cohort with a trait in co-skewness alone."""
    return write_cohort(tmp_path_factory.mktemp("triples"), *triples())


@pytest.fixture(scope="module")
def audited(planted, tmp_path_factory):
    """Its audit, by the command line."""
    folder = tmp_path_factory.mktemp("audited")
    model, out = save_model(folder / "encoder"), folder / "audit"
    words = ["audit", model, planted.path, "--out", out, "--target", "trait", "--folds", "4", "--repeats", "1"]
    assert run([str(word) for word in words]) == 0
    return out


def test_a_trait_in_co_skewness_alone_is_found_by_third_order_and_not_by_fc(audited):
    scores = pd.read_csv(audited / "probe" / "scores.csv").query("analysis == 'main'").groupby("method")["r"].mean()
    assert scores["coskewness"] > 0.8
    assert abs(scores[["fc", "fc_tangent", "lagged_covariance", "spectra"]]).max() < 0.35


def test_the_page_has_every_order_the_map_and_the_targets(audited):
    page = (audited / "report.html").read_text(encoding="utf-8")
    for words in (
        "co-skewness",
        "tangent FC",
        "Which pairs of networks",
        "trait: co-skewness",
        "Read from the embedding",
    ):
        assert words in page
    assert "x and y" in page  # the pairs, by the names of networks


def test_nobody_of_a_family_is_on_both_sides(audited, planted):
    groups = np.array([0, 1, 2, 0, 3, 4, 5, 2])
    for train, test in folds_of(groups, 4, 0):
        assert not set(groups[train]) & set(groups[test])


def test_what_a_source_holds_is_read_and_noise_is_not():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(80, 5))
    structure = hidden @ rng.normal(size=(5, 300)) + rng.normal(size=(80, 300))
    sources = [hidden @ rng.normal(size=(5, 40)), rng.normal(size=(80, 40)), np.zeros((80, 3))]
    folds = folds_of(np.arange(80), 5, 0)
    read_from = opened_to_reading([Fixed(x) for x in sources], folds)
    full, noise, nothing = read(read_from, Fixed(structure), folds, cells=None, components=50)
    assert full.by_component()[:5].min() > 0.95
    assert len(full.by_component()) == 20  # a quarter of the people
    assert abs(noise.by_component()).max() < 0.1
    np.testing.assert_array_equal(nothing.by_component(), 0)
    assert full.whole() > 0.7 > 0.1 > abs(noise.whole())


def test_each_cell_has_the_features_that_belong_to_it():
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(80, 2))
    structure = np.hstack([hidden @ rng.normal(size=(2, 30)), rng.normal(size=(80, 30))])
    cells = np.repeat([0, 1], 30)
    folds = folds_of(np.arange(80), 5, 0)
    (found,) = read(opened_to_reading([Fixed(hidden)], folds), Fixed(structure), folds, cells=cells, components=9)
    assert found.by_cell()[0] > 0.95
    assert abs(found.by_cell()[1]) < 0.1


def test_resampled_people_come_with_their_whole_group():
    weights = resampling(np.array([0, 0, 1, 2]), 0, samples=50)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, [0, 2, 3]].sum(axis=1), 3)


def test_co_skewness_and_lagged_covariance_are_those_of_a_loop(planted):
    seen = shown(planted)
    series = seen.series(3).astype(float)
    mixed = series @ mixing(seen).T
    mixed = (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)
    wanted = [
        np.mean(mixed[:, i] * mixed[:, j] * mixed[:, k]) for i in range(8) for j in range(i, 8) for k in range(j, 8)
    ]
    np.testing.assert_allclose(co_skewness(seen)[3], wanted, atol=1e-5)
    later = [
        (np.mean(series[2:, i] * series[:-2, j]) - np.mean(series[2:, j] * series[:-2, i])) / 2
        for i in range(8)
        for j in range(i + 1, 8)
    ]
    np.testing.assert_allclose(lagged_covariance(seen)[3], later, atol=1e-5)


def test_too_few_people_are_refused_with_the_way_out(planted, tmp_path, capsys):
    model = save_model(tmp_path / "encoder", people=tuple(f"{i:02d}" for i in range(50)))
    words = ["audit", str(model), str(planted.path), "--out", str(tmp_path / "a")]
    assert run([*words, "--exclude-pretrained"]) == 3
    assert "10 people are left to look at, and 20 are needed" in capsys.readouterr().err


def test_every_checkpoint_of_a_run_is_read_but_the_last_which_is_the_encoder(planted, tmp_path):
    model, out = tmp_path / "run", tmp_path / "a"
    save_model(model / "encoder", seed=7)
    (model / "run.json").write_text('{"steps_total": 300}')
    (model / "checkpoints").mkdir()
    for step, seed in ((100, 7), (200, 0), (300, 7)):  # the card says that seed 0 gave the random weights
        teacher = with_prefix(random_encoder(SIZE, ATLAS.network_index, seed).state_dict(), "teacher.encoder.")
        write_tensors(model / "checkpoints" / f"step-{step:06d}.safetensors", teacher)
    (model / "checkpoints" / "step-000250.safetensors").write_bytes(b"cut short")
    config = InsideConfig(folds=2, most_people=30)
    table = audit(model, planted.path, out=out, config=config, components=3).set_index(["structure", "source"])
    assert table["step"].dropna().unique().tolist() == [100, 200]
    explained = table["explained"].unstack()  # by structure
    np.testing.assert_allclose(explained["step 100"], explained["encoder"])
    np.testing.assert_allclose(explained["step 200"], explained["random_weights"])
    assert (explained["step 100"] != explained["step 200"]).all()
    said = (out / "findings.json").read_text()
    assert "step-000250.safetensors is left out: " in said
    assert "30 of 60 people are looked at" in said
