"""Bootstrap intervals: how much a score, and a difference between two, depends on which people were tested."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.errors import ConfigError
from semantoks.statistics.tested import SplitTested, over_splits, standard

LEVEL = 0.95
_NOTHING = 1e-12
"""A variance below this share of the whole split's counts as none."""


def draw(units: int, samples: int, rng: np.random.Generator) -> Float[ndarray, "unit sample"]:
    """Return how often each unit is in each bootstrap sample, after a first column that has everybody once.

    A sample has as many draws, with replacement, as there are units.
    """
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=samples)
    return np.vstack([np.ones(units), drawn]).T


def bootstrap(
    sides: Sequence[SplitTested], metric: str, weights: Float[ndarray, "unit sample"]
) -> Float[ndarray, "split method sample"]:
    """Score every split and method with each unit counted ``weights`` times; NaN where a method lacks the split.

    What this resamples is who is tested, given the trained models: people (or families) are drawn anew with all their
    predictions of all splits, nothing is fitted again. One set of weights serves all methods, so that the difference of
    two methods' samples is that of a paired bootstrap.

    Raises
    ------
    ConfigError
        For a metric that is not one of ``balanced_accuracy auroc r r2 mae``.
    """
    if metric not in _SCORES:
        raise ConfigError(f"no bootstrap for the metric {metric!r}: choose one of {', '.join(_SCORES)}.")
    score = _SCORES[metric]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([np.where(side.lacking, np.nan, score(side, weights[side.unit])) for side in sides])


def stretched(
    samples: Float[ndarray, "split method sample"], people: Int[ndarray, " split"], overlap: float
) -> Float[ndarray, "method sample-1"]:
    """Return the samples of each method's mean over its splits (by people), without the first (everybody once).

    They are stretched away from that first one by the root of 1 + ``overlap`` (see ``tested.overlap``): they cover the
    choice of test people, and that these people train the models of other folds; they do not cover the effect of an
    entirely different training sample.
    """
    means = over_splits(samples, people)
    found: ndarray = means[:, :1] + (means[:, 1:] - means[:, :1]) * np.sqrt(1 + overlap)
    return found


def interval(samples: Float[ndarray, "method sample"]) -> Float[ndarray, "method bound"]:
    """Return the lower and upper end of the 95 % percentile interval of each method's samples."""
    bounds: ndarray = pd.DataFrame(samples.T).quantile([(1 - LEVEL) / 2, (1 + LEVEL) / 2]).to_numpy(np.float64).T
    return bounds


def beyond(samples: Float[ndarray, "method sample"], bound: float) -> Float[ndarray, " method"]:
    """Return p of two one-sided tests that a difference is within ``bound`` of zero: the larger of both.

    Of each side it is the share of samples at or beyond the bound, (1 + those) / (1 + all): it is at most 0.05 where
    the 90 % interval lies within the bounds (Schuirmann 1987, J Pharmacokinet Biopharm 15:657).
    """
    most = np.maximum((samples >= bound).sum(axis=1), (samples <= -bound).sum(axis=1))
    return np.where(np.isnan(samples).any(axis=1), np.nan, (1 + most) / (1 + samples.shape[1]))


def _balanced_accuracy(side: SplitTested, weights: ndarray) -> ndarray:
    recalls = []
    for name in np.unique(side.truth):
        member = side.truth == name
        recalls.append((side.predicted[:, member] == name) @ weights[member] / weights[member].sum(axis=0))
    known = ~np.isnan(recalls)  # a class that a sample lacks counts for nothing
    mean: ndarray = np.where(known, recalls, 0).sum(axis=0) / known.sum(axis=0)
    return mean


def _auroc(side: SplitTested, weights: ndarray) -> ndarray:
    count = side.probability.shape[2]
    areas = []
    for i in [1] if count == 2 else range(count):
        member = side.truth == i
        if 0 < member.sum() < len(member):
            areas.append([_area(scores, member, weights) for scores in side.probability[:, :, i]])
    if not areas:
        return np.full((len(side.predicted), weights.shape[1]), np.nan)
    known = ~np.isnan(areas)
    mean: ndarray = np.where(known, areas, 0).sum(axis=0) / known.sum(axis=0)
    return mean


def _area(scores: ndarray, member: ndarray, weights: ndarray) -> ndarray:
    """Return the weighted share of (member, other) pairs in which the member is ahead, ties by half [sample]."""
    order = np.argsort(scores[~member])
    others, below = scores[~member][order], np.zeros((len(order) + 1, weights.shape[1]))
    weights_of_others = weights[~member][order]
    np.cumsum(weights_of_others, axis=0, out=below[1:])
    ahead = (
        below[np.searchsorted(others, scores[member], "left")] + below[np.searchsorted(others, scores[member], "right")]
    )
    pairs = np.einsum("ij,ij->j", weights[member], ahead) / 2
    share: ndarray = pairs / (weights[member].sum(axis=0) * below[-1])
    return share


def _r(side: SplitTested, weights: ndarray) -> ndarray:
    truth, predicted, share = standard(side.truth), standard(side.predicted), weights / weights.sum(axis=0)
    mean, mean_predicted = truth @ share, predicted @ share
    variance, spread = truth**2 @ share - mean**2, predicted**2 @ share - mean_predicted**2
    together = (truth * predicted) @ share - mean * mean_predicted
    found = np.where(spread > _NOTHING, together / np.sqrt(variance * np.maximum(spread, _NOTHING)), 0)
    return np.where(variance > _NOTHING, found, np.nan)


def _r2(side: SplitTested, weights: ndarray) -> ndarray:
    truth, share = standard(side.truth), weights / weights.sum(axis=0)
    variance = truth**2 @ share - (truth @ share) ** 2
    error = ((side.truth - side.predicted) / side.truth.std()) ** 2 @ share
    return np.where(variance > _NOTHING, 1 - error / variance, np.nan)


def _mae(side: SplitTested, weights: ndarray) -> ndarray:
    errors: ndarray = np.abs(side.truth - side.predicted) @ weights / weights.sum(axis=0)
    return errors


_SCORES = {"balanced_accuracy": _balanced_accuracy, "auroc": _auroc, "r": _r, "r2": _r2, "mae": _mae}
