"""The recordings that an encoder in closed form is fitted to, and the shrinkage that suits them best."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.statistics.shrinkage import SHRINKAGES, likelihoods
from semantoks.views.pool import long_enough

_JUDGED = 100


@dataclass(frozen=True)
class Recordings:
    """The recordings of cohorts that are long enough, one by one."""

    cohorts: Sequence[Cohort]
    min_seconds: float

    @cached_property
    def rows(self) -> list[tuple[int, int]]:
        """(number of the cohort, number of the recording in it)."""
        return [
            (number, int(index))
            for number, cohort in enumerate(self.cohorts)
            for index in np.flatnonzero(long_enough(cohort, self.min_seconds))
        ]

    @cached_property
    def people(self) -> Int[ndarray, " recording"]:
        """The person of each recording; people of different cohorts are different people."""
        names = [(number, self.cohorts[number].recordings["participant_id"].iloc[i]) for number, i in self.rows]
        known = {name: place for place, name in enumerate(dict.fromkeys(names))}
        return np.array([known[name] for name in names], dtype=int)

    def series(self, row: tuple[int, int]) -> Float[Tensor, "1 roi frame"]:
        """Return a recording, 0 in frames that are not good."""
        cohort, index = self.cohorts[row[0]], row[1]
        values = np.array(cohort.series(index), dtype=np.float32)
        first = int(cohort.first_frames[index])
        values[~cohort.good[first : first + len(values)]] = 0
        return torch.from_numpy(np.ascontiguousarray(values.T))[None]


def choose_shrinkage(recordings: Recordings, progress: Progress | None = None) -> float:
    """Choose the shrinkage under which a person's other half is likeliest, among at most 100 people; no labels.

    The first half of a person's first recording is asked for the second half of the last one (``likelihoods``), mean
    over people.
    """
    rows, people = recordings.rows, recordings.people
    first = np.unique(people, return_index=True)[1]
    last = len(people) - 1 - np.unique(people[::-1], return_index=True)[1]
    likelihood = np.zeros(len(SHRINKAGES))
    judged = np.unique(np.linspace(0, len(first) - 1, min(_JUDGED, len(first))).astype(int))
    for done, person in enumerate(judged, start=1):
        early, late = (recordings.series(rows[r[person]])[0].numpy().astype(np.float64) for r in (first, last))
        early, late = early[:, early.any(axis=0)], late[:, late.any(axis=0)]
        likelihood += likelihoods(early[:, : early.shape[1] // 2], late[:, late.shape[1] // 2 :])
        if progress:
            progress(done, len(judged))
    return SHRINKAGES[int(likelihood.argmax())]
