"""Baselines against NumPy: correlations, motion, and the weights before any training."""

import numpy as np
import torch
from tiny_people import SIZE, make_people, write_cohort

from semantoks.evaluate.baselines import by_person, functional_connectivity, motion, random_encoder
from semantoks.model.encoder import EncoderConfig
from semantoks.model.head import HeadConfig
from semantoks.model.weights import EncoderCard
from semantoks.train.loop import PretrainConfig
from semantoks.train.run import build_branch


def test_functional_connectivity_is_numpys_correlation_in_fisher_z(cohort):
    upper = np.triu_indices(8, 1)
    expected = [np.arctanh(np.corrcoef(cohort.series(i).astype(float).T)[upper]) for i in range(len(cohort))]
    np.testing.assert_allclose(functional_connectivity(cohort), np.array(expected), atol=2e-5)


def test_a_missing_roi_has_no_edges_and_the_same_signal_twice_a_finite_one(tmp_path):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(60, 8))
    series[:, 2] = 0
    series[:, 5] = series[:, 4]
    cohort = write_cohort(tmp_path, {"sub-1": series})
    edges = np.zeros((8, 8))
    edges[np.triu_indices(8, 1)] = functional_connectivity(cohort)[0]
    assert np.all(edges[2] == 0)
    assert np.all(edges[:, 2] == 0)
    assert np.isclose(edges[4, 5], np.arctanh(0.9999), atol=1e-3)
    rest = np.delete(np.arange(8), 2)
    assert np.all(edges[np.ix_(rest, rest)][np.triu_indices(7, 1)] != 0)


def test_motion_is_displacement_its_logarithm_and_the_frames(cohort):
    table = cohort.recordings
    found = motion(cohort)
    np.testing.assert_allclose(found[:, 0], table["mean_fd"])
    np.testing.assert_allclose(found[:, 1], np.log(table["mean_fd"]))
    np.testing.assert_array_equal(found[:, 2], table["good_frames"])


def test_motion_is_none_where_nobodys_is_known(tmp_path):
    assert motion(write_cohort(tmp_path, *make_people(2, motion=False))) is None


def test_the_random_encoder_is_the_student_before_its_first_step(cohort):
    card = EncoderCard(encoder=SIZE, atlas=cohort.atlas, tr=2.0, band=None, seed=3)
    start = PretrainConfig(encoder=SIZE, seed=3, head=HeadConfig(hidden=24, projection=8))
    expected = build_branch(start, cohort.atlas.network_index.tolist()).encoder.state_dict()
    found = random_encoder(card)
    assert not found.training
    assert found.config == SIZE == EncoderConfig(width=16, depth=1)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_persons_recordings_are_averaged(cohort):
    values = np.arange(len(cohort) * 2, dtype=float).reshape(-1, 2) ** 2
    found = by_person(values, cohort)
    ids = cohort.recordings["participant_id"].to_numpy()
    assert found.index.tolist() == sorted(set(ids))
    for person in ("00", "17", "39"):
        np.testing.assert_allclose(found.loc[person], values[ids == person].mean(axis=0))
