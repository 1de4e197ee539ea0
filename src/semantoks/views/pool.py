"""The people and recordings of one or several cohorts as flat arrays, ready to draw batches from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import missing_networks
from semantoks.storage.memory import free_memory, need_memory
from semantoks.views.crops import Frames

Residence = Literal["auto", "device", "memory", "disk"]
_AUTO_SHARE = 0.4
""""auto" puts the frames on a GPU up to this share of its free memory, else in RAM up to this share of what is free."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Recordings sorted by person; people of different cohorts are different people, whatever their ids."""

    frames: Frames
    network_index: Int[ndarray, " roi"]
    first: Int[ndarray, " recording"]
    """First frame of each recording, over all shards."""
    length: Int[ndarray, " recording"]
    """Frames of each recording."""
    good_before: Int[ndarray, " _"]
    """Good frames before each frame, over all shards."""
    missing: Bool[ndarray, "recording network"]
    """Networks with more than half of their ROIs missing: their tokens are always hidden."""
    person: Int[ndarray, " recording"]
    """The person (0..people-1) of each recording, ascending."""
    tr: float = 2.0
    """Repetition time, seconds."""

    @property
    def people(self) -> int:
        """How many people there are."""
        return int(self.person[-1]) + 1

    def good_frames(self, first: Int[ndarray, " batch"], window: int) -> Bool[ndarray, "batch frame"]:
        """Say which frames of windows that start at ``first`` (over all shards) are good; past the last, none is."""
        place = np.minimum(first[:, None] + np.arange(window + 1), len(self.good_before) - 1)
        good: ndarray = np.diff(self.good_before[place], axis=1) > 0
        return good

    @property
    def person_first(self) -> Int[ndarray, " person"]:
        """First recording of each person."""
        return np.searchsorted(self.person, np.arange(self.people))


def empty_tokens(
    missing: Bool[ndarray, "batch network"],
    good_before: Int[ndarray, " _"],
    first: Int[ndarray, " batch"],
    available: Int[ndarray, " batch"],
    patch: int,
    patches: int,
) -> Bool[ndarray, "batch network patch"]:
    """Mark the tokens of windows that hold no data: missing networks, and patches without one good frame.

    Parameters
    ----------
    good_before
        Good frames before each frame, over all shards (``count_good``).
    first, available
        First frame of each window over all shards, and how many of its frames belong to its recording.
    """
    edges = first[:, None] + np.minimum(np.arange(patches + 1) * patch, available[:, None])
    without = np.diff(good_before[edges], axis=1) == 0
    empty: ndarray = missing[:, :, None] | without[:, None]
    return empty


def count_good(good: Bool[ndarray, " frame"]) -> Int[ndarray, " _"]:
    """Count the good frames before each frame, and, last, all of them."""
    before = np.zeros(len(good) + 1, dtype=np.int64)
    np.cumsum(good, out=before[1:])
    return before


def in_band(cohorts: Sequence[Cohort], band: Literal["auto", "passed", "full"]) -> list[Cohort]:
    """Look at all cohorts in one band; "auto" is the full one where all of them have it. DataError if one has not."""
    if band == "auto":
        band = "full" if all(cohort.has_full_band for cohort in cohorts) else "passed"
    return [cohort.in_band(band, otherwise="give --band passed") for cohort in cohorts]


