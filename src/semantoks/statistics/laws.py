"""Does a gain grow by a law? Log-linear, power and saturating fits, judged by how they extrapolate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.statistics.intervals import LEVEL
from semantoks.statistics.seeds import OverSeeds, over_seeds

Sizes = Float[ndarray, " size"]
FEWEST = 4
"""Sizes from which on laws are held against each other: three to fit, one to extrapolate to."""
GRID = 1001
"""Exponents that are tried."""
BEHIND = 0.95
"""A law is told apart from the best one where it extrapolates worse in this share of the bootstrap samples."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Curves with their least squares fits: exponent and coefficients of each."""

    exponents: Float[ndarray, " curve"]
    coefficients: Float[ndarray, "curve coefficient"]


@dataclass(frozen=True, kw_only=True)
class Law:
    """A law of a gain y in an amount x: linear in its coefficients, but for the exponent.

    Attributes
    ----------
    basis
        (x, exponent) -> the functions that the coefficients multiply [size, coefficient].
    exponents
        Smallest and largest exponent; None = the law has none.
    """

    name: str
    formula: str
    basis: Callable[[Sizes, float], Float[ndarray, "size coefficient"]]
    coefficients: tuple[str, ...]
    exponents: tuple[float, float] | None = None

    def fit(self, x: Sizes, curves: Float[ndarray, "curve size"]) -> Fitted:
        """Fit many curves over the same amounts: coefficients in closed form for each exponent of a fine grid."""
        grid = np.zeros(1) if self.exponents is None else np.linspace(*self.exponents, GRID)
        bases = np.stack([self.basis(x, exponent) for exponent in grid])
        inverse = np.linalg.pinv(bases)
        fits = np.einsum("gsc,gct,nt->gns", bases, inverse, curves, optimize=True)
        best = ((fits - curves) ** 2).sum(axis=2).argmin(axis=0)
        return Fitted(exponents=grid[best], coefficients=np.einsum("nct,nt->nc", inverse[best], curves))

    def predict(self, x: float, fitted: Fitted) -> Float[ndarray, " curve"]:
        """Return what the fits say of another amount."""
        bases = np.stack([self.basis(np.array([x]), exponent)[0] for exponent in fitted.exponents])
        found: ndarray = (bases * fitted.coefficients).sum(axis=1)
        return found


def _ones(x: Sizes) -> Float[ndarray, "size 1"]:
    return np.ones((len(x), 1))


LAWS: Sequence[Law] = (
    Law(name="flat", formula="y = a", basis=lambda x, _: _ones(x), coefficients=("a",)),
    Law(
        name="log-linear",
        formula="y = a + b ln x",
        basis=lambda x, _: np.column_stack([_ones(x), np.log(x)]),
        coefficients=("a", "b"),
    ),
    Law(
        name="power",
        formula="y = a x^k",
        basis=lambda x, k: x[:, None] ** k,
        coefficients=("a",),
        exponents=(-2.0, 3.0),
    ),
    Law(
        name="saturating",
        formula="y = c - a x^-k",
        basis=lambda x, k: np.column_stack([_ones(x), -(x**-k)]),
        coefficients=("c", "a"),
        exponents=(0.1, 3.0),
    ),
)
"""x counts in units of the smallest amount of a study. The first is what the others are held against."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One law: its values with their intervals, its error of extrapolation, how often it is behind the best one."""

    law: Law
    values: Mapping[str, tuple[float, float, float]]
    """Coefficients and ``k``, the exponent: value, and both ends of its 95 % bootstrap interval."""
    error: float
    """Root mean squared error of extrapolating to the next size; NaN with too few sizes."""
    behind: float
    """Share of the bootstrap samples in which it extrapolates worse than the best law; 0 for that one."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a study of sizes says of one score."""

    slope: OverSeeds
    """Change of the gain per tenfold amount."""
    judged: tuple[Judged, ...]
    best: Law | None
    """The law that extrapolates best, if sizes suffice."""
    also: tuple[Law, ...]
    """Laws that cannot be told apart from it."""

    @property
    def sure(self) -> bool:
        """Whether the gain rises or falls beyond its interval."""
        return self.slope.low > 0 or self.slope.high < 0


