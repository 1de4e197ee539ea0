"""What a baseline is shown (the frames that the encoder's crops cover), and how to add a baseline of your own."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.evaluate.study.people import People
from semantoks.evaluate.study.tasks import FeatureSet, Method
from semantoks.features.encode import CROPS
from semantoks.model.encoder import EncoderConfig
from semantoks.signals.cohort import Cohort
from semantoks.storage.arrays import empty
from semantoks.views.crops import even_starts

Spans = Int[ndarray, "recording *span 2"]
"""(first frame, number of frames) per recording; of several spans, the union counts, up to the recording's end."""
Run = Float32[ndarray, "_ roi"]
"""Consecutive frames, without a gap."""


def crop_spans(cohort: Cohort, size: EncoderConfig, crops: int | None) -> Int[ndarray, "recording crop 2"] | None:
    """Return the frames of each recording that an encoder of this ``size`` is shown (``embed_crops``); None = all."""
    if crops is None and size.any_length:
        return None
    window, crops = size.frames, crops or CROPS
    starts = np.stack([even_starts(int(frames), window, crops) for frames in cohort.recordings["frames"]])
    return np.stack([starts, np.full_like(starts, window)], axis=-1)


def shown_runs(cohort: Cohort, index: int, spans: Spans | None) -> list[Run]:
    """Return the good frames of recording ``index`` within ``spans`` (None = all), one array per run without a gap.

    Raises
    ------
    DataError
        If the spans contain no good frame of the recording.
    """
    series = np.asarray(cohort.series(index), dtype=np.float32)
    first_of_all = int(cohort.first_frames[index])
    good = cohort.good[first_of_all : first_of_all + len(series)]
    if spans is None and good.all():
        return [series]
    shown = np.zeros(len(series), dtype=bool)
    for first, frames in [(0, len(series))] if spans is None else spans[index].reshape(-1, 2):
        shown[first : first + frames] = True
    shown &= good
    if not shown.any():
        name = cohort.recordings["recording_id"][index]
        span = "it" if spans is None else spans[index].tolist()
        raise DataError(f"recording {name} has {len(series)} frames, but none in {span} is good.")
    changes = np.flatnonzero(np.diff(shown, prepend=False, append=False))
    return [series[begin:end] for begin, end in changes.reshape(-1, 2)]


def standardised(runs: list[Run]) -> list[Run]:
    """Give every ROI mean 0 and population sd 1 over all runs together; an ROI that does not change becomes 0."""
    together = np.concatenate(runs).astype(np.float64)
    mean, spread = together.mean(axis=0), together.std(axis=0)
    scale = np.where(spread > 0, spread, np.inf)
    return [((run - mean) / scale).astype(np.float32) for run in runs]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The recordings of a cohort as every method sees them: the same frames, and the person of each recording.

    Attributes
    ----------
    cohort
        Its ``recordings`` has one row per recording; everything else per recording follows this order.
    people
        ``people.owner`` is the person of each recording; ``people.average`` turns a table per recording into one per
        person.
    spans
        The frames that the encoder's crops cover; None = all.
    seed, n_jobs
        The probe's seed, and the number of worker processes or threads.
    folder
        Where a large table is made; None = in memory.
    """

    cohort: Cohort
    people: People
    spans: Spans | None = None
    seed: int = 0
    n_jobs: int = 1
    folder: Path | None = None

    def empty(self, columns: int, name: str) -> Float32[ndarray, "recording column"]:
        """Make a table to fill, a row per recording: a large one in a file (``storage.arrays.empty``)."""
        return empty((len(self), columns), self.folder, f"{name}-{self.cohort.band}")

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.cohort)

    def runs(self, index: int) -> list[Run]:
        """Return the shown good frames of a recording as runs without a gap; ROIs are z-scored over all runs."""
        return standardised(shown_runs(self.cohort, index, self.spans))

    def series(self, index: int) -> Float32[ndarray, "frame roi"]:
        """Return the same frames concatenated; a missing ROI is 0."""
        return np.concatenate(self.runs(index))


Build = Callable[[Shown], "ndarray | FeatureSet | Method | None"]
"""Recordings to features: a table [recording, feature] (NaN where unknown), a feature set, or None without data.

Of your own, also a ``Method``, which predicts by itself."""


def in_full_band(build: Build) -> Build:
    """Return the same baseline on the series without the band-pass; None where the cohort does not keep them.

    A cohort that was not band-passed has no others: the baseline itself is then what it asks for.
    """

    def built(shown: Shown) -> "ndarray | FeatureSet | Method | None":
        cohort = shown.cohort
        if cohort.description["Band"] is None or not cohort.has_full_band:
            return None
        return build(dataclasses.replace(shown, cohort=cohort.in_band("full")))

    return built


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A baseline of your own, scored beside the packaged ones by ``probe(..., extra={"name": Baseline(...)})``.

    It sees the same people, splits and frames as they do, uses the protocol's linear model, and gets its own rows in
    scores.csv, predictions.parquet, the summary and the report. For example, lag-1 autocorrelations::

        def autocorrelations(shown):
            rows = []
            for index in range(len(shown)):
                series = shown.series(index)
                rows.append((series[1:] * series[:-1]).mean(axis=0))
            return np.array(rows)

        ar1 = Baseline(words="lag-1 autocorrelation of each ROI", features=autocorrelations)
        probe(run, cohort, targets=["age"], out="probe", extra={"ar1": ar1})

    Attributes
    ----------
    words
        What it does, for readers of the report.
    features
        A function of ``Shown``. It returns one row per recording (a person's rows are averaged), or, if something has
        to be fitted, an object with ``matrix(train, people)``, which returns the features [person, feature] of
        ``people`` after fitting on ``train`` only (both are indices into ``shown.people``). None if the cohort has no
        data for it. A model that needs labels returns an object with ``predict(task, before)`` (``study.tasks.Method``)
        instead: it has main rows, without the protocol's linear model, and no rows in the analyses of features.
    """

    words: str
    features: Build
