"""How simulated signals move in time, from states, noise and haemodynamics to the series of a recording with motion."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.random import Generator
from scipy.fft import irfft, next_fast_len
from scipy.signal import fftconvolve, lfilter
from scipy.special import gamma as gamma_function

from semantoks.simulation.people import FACTORS, STATE_CONTRASTS, Person, Population

STEP = 0.5
"""Time step of the latent signals, s."""
WARM_UP = 60.0
"""Latent time before the first frame, s: longer than the haemodynamic response, so that no recording begins at rest."""

Task = tuple[Float[ndarray, "state domain domain"], Int[ndarray, " step"]]

_RESPONSE_LENGTH = 32.0  # s
_DWELL_SHAPE = 3.0
_FD_FLOOR, _FD_SPIKE = 0.10, 0.6  # mm: what a still head shows, mean size of a jerk
_SPIKE_RATE = 0.01  # jerks per second
_ARTEFACT_DECAY = 4.0  # s


def latent_steps(frames: int, tr: float) -> int:
    """Count the latent steps that cover the warm-up and ``frames`` frames of ``tr`` seconds."""
    return int(np.ceil((WARM_UP + frames * tr) / STEP)) + 1


def state_path(rng: Generator, steps: int, forward: float, dwell: Float[ndarray, " state"]) -> Int[ndarray, " step"]:
    """Walk through the states on a ring: one step on with probability ``forward``, else one step back.

    Parameters
    ----------
    dwell
        Mean stay in each state, s; every stay is gamma(3) distributed.
    forward
        Probability of 1 -> 2 -> 3 -> 4 -> 1 at a transition. The path of ``1 - forward`` has the law of this path
        played backwards, whatever the dwell times, because each state is entered equally often.
    """
    states = dwell.size
    # The stays add up to twice the time needed in the mean, and 32 more for short paths.
    stays = int(2 * steps * STEP / dwell.mean()) + 32
    moves = np.where(rng.random(stays) < forward, 1, -1)
    visited = (rng.integers(states) + np.cumsum(moves)) % states
    ends = np.cumsum(rng.gamma(_DWELL_SHAPE, dwell[visited] / _DWELL_SHAPE))
    return visited[np.minimum(np.searchsorted(ends, STEP * np.arange(steps)), stays - 1)]


def relaxing_noise(rng: Generator, count: int, steps: int, tau: float) -> Float[ndarray, "latent step"]:
    """Draw independent stationary Ornstein-Uhlenbeck signals of unit variance; ``tau`` (s) is their relaxation time."""
    keep = np.exp(-STEP / tau)
    shock = np.sqrt(1 - keep**2)
    noise = rng.standard_normal((count, steps), dtype=np.float32)
    noise[:, 0] /= shock
    relaxed: ndarray = lfilter(np.array([shock], np.float32), np.array([1, -keep], np.float32), noise, axis=1)
    return relaxed


def haemodynamic_response(peak: float) -> Float[ndarray, " step"]:
    """Sample the double-gamma response (shapes 6 and 16, undershoot 1/6; Friston 1998) stretched to ``peak`` (s)."""
    time = np.arange(0, _RESPONSE_LENGTH, STEP) * 5 / peak
    response: ndarray = np.exp(-time) * (time**5 / gamma_function(6) - time**15 / gamma_function(16) / 6)
    return response


def observe(
    latents: Float[ndarray, "latent step"], peak: float, frames: int, tr: float
) -> Float[ndarray, "latent frame"]:
    """Convolve with the haemodynamic response, sample at the frames (linear), scale each to mean 0 and variance 1."""
    response = haemodynamic_response(peak).astype(latents.dtype)
    blood: ndarray = fftconvolve(latents, response[None], axes=1)
    position = (WARM_UP + tr * np.arange(frames)) / STEP
    before = position.astype(np.int64)
    share = (position - before).astype(latents.dtype)
    seen: ndarray = blood[:, before] * (1 - share) + blood[:, before + 1] * share
    seen -= seen.mean(axis=1, keepdims=True)
    seen /= seen.std(axis=1, keepdims=True)
    return seen


def pink_noise(rng: Generator, count: int, frames: int) -> Float[ndarray, "signal frame"]:
    """Draw noise whose power falls as 1/f from half a cycle per recording to Nyquist; unit variance in the mean."""
    length = next_fast_len(2 * frames, real=True)  # twice as long, so that the end does not join the beginning
    bins = np.arange(1, length // 2 + 1)
    amplitude = bins**-0.5
    amplitude *= length / np.sqrt(4 * np.sum(amplitude**2))
    spectrum = np.zeros((count, length // 2 + 1), dtype=np.complex64)
    draws = rng.standard_normal((count, bins.size, 2), dtype=np.float32) * amplitude.astype(np.float32)[:, None]
    spectrum[:, 1:] = draws.view(np.complex64)[..., 0]
    noise: ndarray = irfft(spectrum, length, axis=1)
    return noise[:, :frames]


def displacement(rng: Generator, frames: int, tr: float, motion: float) -> Float[ndarray, " frame"]:
    """Draw framewise displacement (mm): unrest around a level, and jerks; both grow with ``motion`` (in sd)."""
    level = _FD_FLOOR * np.exp(0.35 * motion + 0.2 * rng.standard_normal())
    jerks = rng.random(frames) < -np.expm1(-_SPIKE_RATE * np.exp(0.6 * motion) * tr)
    fd: ndarray = level * rng.gamma(4.0, 0.25, frames) + jerks * rng.exponential(_FD_SPIKE, frames)
    return fd


def motion_artefact(fd: Float[ndarray, " frame"], tr: float) -> Float[ndarray, " frame"]:
    """Turn displacement (mm) into the signal it leaves (mm): jumps that fade within seconds, around zero."""
    artefact: ndarray = lfilter([1.0], [1.0, -np.exp(-tr / _ARTEFACT_DECAY)], fd - fd.mean())
    artefact -= artefact.mean()
    return artefact


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
    task: Task | None = None,
) -> Float[ndarray, "frame roi"]:
    """Draw the float32 series of a recording with the head motion ``fd`` (mm) at a scanner of ``tr`` seconds.

    Parameters
    ----------
    noise_gain
        The scanner's factor on 1/f and white noise.
    gains
        The scanner's factor on what each ROI shows of the latents.
    task
        Roots of the domains' correlations in each state of a task, and the state at each latent step.
    """
    latents = draw_latents(rng, population, person, latent_steps(fd.size, tr), task)
    mixing = mixing_matrix(population, person) * gains
    series = observe(latents, person.peak, fd.size, tr).T @ mixing.astype(np.float32)
    noise = WHITE * rng.standard_normal(series.shape, dtype=np.float32)
    noise += PINK * pink_noise(rng, population.domain.size, fd.size).T
    series += noise_gain * noise
    artefact = MOTION * motion_artefact(fd, tr)
    series += np.multiply.outer(artefact, population.motion_pattern).astype(np.float32)
    return np.ascontiguousarray(series)


def draw_latents(
    rng: Generator, population: Population, person: Person, steps: int, task: Task | None = None
) -> Float[ndarray, "latent step"]:
    """Draw the latents before haemodynamics: global, state contrasts, noise of each domain, then factor by factor."""
    domains = len(population.coupling)
    path = state_path(rng, steps, person.forward, person.dwell)
    noise = relaxing_noise(rng, domains, steps, NOISE_TAU * person.pace)
    return np.concatenate(
        [
            relaxing_noise(rng, 1, steps, GLOBAL_TAU * person.pace),
            STATE_CONTRASTS[:, path],
            person.covariance_root.astype(np.float32) @ noise if task is None else _mixed(noise, task),
            relaxing_noise(rng, FACTORS * domains, steps, FACTOR_TAU * person.pace),
        ]
    )


def _mixed(noise: Float[ndarray, "domain step"], task: Task) -> Float[ndarray, "domain step"]:
    """Couple the domains as the state of each step has it."""
    roots, path = task
    mixed = np.empty_like(noise)
    for state, root in enumerate(roots.astype(np.float32)):
        mixed[:, path == state] = root @ noise[:, path == state]
    return mixed


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
