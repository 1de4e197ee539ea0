"""The people of a cohort: who they are, which recordings are theirs, and who counts as one with whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from semantoks.evaluate.splits import groups_of
from semantoks.signals.cohort import Cohort


@dataclass(frozen=True, kw_only=True)
class People:
    """Everybody who has a recording, sorted by participant_id; everywhere in evaluate, a person is a place in here.

    Attributes
    ----------
    ids
        participant_id of each person.
    owner
        The person of each recording, in the order of ``Cohort.recordings``.
    groups
        Group of each person: people who share a byte-identical recording (or, where asked, a family) are one group.
    """

    ids: tuple[str, ...]
    owner: Int[ndarray, " recording"]
    groups: Int[ndarray, " person"]

    def __len__(self) -> int:
        """Count them."""
        return len(self.ids)

    def average(self, values: ndarray) -> ndarray:
        """Average what each recording has [recording, ...] over each person's recordings: [person, ...], NaN left out.

        NaN where none of a person's recordings has a value.
        """
        known = ~np.isnan(values)
        total = np.zeros((len(self), *values.shape[1:]))
        count = np.zeros_like(total)
        np.add.at(total, self.owner, np.where(known, values, 0))
        np.add.at(count, self.owner, known)
        with np.errstate(invalid="ignore"):
            mean: ndarray = (total / count).astype(np.result_type(values.dtype, np.float32))
        return mean

    def first(self, values: Sequence[Any]) -> ndarray:
        """Take what the first recording of each person has."""
        _, where = np.unique(self.owner, return_index=True)
        return np.asarray(values)[where]


def people_of(cohort: Cohort, families: pd.Series | None = None) -> People:
    """Return the people of a cohort, grouped by copies of recordings and by family (indexed by participant_id)."""
    groups = groups_of(cohort.recordings, families)
    ids, owner = np.unique(cohort.recordings["participant_id"].to_numpy(str), return_inverse=True)
    return People(ids=tuple(map(str, ids)), owner=owner, groups=groups.loc[list(ids)].to_numpy())
