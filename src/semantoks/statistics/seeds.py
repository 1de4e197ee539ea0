"""Several trainings on the same test people: the mean over seeds, with an interval over seeds and over people."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import t

from semantoks.statistics.intervals import LEVEL, bootstrap, draw, stretched
from semantoks.statistics.tables import QUESTION
from semantoks.statistics.tested import count_units, held_out, over_splits, overlap, people_of


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """A mean over seeds, the ends of its 95 % interval, and p of the null that it is 0; NaN where unknown."""

    mean: float
    low: float
    high: float
    p: float
    seeds: int


def over_seeds(values: Float[ndarray, " seed"], samples: Float[ndarray, "seed sample"]) -> OverSeeds:
    """Return the mean over seeds of a score or a difference, with an interval for other seeds and other test people.

    Its variance is that of other trainings, from the spread of the seeds, plus that of other test people, from the
    bootstrap of the mean over seeds; degrees of freedom by Satterthwaite (1946). Two runs of one seed share whatever
    the seed decides, so their differences are paired. With one seed the interval is about test people alone.

    Parameters
    ----------
    values
        One per seed.
    samples
        The same with the test people resampled, the same people for all seeds (``resampled``).
    """
    seeds = len(values)
    if not seeds:
        nothing = float("nan")
        return OverSeeds(mean=nothing, low=nothing, high=nothing, p=nothing, seeds=0)
    mean, of_people = float(values.mean()), float(samples.mean(axis=0).var(ddof=1))
    of_seeds = float(values.var(ddof=1)) / seeds if seeds > 1 else 0.0
    variance = of_people + of_seeds
    if not variance > 0:
        return OverSeeds(mean=mean, low=mean, high=mean, p=float(mean == 0), seeds=seeds)
    freedom = variance**2 * (seeds - 1) / of_seeds**2 if of_seeds > 0 else np.inf
    error = float(np.sqrt(variance))
    half = float(t.isf((1 - LEVEL) / 2, freedom)) * error
    p = 2 * float(t.sf(abs(mean) / error, freedom))
    return OverSeeds(mean=mean, low=mean - half, high=mean + half, p=p, seeds=seeds)


def resampled(
    predictions: Mapping[str, pd.DataFrame],
    metric: str,
    *,
    n_train: float,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[Float[ndarray, " row"], Float[ndarray, "row sample"]]:
    """Score several tables of predictions of the same test people and splits, and score them with people resampled.

    Parameters
    ----------
    predictions
        Name -> the rows of one method in one target's main analysis (predictions.parquet).
    n_train
        People that a split trains on, on average.

    Returns
    -------
    The mean over splits of each table, in order, and the same for each bootstrap sample; one draw of people serves all.

    Raises
    ------
    DataError
        When the tables tested other people, or split them otherwise.
    """
    rows = pd.concat([table.assign(method=name) for name, table in predictions.items()])
    if len(rows[list(QUESTION)].drop_duplicates()) > 1:
        raise ValueError("predictions of one target in one analysis were expected")
    sides = held_out(rows, list(predictions))
    people = people_of(sides)
    again = overlap(rows["person"].nunique(), n_train, float(people.mean()))
    drawn = bootstrap(sides, metric, draw(count_units(sides), samples, np.random.default_rng(seed)))
    means: ndarray = over_splits(drawn[:, :, 0], people)
    return means, stretched(drawn, people, again)
