"""In which band an encoder is made: as its settings say, written on its card, kept by whoever starts from it."""

import json

import numpy as np
import pytest
from tiny_run import ATLAS, tiny_config

from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.features.embed import embed
from semantoks.model.card import read_card
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.train.closed_form import FitConfig, fit, mean_correlation
from semantoks.train.fit_recordings import Recordings
from semantoks.train.run import pretrain
from semantoks.views.pool import in_band

pytestmark = pytest.mark.slow

CONFIG = {"columns": 4, "components": 8, "shrinkage": 0.3}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    (folder / "raw").mkdir()
    rng = np.random.default_rng(0)
    for name in range(24):
        series = rng.normal(size=(140, 8)) @ rng.normal(size=(8, 8))
        np.save(folder / "raw" / f"sub-{name // 2:02d}_ses-{name % 2}_timeseries.npy", series.astype(np.float32))
    return prepare(folder / "raw", out=folder / "cohort", atlas=ATLAS, tr=2.0)


@pytest.fixture(scope="module")
def passed_alone(both, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "cohort"
    return prepare(both.path.parent / "raw", out=out, atlas=ATLAS, tr=2.0, cleaning=CleaningConfig(full_band=False))


def test_auto_is_the_full_band_where_every_cohort_has_it(both, passed_alone):
    assert [cohort.band for cohort in in_band([both], "auto")] == ["full"]
    assert [cohort.band for cohort in in_band([both, passed_alone], "auto")] == ["passed", "passed"]
    with pytest.raises(DataError, match="into another folder, or give --band passed"):
        in_band([both, passed_alone], "full")


def test_a_fit_takes_the_series_that_it_is_told_to_and_its_card_says_so(both, tmp_path):
    cards = {
        band: fit([both], out=tmp_path / band, config=FitConfig(**CONFIG, band=band)) for band in ("passed", "full")
    }
    assert (cards["passed"].band, cards["passed"].full_band) == ((0.01, 0.1), False)
    assert (cards["full"].band, cards["full"].full_band) == (None, True)
    seen = mean_correlation(Recordings([both.in_band("full")], 0.0), lambda: None)
    rows = [np.corrcoef(np.asarray(both.in_band("full").series(i), float).T) for i in range(len(both))]
    np.testing.assert_allclose(seen, np.mean(rows, axis=0), atol=1e-6)
    one, other = (embed(both, model=tmp_path / band).filter(like="avg_").to_numpy() for band in cards)
    assert np.abs(one - other).max() > 0.05


def test_the_command_fits_in_the_band_it_is_given_and_what_embeds_it_follows(both, passed_alone, tmp_path, capsys):
    words = ["--columns", "4", "--components", "8", "--shrinkage", "0.3"]
    assert run(["fit", str(both.path), "--out", str(tmp_path / "a"), *words, "--band", "full"]) == 0
    assert "band       the full band without the linear trend" in capsys.readouterr().out
    features = ["--model", str(tmp_path / "a"), "--out", str(tmp_path / "f.parquet")]
    assert run(["embed", str(both.path), *features]) == 0
    assert run(["embed", str(passed_alone.path), *features]) == 3
    assert "use an encoder of band-passed series" in capsys.readouterr().err
    assert run(["fit", str(passed_alone.path), "--out", str(tmp_path / "b"), *words, "--band", "full"]) == 3
    refused = capsys.readouterr().err
    assert "or give --band passed" in refused
    assert run(["fit", str(passed_alone.path), "--out", str(tmp_path / "b"), *words, "--band", "passed"]) == 0


def test_a_training_sees_the_band_of_its_settings_and_resumes_in_no_other(both, tmp_path):
    for band in ("passed", "full"):
        record = pretrain([both], out=tmp_path / band, config=tiny_config(steps=1, band=band))
        assert record["config"]["band"] == band
        assert read_card(tmp_path / band / "encoder").full_band is (band == "full")
    losses = [
        json.loads((tmp_path / b / "metrics.jsonl").read_text().splitlines()[0])["loss"] for b in ("passed", "full")
    ]
    assert losses[0] != losses[1]
    with pytest.raises(WeightsError, match="band was 'full' and is now 'passed'"):
        pretrain([both], out=tmp_path / "full", config=tiny_config(steps=1), resume=True)


def test_who_starts_from_weights_takes_their_band(both, passed_alone, tmp_path):
    pretrain([both], out=tmp_path / "full", config=tiny_config(steps=1, band="full"))
    record = pretrain([both], out=tmp_path / "child", config=tiny_config(steps=1), init_from=tmp_path / "full")
    assert record["config"]["band"] == "full"
    assert read_card(tmp_path / "child" / "encoder").full_band
    with pytest.raises(DataError, match="use an encoder of band-passed series"):
        pretrain([passed_alone], out=tmp_path / "x", config=tiny_config(steps=1), init_from=tmp_path / "full")
    pretrain([both], out=tmp_path / "passed", config=tiny_config(steps=1))
    with pytest.raises(ConfigError, match="do not take the full band: leave out --band full"):
        pretrain([both], out=tmp_path / "y", config=tiny_config(steps=1, band="full"), init_from=tmp_path / "passed")
    assert Cohort(both.path).band == "passed"
