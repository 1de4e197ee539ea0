"""The vocabulary: do an encoder's tokens form a few words, who uses which, what follows what, and what words cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import entr
from sklearn.metrics import adjusted_rand_score

from semantoks.config import check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError
from semantoks.evaluate.analyses.reliability import LEAST_PEOPLE, compare, two_parts
from semantoks.evaluate.study.shown import Baseline
from semantoks.features.encode import Progress
from semantoks.inside.codebook import (
    Codebooks,
    Words,
    WordTransitions,
    WordUsage,
    learn_words,
    name_tokens,
    transitions,
    usage,
)
from semantoks.inside.opened import Opened, open_inside, probe_inside
from semantoks.inside.settings import InsideConfig
from semantoks.inside.tokens import TokenSeries, by_person, frames_of_token, network_series, tokens_over_time
from semantoks.report.inside.folder import FOLLOWING, PATTERNS, STABILITY, USAGE, WORDS
from semantoks.report.wording import percent
from semantoks.statistics.methods import ENCODER, FC, MOTION, RANDOM
from semantoks.statistics.tables import IDENTITY
from semantoks.storage.lock import hold_folder
from semantoks.storage.tables import write_table

EVERY = (ENCODER, RANDOM, MOTION, FC, "fc_tangent")
FLIPS = 1000
MOST_NETWORKS = 40
"""Networks of which pairs are written for every word; of more, levels alone."""
PER_WORD = 10
"""Fewest tokens for each word."""


def vocabulary(
    model: str | Path,
    cohort: str | Path,
    *,
    out: str | Path,
    words: int = 64,
    seconds: float | None = None,
    targets: Sequence[str] = (),
    config: InsideConfig | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Learn a codebook of an encoder's tokens, and write what its words are, who uses them and what follows what.

    Parameters
    ----------
    words
        Size of the codebook, at least 2.
    seconds
        Length of the windows of an encoder that makes one token of a whole window; 30 if None.
    targets
        Columns of participants.tsv that are predicted from words alone, beside the encoder, FC and tangent FC; the
        codebook is then learned from training people alone.

    Returns
    -------
    DataFrame
        One row per word (``words.tsv``): share of all tokens, people who use it, mean dwell time in seconds and what
        chance would make of it.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, recordings or weights that cannot be used.
    """
    check_arguments(vocabulary, locals())
    config, out = config or InsideConfig(), Path(out)
    if words < 2:
        raise ConfigError(f"--words has to be at least 2, not {words}.")
    with hold_folder(out):
        opened = open_inside(model, cohort, config)
        series = tokens_over_time(opened, seconds, progress)
        count = int(series.there.sum())
        if count < PER_WORD * words:
            raise ConfigError(
                f"--words {words} needs {PER_WORD * words} tokens, but there are {count}: use --words "
                f"{max(2, count // PER_WORD)}."
            )
        named = name_tokens(series, learn_words(series.tokens[series.there], words, config.seed))
        follow, used = transitions(named, words), usage(named, words)
        table = _words(named, used, series, opened)
        write_table(out / WORDS, table)
        write_table(out / USAGE, _usage(used, opened))
        write_table(out / FOLLOWING, _following(follow))
        write_table(out / PATTERNS, _patterns(named, series, opened, words))
        stable, notes = _stability(named, series, opened, words)
        write_table(out / STABILITY, stable)
        direction = _direction(follow, opened)
        if targets:
            books = Codebooks(series, opened.people.owner, len(opened.people), words, config.seed)
            extra = {
                "words": Baseline(words="how often each network uses each word", features=lambda _: WordUsage(books)),
                "word_transitions": Baseline(
                    words="which word follows which", features=lambda _: WordTransitions(books)
                ),
            }
            probe_inside(opened, targets, out, EVERY, extra)
        told = _answers(table, stable, direction, follow, series)
        opened.write(out, "vocabulary", told, notes, command, words=words, seconds=series.seconds)
    return table


