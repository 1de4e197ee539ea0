"""An encoder that mean correlations determine: its columns are edges; what was changed or says too much is refused."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch

from semantoks.errors import ConfigError, WeightsError
from semantoks.model.card import EncoderCard, write_card
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.group import ABOUT, GROUP, GroupAbout, edges_config, read_group, set_group, write_group
from semantoks.model.hub import load_encoder
from tiny_people import ATLAS

ABOUT_THEM = GroupAbout(
    people=60, recordings=70, source="a study", licence="CC0-1.0", citation="Nobody 2026", command="make"
)


def mean_correlations(rois=8, seed=0):
    rng = np.random.default_rng(seed)
    return np.mean([np.corrcoef(rng.normal(size=(rois, 4)) @ rng.normal(size=(4, 60))) for _ in range(20)], axis=0)


def written(folder, group, *, atlas=ATLAS, components=3):
    folder.mkdir()
    size = edges_config(atlas.network_index.tolist(), components=components, shrinkage=0.3)
    about = write_group(folder, group, ABOUT_THEM)
    write_card(folder, EncoderCard(encoder=size, atlas=atlas, tr=2.0, band=None))
    return about


def naive_edges(series, group, components, share=0.3):
    """log(M^-1/2 U S U' M^-1/2) in float64, U the first eigenvectors of the group; upper triangle, row by row."""
    bases = np.linalg.eigh(group)[1][:, ::-1][:, :components].T
    bases = bases * np.sign(bases.sum(axis=1))[:, None]
    shrunk = (1 - share) * np.corrcoef(series) + share * np.eye(len(group))
    middle = bases @ ((1 - share) * group + share * np.eye(len(group))) @ bases.T
    white = np.linalg.inv(scipy.linalg.sqrtm(middle))
    tangent = scipy.linalg.logm(white @ bases @ shrunk @ bases.T @ white)
    return [tangent[i, j] * (1 if i == j else 2**0.5) for i in range(components) for j in range(i, components)]


def test_the_columns_are_the_edges_of_components_in_the_tangent_space_of_the_group(tmp_path):
    group, series = mean_correlations(), np.random.default_rng(1).normal(size=(8, 50))
    written(tmp_path / "e", group, atlas=ATLAS.one_network())
    encoder, _ = load_encoder(tmp_path / "e")
    stored = read_group(tmp_path / "e", 8)
    np.testing.assert_allclose(stored, group, atol=5e-4)
    found = encoder(torch.from_numpy(series).float()[None]).grid.mean(dim=(1, 2))[0]
    np.testing.assert_allclose(found.detach(), naive_edges(series, stored, 3), atol=2e-5)


def test_a_number_of_edges_may_be_odd_but_a_width_with_blocks_may_not():
    assert edges_config([0] * 8, components=5, shrinkage=0.3).width == 15
    assert edges_config([0, 0, 0, 0, 1], components=3, shrinkage=0.3).width == 10
    Encoder(edges_config([0] * 8, components=5, shrinkage=0.3), [0] * 8)
    for wrong in ({"depth": 1}, {"tokenizer": EncoderConfig().tokenizer}):
        with pytest.raises(ConfigError, match="has to be even"):
            replace(edges_config([0] * 8, components=5, shrinkage=0.3), **wrong)


def test_a_hidden_network_contributes_nothing(tmp_path):
    written(tmp_path / "e", mean_correlations())
    encoder, _ = load_encoder(tmp_path / "e")
    mask = torch.tensor([[[False], [True], [False]]])
    grid = encoder(torch.randn(1, 8, 50), mask).grid
    assert (grid[0, 1] == 0).all()
    assert (grid[0, [0, 2]] != 0).any()


def test_correlations_that_were_changed_damaged_or_lost_are_refused(tmp_path):
    about = written(tmp_path / "e", mean_correlations())
    file, note = tmp_path / "e" / GROUP, tmp_path / "e" / ABOUT
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(
        WeightsError, match=r"group.safetensors does not match its checksum in group.json.*Copy it anew"
    ):
        load_encoder(tmp_path / "e")
    file.write_bytes(pickle.dumps({"correlation": [1, 2]}))
    with pytest.raises(WeightsError, match="does not match its checksum"):
        load_encoder(tmp_path / "e")
    note.write_text(json.dumps(vars(about) | {"people": 3}))
    with pytest.raises(WeightsError, match=r"group.json does not say whose correlations .* at least 50 people"):
        load_encoder(tmp_path / "e")
    note.unlink()
    with pytest.raises(WeightsError, match=r"group.json does not say whose correlations"):
        load_encoder(tmp_path / "e")


@pytest.mark.parametrize(("scale", "rois"), [(2.0, 8), (np.nan, 8), (1.0, 7)])
def test_what_are_no_correlations_of_these_rois_is_refused(tmp_path, scale, rois):
    write_group(tmp_path, scale * (mean_correlations(rois) - np.eye(rois)) * 5, ABOUT_THEM)
    with pytest.raises(WeightsError, match="does not hold the correlations of 8 ROIs"):
        read_group(tmp_path, 8)


def test_a_mean_of_few_people_is_not_passed_on():
    with pytest.raises(ConfigError, match=r"at least 50 people .* not 49 and 70"):
        replace(ABOUT_THEM, people=49)
    with pytest.raises(ConfigError, match="not 60 and 59"):
        replace(ABOUT_THEM, recordings=59)


def test_correlations_determine_no_other_encoder():
    with pytest.raises(WeightsError, match="an encoder in closed form alone"):
        set_group(Encoder(EncoderConfig(width=16, depth=1), ATLAS.network_index), mean_correlations())
    size = replace(edges_config([0] * 8, components=3, shrinkage=0.3), width=7)
    with pytest.raises(WeightsError, match="3 components do not have 7 edges"):
        set_group(Encoder(size, [0] * 8), mean_correlations())
