"""Every objective under the trainer: whole, or stopped and resumed, and as the start of another training."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import make_cohort, tiny_config

from semantoks.config import from_plain
from semantoks.errors import ConfigError, WeightsError
from semantoks.features.embed import embed
from semantoks.model.hub import load_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.reporting.page import report
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow

HEAD = {"head": {"hidden": 16, "projection": 8}}
KINDS = {
    "dino": {"prototypes": 32, **HEAD},
    "ibot": {"prototypes": 32, **HEAD},
    "masked-reconstruction": {},
    "jepa": {},
    "contrastive": HEAD,
    "fc-aligned": {"hidden": 8},
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("kinds"))


def config_of(kind, **changes):
    return tiny_config(steps=6, objective={"kind": kind, **KINDS[kind], **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_resumed_it_is_the_unbroken_run_and_its_encoder_goes_on(kind, cohort, tmp_path):
    whole, cut, config = tmp_path / "whole", tmp_path / "cut", config_of(kind)
    pretrain([cohort], out=whole, config=config)

    def interrupt(epoch, out):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain([cohort], out=cut, config=config, on_epoch=interrupt)
    pretrain([cohort], out=cut, config=config, resume=True)
    a, b = (load_file(sorted((run / "checkpoints").glob("*.safetensors"))[-1]) for run in (whole, cut))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    assert {"loss", "spread", "dimensions"} <= rows[0].keys()
    assert load_encoder(whole / "encoder")[1].learner["kind"] == kind
    assert embed(cohort, model=whole).filter(like="cls_").std().min() > 0
    pretrain([cohort], out=tmp_path / "child", config=config, init_from=whole)
    assert "Spread" in report(whole).read_text(encoding="utf-8")
    if kind == "contrastive":
        with pytest.raises(WeightsError, match="no student beside the encoder: its objective has no teacher"):
            load_encoder(whole / "encoder", which="student")
    if kind == "jepa":
        with pytest.raises(WeightsError, match="its objective is 'jepa'"):
            pretrain([cohort], out=tmp_path / "other", config=config_of("contrastive"), init_from=whole)


def test_a_recipe_without_a_kind_is_the_published_objective():
    plain = from_plain(PretrainConfig, {"objective": {"ttr_share": 0.1}})
    assert plain.objective.kind == "self-distillation"


def test_one_token_of_a_whole_window_has_nothing_to_reconstruct_frame_by_frame(cohort, tmp_path):
    config = config_of("masked-reconstruction")
    size = replace(config.encoder, patch=100, norm=False, tokenizer=ConnectivityConfig(components=2))
    with pytest.raises(ConfigError):
        pretrain([cohort], out=tmp_path / "x", config=replace(config, encoder=size))
    assert not (tmp_path / "x" / "run.json").exists()
