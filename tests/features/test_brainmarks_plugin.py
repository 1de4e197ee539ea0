"""The plug-in of the Brainmarks suite, against a stand-in of the suite's registry."""

import importlib
import sys
import types

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.features.brainmarks import SPACES, build
from semantoks.features.embed import embed
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tensors import save_encoder
from semantoks.signals.recording import Recording

ATLAS = get_atlas("schaefer400+tian-s3+buckner7")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small encoder of the published atlas."""
    size = EncoderConfig(width=16, depth=1)
    card = EncoderCard(encoder=size, atlas=ATLAS, tr=2.0, band=(0.01, 0.1))
    return save_encoder(tmp_path_factory.mktemp("m") / "e", Encoder(size, ATLAS.network_index), card)


def sample(columns, frames, seed=0):
    """A sample as the suite has it, and the series it was made of."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(frames, columns)).cumsum(axis=0) * 20 + 1000
    mean, std = raw.mean(axis=0, keepdims=True), raw.std(axis=0, keepdims=True)
    parts = {"bold": (raw - mean) / std, "mean": mean, "std": std}
    return {**{key: torch.from_numpy(value).float() for key, value in parts.items()}, "tr": 0.8, "target": 1}, raw


@pytest.mark.parametrize("suite", ["fmri_fm_eval", "brainmarks"])
def test_every_space_is_registered_with_the_suite_and_silent_without_it(suite, monkeypatch):
    module = f"{suite}.models.semantoks"
    sys.modules.pop(module, None)
    with pytest.raises(ModuleNotFoundError, match=f"{suite}.models.registry"):
        importlib.import_module(module)
    registered = {}
    registry = types.ModuleType(f"{suite}.models.registry")
    registry.register_model = lambda name: lambda function: registered.setdefault(name, function)
    monkeypatch.setitem(sys.modules, registry.__name__, registry)
    importlib.import_module(module)
    assert set(registered) == {f"semantoks_{space}" for space in SPACES}
    sys.modules.pop(module)


@pytest.mark.parametrize("frames", [16, 160, 300])
@pytest.mark.parametrize("space", SPACES)
def test_embeddings_have_the_suites_shapes_for_samples_short_and_long(published, space, frames):
    transform, model = build(space, str(published), crops=2)
    assert model.__space__ == space
    batch = default_collate([transform(sample(len(SPACES[space]), frames, seed)[0]) for seed in (0, 1)])
    cls, registers, patches = model(batch)
    assert cls.shape == (2, 1, 16)
    assert registers is None
    assert patches.shape == (2, 45, 16)
    assert torch.isfinite(cls).all()
    assert batch["target"].tolist() == [1, 1]
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("space", SPACES)
def test_embeddings_are_those_of_the_same_recording_in_our_order(published, space):
    given, raw = sample(len(SPACES[space]), 300)
    place = ATLAS.match(SPACES[space])
    series = np.where(place >= 0, raw[:, place], np.nan)
    table = embed([Recording(series=series, tr=0.8, participant="1", source="s")], model=published, readout="cls")
    transform, model = build(space, str(published))
    found = model(default_collate([transform(given)])).cls_embeds[0, 0]
    np.testing.assert_allclose(table.filter(like="cls_").to_numpy()[0], found, atol=2e-3)  # cohorts keep float16


def test_their_cortex_is_in_seventeen_network_order():
    assert SPACES["schaefer400"][:2] == ("LH_Vis_3", "LH_Vis_5")
    assert SPACES["schaefer400_tians3"][:50] == get_atlas("tian-s3").labels
    assert sorted(SPACES["schaefer400"]) == sorted(get_atlas("schaefer400").labels)


def test_which_encoder_is_asked_for_and_may_come_from_the_environment(published, monkeypatch):
    monkeypatch.delenv("SEMANTOKS_MODEL", raising=False)
    with pytest.raises(ConfigError, match="no encoder is given"):
        build("schaefer400")
    monkeypatch.setenv("SEMANTOKS_MODEL", str(published))
    assert build("schaefer400")[1].__space__ == "schaefer400"