def judge(
    x: Sizes,
    gains: Float[ndarray, "seed size"],
    samples: Float[ndarray, "seed size sample"],
    *,
    seed: int = 0,
    draws: int = 300,
) -> Verdict:
    """Fit every law to the mean over seeds, and judge them by extrapolation from the first sizes to the next one.

    The bootstrap resamples seeds, each with its whole curve, and test people at once.

    Parameters
    ----------
    x
        Amounts, ascending, above 0.
    gains
        Score minus that of random weights.
    samples
        The same with test people resampled (``seeds.resampled``).
    """
    rng, unit = np.random.default_rng(seed), x / x[0]
    again = rng.integers(0, len(gains), (draws, len(gains))), rng.integers(0, samples.shape[2], (draws, 1))
    curves = np.vstack([gains.mean(axis=0), samples[again[0], :, again[1]].mean(axis=1)])
    errors = np.stack([extrapolation_errors(law, unit, curves) for law in LAWS])
    best = int(np.argmin(errors[:, 0])) if len(x) >= FEWEST else None
    worse = [0.0 if best is None else float((row[1:] > errors[best, 1:]).mean()) for row in errors]
    judged = tuple(
        Judged(law=law, values=_values(law, law.fit(unit, curves)), error=float(np.sqrt(errors[n, 0])), behind=worse[n])
        for n, law in enumerate(LAWS)
    )
    also = () if best is None else tuple(law for n, law in enumerate(LAWS) if n != best and worse[n] < BEHIND)
    return Verdict(
        slope=slope_of(x, gains, samples), judged=judged, best=None if best is None else LAWS[best], also=also
    )


def slope_of(x: Sizes, gains: Float[ndarray, "seed size"], samples: Float[ndarray, "seed size sample"]) -> OverSeeds:
    """Return the least squares slope over log10 x, each seed's own, as a mean over seeds."""
    centred = np.log10(x) - np.log10(x).mean()
    weights = centred / (centred**2).sum()
    return over_seeds(gains @ weights, np.einsum("snb,n->sb", samples, weights))


def extrapolation_errors(law: Law, x: Sizes, curves: Float[ndarray, "curve size"]) -> Float[ndarray, " curve"]:
    """Return the mean squared error at each size from the fourth on, of the fit to all smaller ones."""
    if len(x) < FEWEST:
        return np.full(len(curves), np.nan)
    steps = range(FEWEST - 1, len(x))
    away = [law.predict(float(x[k]), law.fit(x[:k], curves[:, :k])) - curves[:, k] for k in steps]
    errors: ndarray = (np.array(away) ** 2).mean(axis=0)
    return errors


def _values(law: Law, fitted: Fitted) -> dict[str, tuple[float, float, float]]:
    columns = dict(zip(law.coefficients, fitted.coefficients.T, strict=True))
    if law.exponents is not None:
        columns["k"] = fitted.exponents
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    found = {}
    for name, values in columns.items():
        low, high = np.quantile(values[1:], ends)
        found[name] = (float(values[0]), float(low), float(high))
    return found


def words_of(verdict: Verdict, amount: str) -> str:
    """Say in a sentence or two what the sizes have shown; ``amount`` is what grows, e.g. ``people``."""
    slope = verdict.slope
    by = f"{slope.mean:+.3f} [{slope.low:+.3f}, {slope.high:+.3f}] per tenfold {amount}"
    seeds = " (one seed: other trainings are not in the interval)" if slope.seeds == 1 else ""
    if not verdict.sure:
        return f"No law can be told: the gain does not change measurably with {amount}, {by}{seeds}."
    start = f"The gain {'rises' if slope.mean > 0 else 'falls'} with {amount}, {by}{seeds}."
    if verdict.best is None:
        return f"{start} By which law cannot be told from fewer than {FEWEST} sizes."
    if verdict.also:
        others = ", ".join(law.name for law in verdict.also)
        return (
            f"{start} No law can be told apart: {verdict.best.name} extrapolates best, but not surely better than "
            f"{others}."
        )
    exponent = next((one.values.get("k") for one in verdict.judged if one.law is verdict.best), None)
    power = f", exponent {exponent[0]:.2f} [{exponent[1]:.2f}, {exponent[2]:.2f}]" if exponent else ""
    return f"{start} The law is {verdict.best.name}, {verdict.best.formula}{power}: it extrapolates best."
