"""Who is tested in a study, the same people for every run, and who may be trained on: nobody is both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.plans import plan_target, read_targets
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.overlap import overlap
from semantoks.evaluate.study.people import people_of, people_with_families, sites_of
from semantoks.features.encode import open_encoder
from semantoks.signals.cohort import Cohort
from semantoks.signals.likeness import find_alike
from semantoks.signals.part import Part
from semantoks.signals.targets import of_recorded_sessions
from semantoks.views.pool import check_same_atlas, long_enough

FEWEST = 4
"""People that a training needs."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The people of a study.

    Attributes
    ----------
    cohort
        The recordings of those who may be trained on, and perhaps of others.
    pool
        participant_id of everybody who may be trained on, sorted.
    tested
        The recordings of the test people.
    notes
        What was left out, in sentences.
    """

    cohort: Cohort
    pool: tuple[str, ...]
    tested: Cohort
    notes: tuple[str, ...]

    def trained(self, people: int, seed: int) -> tuple[str, ...]:
        """Return the first people of a seed's random order of the pool: fewer are always among more."""
        order = np.random.default_rng([seed, len(self.pool)]).permutation(len(self.pool))
        return tuple(sorted(self.pool[i] for i in order[:people]))

    @property
    def fingerprint(self) -> str:
        """Return a hash of who is on which side, with which recordings."""
        digest = hashlib.sha256("\n".join(self.pool).encode())
        for cohort in (self.cohort, self.tested):
            digest.update("\n".join(cohort.recordings["sha256"]).encode())
        return digest.hexdigest()[:16]


def hold_out(cohort: Cohort, share: float, *, min_seconds: float, seed: int = 0, family: str = "auto") -> Sides:
    """Hold a random share (0..1) of a cohort's people out of all trainings, families and near copies whole.

    Raises
    ------
    ConfigError
        If the share is not within 0..1.
    DataError
        If too few people are left to train on.
    """
    if not 0 < share < 1:
        raise ConfigError(f"the share of people that are held out has to lie between 0 and 1, not {share:g}.")
    people, _ = people_with_families(cohort, family, find_alike(cohort).copies)
    rng, ids = np.random.default_rng([seed, len(people)]), np.array(people.ids)
    groups = rng.permutation(np.unique(people.groups))
    size = np.bincount(people.groups)[groups].cumsum()
    first = groups[: int(np.searchsorted(size, round(share * len(people)))) + 1]
    tested = np.isin(people.groups, first)
    return _checked(cohort, set(ids[~tested]), Part(cohort, people=ids[tested].tolist()), min_seconds, ())


def keep_apart(cohort: Cohort, tested: Cohort, *, min_seconds: float) -> Sides:
    """Test the people of another cohort; who has an id or a recording there is in no training.

    Raises
    ------
    DataError
        If the cohorts differ in atlas, TR or band, or too few people are left to train on.
    """
    check_same_atlas([cohort, tested])
    table, other = cohort.recordings, tested.recordings
    there = table["participant_id"].isin(other["participant_id"]) | table["sha256"].isin(other["sha256"])
    both = set(table.loc[there, "participant_id"])
    note = f"{len(both)} people have an id or a recording in {tested.path}: they are in no training."
    return _checked(cohort, set(table["participant_id"]) - both, tested, min_seconds, (note,) if both else ())


def _checked(cohort: Cohort, pool: set[str], tested: Cohort, min_seconds: float, notes: tuple[str, ...]) -> Sides:
    long = set(cohort.recordings.loc[long_enough(cohort, min_seconds), "participant_id"])
    if short := len(pool - long):
        notes = (
            *notes,
            f"{short} people have less than {min_seconds:g} s of good data in every recording: not trained on.",
        )
    if len(pool & long) < FEWEST:
        raise DataError(
            f"{len(pool & long)} people of {cohort.path} are left to train on, and a study needs {FEWEST}: hold fewer "
            "out (--held-out), or lower min_seconds in the recipe."
        )
    return Sides(cohort=cohort, pool=tuple(sorted(pool & long)), tested=tested, notes=notes)


def check_targets(sides: Sides, targets: Sequence[str], config: ProbeConfig) -> None:
    """Raise DataError or ConfigError, before anything is trained, if the test people cannot be probed so."""
    if not targets:
        raise ConfigError("a study needs at least one target: a column of the cohort's participants.tsv.")
    cohort = sides.tested
    table = of_recorded_sessions(cohort.participants, cohort.recordings)
    people, _ = people_with_families(cohort, config.family)
    sites = sites_of(people, cohort.recordings["site"].fillna("").astype(str).tolist())
    for aim in read_targets(table, targets, config):
        plan_target(aim, people, sites, config, np.ones(len(people), dtype=bool))


def check_unseen(run: Path, sides: Sides) -> None:
    """Raise DataError if a run was trained on somebody who is tested."""
    _, card = open_encoder(run)
    known = overlap(card, sides.tested, people_of(sides.tested), trust_ids=True)
    if known.seen.any() or not known.known:
        raise DataError(
            f"{run} was trained on {int(known.seen.sum())} of the test people, or does not say on whom: it is no run "
            "of this study. Delete it, and run the command again."
        )
