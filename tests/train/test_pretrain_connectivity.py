"""Connectivity tokens trained by distillation: from the closed form on, long teacher and short student, resumable."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import tiny_config

from semantoks.errors import ConfigError
from semantoks.features.embed import embed
from semantoks.model.encoder import Encoder, random_encoder
from semantoks.model.tensors import load_weights
from semantoks.train.closed_form import FitConfig, fit, start_in_closed_form
from semantoks.train.run import pretrain

CONNECTIVITY = {
    "encoder": {
        "width": 4,
        "depth": 0,
        "patch": 100,
        "norm": False,
        "tokenizer": {"kind": "connectivity", "components": 3, "shrinkage": 0.3, "lag": 1},
    },
    "views": {"teacher_seconds": [150, 250], "student_seconds": [40, 80]},
    "objective": {"head": {"hidden": 8, "projection": 4}},
}


def config_of(**changes):
    return tiny_config(**(CONNECTIVITY | {"steps": 6} | changes))


def with_depth(depth):
    return {"encoder": CONNECTIVITY["encoder"] | {"depth": depth}}


def test_training_starts_at_the_closed_form(cohort, tmp_path):
    """The mean of the tokens is the scores on the same principal components, but for one factor."""
    fit(
        [cohort], out=tmp_path / "fit", config=FitConfig(columns=4, components=3, shrinkage=0.3, lag=1, min_seconds=0.0)
    )
    fitted = embed(cohort, model=tmp_path / "fit").filter(like="avg_").to_numpy()
    encoder = random_encoder(config_of().encoder, cohort.atlas.network_index, seed=0)
    start_in_closed_form(encoder, [cohort], 0.0)
    with torch.inference_mode():
        series = [torch.tensor(np.array(cohort.series(i), np.float32).T[None]) for i in range(len(cohort))]
        constant = encoder.network_embedding.mean(dim=0)
        started = torch.cat([encoder(one).grid.mean(dim=(1, 2)) - constant for one in series]).numpy()
    factor = (started * fitted).sum() / (fitted * fitted).sum()
    np.testing.assert_allclose(started, factor * fitted, atol=1e-4)
    people = started.reshape(12, 2, 4).mean(axis=1)
    assert np.square(people).mean() == pytest.approx(1, abs=0.05)


def test_it_trains_and_an_unbroken_run_is_a_resumed_one_bit_for_bit(cohort, tmp_path):
    config = config_of(**with_depth(1))
    pretrain([cohort], out=tmp_path / "whole", config=config, device="cpu")
    pretrain([cohort], out=tmp_path / "parts", config=replace(config), device="cpu", checkpoint_every=3)
    for path in sorted((tmp_path / "parts" / "checkpoints").iterdir())[1:]:
        path.unlink()
    pretrain([cohort], out=tmp_path / "parts", config=config, device="cpu", resume=True)
    weights = [(tmp_path / run / "encoder" / "model.safetensors").read_bytes() for run in ("whole", "parts")]
    assert weights[0] == weights[1]
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert len(rows) == 6
    trained, start = (Encoder(config.encoder, cohort.atlas.network_index) for _ in range(2))
    load_weights(trained, tmp_path / "whole" / "encoder")
    start_in_closed_form(start, [cohort], 0.0)
    for name in ("group", "spatial", "whitener"):
        assert torch.equal(getattr(trained.tokenizer, name), getattr(start.tokenizer, name))


def test_its_encoder_embeds_recordings_whole(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=config_of(**with_depth(1)), device="cpu")
    table = embed(cohort, model=tmp_path / "run")
    assert table.filter(like="cls_avg_").shape == (24, 8)
    assert np.isfinite(table.filter(like="cls_avg_")).all(axis=None)


def test_a_published_encoder_takes_a_short_student_too_but_no_view_beyond_its_window(cohort, tmp_path):
    short = {"views": {"student_seconds": [40, 80]}}
    pretrain([cohort], out=tmp_path / "short", config=tiny_config(steps=2, **short), device="cpu")
    with pytest.raises(ConfigError, match=r"raise encoder\.frames to 150"):
        pretrain(
            [cohort],
            out=tmp_path / "long",
            config=tiny_config(steps=2, views={"teacher_seconds": [100, 300]}),
            device="cpu",
        )
