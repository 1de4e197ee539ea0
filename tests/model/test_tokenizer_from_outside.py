"""A tokenizer that somebody wrote outside the package: settings and a module, no fork."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from einops import rearrange
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, WeightsError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import embed
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import EncoderConfig
from semantoks.model.hub import Encoder
from semantoks.model.tensors import save_encoder
from semantoks.objective.branch import HeadConfig
from semantoks.objective.self_distillation import SelfDistillation
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain

NETWORKS = [0, 1, 0, 2, 1]


class MeanOfNetwork(nn.Module):
    """Each network's mean series, cut into patches, through one linear map."""

    def __init__(self, network_index, width, patch):
        super().__init__()
        members = torch.eye(max(network_index) + 1)[network_index]
        self.register_buffer("weights", members / members.sum(dim=0), persistent=False)
        self.project = nn.Linear(patch, width)

    @property
    def frames_needed(self):
        return self.project.in_features

    def flops(self, frames):
        patch = self.project.in_features
        rois, networks = self.weights.shape
        return 2 * networks * (frames * rois + frames // patch * patch * self.project.out_features)

    def forward(self, series):
        means = torch.einsum("brt,rn->bnt", series, self.weights)
        patch = self.project.in_features
        whole = means[:, :, : means.shape[2] // patch * patch]
        return self.project(rearrange(whole, "b n (p t) -> b n p t", t=patch))


@dataclass(frozen=True, kw_only=True)
class MeanConfig:
    """Settings of ``MeanOfNetwork``."""

    kind: str = "mean-of-network"

    def build(self, network_index, width, patch):
        return MeanOfNetwork(network_index, width, patch)


@dataclass(frozen=True, kw_only=True)
class Other(MeanConfig):
    """Another kind."""

    kind: str = "another"


@dataclass(frozen=True, kw_only=True)
class Priceless(MeanConfig):
    """Builds a tokenizer that does not count its operations."""

    def build(self, network_index, width, patch):
        return nn.Linear(patch, width)


SIZE = EncoderConfig(width=16, depth=1, tokenizer=MeanConfig())


def test_its_tokens_are_those_of_a_naive_loop_and_reach_the_grid():
    encoder = Encoder(EncoderConfig(width=16, depth=0, tokenizer=MeanConfig()), NETWORKS)
    series = torch.randn(2, 5, 100, generator=torch.Generator().manual_seed(0))
    tokens = encoder.tokenizer(series)
    for network in range(3):
        rois = [i for i, n in enumerate(NETWORKS) if n == network]
        patch = torch.stack([series[1, roi, 20:40] for roi in rois]).mean(dim=0)
        linear = encoder.tokenizer.project
        torch.testing.assert_close(tokens[1, network, 1], linear.weight @ patch + linear.bias)
    assert encoder(series).grid.shape == (2, 3, 5, 16)


def test_its_operations_are_counted_as_torch_counts_them():
    encoder = Encoder(EncoderConfig(width=16, depth=0, tokenizer=MeanConfig()), NETWORKS)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.randn(3, 5, 100))
    assert encoder.flops(3) == counter.get_total_flops()


def test_it_is_saved_and_loaded_with_its_settings_and_refused_without(tmp_path):
    torch.manual_seed(0)
    encoder = Encoder(SIZE, NETWORKS)
    atlas = Atlas(name="five", labels=tuple("abcde"), networks=("x", "y", "x", "z", "y"))
    save_encoder(tmp_path, encoder, EncoderCard(encoder=SIZE, atlas=atlas, tr=2.0, band=None))
    again = Encoder.from_pretrained(tmp_path, tokenizer=MeanConfig())
    series = torch.randn(2, 5, 100)
    assert torch.equal(again(series).cls, encoder.eval()(series).cls)
    with pytest.raises(WeightsError, match=r"kind 'mean-of-network', which is none .*projection, published"):
        Encoder.from_pretrained(tmp_path)


@pytest.fixture
def trained(tmp_path):
    """A cohort of labelled people, and a run on it with this tokenizer."""
    rng = np.random.default_rng(0)
    people = [f"p{i:02d}" for i in range(24)]
    made = [
        Recording(series=rng.normal(size=(130, 8)).cumsum(axis=0), tr=2.0, participant=name, source=name)
        for name in people
    ]
    table = pd.DataFrame({"participant_id": people, "group": ["a", "b"] * 12})
    prepare(MemorySource(made, atlas=EIGHT), out=tmp_path / "c", atlas=EIGHT)
    table.to_csv(tmp_path / "c" / "participants.tsv", sep="\t", index=False)
    cohort = Cohort(tmp_path / "c")
    config = small(steps=2)
    pretrain([cohort], out=tmp_path / "run", config=config)
    return cohort, tmp_path


EIGHT = Atlas(name="eight", labels=tuple("abcdefgh"), networks=("x", "x", "y", "y", "x", "z", "z", "y"))


def small(**changes):
    heads = SelfDistillation(head=HeadConfig(hidden=8, projection=8))
    size = EncoderConfig(width=16, depth=1, tokenizer=MeanConfig())
    return PretrainConfig(encoder=size, objective=heads, batch_size=8, min_seconds=0.0, **changes)


@pytest.mark.slow
def test_what_the_refusal_advises_works_embedding_probing_and_training_on(trained):
    cohort, folder = trained
    for refused in (
        lambda: probe(folder / "run", cohort, targets=["group"], out=folder / "p"),
        lambda: embed(cohort, model=folder / "run"),
        lambda: pretrain([cohort], out=folder / "r", init_from=folder / "run"),
    ):
        with pytest.raises(WeightsError, match=r"Encoder\.from_pretrained\(folder, tokenizer=\.\.\.\)"):
            refused()
    encoder = Encoder.from_pretrained(folder / "run", tokenizer=MeanConfig())
    assert len(embed(cohort, model=encoder)) == 24
    quick = ProbeConfig(folds=2, repeats=1, analyses=(), methods=("fc",))
    table = probe(encoder, cohort, targets=["group"], out=folder / "p", config=quick)
    assert "encoder" in set(table["method"])
    assert (folder / "p" / "cache").is_dir()
    record = pretrain([cohort], out=folder / "r", config=small(steps=1), init_from=folder / "run")
    assert record["config"]["encoder"]["tokenizer"] == {"kind": "mean-of-network"}
    other = PretrainConfig(encoder=EncoderConfig(tokenizer=Other()), batch_size=8, min_seconds=0.0, steps=1)
    with pytest.raises(WeightsError, match="describes an encoder with the tokenizer"):
        pretrain([cohort], out=folder / "r2", config=other, init_from=folder / "run")


def test_a_module_that_does_not_count_its_operations_is_an_error_and_not_free():
    with pytest.raises(ConfigError, match="built a Linear; it has to be an nn"):
        Encoder(EncoderConfig(width=16, depth=1, tokenizer=Priceless()), NETWORKS)
    encoder = Encoder(SIZE, NETWORKS)
    encoder.blocks.append(nn.Identity())
    with pytest.raises(ConfigError, match="Identity cannot say what it costs"):
        encoder.flops()


def test_a_window_shorter_than_it_needs_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Long(MeanConfig):
        def build(self, network_index, width, patch):
            return MeanOfNetwork(network_index, width, 3 * patch)

    with pytest.raises(ConfigError, match="needs windows of at least 60 frames, not 40"):
        Encoder(EncoderConfig(width=16, depth=1, frames=40, tokenizer=Long()), NETWORKS)
