import dataclasses

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.simulation import dynamics, people
from semantoks.simulation.dynamics import draw_latents, draw_series, mixing_matrix

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "Subcortical", "Cerebellar")
SMALL = Atlas(name="small", labels=tuple(f"roi{k}" for k in range(36)), networks=tuple(np.repeat(NETWORKS, 4).tolist()))


def person_with(population: people.Population, **traits: float) -> people.Person:
    base = people.Traits(coupling=0.0, occupancy=0.0, tempo=0.0, sequence=0.0, motion=0.0, age=50.0, sex="F")
    return people.draw_person(np.random.default_rng(1), population, dataclasses.replace(base, **traits))


def test_the_latents_of_a_roi_add_up_to_the_published_weights():
    population = people.draw_population(np.random.default_rng(0), SMALL)
    traits = people.draw_traits(np.random.default_rng(1), 0.5, 0.5)
    person = people.draw_person(np.random.default_rng(2), population, traits)
    mixing = mixing_matrix(population, person)
    np.testing.assert_allclose(mixing[0], 0.8)
    np.testing.assert_allclose(np.linalg.norm(mixing[4:13], axis=0), 0.7)
    np.testing.assert_allclose(np.linalg.norm(mixing[13:], axis=0), 1.1)
    for roi in (0, 17, 35):
        own = np.flatnonzero(mixing[13:, roi]) % 9
        assert set(own) == {SMALL.network_index[roi]}
        states = sum(person.membership[roi, d] * population.state_maps[:, d] for d in range(9))
        np.testing.assert_allclose(mixing[1:4, roi], states)


def test_age_and_sex_follow_their_traits_as_far_as_the_r2_says():
    def draws(age_r2: float, sex_r2: float) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        rows = [dataclasses.asdict(people.draw_traits(rng, age_r2, sex_r2)) for _ in range(4000)]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    half = draws(0.5, 0.5)
    made_of = np.column_stack([half["tempo"], half["coupling"], np.ones(4000)])
    rest = half["age"] - made_of @ np.linalg.lstsq(made_of, half["age"], rcond=None)[0]
    assert 1 - rest.var() / half["age"].var() == pytest.approx(0.5, abs=0.04)
    # A liability r of sqrt(0.5), cut at its middle, keeps sqrt(2 / pi) of it.
    assert np.corrcoef(half["sex"] == "F", half["occupancy"])[0, 1] == pytest.approx(np.sqrt(1 / np.pi), abs=0.04)
    whole, none = draws(1.0, 1.0), draws(0.0, 0.0)
    np.testing.assert_array_equal(whole["sex"] == "F", whole["occupancy"] > 0)
    np.testing.assert_allclose(whole["age"], 50 + 10 * (whole["tempo"] - whole["coupling"]) / np.sqrt(2))
    assert abs(np.corrcoef(none["age"], none["tempo"])[0, 1]) < 0.05


def test_each_trait_moves_its_own_mechanism_only():
    population = people.draw_population(np.random.default_rng(0), SMALL)
    plain, busy, slow, onward, coupled = (
        person_with(population, **one)
        for one in ({}, {"occupancy": 1.0}, {"tempo": 1.0}, {"sequence": 1.0}, {"coupling": 2.0})
    )
    np.testing.assert_allclose(plain.dwell, 8.0)
    assert busy.dwell.mean() == pytest.approx(8.0)
    assert busy.dwell[0] / busy.dwell[1] == pytest.approx(np.exp(0.8))
    np.testing.assert_allclose(slow.dwell, 8.0 * np.exp(0.35))
    assert slow.pace == pytest.approx(np.exp(0.35))
    assert (plain.forward, onward.forward) == (0.5, pytest.approx(1 / (1 + np.exp(-1))))
    change = coupled.covariance_root @ coupled.covariance_root.T - plain.covariance_root @ plain.covariance_root.T
    assert np.unravel_index(np.triu(np.abs(change)).argmax(), change.shape) == (5, 6)
    assert change[5, 6] > 0.2
    for other in (busy, slow, onward):
        np.testing.assert_array_equal(other.covariance_root, plain.covariance_root)
        np.testing.assert_array_equal(other.loadings, plain.loadings)


def test_a_repaired_correlation_matrix_is_one_and_a_sound_one_is_left_alone():
    sound = np.array([[1.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(people.nearest_correlation(sound), sound)
    broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    repaired = people.nearest_correlation(broken)
    np.testing.assert_allclose(np.diag(repaired), 1.0)
    assert np.linalg.eigvalsh(repaired)[0] > 0.01


def test_neither_sign_nor_strength_of_sequence_changes_fc():
    population = people.draw_population(np.random.default_rng(5), SMALL)
    fc = []
    for z in (-4.0, 0.0, 4.0):
        person = person_with(population, sequence=z)
        latents = draw_latents(np.random.default_rng(7), population, person, dynamics.latent_steps(15_000, 2.0))
        contrasts = dynamics.observe(latents[1:4], person.peak, 15_000, 2.0)
        fc.append(np.corrcoef(population.state_maps.T @ contrasts))
    # 30,000 s hold some 3,750 stays: a standard error near 0.02 for each of the 36 correlations.
    np.testing.assert_allclose(fc[0], fc[2], atol=0.07)
    np.testing.assert_allclose(fc[1], fc[2], atol=0.07)


def test_coupling_brings_control_and_default_together_in_the_recording():
    population = people.draw_population(np.random.default_rng(0), SMALL)

    def fc(coupling: float) -> np.ndarray:
        person, rng = person_with(population, coupling=coupling), np.random.default_rng(2)
        series = draw_series(rng, population, person, fd=np.full(2000, 0.1), tr=2.0, noise_gain=1.0, gains=np.ones(36))
        return np.corrcoef(series.reshape(2000, 9, 4).mean(axis=2).T)

    change = fc(2.0) - fc(-2.0)
    assert np.unravel_index(np.triu(np.abs(change)).argmax(), change.shape) == (5, 6)
    assert change[5, 6] > 0.1
