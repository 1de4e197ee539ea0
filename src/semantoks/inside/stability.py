"""How stable words are: across parts of a person's recordings, people from whom they are learned, and seeds."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score

from semantoks.evaluate.analyses.reliability import LEAST_PEOPLE, compare, two_parts
from semantoks.inside.codebook import Centres, Kind, kept, learn_words
from semantoks.inside.opened import Opened
from semantoks.inside.tokens import TokenSeries, frames_of_token
from semantoks.inside.words import Words, name_tokens, usage
from semantoks.statistics.tables import IDENTITY

Rows = list[dict[str, Any]]


def compare_parts(named: Words, series: TokenSeries, opened: Opened, words: int) -> tuple[Rows, list[str]]:
    """Find people again by their usage of words in two parts of their recordings; say where too few have two."""
    rows: Rows = []
    notes = []
    for kind, words_of_kind in IDENTITY.items():
        parts = two_parts(opened.cohort, kind)
        people = parts.recording.shape[1]
        if people < LEAST_PEOPLE:
            if people:
                notes.append(f"Stability {words_of_kind} needs {LEAST_PEOPLE} people; {people} have two parts.")
            continue
        both = [
            _usage_of_part(named, series, opened, *part, words)
            for part in zip(parts.recording, parts.first, parts.frames, strict=True)
        ]
        found = compare(np.stack(both))
        rows.append(
            {"map": words_of_kind, "people": people, "found_again": found["identification"], "icc": found["icc"]}
        )
    return rows, notes


def _usage_of_part(
    named: Words,
    series: TokenSeries,
    opened: Opened,
    recording: Int[ndarray, " person"],
    first: Int[ndarray, " person"],
    frames: Int[ndarray, " person"],
    words: int,
) -> Float[ndarray, "person feature"]:
    """Return roots of the shares of words, by network, in a part of one recording of each person."""
    starts = np.array([frames_of_token(series, opened, time).start for time in range(named.shape[1])])
    inside = (starts >= first[:, None]) & (starts + series.frames <= (first + frames)[:, None])
    counts = usage(np.where(inside[:, :, None], named[recording], -1), words)
    found: ndarray = np.sqrt(counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)).reshape(len(counts), -1)
    return found


def compare_codebooks(
    named: Words, series: TokenSeries, opened: Opened, words: int, kind: Kind
) -> tuple[pd.DataFrame, Rows]:
    """Learn words from each half of the people, and again with another seed.

    Returns
    -------
    DataFrame
        One row for the kind of codebook, and one for k-means beside another kind: bits of a word, bits by its usage
        (entropy), and the share of the tokens' variance that words of one half of the people keep of the other half.
    list of dict
        Agreement (adjusted Rand index) of words of two halves, and of two seeds.
    """
    owner, seed, there = opened.people.owner, opened.config.seed, series.there
    half = np.random.default_rng(seed).permutation(np.unique(opened.people.groups))
    first = np.isin(opened.people.groups[owner], half[: len(half) // 2])
    sides = [series.tokens[there & side[:, None, None]] for side in (first, ~first)]
    rows, agreed = [], []
    for one in dict.fromkeys((kind, "kmeans")):
        centres: list[Centres] = [learn_words(side, words, seed, one) for side in sides]
        others = [name_tokens(series, found) for found in centres]
        shares = np.bincount(others[0][there], minlength=words)
        rows.append(
            {
                "codebook": one,
                "words": words,
                "bits": np.log2(words),
                "used_bits": entropy(shares, base=2),
                "kept": (kept(sides[1], centres[0]) + kept(sides[0], centres[1])) / 2,
            }
        )
        if one == kind:
            again = name_tokens(series, learn_words(series.tokens[there], words, seed + 1, kind))
            agreed = [
                {
                    "map": "codebooks of two halves of the people",
                    "agreement": adjusted_rand_score(others[0][there], others[1][there]),
                },
                {"map": "codebooks of two seeds", "agreement": adjusted_rand_score(named[there], again[there])},
            ]
    return pd.DataFrame(rows), agreed