def _words(
    named: Words, used: Float[ndarray, "recording network word"], series: TokenSeries, opened: Opened
) -> pd.DataFrame:
    """Describe every word."""
    words = used.shape[2]
    share = used.sum(axis=(0, 1)) / used.sum()
    owner = opened.people.owner
    rows, lengths = [], _dwells(named, words)
    names = opened.card.atlas.network_names
    for word in range(words):
        of_network = used[:, :, word].sum(axis=0)
        users = len(np.unique(owner[used[:, :, word].sum(axis=1) > 0]))
        rows.append(
            {
                **{"word": str(word + 1), "share": share[word], "people": users / len(opened.people)},
                **{"dwell": lengths[word] * series.seconds, "dwell_by_chance": series.seconds / (1 - share[word])},
                **{"network": names[int(of_network.argmax())], "of_network": of_network.max() / of_network.sum()},
            }
        )
    return pd.DataFrame(rows)


def _dwells(named: Words, words: int) -> Float[ndarray, " word"]:
    """Return for how many tokens a word lasts in the mean; a run ends with a gap or the recording, too."""
    rows = np.moveaxis(named, 1, 2).reshape(-1, named.shape[1])
    flat = np.column_stack([rows, np.full(len(rows), -1)]).ravel()  # no run crosses into the next row
    begins = np.flatnonzero(np.diff(flat, prepend=-2) != 0)
    lengths = np.diff(np.append(begins, len(flat)))
    word = flat[begins]
    real = word >= 0
    total = np.bincount(word[real], weights=lengths[real], minlength=words)
    return total / np.maximum(np.bincount(word[real], minlength=words), 1)


def _usage(used: Float[ndarray, "recording network word"], opened: Opened) -> pd.DataFrame:
    """Return the share of each word within each network, and how many words a network uses as if all alike."""
    rows = []
    for network, name in enumerate(opened.card.atlas.network_names):
        counts = used[:, network].sum(axis=0)
        share = counts / max(counts.sum(), 1)
        effective = _as_if_alike(share)
        for word, part in enumerate(share):
            rows.append({"network": name, "word": str(word + 1), "share": part, "effective_words": effective})
    return pd.DataFrame(rows)


def _as_if_alike(share: Float[ndarray, " word"]) -> float:
    """Return how many equally frequent words have the same entropy."""
    return float(np.exp(entr(share).sum()))


def _following(follow: Float[ndarray, "recording word word"]) -> pd.DataFrame:
    """Return how often one word follows another, and its probability after that word."""
    total = follow.sum(axis=0)
    after = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    rows, columns = np.nonzero(total)
    return pd.DataFrame(
        {
            "word": (rows + 1).astype(str),
            "next": columns + 1,
            "count": total[rows, columns].astype(int),
            "probability": after[rows, columns],
        }
    )


def _direction(follow: Float[ndarray, "recording word word"], opened: Opened) -> tuple[float, float, float]:
    """Return the asymmetry of transitions, what is expected without a direction, and p of that.

    Asymmetry is half the sum of |T - T'| over all transitions, 0 where every pair of words goes both ways alike.
    Without a direction, each person's transitions could as well be read backwards: they are, by the toss of a coin.
    """
    odd = by_person(
        (follow - follow.transpose(0, 2, 1)).reshape(len(follow), -1), opened.people.owner, len(opened.people)
    )
    total = max(follow.sum(), 1.0)
    signs = np.random.default_rng(opened.config.seed).choice([-1.0, 1.0], size=(FLIPS, len(odd)))
    found = float(np.abs(odd.sum(axis=0)).sum() / 2 / total)
    chance = np.array([np.abs(one @ odd).sum() / 2 / total for one in signs])
    return found, float(chance.mean()), float((1 + (chance >= found - 1e-12).sum()) / (1 + FLIPS))


