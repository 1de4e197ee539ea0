"""Who is simulated: what all brains of a population share, and what one person adds to it."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from numpy.random import Generator

from semantoks.atlas.atlas import Atlas

STATE_CONTRASTS = np.array([[1, 0, -1, 0], [0, 1, 0, -1], [1, -1, 1, -1]], dtype=np.float32)
"""[contrast, state]: the three ways in which four states on a ring differ; together they span all state means."""
FACTORS = 8
"""Sub-network factors in each domain."""
FEWEST_DOMAINS, MOST_DOMAINS, BLOCKS = 4, 20, 9

_POPULATION_COUPLING_SD = 0.3  # Fisher z
_PERSON_COUPLING_SD = 0.40  # Fisher z
_PERSON_LOADING_SD = 2.0  # on the factors, against a population sd of 1
_PERSON_SPREAD = 0.5  # length of a ROI's own loadings on all domains, against 1 on its domain
_TRAIT_COUPLING = 0.40  # Fisher z for one sd of the trait
_TRAIT_OCCUPANCY, _TRAIT_TEMPO, _TRAIT_SEQUENCE = 0.8, 0.35, 1.0
_DWELL = 8.0  # s
_PEAK, _PEAK_SD = 5.0, 0.4  # s


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traits:
    """The hidden truth about a person: five independent standard normals; age (years) and sex made from them."""

    coupling: float
    occupancy: float
    tempo: float
    sequence: float
    motion: float
    age: float
    sex: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Population:
    """What every person of a population shares.

    Attributes
    ----------
    domain
        The domain of each ROI: its network, or one of nine blocks (see `domains_of`).
    state_maps
        Activity of each domain in each contrast of states; columns of length 1.
    coupling
        Fisher z of the correlations between the domains' noise.
    coupled
        The pairs of domains that the trait `coupling` moves: default x control.
    loadings
        Loading of each ROI on the factors of its domain.
    motion_pattern
        How strongly each ROI shows the head's motion; 1 in the mean.
    """

    domain: Int[ndarray, " roi"]
    state_maps: Float[ndarray, "contrast domain"]
    coupling: Float[ndarray, "domain domain"]
    coupled: Bool[ndarray, "domain domain"]
    loadings: Float[ndarray, "roi factor"]
    motion_pattern: Float[ndarray, " roi"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """What stays the same in every recording of one person.

    Attributes
    ----------
    forward
        Probability that a state transition goes 1 -> 2 -> 3 -> 4 -> 1, not back: logistic in the trait `sequence`.
    dwell
        Mean stay in each state, s.
    pace
        Factor on every time constant of the latents.
    peak
        Peak of the haemodynamic response, s.
    covariance_root
        Lower Cholesky root of the correlations between the domains' noise.
    membership
        Loading of each ROI on the signals of the domains: its own, and some of all; rows of length 1. A fingerprint.
    loadings
        Loading of each ROI on the factors of its domain; rows of length 1. A fingerprint too.
    """

    traits: Traits
    forward: float
    dwell: Float[ndarray, " state"]
    pace: float
    peak: float
    covariance_root: Float[ndarray, "domain domain"]
    membership: Float[ndarray, "roi domain"]
    loadings: Float[ndarray, "roi factor"]


def domains_of(atlas: Atlas) -> tuple[Int[ndarray, " roi"], tuple[str, ...]]:
    """Give the domain of each ROI and the domains' names: the atlas's networks where there are 4 to 20 of them.

    Four states need several places to differ in, and the cost grows with the domains. So an atlas of fewer than 4
    networks (all ROIs in one) or more than 20 (each ROI its own) is cut into nine blocks of consecutive ROIs instead.
    """
    if FEWEST_DOMAINS <= atlas.n_networks <= MOST_DOMAINS:
        return atlas.network_index, atlas.network_names
    blocks = min(BLOCKS, atlas.n_rois)
    return np.arange(atlas.n_rois) * blocks // atlas.n_rois, tuple(f"block{k + 1}" for k in range(blocks))


def draw_population(rng: Generator, atlas: Atlas) -> Population:
    """Draw what all people share; the trait `coupling` moves Default x Cont, or the last two domains without those."""
    domain, names = domains_of(atlas)
    count = len(names)
    maps = rng.standard_normal((len(STATE_CONTRASTS), count))
    coupling = _symmetric_normal(rng, count) * _POPULATION_COUPLING_SD
    default, control = (np.array([name.startswith(start) for name in names]) for start in ("Default", "Cont"))
    coupled = np.outer(default, control) | np.outer(control, default)
    if not coupled.any() and count > 1:
        coupled[-1, -2] = coupled[-2, -1] = True
    return Population(
        domain=domain,
        state_maps=maps / np.linalg.norm(maps, axis=0),
        coupling=coupling,
        coupled=coupled,
        loadings=rng.standard_normal((atlas.n_rois, FACTORS)),
        motion_pattern=1 + 0.5 * rng.standard_normal(atlas.n_rois),
    )


def draw_traits(rng: Generator, age_r2: float, sex_r2: float) -> Traits:
    """Draw a person's traits, and age and sex as noisy functions of them.

    Age is 50 years + 10 a, a = sqrt(age_r2) (tempo - coupling) / sqrt(2) + sqrt(1 - age_r2) noise: ``age_r2`` is the
    share of its variance that the two traits explain. Sex is F where sqrt(sex_r2) occupancy + sqrt(1 - sex_r2) noise
    is above zero: ``sex_r2`` is that share for the liability behind it.
    """
    coupling, occupancy, tempo, sequence, motion, age_noise, sex_noise = rng.standard_normal(7).tolist()
    ageing = np.sqrt(age_r2 / 2) * (tempo - coupling) + np.sqrt(1 - age_r2) * age_noise
    liability = np.sqrt(sex_r2) * occupancy + np.sqrt(1 - sex_r2) * sex_noise
    return Traits(
        coupling=coupling,
        occupancy=occupancy,
        tempo=tempo,
        sequence=sequence,
        motion=motion,
        age=float(50 + 10 * ageing),
        sex="F" if liability > 0 else "M",
    )


def draw_person(rng: Generator, population: Population, traits: Traits) -> Person:
    """Draw a person with these traits; occupancy and pace change what is listed in `Person` and no other quantity."""
    rois, domains = population.domain.size, len(population.coupling)
    pace = float(np.exp(_TRAIT_TEMPO * traits.tempo))
    weight = np.array([np.exp(_TRAIT_OCCUPANCY * traits.occupancy), 1.0, 1.0, 1.0])
    own = _symmetric_normal(rng, domains) * _PERSON_COUPLING_SD
    fisher = population.coupling + own + _TRAIT_COUPLING * traits.coupling * population.coupled
    membership = _PERSON_SPREAD * rng.standard_normal((rois, domains)) / np.sqrt(domains)
    membership[np.arange(rois), population.domain] += 1
    loadings = population.loadings + _PERSON_LOADING_SD * rng.standard_normal(population.loadings.shape)
    return Person(
        traits=traits,
        forward=float(1 / (1 + np.exp(-_TRAIT_SEQUENCE * traits.sequence))),
        dwell=_DWELL * pace * weight / weight.mean(),
        pace=pace,
        peak=float(_PEAK + _PEAK_SD * rng.standard_normal()),
        covariance_root=np.linalg.cholesky(nearest_correlation(np.tanh(fisher))),
        membership=membership / np.linalg.norm(membership, axis=1, keepdims=True),
        loadings=loadings / np.linalg.norm(loadings, axis=1, keepdims=True),
    )


def nearest_correlation(matrix: Float[ndarray, "domain domain"]) -> Float[ndarray, "domain domain"]:
    """Make a symmetric matrix a correlation matrix: unit diagonal, eigenvalues below 0.02 raised to it."""
    matrix = matrix.copy()
    np.fill_diagonal(matrix, 1.0)
    values, vectors = np.linalg.eigh(matrix)
    lifted = (vectors * np.maximum(values, 0.02)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(lifted))
    nearest: ndarray = lifted * np.outer(scale, scale)
    return nearest


def _symmetric_normal(rng: Generator, count: int) -> Float[ndarray, "domain domain"]:
    upper = np.triu(rng.standard_normal((count, count)), 1)
    return upper + upper.T
