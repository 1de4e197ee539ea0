"""Stability of a person's representation: identification and ICC between two parts of their data."""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.evaluate.baselines.connectivity import edges_of
from semantoks.evaluate.baselines.tangent import Tangent, whole_correlations
from semantoks.evaluate.study.people import People, groups_of, people_of
from semantoks.evaluate.study.shown import Run, Shown, shown_runs, standardised
from semantoks.evaluate.study.work import Piece, Results, Work, name_of
from semantoks.features.encode import Readout, embed_crops, windows_over
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.statistics.identity import agreement, i_diff, identification, similarity
from semantoks.statistics.methods import FC, FC_FULL, TANGENT, TANGENT_FULL, method_name
from semantoks.statistics.shrinkage import SHRINKAGES, likelihoods
from semantoks.statistics.tables import IDENTITY, Again, row_key
from semantoks.storage.arrays import scratch

MINUTES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
LEAST_PEOPLE = 20
MOST = 0.75
"""The longest amount of data is one that at least this share of people have in both parts."""


Spans = Int[ndarray, "recording 2"]
Rows = Int[ndarray, " row"]
Look = Callable[[Spans, Rows], Float[ndarray, "row feature"]]
"""(first frame and frames of every recording, some recordings) -> features of these."""


@dataclass(frozen=True, kw_only=True)
class TwoParts:
    """Two parts of the same people's data: the recording, first frame and number of frames of each."""

    recording: Int[ndarray, "2 person"]
    first: Int[ndarray, "2 person"]
    frames: Int[ndarray, "2 person"]
    kind: Again


