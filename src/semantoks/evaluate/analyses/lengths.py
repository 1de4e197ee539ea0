"""Little data: what every method says of test people of whom it sees one short window.

Models are trained on whole recordings, as they are for the main scores: the labelled people of a study have them, and
it is the next person who does not. Trained on windows as short as those, all methods are worse (docs/evaluation.md).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import joblib
import numpy as np
from jaxtyping import Int
from numpy import ndarray

from semantoks.evaluate.baselines.connectivity import edges_of
from semantoks.evaluate.baselines.tangent import Tangent, tangent_of_windows
from semantoks.evaluate.methods import STACKS, methods_from
from semantoks.evaluate.models.predictors import Fixed
from semantoks.evaluate.study.crossval import about_split, split_predictions, split_scores, task_of
from semantoks.evaluate.study.shown import Shown
from semantoks.evaluate.study.study import Sets, Study, first_repeats
from semantoks.evaluate.study.tasks import FeatureSet, Method, Plan, Predicted
from semantoks.evaluate.study.work import Piece, Results, name_of
from semantoks.features.encode import Readout, embed_crops, windows_over
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import ENCODER, FC, RANDOM, TANGENT
from semantoks.statistics.tables import row_key
from semantoks.types import Features

ALL = "all"
"""The condition of whole recordings."""
MOST = 0.75
"""A length is asked for if at least this share of the people have it."""
GOOD = 0.5
"""Least share of good frames in a window."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """One window of every person: the recording and its first frame (-1 where the person has none), and how long."""

    frames: int
    recording: Int[ndarray, " person"]
    first: Int[ndarray, " person"]

    @property
    def there(self) -> ndarray:
        """Whether each person has one."""
        has: ndarray = self.recording >= 0
        return has

    def spans(self, cohort: Cohort) -> Int[ndarray, "recording 2"]:
        """Return (first frame, frames) of every recording; of recordings without a window, their beginning."""
        frames = cohort.recordings["frames"].to_numpy()
        spans = np.column_stack([np.zeros_like(frames), np.minimum(frames, self.frames)])
        spans[self.recording[self.there], 0] = self.first[self.there]
        return spans


def windows_of(cohort: Cohort, owner: Int[ndarray, " recording"], frames: int) -> Windows:
    """Choose each person's window: in their first recording that has one, the earliest with the most good frames.

    At least half of its frames are good.
    """
    recording, first = (np.full(int(owner.max()) + 1, -1) for _ in range(2))
    for index, (person, length) in enumerate(zip(owner, cohort.recordings["frames"], strict=True)):
        if recording[person] >= 0 or length < frames:
            continue
        begin = int(cohort.first_frames[index])
        counted = np.concatenate([[0], np.cumsum(cohort.good[begin : begin + length])])
        good = counted[frames:] - counted[:-frames]
        if good.max() >= GOOD * frames:
            recording[person], first[person] = index, int(good.argmax())
    return Windows(frames=frames, recording=recording, first=first)


@dataclass(frozen=True)
class AtLengths:
    """Features of everybody from all of their data, and again from each length: person p at place k is k people + p.

    What has to be fitted is fitted on whole recordings.
    """

    whole: FeatureSet
    short: tuple[FeatureSet, ...]
    count: int

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return the features of ``people`` at their lengths."""
        place, person = np.divmod(people, self.count)
        parts = [(place == k, one) for k, one in enumerate((self.whole, *self.short)) if (place == k).any()]
        found = [one.matrix(train, person[here]) for here, one in parts]
        rows = np.empty((len(people), found[0].shape[1]), dtype=found[0].dtype)
        for (here, _), part in zip(parts, found, strict=True):
            rows[here] = part[:, :]
        return rows


def length_scores(study: Study, sets: Sets, results: Results, *, readout: Readout, tick: Callable[[], None]) -> None:
    """Score every method from each of the settings' seconds and from whole recordings, on the first repeat.

    The same people are tested at all lengths: those who have the longest.
    """
    cohort, owner, count = study.cohort, study.people.owner, len(study.people)
    asked = {seconds: int(seconds / cohort.tr + 1e-6) for seconds in sorted(set(study.config.seconds))}
    windows = {s: windows_of(cohort, owner, frames) for s, frames in asked.items() if frames >= 2}
    kept = {s: one for s, one in windows.items() if one.there.mean() >= MOST}
    for seconds in asked:
        if seconds not in kept:
            has = int(windows[seconds].there.sum()) if seconds in windows else 0
            study.notes.append(f"Not scored from {seconds:g} s: {has} of {count} people have as much good data.")
    if not kept:
        return
    there = np.all([one.there for one in kept.values()], axis=0)
    features, lacking = _features(study, sets, kept, readout)
    study.notes.append(
        f"From {_listed(kept)}: one window of each test person, the earliest with the most good frames; models are "
        f"trained on whole recordings. {count - int(there.sum())} of {count} people have no such window and are not "
        "tested."
    )
    study.notes += [f"Not scored from {s:g} s: {name}, {why}." for (name, s), why in lacking.items()]
    methods = methods_from(features, ())
    dropped = set(lacking) | {(n, s) for n, parts in STACKS.items() for m, s in lacking if m in parts}
    pieces = []
    for plan in study.plans:
        once = first_repeats(plan, study.config)
        tested = [(train, test[there[once.people[test]]]) for train, test in once.splits]
        once = dataclasses.replace(once, analysis="seconds").with_splits(tested)
        for number in range(len(once.splits)):
            seed, lengths = study.config.seed, [ALL, *kept]
            call = joblib.delayed(_score_split)(once, methods, number, seed, lengths, count, dropped)
            about = (*about_split(once, number), tuple(methods), seed, lengths, sorted(dropped))
            pieces.append(Piece(call, name_of("length", *about)))
    for part in study.work.results(pieces, lambda _: " while predicting from little data"):
        results.add(part)
        tick()


