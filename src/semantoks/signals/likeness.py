"""Recordings under different ids that are too alike: near copies of one another, and what may be one person's visits.

Measured on 858 people of ABIDE I (CC200, no global signal regression) and 92 recordings of 55 people in two sessions
(Schaefer 400): at their best lag, the series of two people agree by at most 0.43, those of two visits or two halves of
one person by at most 0.43; those of a recording and its copy by 1.00 if rescaled or cut, 0.99 with a tenth of its
standard deviation in noise, 0.69 with as much noise as signal, 0.71 without its global signal.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int, Shaped
from numpy import ndarray

from semantoks.counted import plural
from semantoks.signals.cohort import Cohort

COPY = 0.65
"""Series that agree by more are of one recording."""
ALIKE = 0.6
"""Recordings whose connectivity correlates less are no copies: their series are not compared."""
APART = 3.0
"""Standard deviations over all pairs by which the connectivity of two recordings is more alike than that of either
with a third one, if they are of one person: never so for two people of ABIDE, for 5 % of visits three months apart."""
FEWEST = 12
"""With fewer recordings there is no word on visits: strangers stand apart in 2 % of draws of 12 to 30."""
SUSPECT, SHARE, LEAST_PAIRS = 1.0, 0.15, 5
"""The same for many pairs: at least five, of 15 % of the recordings (of people of ABIDE at most 4 % in 858 and 14 % in
56; of visits 30 %, of halves of a recording 64 %)."""
NEIGHBOURS = 3
"""Most similar recordings of other people whose series are compared with those of each one."""
ROIS = 90
"""At most so many ROIs, evenly spread, are compared."""
OVERLAP = 2 / 3
"""Share of the shorter series that has to overlap the other."""
BLOCK = 1024
"""Recordings that are compared with all others at once."""
QUICK = 5000
"""So many recordings are compared in four seconds on one core; of 40,000 the pairs alone take two minutes."""

COPIES = "copies of one recording, or near copies (rescaled, cut, with little noise)"
VISITS = "as alike as two visits of one person (is somebody here twice?)"
TIED = "The probe keeps their people on one side of every split."
REMEDY = "If they are of one person, give both ids the same family_id in participants.tsv: then they are on one side."
UNCOMPARED = (
    "{} are too many to look for near copies in passing: only identical ones are named here. "
    "`semantoks info COHORT --verify` looks at all."
)
SHOWN, MOST = 3, 200
"""Pairs that a note names, and a list."""

Pair = tuple[int, int]
"""Two recordings, by their rows in ``Cohort.recordings``, the earlier one first."""


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Pairs of recordings of different participants: ``copies`` of one recording, perhaps ``visits`` of one person."""

    copies: tuple[Pair, ...]
    visits: tuple[Pair, ...]

    def words(self, recordings: pd.DataFrame, *, names: bool) -> list[str]:
        """Say how many pairs there are and what becomes of them; name the recordings only if ``names``."""
        said = []
        for pairs, what, then in ((self.copies, COPIES, TIED), (self.visits, VISITS, REMEDY)):
            if pairs:
                which = _named(recordings, pairs, SHOWN) if names else "`semantoks info COHORT --verify` names them"
                count = plural(len(pairs), "pair of recordings", "pairs of recordings")
                said.append(f"{count} under different ids: {what}; {which}. {then}")
        return said

    def listed(self, recordings: pd.DataFrame) -> list[str]:
        """Name the pairs, one line each kind."""
        kinds = ((self.copies, COPIES), (self.visits, VISITS))
        return [f"under different ids, {what}: {_named(recordings, pairs, MOST)}" for pairs, what in kinds if pairs]


@dataclass(frozen=True, eq=False)
class Compared:
    """What is compared of a cleaned recording: the series of at most ``ROIS`` ROIs, and which frames are good."""

    series: Float32[ndarray, "frame chosen"]
    good: Bool[ndarray, " frame"]

    @classmethod
    def of(cls, series: Shaped[ndarray, "frame roi"], good: Bool[ndarray, " frame"]) -> "Compared":
        """Choose the ROIs of a recording, evenly; ROIs without signal are 0."""
        rois = series.shape[1]
        chosen = np.unique(np.linspace(0, rois - 1, min(ROIS, rois)).astype(int))
        return cls(np.asarray(series[:, chosen], dtype=np.float32), good)