def reliability_scores(
    encoders: Mapping[str, Encoder],
    cohort: Cohort,
    *,
    readout: Readout,
    device: torch.device,
    only: Collection[str] | None = None,
    work: Work = Work(),  # noqa: B008
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compare two parts of every person's data, for growing minutes of each part.

    Across sessions first, then across runs of a session, where people have several; halves of one recording last, the
    easy case. Every amount uses the same people, those who have the longest, so that a curve shows the effect of
    minutes and not of people. Every method sees only the first minutes of each part: encoders see as many evenly spaced
    windows as it takes to cover every frame (the unfilled part of a window is hidden), FC and tangent FC the
    correlations of the same frames. All are standardised over people before they are compared (``over_people``); the
    reference of tangent FC is the mean of both parts of these people, and first parts alone choose its shrinkage.

    Parameters
    ----------
    encoders
        By method name: the encoder, and the one with random weights.
    only
        Ids of the people to compare; None = all.
    work
        Who compares them by FC and tangent FC; encoders embed here.

    Returns
    -------
    list of dict
        Rows of scores.csv (analysis ``reliability``, a target of ``tables.IDENTITY``, condition = minutes):
        identification accuracy, self minus other similarity, median ICC(3,1) over features; ``n_test`` = people.
    list of str
        Notes for the reader, with the identification of the most data.
    """
    notes: list[str] = []
    found = [_amounts(two_parts(cohort, kind, only), cohort.tr) for kind in IDENTITY]
    asked, seen = [(parts, minutes) for amounts, parts in found for minutes in amounts], bands(cohort)
    pieces = [
        Piece(
            joblib.delayed(_of_connectivity)(names, series, parts, minutes, work.arrays),
            name_of("again", names, parts.kind, minutes, parts.recording.tolist(), parts.first.tolist()),
        )
        for parts, minutes in asked
        for names, series in seen.items()
    ]
    connectivity = work.results(pieces, lambda _: " while people were looked for again by FC")
    rows: list[dict[str, Any]] = []
    for done, (parts, minutes) in enumerate(asked, 1):
        for name, encoder in encoders.items():
            look = partial(_embedded, encoder, cohort, readout, device)
            rows.append(_row(name, parts, minutes, _both_parts(look, cohort, parts, frames_of(minutes, cohort.tr))))
        rows += [row for result in itertools.islice(connectivity, len(seen)) for row in result.scores]
        if progress:
            progress(done, len(asked))
    for amounts, parts in found:
        people = parts.recording.shape[1]
        if amounts:
            notes.append(_description(parts, amounts[-1], rows))
        elif people or parts.kind == "halves":
            notes.append(
                f"Reliability {IDENTITY[parts.kind]} is not measured: it needs {LEAST_PEOPLE} people with two "
                f"parts of {MINUTES[0]:g} minute each; {people} have two parts."
            )
    return rows, notes


def _row(method: str, parts: TwoParts, minutes: float, features: Float[ndarray, "2 person feature"]) -> dict[str, Any]:
    key = row_key("reliability", f"{minutes:g}", f"identity, {parts.kind}", "value", method, 0)
    return {**key, "n_test": features.shape[1], **compare(features)}


def _of_connectivity(
    names: tuple[str, str], series: Cohort, parts: TwoParts, minutes: float, folder: Path | None
) -> Results:
    """Compare both parts of everybody by FC and by tangent FC of one band."""
    (fc, tangent), frames = names, frames_of(minutes, series.tr)
    look = partial(_correlated, series, people_of(series))
    found = _row(fc, parts, minutes, _both_parts(look, series, parts, frames))
    return Results([found, _row(tangent, parts, minutes, _in_tangent_space(series, parts, frames, folder))])


def _in_tangent_space(
    cohort: Cohort, parts: TwoParts, frames: int, folder: Path | None
) -> Float[ndarray, "2 person feature"]:
    """Compute tangent FC of the first frames of each part."""
    count, n_rois = parts.recording.shape[1], cohort.atlas.n_rois
    matrices = scratch((2 * count, n_rois, n_rois), folder)
    votes = np.zeros((2 * count, len(SHRINKAGES)), dtype=np.float32)
    for row, (index, first) in enumerate(zip(parts.recording.ravel(), parts.first.ravel(), strict=True)):
        one = standardised_series(cohort, int(index), int(first), frames)
        matrices[row] = whole_correlations(one)
        if row < count:
            votes[row] = likelihoods(one[: len(one) // 2].T, one[len(one) // 2 :].T)
    everybody = np.arange(2 * count)
    found: Float[ndarray, "2 person feature"] = (
        Tangent(matrices, votes, folder=folder).matrix(everybody, everybody).reshape(2, count, -1)
    )
    return found


def bands(cohort: Cohort) -> dict[tuple[str, str], Cohort]:
    """Return the series that FC and tangent FC see, by their names; those of the full band where it is kept, too."""
    passed = cohort.in_band("passed")
    found = {(FC, TANGENT): passed}
    if passed.description["Band"] is not None and passed.has_full_band:
        found[FC_FULL, TANGENT_FULL] = passed.in_band("full")
    return found


def compare(parts: Float[ndarray, "2 person feature"]) -> dict[str, float]:
    """Return identification accuracy, self minus other similarity and the median ICC(3,1) of two parts."""
    alike = similarity(*parts)
    return {"identification": identification(alike), "i_diff": i_diff(alike), "icc": agreement(parts).median}


def frames_of(minutes: float, tr: float) -> int:
    """Count the whole frames in some minutes."""
    return int(minutes * 60 / tr + 1e-6)


def two_parts(cohort: Cohort, kind: Again, only: Collection[str] | None = None) -> TwoParts:
    """Choose two parts of every person who has them.

    Across ``sessions``: a person's first recording, and the first of another session. Across ``runs``: the first two
    recordings of one session. ``halves``: of a person's first recording; they share no frame. Of people who share a
    byte-identical recording, only the first is used: nobody can be distinguished from a copy.
    """
    groups = groups_of(cohort.recordings)
    alone = groups.index[~groups.duplicated()]
    table = cohort.recordings.drop_duplicates(["participant_id", "sha256"])
    wanted = alone if only is None else alone.intersection(list(only))
    own = [rows for _, rows in table[table["participant_id"].isin(wanted)].groupby("participant_id")]
    frames = cohort.recordings["frames"].to_numpy()
    if kind == "halves":
        recording = np.tile(np.array([rows.index[0] for rows in own], dtype=np.int64), (2, 1))
        half = frames[recording] // 2
        return TwoParts(
            recording=recording, first=np.array([[0], [1]]) * (frames[recording] - half), frames=half, kind=kind
        )
    pairs = [pair for rows in own if (pair := _across_sessions(rows) if kind == "sessions" else _across_runs(rows))]
    recording = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return TwoParts(recording=recording, first=np.zeros_like(recording), frames=frames[recording], kind=kind)


def _across_sessions(rows: pd.DataFrame) -> tuple[int, int] | None:
    elsewhere = rows.index[rows["session_id"] != rows["session_id"].iloc[0]]
    return (int(rows.index[0]), int(elsewhere[0])) if len(elsewhere) else None


def _across_runs(rows: pd.DataFrame) -> tuple[int, int] | None:
    several = [of_one.index for _, of_one in rows.groupby("session_id", sort=False) if len(of_one) > 1]
    return (int(several[0][0]), int(several[0][1])) if several else None


def _amounts(parts: TwoParts, tr: float) -> tuple[list[float], TwoParts]:
    """Return the minutes that enough people have in both parts, and the parts of the people who have the longest."""
    shortest = parts.frames.min(axis=0)
    people = len(shortest)
    enough = [m for m in MINUTES if (shortest >= frames_of(m, tr)).sum() >= max(LEAST_PEOPLE, MOST * people)]
    there = shortest >= frames_of(enough[-1], tr) if enough else np.ones(people, dtype=bool)
    return enough, dataclasses.replace(
        parts, recording=parts.recording[:, there], first=parts.first[:, there], frames=parts.frames[:, there]
    )


def _both_parts(look: Look, cohort: Cohort, parts: TwoParts, frames: int) -> Float[ndarray, "2 person feature"]:
    """Compute features of the first frames of each part."""
    lengths, rows = cohort.recordings["frames"].to_numpy(), np.unique(parts.recording)

    def seen(part: int) -> Float[ndarray, "row feature"]:
        begin = np.zeros_like(lengths)
        begin[parts.recording[part]] = parts.first[part]
        return look(np.column_stack([begin, np.minimum(lengths - begin, frames)]), rows)

    places = np.searchsorted(rows, parts.recording)
    if parts.kind == "halves":
        return np.stack([seen(part)[own] for part, own in enumerate(places)])
    return seen(0)[places]  # all begin with their recording


def _embedded(
    encoder: Encoder, cohort: Cohort, readout: Readout, device: torch.device, spans: Spans, rows: Rows
) -> Float[ndarray, "row feature"]:
    crops = windows_over(encoder, int(spans[:, 1].max()))
    features, _ = embed_crops(encoder, cohort, readouts=[readout], crops=crops, device=device, spans=spans, rows=rows)
    mean: Float[ndarray, "row feature"] = features[readout].mean(axis=1)
    return mean


def _correlated(cohort: Cohort, people: People, spans: Spans, rows: Rows) -> Float[ndarray, "row feature"]:
    shown = Shown(cohort=cohort, people=people, spans=spans)
    return np.stack([edges_of(shown.series(int(row))) for row in rows])


def _description(parts: TwoParts, minutes: float, rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what is compared, and who is re-identified from the most data."""
    of_most = (f"identity, {parts.kind}", f"{minutes:g}")
    again = "; ".join(
        f"{method_name(row['method'])} {row['identification']:.2f}"
        for row in rows
        if (row["target"], row["condition"]) == of_most
    )
    easy = {
        "halves": " Halves share head position, scanner and filter, and were z-scored together; across days, people "
        "resemble themselves less.",
        "runs": " Runs of a session share the day and often the head position.",
        "sessions": "",
    }[parts.kind]
    return (
        f"Reliability {IDENTITY[parts.kind]}: from {minutes:g} minutes of each part, {parts.recording.shape[1]} people "
        f"are re-identified by {again}.{easy}"
    )


def standardised_series(cohort: Cohort, index: int, first: int, frames: int) -> Run:
    """Return the good frames of a piece of a recording; ROIs are z-scored over them."""
    spans = np.zeros((index + 1, 2), dtype=np.int64)
    spans[index] = first, frames
    return np.concatenate(standardised(shown_runs(cohort, index, spans)))