def _listed(kept: Mapping[float, Windows]) -> str:
    return ", ".join(f"{seconds:g}" for seconds in kept) + " s"


def _features(
    study: Study, sets: Sets, kept: Mapping[float, Windows], readout: Readout
) -> tuple[dict[str, FeatureSet], dict[tuple[str, float], str]]:
    """Return the features at all lengths, and what is lacking: (method, seconds) -> why."""
    cohort = study.cohort
    found: dict[str, list[FeatureSet]] = {name: [] for name in (ENCODER, RANDOM, FC, TANGENT) if name in sets}
    lacking: dict[tuple[str, float], str] = {}
    for seconds, windows in kept.items():
        spans = windows.spans(cohort)
        shown = Shown(cohort=cohort, people=study.people, spans=spans, n_jobs=study.work.n_jobs)
        for name, short in found.items():
            whole = sets[name]
            if name == FC:
                short.append(Fixed(_by_person(windows, lambda index: edges_of(shown.series(index)))))  # noqa: B023
            elif isinstance(whole, Tangent):
                short.append(tangent_of_windows(whole, shown, windows.recording))
            elif why := too_short(study.encoders[name], windows.frames):
                lacking[name, seconds] = why
                short.append(whole)  # its scores are dropped
            else:
                rows = _embedded(study.encoders[name], study, readout, spans)
                short.append(Fixed(rows[np.maximum(windows.recording, 0)]))
    return {name: AtLengths(sets[name], tuple(one), len(study.people)) for name, one in found.items()}, lacking


def too_short(encoder: Encoder, frames: int) -> str:
    """Say why an encoder cannot embed a window of so many frames; nothing where it can."""
    needed = 2 if encoder.any_length else encoder.config.patch
    what = "it" if encoder.any_length else "a patch of it"
    return "" if frames >= needed else f"for {what} needs {needed} frames and the window has {frames}"


def _embedded(encoder: Encoder, study: Study, readout: Readout, spans: Int[ndarray, "recording 2"]) -> Features:
    crops = windows_over(encoder, int(spans[:, 1].max()))
    found, _ = embed_crops(encoder, study.embedded, readouts=[readout], crops=crops, device=study.device, spans=spans)
    mean: Features = found[readout].mean(axis=1)
    return mean


def _by_person(windows: Windows, row: Callable[[int], ndarray]) -> ndarray:
    """Compute a row for every person who has a window; the others have zeros, and are not tested."""
    found = {person: row(int(windows.recording[person])) for person in np.flatnonzero(windows.there)}
    rows = np.zeros((len(windows.recording), len(next(iter(found.values())))), dtype=np.float32)
    for person, one in found.items():
        rows[person] = one
    return rows


def _score_split(
    plan: Plan,
    methods: Mapping[str, Method],
    number: int,
    seed: int,
    places: Sequence[str | float],
    count: int,
    dropped: set[tuple[str, float]],
) -> Results:
    """Fit every method on one split, and score what it says of the test people at each length."""
    split, results, before = plan.splits[number], Results(), dict[str, Predicted]()
    task = task_of(plan, split, seed)
    task = dataclasses.replace(task, test=np.concatenate([k * count + task.test for k in range(len(places))]))
    for name, method in methods.items():
        before[name] = method.predict(task, before)
        for k, place in enumerate(places):
            if (name, place) in dropped:
                continue
            part = slice(k * len(split[1]), (k + 1) * len(split[1]))
            said = dataclasses.replace(
                before[name], test=before[name].test[part], candidates=before[name].candidates[:, part]
            )
            condition = place if isinstance(place, str) else f"{place:g}"
            key = row_key(plan.analysis, condition, plan.target, plan.kind, name, number)
            sizes = {"n_train": len(split[0]), "n_test": len(split[1])}
            results.scores.append({**key, **sizes, **split_scores(plan, split, said)})
            results.predictions.append(split_predictions(plan, split, said, key))
    return results