def find_alike(cohort: Cohort) -> Alike:
    """Find recordings under different ids that are near copies, or as alike as two visits of one person are."""

    def one(index: int) -> Compared:
        series = cohort.series(index)
        first = int(cohort.first_frames[index])
        return Compared.of(series, cohort.good[first : first + len(series)])

    return compare(cohort.recordings["participant_id"], one, cohort.recordings["sha256"])


def compare(people: pd.Series, recording: Callable[[int], Compared], checksums: pd.Series | None = None) -> Alike:
    """Compare recordings, one row of ``people`` each, as ``find_alike`` does; equal ``checksums`` are copies."""
    owner = np.unique(people.to_numpy(str), return_inverse=True)[1]
    if len(np.unique(owner)) < 2:
        return Alike(copies=(), visits=())
    prints = np.stack([connectivity(recording(index)) for index in range(len(owner))])
    alike, special = nearest(prints, owner)
    near = {(int(i), int(alike.places[i, k])) for i, k in zip(*np.nonzero(alike.similar > ALIKE), strict=True)}
    candidates = sorted({(min(pair), max(pair)) for pair in near})
    same = np.arange(len(owner)) if checksums is None else checksums.to_numpy(str)
    copies = tuple(
        (i, j)
        for i, j in candidates
        if same[i] == same[j] or agreement(recording(i).series, recording(j).series) > COPY
    )
    return Alike(copies=copies, visits=tuple(_visits(special, prints, copies)))


def warn_quickly(cohort: Cohort) -> list[str]:
    """Name what is too alike; of more than ``QUICK`` recordings only what is identical, and say so."""
    recordings = cohort.recordings
    if len(recordings) <= QUICK:
        return find_alike(cohort).words(recordings, names=True)
    rows = recordings.reset_index(drop=True).reset_index(names="row")
    first = rows.drop_duplicates("sha256").set_index("sha256")
    others = rows.assign(first=first.loc[rows["sha256"], "row"].to_numpy())
    others = others[rows["participant_id"].to_numpy() != rows["participant_id"].to_numpy()[others["first"]]]
    copies = tuple((int(i), int(j)) for i, j in others[["first", "row"]].to_numpy())
    found = Alike(copies=copies, visits=()).words(recordings, names=True)
    return [*found, UNCOMPARED.format(plural(len(recordings), "recording"))]


def connectivity(one: Compared) -> Float32[ndarray, " edge"]:
    """Correlate the chosen ROIs of one recording over its good frames; 0 where one has no signal."""
    series = one.series[one.good]
    series = series - series.mean(axis=0)
    size = np.linalg.norm(series, axis=0)
    series /= np.where(size > 0, size, np.inf)
    edges: ndarray = (series.T @ series)[np.triu_indices(series.shape[1], 1)]
    return edges


@dataclass(frozen=True, eq=False)
class Nearest:
    """The recordings of other people that are most similar to each one, the least similar of them first."""

    places: Int[ndarray, "recording most"]
    similar: Float32[ndarray, "recording most"]

    @classmethod
    def none(cls, count: int, most: int = NEIGHBOURS) -> "Nearest":
        """Begin with nobody, who is less similar than anybody."""
        return cls(np.zeros((count, most), int), np.full((count, most), -np.inf, np.float32))

    def look_at(self, rows: slice, others: slice, similar: Float32[ndarray, "row other"]) -> None:
        """Keep who of ``others`` is more similar to one of ``rows`` than those who are kept."""
        better = np.flatnonzero(similar.max(axis=1) > self.similar[rows, 0])
        at, most = rows.start + better, self.similar.shape[1]
        both = np.hstack([self.similar[at], similar[better]])
        kept = np.argpartition(both, -most, axis=1)[:, -most:]
        kept = np.take_along_axis(kept, np.take_along_axis(both, kept, axis=1).argsort(axis=1), axis=1)
        self.similar[at] = np.take_along_axis(both, kept, axis=1)
        before = np.take_along_axis(self.places[at], np.minimum(kept, most - 1), axis=1)
        self.places[at] = np.where(kept < most, before, others.start + kept - most)


