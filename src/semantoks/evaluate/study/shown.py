"""What a baseline is shown (the frames that the encoder's crops cover), and how to add a baseline from outside."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.evaluate.study.people import People
from semantoks.evaluate.study.tasks import FeatureSet
from semantoks.signals.cohort import Cohort
from semantoks.views.crops import even_starts

Spans = Int[ndarray, "recording *span 2"]
"""(first frame, frames) of each recording, or several of them, which count as their union; past the end is nothing."""
Run = Float32[ndarray, "_ roi"]
"""Frames without a gap."""


def crop_spans(cohort: Cohort, window: int, crops: int) -> Int[ndarray, "recording crop 2"]:
    """Return the frames that an encoder is shown of each recording: ``crops`` even windows of ``window`` frames."""
    starts = np.stack([even_starts(int(frames), window, crops) for frames in cohort.recordings["frames"]])
    return np.stack([starts, np.full_like(starts, window)], axis=-1)


def shown_runs(cohort: Cohort, index: int, spans: Spans | None) -> list[Run]:
    """Return the good frames of recording ``index`` within ``spans`` (None = all), one array per run without a gap.

    Raises
    ------
    DataError
        If the spans hold no frame of the recording.
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
        raise DataError(f"recording {name} has {len(series)} frames, but no good one in {span}.")
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
    """The recordings of a cohort as every method sees them: the same frames, and whose they are.

    Attributes
    ----------
    cohort
        Its ``recordings`` has one row per recording; everything per recording is in this order.
    people
        ``people.owner`` is the person of each recording; ``people.average`` takes a table per recording to one per
        person.
    spans
        The frames that the encoder's crops cover; None = all.
    seed, n_jobs
        The probe's seed, and how many processes or threads may work at a time.
    """

    cohort: Cohort
    people: People
    spans: Spans | None = None
    seed: int = 0
    n_jobs: int = 1

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.cohort)

    def runs(self, index: int) -> list[Run]:
        """Return the shown good frames of a recording as runs without a gap, every ROI z-scored over all of them."""
        return standardised(shown_runs(self.cohort, index, self.spans))

    def series(self, index: int) -> Float32[ndarray, "frame roi"]:
        """Return the same frames one after the other; a missing ROI is 0."""
        return np.concatenate(self.runs(index))


Build = Callable[[Shown], "ndarray | FeatureSet | None"]
"""Recordings to features: a table [recording, feature] (NaN where unknown), a feature set, or None without data."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A baseline of your own, scored beside the packaged ones by ``probe(..., extra={"name": Baseline(...)})``.

    It sees the same people, splits and frames as they do, gets the protocol's linear model, and has its row in
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
        What it is, for readers of the report.
    features
        A function of ``Shown``. It returns one row per recording (a person's rows are averaged), or, where something
        has to be fitted, an object with ``matrix(train, people)``: the features [person, feature] of ``people``, after
        fitting on ``train`` alone; both are places in ``shown.people``. None where the cohort has nothing for it.
    """

    words: str
    features: Build
