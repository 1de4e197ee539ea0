"""How alike a person stays from one time to another: identification, self minus other similarity, ICC(3,1)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Profiles = Float[ndarray, "person feature"]
_AT_ONCE = 512


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

    Features are standardised over the people of each part first (`over_people`). Those of someone that are all the same
    go with nothing: r = 0.
    """
    count = max(first.shape[1], 1)
    products, sums, squares = np.float64(0), np.zeros((2, len(first))), np.zeros((2, len(first)))
    for block in _blocks(count):
        parts = [over_people(part[:, block]) for part in (first, second)]
        products = products + parts[0] @ parts[1].T
        sums += [part.sum(axis=1) for part in parts]
        squares += [np.einsum("pf,pf->p", part, part) for part in parts]
    # What rounding leaves of features that are all the same is no variance.
    lengths = np.sqrt(np.where(squares * count - sums**2 > 1e-12 * squares * count, squares - sums**2 / count, np.inf))
    alike: Float[ndarray, "person person"] = (products - np.outer(*sums) / count) / np.outer(*lengths)
    return alike


def _blocks(features: int) -> list[slice]:
    """Cut features into blocks that stay in a processor's cache, in double precision, for hundreds of people."""
    return [slice(first, first + _AT_ONCE) for first in range(0, max(features, 1), _AT_ONCE)]


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
    return np.concatenate([_icc(parts[:, :, block].astype(np.float64)) for block in _blocks(parts.shape[2])])


def _icc(parts: Float[ndarray, "part person feature"]) -> Float[ndarray, " feature"]:
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