def nearest(prints: Float32[ndarray, "recording edge"], owner: Int[ndarray, " recording"]) -> tuple[Nearest, Nearest]:
    """Find whom each recording is most similar to, by the correlation of ``prints``, and of what is special in them.

    Special is what differs from everybody's mean. One product of each pair tells both: with rows d around their own
    mean and everybody's, m, those around their own mean alone have the products d d' + d m + d' m + m m. In the place
    of ``prints`` is what is special afterwards, in rows of length 1.
    """
    prints -= prints.mean(axis=1, keepdims=True)
    whole = np.linalg.norm(prints, axis=1)
    mean = prints.mean(axis=0)
    prints -= mean
    size = np.linalg.norm(prints, axis=1)
    prints /= np.where(size > 0, size, np.inf)[:, None]
    inverse = np.divide(1, whole, out=np.zeros_like(whole), where=whole > 0)
    shared = size * (prints @ mean) + mean @ mean / 2
    found, special = Nearest.none(len(prints)), Nearest.none(len(prints))
    for rows, others in _tiles(len(prints)):
        similar = prints[rows] @ prints[others].T
        in_all = similar * np.outer(size[rows] * inverse[rows], size[others] * inverse[others])
        in_all += (shared[rows, None] + shared[others]) * np.outer(inverse[rows], inverse[others])
        own = owner[rows, None] == owner[others]
        for kept, one in ((found, in_all), (special, similar)):
            one[own] = -np.inf
            kept.look_at(rows, others, one)
            if rows != others:
                kept.look_at(others, rows, one.T)
    return found, special


def _tiles(count: int) -> Iterator[tuple[slice, slice]]:
    """Cut the pairs of so many into blocks, each pair once."""
    parts = [slice(begin, min(begin + BLOCK, count)) for begin in range(0, count, BLOCK)]
    return ((one, other) for place, one in enumerate(parts) for other in parts[place:])


def agreement(one: Float32[ndarray, "frame roi"], other: Float32[ndarray, "later roi"]) -> float:
    """Return the highest correlation of two recordings over lags, all ROIs together, in an overlap of two thirds."""
    size = 1 << (len(one) + len(other) - 2).bit_length()

    def lagged(a: Float[ndarray, "frame _"], b: Float[ndarray, "later _"]) -> Float[ndarray, " lag"]:
        product = (np.fft.rfft(a, size, axis=0) * np.fft.rfft(b, size, axis=0).conj()).sum(axis=1)
        summed: ndarray = np.fft.irfft(product, size)
        return summed

    ones, others = np.ones((len(one), 1)), np.ones((len(other), 1))
    power = lagged(np.square(one).sum(axis=1, keepdims=True), others) * lagged(
        ones, np.square(other).sum(axis=1, keepdims=True)
    )
    enough = lagged(ones, others) >= OVERLAP * min(len(one), len(other)) - 0.5
    together = lagged(one, other) / np.sqrt(np.maximum(power, 1e-6))
    return float(together[enough].max())


def _visits(special: Nearest, units: Float32[ndarray, "recording edge"], copies: Sequence[Pair]) -> list[Pair]:
    """Find pairs that are each other's most similar ones by a margin, beyond what they share with everybody."""
    if len(units) < FEWEST:
        return []
    first, best, margin = special.places[:, -1], special.similar[:, -1], special.similar[:, -2]
    sample = units[:: max(1, len(units) // BLOCK)]
    pairs = (sample @ sample.T)[np.triu_indices(len(sample), 1)]
    spread = 1.4826 * float(np.median(np.abs(pairs - np.median(pairs)))) or np.inf
    found = {
        (row, int(near)): (best[row] - max(margin[row], margin[near])) / spread
        for row, near in enumerate(first)
        if row < near and first[near] == row and (row, int(near)) not in copies
    }
    many = [pair for pair, gap in found.items() if gap > SUSPECT]
    if len(many) >= LEAST_PAIRS and 2 * len(many) >= SHARE * len(units):
        return many
    return [pair for pair, gap in found.items() if gap > APART]


def _named(recordings: pd.DataFrame, pairs: Sequence[Pair], most: int) -> str:
    labels = zip(*(recordings[name] for name in ("participant_id", "session_id", "run")), strict=True)
    names = ["_".join(f"{e}-{v}" for e, v in zip(("sub", "ses", "run"), row, strict=True) if v) for row in labels]
    more = f" and {len(pairs) - most} more" if len(pairs) > most else ""
    return ", ".join(f"{names[i]} and {names[j]}" for i, j in pairs[:most]) + more
