"""Checkpoints and maps that were made to do harm, or by other software: refused in a sentence, at once."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from released import Sizes, synthetic_checkpoint

from semantoks.errors import WeightsError
from semantoks.model.convert import convert_checkpoint
from semantoks.model.network_map import atlas_of_map

SIZES = Sizes(width=8, depth=1, hidden=4, projection=2, patches=2, parts=(("own", (0, 1, 1)),))


def write(folder, held):
    """Write a checkpoint and its map; return the arguments that convert it."""
    torch.save(held, folder / "made.pth")
    np.savez(folder / "map.npz", network_map_own=np.array(SIZES.parts[0][1]))
    return {"checkpoint": folder / "made.pth", "out": folder / "encoder", "network_map": folder / "map.npz"}


def test_a_pickle_that_is_none_of_pytorchs_is_refused_in_one_sentence_alone(tmp_path, recwarn):
    (tmp_path / "raw.pt").write_bytes(pickle.dumps({"weight": [1.0, 2.0]}))
    with pytest.raises(WeightsError, match=r"raw.pt"):
        convert_checkpoint(tmp_path / "raw.pt", tmp_path / "out")
    assert not recwarn.list


ODD_TENSORS = {
    "sparse": torch.eye(3).to_sparse(),
    "complex": torch.ones(3, dtype=torch.complex64),
    "without values": torch.empty(3, device="meta"),
    "a view of one value": torch.zeros(1, dtype=torch.float16).expand(10**6, 10**6),
}


@pytest.mark.parametrize("kind", ODD_TENSORS)
def test_tensors_that_are_no_plain_numbers_are_refused_by_name(tmp_path, kind):
    torch.save({"model_state_dict": {"a.weight": ODD_TENSORS[kind]}}, tmp_path / "made.pth")
    with pytest.raises(WeightsError, match=r"made\.pth .*: a\.weight and 0 more of its tensors are sparse"):
        convert_checkpoint(tmp_path / "made.pth", tmp_path / "out")


NETWORKS = "student_encoder.inter_network_transformer.network_learnable_pos_embedding.weight"


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        (NETWORKS, NETWORKS, torch.zeros(10**6, 1)),
        ("teacher_predictor.mlp.0.bias", f"teacher_predictor.mlp.{'9' * 5000}.weight", torch.zeros(1)),
        ("student_encoder.norm.bias", "student_encoder.inter_network_transformer.transformer_blocks.99999.x", None),
    ],
    ids=["networks", "5,000 digits", "blocks"],
)
def test_what_is_counted_beyond_all_tensors_is_refused_at_once(tmp_path, old, new, value):
    held = synthetic_checkpoint(SIZES, 12)
    state = held["model_state_dict"]
    moved = state.pop(old)
    state[new] = moved if value is None else value
    if old == NETWORKS:
        state[NETWORKS.replace("student", "teacher")] = value
    with pytest.raises(WeightsError, match=r"made\.pth is not a released checkpoint: it counts to"):
        convert_checkpoint(**write(tmp_path, held))


def test_a_width_that_is_no_number_of_columns_and_tables_of_whole_numbers_are_refused_in_words(tmp_path):
    held = synthetic_checkpoint(SIZES, 12)
    state = held["model_state_dict"]
    table = "student_encoder.inter_network_transformer.temporal_pos_embedding"
    state[table] = state[table].long()
    with pytest.raises(WeightsError, match="is not that of the published method"):
        convert_checkpoint(**write(tmp_path, held))
    state |= {f"{role}_encoder.norm.weight": torch.tensor(1.0) for role in ("student", "teacher")}
    with pytest.raises(WeightsError, match=r"norm\.weight: has the shape \[\]"):
        convert_checkpoint(**write(tmp_path, held))


@pytest.mark.parametrize("held", ["array", "cut header"])
def test_a_map_that_is_no_archive_of_arrays_is_refused_by_name(tmp_path, held):
    path = tmp_path / "map.npz"
    if held == "array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("network_map_own.npy", b"\x93NUMPY\x01\x00\x08\x00{'a': (\n")
    with pytest.raises(WeightsError, match=r"network map .*map\.npz cannot be read"):
        atlas_of_map(path, ["own"], [3])
