"""How alike a person stays from one time to another: identification, self minus other similarity, ICC(3,1)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Profiles = Float[ndarray, "person feature"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """ICC(3,1) of every feature: NaN where a feature is constant, its median, and the shares above 0.4 and 0.6."""

    each: Float[ndarray, " feature"]
    median: float
    fair: float
    good: float


def over_people(part: Profiles) -> Profiles:
    """Give every feature mean 0 and population sd 1 over the people of one part; a constant one becomes 0.

    All embeddings have a large mean in common, which a correlation between two people would see as likeness. Each part
    is standardised by itself: what differs between two sessions for everybody is no person's doing either.
    """
    part = part.astype(np.float64)
    centred, spread = part - part.mean(axis=0), part.std(axis=0)
    constant = spread <= 1e-7 * np.abs(part).max(axis=0)
    standardised: Profiles = centred / np.where(constant, np.inf, spread)
    return standardised


def similarity(first: Profiles, second: Profiles) -> Float[ndarray, "person person"]:
    """Return Pearson's r, over features, of everybody's first part (rows) with everybody's second part (columns).

    The features of someone that are all the same go with nothing: r = 0.
    """
    alike: Float[ndarray, "person person"] = _unit(first) @ _unit(second).T
    return alike


def _unit(part: Profiles) -> Profiles:
    centred = part - part.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: Profiles = centred / np.where(length > 0, length, np.inf)
    return unit


def identification(alike: Float[ndarray, "person person"]) -> float:
    """Return the share of people whose nearest in the other part is themselves (0..1), averaged over both directions.

    Finn et al. 2015 (Nature Neuroscience 18:1664). Of several who are equally near, each is taken with equal chance:
    the expected share, 1 / people if everybody is like everybody.
    """
    own = np.diagonal(alike)
    found = []
    for axis in (0, 1):
        nearest = alike.max(axis=axis)
        tied = (alike == np.expand_dims(nearest, axis)).sum(axis=axis)
        found.append(np.mean((own == nearest) / tied))
    return float(np.mean(found))


def i_diff(alike: Float[ndarray, "person person"]) -> float:
    """Return the mean similarity with oneself minus the mean similarity with others (Amico & Goñi 2018, not x 100)."""
    people, own = len(alike), float(np.trace(alike))
    return own / people - (float(alike.sum()) - own) / (people * (people - 1))


def icc(parts: Float[ndarray, "part person feature"]) -> Float[ndarray, " feature"]:
    """Return ICC(3,1) of every feature: two-way mixed, single measures, consistency (Shrout & Fleiss 1979, table 4).

    (BMS - EMS) / (BMS + (k - 1) EMS) of k parts, where BMS is the mean square between people and EMS the residual one;
    at least -1 / (k - 1), at most 1. NaN for a feature that is the same for everybody everywhere.
    """
    parts = parts.astype(np.float64)
    count, people, _ = parts.shape
    scale = np.abs(parts).max(axis=(0, 1))
    centred = parts - parts.mean(axis=1, keepdims=True)
    person = centred.mean(axis=0)
    between = count * (person**2).sum(axis=0) / (people - 1)
    error = ((centred - person) ** 2).sum(axis=(0, 1)) / ((people - 1) * (count - 1))
    # What rounding leaves of a constant is no variance.
    flat = between + error <= (1e-7 * scale) ** 2
    found: Float[ndarray, " feature"] = (between - error) / np.where(flat, np.nan, between + (count - 1) * error)
    return found


def agreement(parts: Float[ndarray, "part person feature"]) -> Agreement:
    """Sum up the ICC(3,1) of all features that vary; NaN where none does.

    Above 0.4 is called fair, above 0.6 good (Cicchetti 1994).
    """
    each = icc(parts)
    known = each[~np.isnan(each)]
    if not len(known):
        return Agreement(each=each, median=float("nan"), fair=float("nan"), good=float("nan"))
    return Agreement(
        each=each, median=float(np.median(known)), fair=float((known > 0.4).mean()), good=float((known > 0.6).mean())
    )