def _stability(named: Words, series: TokenSeries, opened: Opened, words: int) -> tuple[pd.DataFrame, list[str]]:
    """Compare usage of two parts of each person, and codebooks of other people and another seed."""
    rows: list[dict[str, Any]] = []
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
    owner, seed = opened.people.owner, opened.config.seed
    half = np.random.default_rng(seed).permutation(np.unique(opened.people.groups))
    first = np.isin(opened.people.groups[owner], half[: len(half) // 2])
    books = [
        name_tokens(series, learn_words(series.tokens[series.there & side[:, None, None]], words, seed))
        for side in (first, ~first)
    ]
    books.append(name_tokens(series, learn_words(series.tokens[series.there], words, seed + 1)))
    there = series.there
    rows.append(
        {
            "map": "codebooks of two halves of the people",
            "agreement": adjusted_rand_score(books[0][there], books[1][there]),
        }
    )
    rows.append({"map": "codebooks of two seeds", "agreement": adjusted_rand_score(named[there], books[2][there])})
    return pd.DataFrame(rows), notes


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


def _patterns(named: Words, series: TokenSeries, opened: Opened, words: int) -> pd.DataFrame:
    """Return the mean level of each network, and correlation of each pair, in the windows that a word names.

    Both less the mean over all tokens' windows; correlations are of networks' mean series.
    """
    networks = named.shape[2]
    sums = np.zeros((words, networks + networks**2))
    counts = np.zeros(words)
    for index in range(len(named)):
        mean = network_series(opened, index)
        for time in range(named.shape[1]):
            here = named[index, time]
            if (here < 0).all():
                continue
            piece = mean[frames_of_token(series, opened, time)]
            times = np.bincount(here[here >= 0], minlength=words)
            sums += times[:, None] * np.concatenate([piece.mean(axis=0), _correlated(piece).ravel()])
            counts += times
    overall = sums.sum(axis=0) / counts.sum()
    pattern = sums / np.maximum(counts, 1)[:, None] - overall
    names, rows = opened.card.atlas.network_names, []
    for word in range(words):
        level, together = pattern[word, :networks], pattern[word, networks:].reshape(networks, networks)
        for i, j in zip(*np.triu_indices(networks), strict=True):
            if i != j and networks > MOST_NETWORKS:
                continue
            rows.append(
                {
                    **{"word": str(word + 1), "network": names[i], "other": names[j]},
                    "together": together[i, j] if i != j else np.nan,
                    "level": level[i] if i == j else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _correlated(piece: Float[ndarray, "frame network"]) -> Float[ndarray, "network network"]:
    centred = piece - piece.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(norm > 1e-9, norm, np.inf)
    found: ndarray = unit.T @ unit
    return found


def _answers(
    table: pd.DataFrame,
    stable: pd.DataFrame,
    direction: tuple[float, float, float],
    follow: Float[ndarray, "recording word word"],
    series: TokenSeries,
) -> list[str]:
    """Say what the words are like."""
    share = table["share"].to_numpy()
    alike = _as_if_alike(share)
    total = follow.sum(axis=0)
    stays, chance = np.trace(total) / max(total.sum(), 1), float((share**2).sum())
    found, expected, p = direction
    agreement = stable.set_index("map")["agreement"]
    said = [
        f"{plural(len(table), 'word')} are used as {alike:.0f} equally frequent ones would be; a token is of "
        f"{series.seconds:g} s.",
        f"A word is followed by itself in {percent(stays)} of cases ({percent(chance)} by chance).",
        f"Transitions {'have a' if p < 0.05 else 'show no'} direction that people share: asymmetry {found:.3f}, "
        f"{expected:.3f} where each person may be read backwards (p = {p:.3f}).",
        f"Codebooks of two halves of the people agree to {agreement['codebooks of two halves of the people']:.2f}, of "
        f"two seeds to {agreement['codebooks of two seeds']:.2f} (adjusted Rand index; 1 = the same, 0 = chance).",
    ]
    for row in stable.dropna(subset=["people"]).to_dict("records"):
        said.append(
            f"By their usage of words, {percent(row['found_again'])} of {row['people']:.0f} people are found again "
            f"{row['map']}."
        )
    return said
