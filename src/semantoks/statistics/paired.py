"""Is a method better than another on the same splits? Two tests with different assumptions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import rankdata, t

from semantoks.errors import ConfigError
from semantoks.statistics.tested import SplitTested, count_units, standard

_ALIKE = 1e-12
_CELLS = 2**23
"""Most signs in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class CorrectedMean:
    """A mean of differences over splits, its standard error and its degrees of freedom; NaN for too few splits."""

    mean: float
    error: float
    freedom: int

    @property
    def p(self) -> float:
        """The two-sided p of no difference: 1 where all differences are zero, 0 where all are one other number."""
        if self.error == 0:
            return float(self.mean == 0)
        return 2 * float(t.sf(abs(self.mean) / self.error, self.freedom))

    def interval(self, level: float) -> tuple[float, float]:
        """Return the ends of the two-sided interval: it holds zero where p is above 1 - ``level``."""
        half = float(t.isf((1 - level) / 2, self.freedom)) * self.error
        return self.mean - half, self.mean + half

    def p_within(self, bound: float) -> float:
        """Return p of two one-sided tests that the difference is within ``bound`` of zero (Schuirmann 1987)."""
        room = bound - abs(self.mean)
        return float(room <= 0) if self.error == 0 else float(t.sf(room / self.error, self.freedom))


def corrected_mean(
    differences: Float[ndarray, " split"], n_train: float, n_test: Float[ndarray, " split"]
) -> CorrectedMean:
    """Return the mean over splits, by test people, with the error of the corrected resampled t test.

    Nadeau & Bengio 2003 (Machine Learning 52:239): the variance of the mean over k splits is (1/k + n_test/n_train) s²,
    with k - 1 degrees of freedom: splits share training people, so that the plain s²/k is far too small. Assumed are
    differences that are about normal and a correlation between splits of n_test / (n_test + n_train), which is a rule
    of thumb, on the safe side where training sets matter little. The claim is about methods trained on n_train people,
    not about these trained models. Where splits test different numbers of people, s² is k/(k - 1) times the squares'
    mean by people, as it has to be for differences whose variance falls with the people tested.
    """
    k, weights = len(differences), n_test / n_test.sum()
    mean = float(weights @ differences) if k else float("nan")
    if k < 2:
        return CorrectedMean(mean=mean, error=float("nan"), freedom=1)
    variance = float(weights @ (differences - mean) ** 2) * k / (k - 1)
    error = float(np.sqrt(variance * (1 / k + float(n_test.mean()) / n_train)))
    return CorrectedMean(mean=mean, error=error if np.sqrt(variance) > _ALIKE * abs(mean) else 0.0, freedom=k - 1)


