"""One simulated recording of a person: latents drawn, seen through blood flow, mixed to ROIs, with noise and motion."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

from semantoks.simulate import dynamics
from semantoks.simulate.people import FACTORS, STATE_CONTRASTS, Person, Population

STATE, NOISE, FACTOR, GLOBAL = 1.0, 0.7, 1.1, 0.8
PINK, WHITE = 0.65, 0.8
MOTION = 3.0  # for each mm of artefact
NOISE_TAU, FACTOR_TAU, GLOBAL_TAU = 2.0, 1.5, 15.0  # s, at pace 1


def draw_series(
    rng: Generator,
    population: Population,
    person: Person,
    *,
    fd: Float[ndarray, " frame"],
    tr: float,
    noise_gain: float,
    gains: Float[ndarray, " roi"],
) -> Float[ndarray, "frame roi"]:
    """Draw the float32 series of a recording with the head motion ``fd`` (mm) at a scanner of ``tr`` seconds.

    Parameters
    ----------
    noise_gain
        The scanner's factor on 1/f and white noise.
    gains
        The scanner's factor on what each ROI shows of the latents.
    """
    latents = draw_latents(rng, population, person, dynamics.latent_steps(fd.size, tr))
    mixing = mixing_matrix(population, person) * gains
    series = dynamics.observe(latents, person.peak, fd.size, tr).T @ mixing.astype(np.float32)
    noise = WHITE * rng.standard_normal(series.shape, dtype=np.float32)
    noise += PINK * dynamics.pink_noise(rng, population.domain.size, fd.size).T
    series += noise_gain * noise
    artefact = MOTION * dynamics.motion_artefact(fd, tr)
    series += np.multiply.outer(artefact, population.motion_pattern).astype(np.float32)
    return np.ascontiguousarray(series)


def draw_latents(rng: Generator, population: Population, person: Person, steps: int) -> Float[ndarray, "latent step"]:
    """Draw the latents before haemodynamics: global, state contrasts, noise of each domain, then factor by factor."""
    domains = len(population.coupling)
    path = dynamics.state_path(rng, steps, person.forward, person.dwell)
    noise = dynamics.relaxing_noise(rng, domains, steps, NOISE_TAU * person.pace)
    return np.concatenate(
        [
            dynamics.relaxing_noise(rng, 1, steps, GLOBAL_TAU * person.pace),
            STATE_CONTRASTS[:, path],
            person.covariance_root.astype(np.float32) @ noise,
            dynamics.relaxing_noise(rng, FACTORS * domains, steps, FACTOR_TAU * person.pace),
        ]
    )


def mixing_matrix(population: Population, person: Person) -> Float[ndarray, "latent roi"]:
    """Weight of every latent in every ROI, latents in the order of `draw_latents`."""
    rois, domains = person.membership.shape
    factors = np.zeros((FACTORS, domains, rois))
    factors[:, population.domain, np.arange(rois)] = person.loadings.T
    return np.concatenate(
        [
            np.full((1, rois), GLOBAL),
            STATE * population.state_maps @ person.membership.T,
            NOISE * person.membership.T,
            FACTOR * factors.reshape(FACTORS * domains, rois),
        ]
    )
