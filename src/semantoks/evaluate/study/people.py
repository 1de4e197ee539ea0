"""Who is evaluated: the people of a cohort, which recordings are theirs, and who counts as one with whom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Shaped
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.cohort import Cohort

_AT_ONCE = 256
FAMILY_COLUMNS = ("family_id", "rel_family_id")


@dataclass(frozen=True, kw_only=True)
class People:
    """Everybody who has a recording, sorted by participant_id; everywhere in evaluate, a person is an index into this.

    Attributes
    ----------
    ids
        participant_id of each person.
    owner
        The person of each recording, in the order of ``Cohort.recordings``.
    groups
        Group of each person: people who share a byte-identical recording (or, if asked, a family) form one group.
    unit
        "block" where every block of a task is taken for a person, in the group of its own.
    """

    ids: tuple[str, ...]
    owner: Int[ndarray, " recording"]
    groups: Int[ndarray, " person"]
    unit: Literal["person", "block"] = "person"

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.ids)

    def average(self, values: ndarray, into: ndarray | None = None) -> ndarray:
        """Average values [recording, ...] over each person's recordings, ignoring NaN; returns [person, ...].

        NaN if none of a person's recordings has a value. ``into`` is where the result goes, of a table larger than
        memory; where every recording is somebody's only one, ``values`` are the result.
        """
        precision = np.result_type(values.dtype, np.float32)
        if values.dtype == precision and np.array_equal(self.owner, np.arange(len(self))):
            return values
        mean: ndarray = np.empty((len(self), *values.shape[1:]), dtype=precision) if into is None else into
        order, ends = np.argsort(self.owner, kind="stable"), np.cumsum(np.bincount(self.owner, minlength=len(self)))
        for first in range(0, len(self), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            rows = order[(ends[first - 1] if first else 0) : ends[some][-1]]
            part, place = values[rows], self.owner[rows] - first
            known, count = ~np.isnan(part), np.zeros((len(ends[some]), *values.shape[1:]))
            total = np.zeros_like(count)
            np.add.at(total, place, np.where(known, part, 0))
            np.add.at(count, place, known)
            with np.errstate(invalid="ignore"):
                mean[some] = total / count
        return mean

    def of_blocks(self, recording: Int[ndarray, " block"]) -> "People":
        """Count every block of a task as one, in the group of its person; ``recording`` is each block's recording."""
        ids = tuple(f"{number:06d}" for number in range(len(recording)))
        groups = self.groups[self.owner[recording]]
        return People(ids=ids, owner=np.arange(len(recording)), groups=groups, unit="block")

    def count(self, labels: pd.Series) -> pd.Series:
        """Count who has each label (one per person, NaN for none): of blocks, the groups that have one."""
        found = pd.DataFrame({"label": labels.to_numpy(), "group": self.groups}).dropna()
        return (found.drop_duplicates() if self.unit == "block" else found)["label"].value_counts()

    def first(self, values: Sequence[Any]) -> ndarray:
        """Return the value of each person's first recording."""
        _, where = np.unique(self.owner, return_index=True)
        return np.asarray(values)[where]


@dataclass(frozen=True, kw_only=True)
class Sites:
    """Where people were scanned: ``home`` is the site of each person's first recording, ``there`` all of them.

    ``there`` has a column for each of the sorted ``names``.
    """

    names: Shaped[ndarray, " site"]
    home: Shaped[ndarray, " person"]
    there: Bool[ndarray, "person site"]

    def rows(self, which: Int[ndarray, " row"]) -> "Sites":
        """Take some people."""
        return Sites(names=self.names, home=self.home[which], there=self.there[which])

    def travelled(self) -> Bool[ndarray, " person"]:
        """Tell who was scanned at several sites."""
        return np.asarray(self.there.sum(axis=1) > 1)

    def scanned_at(self, names: Iterable[str]) -> Bool[ndarray, " person"]:
        """Tell who has any recording from one of these sites."""
        return np.asarray(self.there[:, np.isin(self.names, list(names))].any(axis=1))


def sites_of(people: People, sites: Sequence[str]) -> Sites:
    """Find where people were scanned, from the site of each recording."""
    names, number = np.unique(np.asarray(sites, dtype=str), return_inverse=True)
    there = np.zeros((len(people), len(names)), dtype=bool)
    there[people.owner, number] = True
    return Sites(names=names, home=names[people.first(number.tolist())], there=there)


def people_of(cohort: Cohort, families: pd.Series | None = None, alike: Sequence[tuple[int, int]] = ()) -> People:
    """Return the people of a cohort, grouped by copies of recordings and by family (indexed by participant_id).

    ``alike`` are pairs of recordings, by row, whose people are one group, too.
    """
    groups = groups_of(cohort.recordings, families, alike)
    ids, owner = np.unique(cohort.recordings["participant_id"].to_numpy(str), return_inverse=True)
    return People(ids=tuple(map(str, ids)), owner=owner, groups=groups.loc[list(ids)].to_numpy())


def people_with_families(cohort: Cohort, family: str, alike: Sequence[tuple[int, int]] = ()) -> tuple[People, str]:
    """Group people by copies of recordings and by family, with a note on the column used.

    Parameters
    ----------
    family
        A column of participants.tsv; "auto" = the first of ``FAMILY_COLUMNS`` that exists, in any case.
    alike
        Pairs of recordings, by row, whose people are one group, too: near copies (``signals.likeness``).

    Raises
    ------
    DataError
        If there is no such column.
    """
    table = cohort.participants
    lower = {str(name).lower(): str(name) for name in table.columns}
    column = next((lower[name] for name in FAMILY_COLUMNS if name in lower), None) if family == "auto" else family
    if column is None:
        return people_of(
            cohort, None, alike
        ), "No families are known (no column `family_id`): relatives count as unrelated."
    if column not in table:
        raise DataError(f"participants.tsv has no column {column!r} (--family); it has {', '.join(table.columns)}.")
    families = table.dropna(subset=[column]).drop_duplicates("participant_id").set_index("participant_id")[column]
    return people_of(
        cohort, families, alike
    ), f"Families come from the column {column}: {plural(families.nunique(), 'family', 'families')}."


def groups_of(
    recordings: pd.DataFrame, families: pd.Series | None = None, alike: Sequence[tuple[int, int]] = ()
) -> pd.Series:
    """Return the group of every participant: people who share a recording, or a family, form one group.

    A recording is shared if it is byte-identical, or one of the pairs (rows of ``recordings``) that are ``alike``.

    ``recordings`` has ``participant_id`` and ``sha256``, ``families`` is indexed by participant_id (someone missing
    is a family of their own); the result is indexed by participant_id.
    """
    people, who = np.unique(recordings["participant_id"].to_numpy(str), return_inverse=True)
    ties = [(who, recordings["sha256"].to_numpy(str))]
    if families is not None:
        known = families.reindex(people).dropna()
        ties.append((np.searchsorted(people, known.index.to_numpy(str)), known.astype(str).to_numpy(str)))
    if len(alike):
        ties.append((who[np.ravel(alike)], np.repeat(np.arange(len(alike)), 2).astype(str)))
    rows, columns, size = [], [], len(people)
    for members, names in ties:
        number = pd.factorize(names)[0]
        rows.append(members)
        columns.append(size + number)
        size += int(number.max(initial=-1)) + 1
    links = (np.concatenate(rows), np.concatenate(columns))
    _, component = connected_components(coo_array((np.ones(len(links[0])), links), shape=(size, size)), directed=False)
    return pd.Series(component[: len(people)], index=pd.Index(people, name="participant_id"))
