"""Networks trained from labels alone beside the fine-tuned encoder: they learn, repeat, and have rows; so do yours."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from planted_pool import CPU, LABELS, PEOPLE, QUICK, make_pool
from test_tuned import task_of

from semantoks import Baseline, Trainable
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.finetuning.beside import BESIDE, FromLabels, only_shown, stretch
from semantoks.evaluate.finetuning.finetune import Finetune, finetune
from semantoks.evaluate.finetuning.target_model import predict_people
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.shown import shown_runs
from semantoks.views.crops import Frames
from semantoks.views.pool import open_pool

pytestmark = pytest.mark.slow

LEARN = dataclasses.replace(QUICK, epochs=20, batch_size=8, beside_lr=(1e-2,))


@pytest.fixture(scope="module")
def pool():
    """Two recordings of 40 people; in those of class 1, ROIs 0 to 3 go together. Nothing else tells them apart."""
    pool = make_pool()
    series = np.random.default_rng(0).normal(size=(2 * PEOPLE, 120, 6))
    series[LABELS.repeat(2) == 1, :, 1:4] += series[LABELS.repeat(2) == 1, :, :1]
    return dataclasses.replace(pool, frames=Frames([series.reshape(-1, 6).astype(np.float16)]))


def method(name, pool, config=LEARN):
    return Finetune(start=BESIDE[name], pool=pool, groups=np.arange(PEOPLE), config=config, device=CPU)


@pytest.mark.parametrize("name", BESIDE)
def test_each_learns_a_trait_of_fc_and_tells_it_of_people_it_was_not_trained_on(name, pool):
    said = method(name, pool).predict(task_of(LABELS), {})
    assert np.mean(said.test.argmax(axis=1) == LABELS[30:]) >= 0.9


def test_a_value_is_learnt_in_its_own_units(pool):
    values = 1000.0 + 50 * LABELS
    said = method("fc_mlp", pool, dataclasses.replace(LEARN, epochs=40)).predict(task_of(values, "value"), {})
    assert np.corrcoef(said.test[:, 0], values[30:])[0, 1] > 0.8
    assert np.abs(said.test[:, 0] - values[30:]).mean() < 20


@pytest.mark.parametrize("name", BESIDE)
def test_the_seed_decides_every_number_and_the_callers_stream_is_left_alone(name, pool):
    config = dataclasses.replace(LEARN, epochs=1)
    before = torch.random.get_rng_state()
    one, same, other = (method(name, pool, config).predict(task_of(LABELS, seed=seed), {}) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(one.test, same.test)
    assert np.abs(one.test - other.test).max() > 1e-6


def test_a_stretch_is_at_least_half_of_the_good_frames_without_a_gap_among_them():
    good = torch.rand(200, 60, generator=torch.Generator().manual_seed(0)) < 0.7
    kept = stretch(good, torch.Generator().manual_seed(1))
    assert not (kept & ~good).any()
    for whole, part in zip(good, kept, strict=True):
        places = part[whole].nonzero()[:, 0]
        assert len(places) >= whole.sum() / 2
        assert (places.diff() == 1).all()
    assert (kept.sum(dim=1) == good.sum(dim=1)).float().mean() < 0.1


def test_whole_recordings_are_shown_once_and_windows_in_crops(pool):
    seen = []

    class Remember(torch.nn.Linear):
        def forward(self, series, good):
            seen.append((series.shape, good.sum().item()))
            return super().forward(series.mean(dim=-1))

    for frames in (None, 50):
        own = Trainable(words="x", build=lambda n_rois, outputs, _: Remember(n_rois, outputs), frames=frames)
        predict_people(FromLabels.of(own, pool, 2, 0), pool, np.array([0, 1]), crops=3)
    assert seen == [((4, 6, 120), 480), ((12, 6, 50), 600)]


def test_they_see_the_frames_that_the_fc_baseline_sees(cohort):
    spans = np.array([[[5, 30], [20, 40]]] * len(cohort))
    pool = only_shown(open_pool([cohort], CPU), cohort, spans)
    net = FromLabels(torch.nn.Identity(), 2, int(pool.length.max()), whole=True)
    net.place = torch.nn.Parameter(torch.zeros(1))
    series, good = net.gather(pool, np.arange(3), np.zeros(3, dtype=np.int64))
    order = np.argsort(cohort.recordings["participant_id"].rank(method="dense").to_numpy(), kind="stable")
    for row in range(3):
        expected = np.concatenate(shown_runs(cohort, int(order[row]), spans))
        np.testing.assert_array_equal(series[row].T[good[row]].numpy(), expected)


def test_a_network_that_returns_another_shape_is_told_which_one_is_needed(pool):
    class Flat(torch.nn.Linear):
        def forward(self, series, good):
            return super().forward(series.mean(dim=-1))

    own = Trainable(words="x", build=lambda n_rois, outputs, _: Flat(n_rois, outputs + 1))
    with pytest.raises(DataError, match=r"one row per recording, \[8, 2\], but Flat returned \[8, 3\]"):
        dataclasses.replace(method("fc_mlp", pool), start=own).predict(task_of(LABELS), {})


class Variances(torch.nn.Linear):
    def forward(self, series, good):
        return super().forward((series * good[:, None]).square().mean(dim=-1))


def test_a_network_of_ones_own_and_a_baseline_have_rows_beside_the_packaged_ones(cohort, model, tmp_path):
    extra = {
        "variances": Trainable(words="variance of each ROI", build=lambda n, outputs, _: Variances(n, outputs)),
        "ends": Baseline(words="first frame", features=lambda shown: np.array([shown.series(i)[0] for i in range(80)])),
    }
    config = dataclasses.replace(QUICK, epochs=2, crops=1, beside_lr=(1e-3, 1e-2))
    probe = ProbeConfig(folds=2, repeats=1, methods=("motion",), analyses=())
    summary = finetune(
        model, cohort, targets=["sex"], out=tmp_path, config=config, probe=probe, beside=("fc_mlp",), extra=extra
    )
    rows = summary.set_index("method")
    assert (
        rows.loc[["fc_mlp", "variances", "ends", "finetuned"], "verdict"].isin(["higher", "lower", "undecided"]).all()
    )
    about = json.loads((tmp_path / "probe.json").read_text())
    assert about["methods"]["variances"] == "variance of each ROI"
    assert about["methods"]["fc_mlp"] == BESIDE["fc_mlp"].words
    epochs = pd.read_csv(tmp_path / "epochs.csv")
    counts = epochs.groupby("method").size()
    assert counts.to_dict() == {"finetuned": 4, "fc_mlp": 8, "variances": 8}


def test_a_network_that_there_is_not_is_refused_with_the_nearest(cohort, model, tmp_path):
    with pytest.raises(ConfigError, match=r"there is no network 'fc_mpl'\. Did you mean fc_mlp\?"):
        finetune(model, cohort, targets=["sex"], out=tmp_path / "o", beside=("fc_mpl",))
    with pytest.raises(ConfigError, match="a packaged method already has this name"):
        finetune(model, cohort, targets=["sex"], out=tmp_path / "o", extra={"fc_mlp": BESIDE["fc_mlp"]})
    assert not (tmp_path / "o").exists()
