"""Encoders on disk: what is saved comes back to the bit, and what does not fit is refused by name."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from semantoks.atlas.atlas import Atlas
from semantoks.errors import WeightsError
from semantoks.model.card import EncoderCard, check_atlas, hash_participant, read_card
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.hub import load_encoder
from semantoks.model.tensors import read_training, save_encoder
from semantoks.model.tokenizers.published import TokenizerConfig

ATLAS = Atlas(
    name="four",
    labels=("a", "b", "c", "d"),
    networks=("x", "y", "x", "y"),
    hemisphere=("L", "R", "n/a", "L"),
    centroids=np.array([[1.5, -2, 3], [0, 0, 0], [np.nan, np.nan, np.nan], [4, 5, 6.25]]),
)
SIZE = EncoderConfig(width=8, depth=1, frames=40, patch=20, tokenizer=TokenizerConfig(pieces=2, decay=(2.0, 1.5)))
CARD = EncoderCard(
    encoder=SIZE,
    atlas=ATLAS,
    tr=0.8,
    band=(0.01, 0.1),
    seed=5,
    salt="s",
    participants=("0f", "a1"),
    versions={"semantoks": "0.1.0"},
    cost={"samples": 12.0, "flops": 1e9},
)


@pytest.fixture
def saved(tmp_path):
    """A folder with an encoder in it, and the encoder."""
    encoder = Encoder(SIZE, ATLAS.network_index)
    return save_encoder(tmp_path / "encoder", encoder, CARD), encoder


def edit(folder, change):
    """Apply ``change`` to the configuration in ``folder``."""
    path = folder / "config.json"
    plain = json.loads(path.read_text())
    change(plain)
    plain.pop("sha256", None)
    path.write_text(json.dumps(plain))


def test_an_encoder_comes_back_to_the_bit_and_ready_to_use(saved):
    folder, encoder = saved
    found, card = load_encoder(folder)
    assert not found.training
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    series = torch.randn(2, 4, 40)
    torch.testing.assert_close(found(series), encoder.eval()(series), rtol=0, atol=0)
    assert card == CARD
    np.testing.assert_array_equal(card.atlas.centroids, ATLAS.centroids)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_no_band_stays_no_band(tmp_path):
    card = EncoderCard(encoder=SIZE, atlas=ATLAS, tr=2.0, band=None)
    save_encoder(tmp_path / "e", Encoder(SIZE, ATLAS.network_index), card)
    assert read_card(tmp_path / "e").band is None


def test_a_learner_comes_back_and_a_card_that_still_has_a_head_is_one_of_self_distillation(saved):
    folder, encoder = saved
    head = {"hidden": 4, "hidden_layers": 1, "projection": 2}
    learner = {"kind": "self-distillation", "head": head}
    save_encoder(folder, encoder, replace(CARD, learner=learner), {"student.head.x": torch.ones(2)})
    assert read_card(folder).learner == learner
    assert read_training(folder)["student.head.x"].tolist() == [1, 1]
    edit(folder, lambda plain: plain.update(head=plain.pop("learner")["head"]))
    assert read_card(folder).learner == learner
    edit(folder, lambda plain: plain.update(head=None))
    assert read_card(folder).learner is None
    edit(folder, lambda plain: plain.update(learner={"head": head}))
    with pytest.raises(WeightsError, match="learner of an encoder has to be a table of settings with a kind"):
        read_card(folder)


def test_a_folder_of_the_first_schema_is_read_as_before(saved):
    folder, _ = saved

    def as_it_was(plain):
        assert plain.pop("schema") == 3
        assert plain["encoder"]["tokenizer"].pop("kind") == "published"
        plain["schema"] = 1

    edit(folder, as_it_was)
    assert read_card(folder) == CARD


def test_a_participant_is_remembered_by_a_salted_hash():
    assert hash_participant("salt", "0051") == hashlib.sha256(b"salt\x000051").hexdigest()[:16]
    assert hash_participant("salt", "0051") != hash_participant("other", "0051")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plain: plain.update(schema=4), "has schema 4; this semantoks reads 1 to 3: use a newer version"),
        (lambda plain: plain.update(schema="2"), "has schema 2; this"),
        (lambda plain: plain.pop("schema"), "schema"),
        (lambda plain: plain["encoder"].update(widht=8), "Did you mean 'width'"),
        (lambda plain: plain["encoder"].update(width=7), "even"),
        (lambda plain: plain.update(unheard=1), "unheard"),
        (lambda plain: plain["encoder"]["tokenizer"].update(pieces=10**12), "pieces has to be at most 16"),
        (lambda plain: plain["encoder"].update(depth=10**12), "depth has to be 0 to 1000"),
        (lambda plain: plain.update(scores=[["r"]]), "scores"),
        (lambda plain: plain.update(scores=[{"r": 0.5}]), "scores"),
        (lambda plain: plain.update(normalisation=1.0), "normalisation"),
        (lambda plain: plain["atlas"].update(name={"a": 1}), "name"),
        (lambda plain: plain["atlas"].update(labels=["a"]), "1 labels and 4 networks"),
        (lambda plain: plain["atlas"].update(networks=["x", "x", "y", "y"]), "was changed"),
    ],
)
def test_a_configuration_that_was_tampered_with_is_refused(saved, change, words):
    folder, _ = saved
    edit(folder, change)
    with pytest.raises(WeightsError, match=words) as caught:
        load_encoder(folder)
    assert str(folder / "config.json") in str(caught.value)


def test_absent_and_damaged_files_are_named(saved, tmp_path):
    folder, _ = saved
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        load_encoder(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(WeightsError, match=r"model\.safetensors does not match the checksum in it"):
        load_encoder(folder)
    weights.unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read as safetensors: .*No such file"):
        load_encoder(folder)
    for content in (b'{"schema": \xff', b"[" * 100_000, b"[]"):
        (folder / "config.json").write_bytes(content)
        with pytest.raises(WeightsError, match=r"config\.json (cannot be read as JSON|has to contain a JSON object)"):
            load_encoder(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "config.json"])
def test_a_flipped_bit_anywhere_in_an_encoder_folder_is_refused_by_the_name_of_the_file(tmp_path, name):
    encoder = Encoder(SIZE, ATLAS.network_index)
    folder = save_encoder(tmp_path / "encoder", encoder, CARD, {"student.x": torch.ones(2)})
    content = bytearray((folder / name).read_bytes())
    content[-2 if name != "config.json" else content.index(b"2.0")] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name} does not match the checksum in it"):
        read_training(folder) if name.startswith("training") else load_encoder(folder)


def test_weights_of_another_training_step_than_the_card_are_refused(tmp_path):
    """As a kill leaves them that came between the writing of the two."""
    one, other = (Encoder(SIZE, ATLAS.network_index) for _ in range(2))
    folder = save_encoder(tmp_path / "encoder", one, CARD)
    whole = (folder / "config.json").read_bytes()
    save_encoder(folder, other, CARD)
    load_encoder(folder)
    (folder / "config.json").write_bytes(whole)
    with pytest.raises(WeightsError, match=r"model\.safetensors is not of the training step that config\.json"):
        load_encoder(folder)


def test_weights_without_checksums_are_read_as_before(saved):
    folder, encoder = saved
    save_file(encoder.state_dict(), folder / "model.safetensors")
    edit(folder, lambda plain: plain.pop("weights"))
    found, _ = load_encoder(folder)
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in encoder.state_dict().items())


def test_weights_of_another_shape_are_refused_by_their_names(saved):
    folder, _ = saved
    tensors = load_file(folder / "model.safetensors")
    tensors["cls_token"] = torch.zeros(9)
    save_file(tensors, folder / "model.safetensors")
    edit(folder, lambda plain: plain.pop("weights"))
    with pytest.raises(WeightsError, match="cls_token"):
        load_encoder(folder)


def test_an_atlas_fits_by_labels_and_networks_in_order():
    check_atlas(CARD, Atlas(name="renamed", labels=ATLAS.labels, networks=ATLAS.networks))
    with pytest.raises(WeightsError, match=r"ROI 2: the encoder expects 'b' \(y\), the recordings have 'c' \(x\)"):
        check_atlas(CARD, ATLAS.select(["a", "c", "b", "d"]))
    with pytest.raises(WeightsError, match=r"ROI 4: the encoder expects 'd' \(y\), the recordings have nothing"):
        check_atlas(CARD, ATLAS.select(["a", "b", "c"]))
    with pytest.raises(WeightsError, match=r"ROI 2: the encoder expects 'b' \(y\), the recordings have 'b' \(Brain\)"):
        check_atlas(CARD, Atlas(name="o", labels=ATLAS.labels, networks=("x", "Brain", "x", "y")))