def check_same_atlas(cohorts: Sequence[Cohort]) -> None:
    """Raise DataError unless the cohorts differ, hold recordings and share atlas, order, repetition time and band."""
    places = [cohort.path.resolve() for cohort in cohorts]
    if twice := {str(place) for place in places if places.count(place) > 1}:
        raise DataError(f"the cohort {', '.join(sorted(twice))} is given more than once.")
    if empty := [str(cohort.path) for cohort in cohorts if not len(cohort)]:
        raise DataError(f"the cohort {', '.join(empty)} has no recordings: its excluded.tsv says why.")
    first = cohorts[0]
    for other in cohorts[1:]:
        if other.description["Band"] != first.description["Band"]:
            raise DataError(
                f"cohorts have to share one band, but {first.path} has {first.description['Band']} Hz and {other.path} "
                f"{other.description['Band']} Hz (None: filtered before, or not at all). Prepare them alike."
            )
        if other.atlas.fingerprint != first.atlas.fingerprint or abs(other.tr - first.tr) > 1e-6:
            raise DataError(
                f"cohorts have to share one atlas and repetition time, but {first.path} has {first.atlas.name} "
                f"({first.atlas.fingerprint}) at {first.tr} s and {other.path} has {other.atlas.name} "
                f"({other.atlas.fingerprint}) at {other.tr} s. Prepare them alike."
            )


def long_enough(cohort: Cohort, min_seconds: float) -> Bool[ndarray, " recording"]:
    """Mark the recordings with at least ``min_seconds`` of good data."""
    enough: ndarray = cohort.recordings["good_frames"].to_numpy() * cohort.tr >= min_seconds
    return enough


def open_pool(
    cohorts: Sequence[Cohort],
    device: torch.device,
    residence: Residence = "auto",
    min_seconds: float = 0.0,
    *,
    processes: int = 1,
) -> Pool:
    """Lay the cohorts' recordings that have ``min_seconds`` of good data end to end, sorted by person.

    ``residence`` says where the frames live while batches are drawn: on the ``device`` that trains, in ``memory``, on
    ``disk`` (memory-mapped), or the first of these that has room ("auto"). The numbers are the same. So many
    ``processes`` of this machine open it, each for itself.

    Raises
    ------
    DataError
        When cohorts do not go together, one has nothing to train on, or (MemoryShort) ``memory`` has no room.
    """
    check_same_atlas(cohorts)
    for cohort in cohorts:
        cohort.check_signals()
    tables, shards, begin, people = [], [], 0, 0
    for cohort in cohorts:
        kept = long_enough(cohort, min_seconds)
        if not kept.any():
            raise DataError(
                f"no recording of {cohort.path} has {min_seconds:g} s of good data to train on: lower --min-seconds."
            )
        table = cohort.recordings[kept]
        codes = table["participant_id"].rank(method="dense").astype(int).to_numpy() - 1 + people
        tables.append((codes, begin + cohort.first_frames[kept], table["frames"].to_numpy(), cohort.missing[kept]))
        shards += cohort.shards
        begin, people = begin + sum(len(shard) for shard in cohort.shards), int(codes.max()) + 1
    person, first, length, missing = (np.concatenate([t[i] for t in tables]) for i in range(4))
    order = np.argsort(person, kind="stable")
    network_index = cohorts[0].atlas.network_index
    return Pool(
        frames=Frames(shards, _place(sum(shard.nbytes for shard in shards), device, residence, processes)),
        network_index=network_index,
        first=first[order].astype(np.int64),
        length=length[order].astype(np.int64),
        good_before=count_good(np.concatenate([cohort.good for cohort in cohorts])),
        missing=missing_networks(missing, network_index)[order],
        person=person[order],
        tr=cohorts[0].tr,
    )


def _place(size: int, device: torch.device, residence: Residence, processes: int) -> torch.device | None:
    """Choose the device that holds ``size`` bytes of frames, in each process, or None for memory maps."""
    cpu = torch.device("cpu")
    if residence != "auto":
        if residence == "memory" or (residence == "device" and device == cpu):
            need_memory(f"--residence {residence}", size * processes, "leave --residence out, or take disk")
        return {"device": device, "memory": cpu, "disk": None}[residence]
    if device.type == "cuda" and size < _AUTO_SHARE * torch.cuda.mem_get_info(device)[0]:
        return device
    free = free_memory()
    return cpu if free is None or size * processes < _AUTO_SHARE * free else None
