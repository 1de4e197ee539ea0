"""The cache of embeddings: same content, same file; anything else, another."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from semantoks.errors import DataError
from semantoks.features import stored
from semantoks.features.encode import embed_crops, open_encoder
from semantoks.features.stored import content_key, embed_stored
from semantoks.model.precision import in_precision
from semantoks.signals.cohort import Cohort

CPU = torch.device("cpu")


def test_what_is_kept_is_what_embedding_gives_and_it_is_computed_once(cohort, model, tmp_path, monkeypatch):
    encoder, _ = open_encoder(model)
    options = {"crops": 2, "device": CPU}
    fresh, _ = embed_crops(encoder, cohort, readouts=["cls", "network"], **options)
    first = embed_stored(encoder, cohort, readouts=["cls", "network"], folder=tmp_path, **options)
    calls = []
    monkeypatch.setattr(stored, "embed_crops", lambda *a, **k: calls.append(k["readouts"]) or embed_crops(*a, **k))
    again = embed_stored(encoder, cohort, readouts=["network", "cls"], folder=tmp_path, **options)
    for name, array in fresh.items():
        assert np.array_equal(first[name], array)
        assert np.array_equal(again[name], array)
    assert calls == []
    embed_stored(encoder, cohort, readouts=["cls", "avg"], folder=tmp_path, **options)
    assert calls == [["avg"]]


def test_a_file_cut_short_is_made_again(cohort, model, tmp_path):
    encoder, _ = open_encoder(model)
    first = embed_stored(encoder, cohort, readouts=["cls"], crops=1, device=CPU, folder=tmp_path)["cls"]
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    again = embed_stored(encoder, cohort, readouts=["cls"], crops=1, device=CPU, folder=tmp_path)["cls"]
    assert np.array_equal(first, again)


def test_the_key_follows_weights_recordings_masks_and_settings(cohort, model, tmp_path):
    encoder, _ = open_encoder(model)
    keys = {content_key(encoder, cohort, crops, readout) for crops in (1, 2) for readout in ("cls", "avg")}
    with torch.no_grad():
        encoder.mask_token[0] += 1e-3
    keys.add(content_key(encoder, cohort, 1, "cls"))
    assert len(keys) == 5
    assert content_key(in_precision(encoder, "32-true", CPU), cohort, 1, "cls") in keys
    assert content_key(in_precision(encoder, "bf16-mixed", CPU), cohort, 1, "cls") not in keys
    shutil.copytree(cohort.path, tmp_path / "copy")
    (tmp_path / "copy" / "SHA256SUMS").unlink()
    file = tmp_path / "copy" / "recordings.tsv"
    table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
    assert content_key(encoder, Cohort(tmp_path / "copy"), 1, "cls") in keys
    for column, value in (("missing_rois", "3"), ("bad_frames", "7")):
        table.assign(**{column: value}).to_csv(file, sep="\t", index=False)
        keys.add(content_key(encoder, Cohort(tmp_path / "copy"), 1, "cls"))
    assert len(keys) == 7


def test_features_of_a_damaged_cohort_are_neither_stored_nor_served(cohort, model, tmp_path):
    """Not even where the whole cohort's features are stored, whose table says the same checksums."""
    encoder, _ = open_encoder(model)
    options = {"readouts": ["cls"], "crops": 1, "device": CPU, "folder": tmp_path / "cache"}
    embed_stored(encoder, cohort, **options)
    damaged = shutil.copytree(cohort.path, tmp_path / "copy")
    shard = damaged / "shards" / "000001.npy"
    content = bytearray(shard.read_bytes())
    content[-11] ^= 0x40
    shard.write_bytes(content)
    for _ in range(2):
        with pytest.raises(DataError, match="do not match their checksums"):
            embed_stored(encoder, Cohort(damaged), **options)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_flipped_bit_in_stored_features_makes_them_anew(cohort, model, tmp_path):
    encoder, _ = open_encoder(model)
    options = {"readouts": ["cls"], "crops": 1, "device": CPU, "folder": tmp_path}
    first = embed_stored(encoder, cohort, **options)["cls"]
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[-3] ^= 0x40
    file.write_bytes(content)
    assert np.array_equal(embed_stored(encoder, cohort, **options)["cls"], first)
