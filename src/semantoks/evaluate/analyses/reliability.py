"""Stability of a person's representation: identification and ICC between two parts of their data."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.study.people import groups_of, people_of
from semantoks.evaluate.study.shown import Shown
from semantoks.features.encode import Readout, embed_crops, windows_over
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.statistics.identity import agreement, i_diff, identification, over_people, similarity
from semantoks.statistics.methods import FC
from semantoks.statistics.tables import row_key

MINUTES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
LEAST_PEOPLE = 20
MOST = 0.75
"""The longest amount of data is one that at least this share of people have in both parts."""


Look = Callable[[Int[ndarray, "recording 2"]], Float[ndarray, "recording feature"]]
"""(first frame, frames) of every recording -> its features."""


@dataclass(frozen=True, kw_only=True)
class TwoParts:
    """Two parts of the same people's data: the recording, first frame and number of frames of each.

    Attributes
    ----------
    sessions
        Whether they are two recordings; otherwise they are the halves of one.
    """

    recording: Int[ndarray, "2 person"]
    first: Int[ndarray, "2 person"]
    frames: Int[ndarray, "2 person"]
    sessions: bool


def reliability_scores(
    encoders: Mapping[str, Encoder],
    cohort: Cohort,
    *,
    readout: Readout,
    device: torch.device,
    only: Collection[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compare two parts of every person's data, for growing minutes of each part.

    Every amount uses the same people, those who have the longest, so that a curve shows the effect of minutes and not
    of people. Every method sees only the first minutes of each part: encoders see as many evenly spaced windows as it
    takes to cover every frame (the unfilled part of a window is hidden), FC the correlations of the same frames. Both
    embeddings and FC are standardised over people before they are compared (``over_people``).

    Parameters
    ----------
    encoders
        By method name: the encoder, and the one with random weights.
    only
        Ids of the people to compare; None = all.

    Returns
    -------
    list of dict
        Rows of scores.csv (analysis ``reliability``, target ``identity``, condition = minutes): identification
        accuracy, self minus other similarity, median ICC(3,1) over features; ``n_test`` = people.
    list of str
        Notes for the reader.
    """
    parts = two_parts(cohort, only)
    amounts, parts = _amounts(parts, cohort.tr)
    people = parts.recording.shape[1]
    if not amounts:
        return [], [
            f"Reliability is not measured: it needs {LEAST_PEOPLE} people with two parts of {MINUTES[0]:g} minute "
            f"each; {people} have two parts."
        ]
    looks: dict[str, Look] = {
        name: partial(_embedded, encoder, cohort, readout, device) for name, encoder in encoders.items()
    }
    people_of_all = people_of(cohort)
    looks[FC] = lambda spans: functional_connectivity(Shown(cohort=cohort, people=people_of_all, spans=spans))
    rows: list[dict[str, Any]] = []
    for number, minutes in enumerate(amounts):
        for method, look in looks.items():
            both = _both_parts(look, cohort, parts, frames_of(minutes, cohort.tr))
            key = row_key("reliability", f"{minutes:g}", "identity", "value", method, 0)
            rows.append({**key, "n_test": people, **compare(both)})
        if progress:
            progress(number + 1, len(amounts))
    return rows, [_description(parts)]


def compare(parts: Float[ndarray, "2 person feature"]) -> dict[str, float]:
    """Return identification accuracy, self minus other similarity and the median ICC(3,1) of two parts."""
    alike = similarity(*(over_people(part) for part in parts))
    return {"identification": identification(alike), "i_diff": i_diff(alike), "icc": agreement(parts).median}


def frames_of(minutes: float, tr: float) -> int:
    """Count the whole frames in some minutes."""
    return int(minutes * 60 / tr + 1e-6)


def two_parts(cohort: Cohort, only: Collection[str] | None = None) -> TwoParts:
    """Choose two parts of every person: two recordings where more than half of the people have them, else halves.

    The recordings are a person's first, and the first of another session (the next one if there is no other session);
    people with a single recording are then left out. Halves share no frame. Of people who share a byte-identical
    recording, only the first is used: nobody can be distinguished from a copy.
    """
    groups = groups_of(cohort.recordings)
    alone = groups.index[~groups.duplicated()]
    table = cohort.recordings.drop_duplicates(["participant_id", "sha256"])
    wanted = alone if only is None else alone.intersection(list(only))
    own = [rows for _, rows in table[table["participant_id"].isin(wanted)].groupby("participant_id")]
    pairs = np.array([(rows.index[0], _second(rows)) for rows in own if len(rows) > 1], dtype=np.int64).reshape(-1, 2)
    frames = cohort.recordings["frames"].to_numpy()
    if len(pairs) > len(own) / 2:
        return TwoParts(recording=pairs.T, first=np.zeros_like(pairs.T), frames=frames[pairs.T], sessions=True)
    recording = np.tile([rows.index[0] for rows in own], (2, 1))
    half = frames[recording] // 2
    return TwoParts(
        recording=recording, first=np.array([[0], [1]]) * (frames[recording] - half), frames=half, sessions=False
    )


def _second(rows: pd.DataFrame) -> int:
    """Return the first recording of another session than the first one, or the next of the same."""
    elsewhere = rows.index[rows["session_id"] != rows["session_id"].iloc[0]]
    return int(elsewhere[0] if len(elsewhere) else rows.index[1])


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
    """Compute features of the first frames of each part (of all recordings; the others are then dropped)."""
    lengths = cohort.recordings["frames"].to_numpy()
    both, found = [], None
    for recording, first in zip(parts.recording, parts.first, strict=True):
        if found is None or not parts.sessions:
            begin = np.zeros_like(lengths)
            begin[recording] = first
            found = look(np.column_stack([begin, np.minimum(lengths - begin, frames)]))
        both.append(found[recording])
    return np.stack(both)


def _embedded(
    encoder: Encoder, cohort: Cohort, readout: Readout, device: torch.device, spans: Int[ndarray, "recording 2"]
) -> Float[ndarray, "recording feature"]:
    crops = windows_over(encoder, int(spans[:, 1].max()))
    features, _ = embed_crops(encoder, cohort, readouts=[readout], crops=crops, device=device, spans=spans)
    mean: Float[ndarray, "recording feature"] = features[readout].mean(axis=1)
    return mean


def _description(parts: TwoParts) -> str:
    people = parts.recording.shape[1]
    if parts.sessions:
        return f"Reliability: two recordings from each of {people} people."
    return (
        f"Reliability: two halves of one recording from each of {people} people. Halves share head position, scanner "
        "and filter, and were z-scored together; across days, people resemble themselves less."
    )