def paired_permutation(
    contributions: Float[ndarray, "unit method"], *, overlap: float, flips: int, rng: np.random.Generator
) -> Float[ndarray, " method"]:
    """Return the two-sided p of each method's difference from the reference, by sign flips of the units' contributions.

    Flipping a unit's sign swaps the two methods' predictions for its people, in all splits at once. Assumed is
    that under the null a unit's contribution is as likely positive as negative, and that units are independent but for
    the ``overlap`` of training and test sides, for which the differences after flips are stretched by the root of
    1 + overlap (see ``tested.overlap``; without overlap the test is a plain permutation test). Unlike
    ``corrected_mean`` it asks for no normal distribution and knows how many people stand behind a split, but it does
    not cover what altogether other training people would have changed. p = (1 + flips at least as large) / (1 +
    flips): never 0.

    Parameters
    ----------
    contributions
        See ``unit_contributions``: they add up to the difference. NaN (no split shared) gives NaN.
    """
    observed, size = np.abs(contributions.sum(axis=0)), np.abs(contributions).sum(axis=0)
    least = (observed - _ALIKE * size) / np.sqrt(1 + overlap)
    larger = np.zeros(contributions.shape[1])
    step = max(1, _CELLS // max(1, len(contributions)))
    for start in range(0, flips, step):
        signs = rng.integers(0, 2, (min(step, flips - start), len(contributions)), dtype=np.int8) * 2.0 - 1
        larger += (np.abs(signs @ contributions) >= least).sum(axis=0)
    return np.where(np.isnan(observed), np.nan, (1 + larger) / (1 + flips))


def unit_contributions(sides: Sequence[SplitTested], metric: str, reference: int) -> Float[ndarray, "unit method"]:
    """Split each method's mean difference from the reference, over the splits of both, into one part per unit.

    Splits count by their test people. A split's difference is a sum over its people; swapping the two methods'
    predictions for a person flips their part:

    - ``balanced_accuracy``: right or wrong, over the size of the person's class; ``mae``, ``r2``: error, its square;
    - ``auroc``: the person's placement among the other class, both methods' ranks pooled. A flip then gives exactly the
      difference of the areas after the person's ranks are exchanged (Venkatraman & Begg 1996, Biometrika 83:835). Half
      of each of the placements of DeLong et al. (1988), which pool nothing, adds up as well, but to half the spread;
    - ``r``: to first order, g = z z' - r ((z² + z'²)/2 - 1) with z, z' the standardised truth and prediction. Its mean
      is r, its spread that of r; z z' alone adds up as well, but spreads too much where r is large: that costs power.

    Raises
    ------
    ConfigError
        For a metric that is not one of ``balanced_accuracy auroc r r2 mae``.
    """
    if metric not in _PARTS:
        raise ConfigError(f"no paired permutation for the metric {metric!r}: choose one of {', '.join(_PARTS)}.")
    methods = len(sides[0].predicted)
    total, shared = np.zeros((count_units(sides), methods)), np.zeros(methods)
    with np.errstate(invalid="ignore", divide="ignore"):
        for side in sides:
            parts = _PARTS[metric](side, reference)
            has = ~np.isnan(parts).any(axis=1) & ~(side.lacking | side.lacking[reference])[:, 0]
            tested = len(side.truth)
            np.add.at(total, side.unit, np.where(has, tested * parts.T, 0))
            shared += tested * has
        return np.where(shared, total / shared, np.nan)


def _balanced_accuracy(side: SplitTested, reference: int) -> ndarray:
    names, place, sizes = np.unique(side.truth, return_inverse=True, return_counts=True)
    right = (side.predicted == side.truth) / (len(names) * sizes[place])
    parts: ndarray = right - right[reference]
    return parts


def _auroc(side: SplitTested, reference: int) -> ndarray:
    count = side.probability.shape[2]
    parts = []
    for i in [1] if count == 2 else range(count):
        member = side.truth == i
        if 0 < member.sum() < len(member):
            ranks = rankdata(side.probability[:, :, i], axis=1)
            parts.append([_placements(own, ranks[reference], member) for own in ranks])
    if not parts:
        return np.full(side.predicted.shape, np.nan)
    mean: ndarray = np.mean(parts, axis=0)
    return mean


def _placements(first: ndarray, second: ndarray, member: ndarray) -> ndarray:
    parts = np.empty(len(first))
    for own, sign in ((member, 1), (~member, -1)):
        others = np.sort(np.concatenate([first[~own], second[~own]]))
        ahead = [np.searchsorted(others, ranks[own], way) for ranks in (first, second) for way in ("left", "right")]
        parts[own] = sign * (ahead[0] + ahead[1] - ahead[2] - ahead[3]) / (2 * len(others) * own.sum())
    return parts


def _r(side: SplitTested, reference: int) -> ndarray:
    if not np.ptp(side.truth):
        return np.full(side.predicted.shape, np.nan)
    truth, predicted = standard(side.truth), standard(side.predicted)
    product = truth * predicted
    shares = product - product.mean(axis=1, keepdims=True) * ((truth**2 + predicted**2) / 2 - 1)
    parts: ndarray = (shares - shares[reference]) / len(truth)
    return parts


def _mae(side: SplitTested, reference: int) -> ndarray:
    error = np.abs(side.truth - side.predicted)
    parts: ndarray = (error - error[reference]) / len(side.truth)
    return parts


def _r2(side: SplitTested, reference: int) -> ndarray:
    error = (side.truth - side.predicted) ** 2
    parts: ndarray = (error[reference] - error) / (len(error[0]) * (side.truth.var() if np.ptp(side.truth) else np.nan))
    return parts


_PARTS = {"balanced_accuracy": _balanced_accuracy, "auroc": _auroc, "r": _r, "r2": _r2, "mae": _mae}


def holm(p: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """Return Holm's step-down adjusted p-values, in the order given; NaN (no test made) stays NaN and does not count.

    Rejecting where the adjusted p is below alpha bounds the chance of one or more false rejections by alpha, however
    the tests depend on each other (Holm 1979, Scandinavian Journal of Statistics 6:65).
    """
    adjusted = np.full(len(p), np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made])]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
