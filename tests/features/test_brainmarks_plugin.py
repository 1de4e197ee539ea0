"""The plug-in of the Brainmarks suite, against a stand-in of the suite's registry."""

import importlib
import sys
import types

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d
from scipy.signal import cheby1, sosfiltfilt
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


def as_their_wrapper(given, place):
    """Embeddings' input as the suite's own wrapper makes it: resampled to 2 s, unfiltered, the first 100 frames."""
    bold, tr = given["bold"].numpy().astype(np.float64), given["tr"]
    if tr < 2 and len(bold) >= 30:
        bold = sosfiltfilt(cheby1(8, 0.05, 0.8 * tr / 2, output="sos"), bold, axis=0, padtype="even")
    times = 2.0 * np.arange(int(len(bold) * tr / 2))
    bold = interp1d(tr * np.arange(len(bold)), bold, kind="cubic", axis=0)(times)[:100]
    return np.pad(bold, ((0, 100 - len(bold)), (0, 0)))[:, place].T


@pytest.mark.parametrize(("frames", "tr"), [(300, 2.0), (300, 0.8), (160, 1.0), (20, 1.0), (16, 2.0)])
def test_one_window_that_is_not_filtered_is_what_the_suites_own_wrapper_shows_the_encoder(published, frames, tr):
    space = "schaefer400_tians3_buckner7"
    given = sample(457, frames)[0] | {"tr": tr}
    transform, _ = build(space, str(published), crops=1, already_filtered=True)
    made = transform(dict(given))
    theirs, real = as_their_wrapper(given, ATLAS.match(SPACES[space])), min(100, int(frames * tr / 2))
    found = made["series"][0].numpy()
    similar = [np.corrcoef(a[:real], b[:real])[0, 1] for a, b in zip(theirs, found, strict=True)]
    assert min(similar) > 0.995
    assert np.abs(found[:, real:]).max(initial=0) == 0
    assert made["hidden"].shape == (1, 9, 5)
    assert made["hidden"][0, 0].tolist() == [patch * 20 >= real for patch in range(5)]


@pytest.mark.parametrize(
    ("frames", "tr", "same"), [(16, 2.0, True), (16, 0.8, True), (49, 2.0, True), (60, 2.0, False)]
)
def test_a_clip_shorter_than_the_bands_slowest_wave_is_never_band_passed(published, frames, tr, same):
    given = sample(400, frames)[0] | {"tr": tr}
    made = [build("schaefer400", str(published), crops=1, already_filtered=b)[0](dict(given)) for b in (False, True)]
    assert torch.equal(made[0]["series"], made[1]["series"]) == same


def test_windows_are_at_least_one(published):
    with pytest.raises(ConfigError, match="crops must be at least 1, not 0"):
        build("schaefer400", str(published), crops=0)
