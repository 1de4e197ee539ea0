"""The vocabulary: do an encoder's tokens form a few words, who uses which, what follows what, and what words cost."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy.special import entr

from semantoks.config import as_list, check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError
from semantoks.evaluate.study.shown import Baseline, Shown
from semantoks.evaluate.study.study import Stages
from semantoks.features.encode import Progress
from semantoks.inside.codebook import Kind, check_words, learn_words
from semantoks.inside.opened import Opened, open_inside, probe_inside
from semantoks.inside.settings import InsideConfig
from semantoks.inside.stability import Rows, compare_codebooks, compare_parts
from semantoks.inside.tokens import TokenSeries, by_person, frames_of_token, network_series, tokens_over_time
from semantoks.inside.words import (
    Codebooks,
    WordDirection,
    Words,
    WordTransitions,
    WordUsage,
    name_tokens,
    transitions,
    usage,
)
from semantoks.progress import shown_if
from semantoks.reporting.inside.folder import CODEBOOKS, FOLLOWING, PATTERNS, STABILITY, USAGE, WORDS
from semantoks.reporting.wording import percent
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import missing_networks
from semantoks.statistics.methods import ENCODER, FC, MOTION, RANDOM
from semantoks.storage.lock import hold_folder
from semantoks.storage.tables import write_table

FEATURES: dict[str, tuple[str, Callable[[Codebooks], Any]]] = {
    "words": ("how often each network uses each word", WordUsage),
    "word_transitions": ("which word follows which", WordTransitions),
    "word_direction": ("which way round words follow each other", WordDirection),
}
OF_RANDOM = "random_"
EVERY = (ENCODER, RANDOM, MOTION, FC, "fc_tangent")
FLIPS = 1000
MOST_NETWORKS = 40
"""Networks of which pairs are written for every word; of more, levels alone."""
PER_WORD = 10
"""Fewest tokens for each word."""


def vocabulary(
    model: str | Path,
    cohort: Cohort | str | Path,
    *,
    out: str | Path,
    words: int = 64,
    codebook: Kind = "kmeans",
    whole_brain: bool = False,
    seconds: float | None = None,
    targets: Sequence[str] | str = (),
    config: InsideConfig | None = None,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Learn a codebook of an encoder's tokens, and write what its words are, who uses them and what follows what.

    Parameters
    ----------
    words
        Size of the codebook, at least 2.
    codebook
        How it is learned: k-means, residual k-means, or finite scalar quantisation (`codebook.learn_words`).
    whole_brain
        Give the whole brain one word at a time, from the tokens of all networks, instead of one to each network.
    seconds
        Length of the windows of an encoder that makes one token of a whole window; 30 if None.
    targets
        Columns of participants.tsv that are predicted from words alone, beside the encoder, FC and tangent FC; the
        codebook is then learned from training people alone.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.

    Returns
    -------
    DataFrame
        One row per word (``words.tsv``): ``word`` its number as text; ``share`` of all tokens and of ``people`` who
        use it, 0..1; ``dwell``, its mean duration in seconds, and ``dwell_by_chance`` for a word of that share;
        ``network``, the one that uses it most, and the share of the word's tokens that are ``of_network``.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, recordings or weights that cannot be used.
    """
    check_arguments(vocabulary, locals())
    config, out, targets = config or InsideConfig(), Path(out), as_list(targets)
    if words < 2:
        raise ConfigError(f"--words has to be at least 2, not {words}.")
    check_words(words, codebook)
    with hold_folder(out), shown_if(verbose, "vocabulary", "%", progress) as progress:
        opened = open_inside(model, cohort, config)
        stages = Stages(progress, [1.0] * (3 + bool(targets)))
        series = _tokens(opened, seconds, whole_brain, stages.step)
        stages.next()
        count = int(series.there.sum())
        if count < (needed := PER_WORD * words):
            fewer = max(2, count // PER_WORD)
            raise ConfigError(f"--words {words} needs {needed} tokens, but there are {count}: use --words {fewer}.")
        named = name_tokens(series, learn_words(series.tokens[series.there], words, config.seed, codebook))
        follow, used = transitions(named, words), usage(named, words)
        table = _words(named, used, series, opened)
        write_table(out / WORDS, table)
        write_table(out / USAGE, _usage(used, series.of))
        write_table(out / FOLLOWING, _following(follow))
        write_table(out / PATTERNS, _patterns(named, series, opened, words))
        books, agreed = compare_codebooks(named, series, opened, words, codebook)
        write_table(out / CODEBOOKS, books)
        stages.next()
        stable, notes = compare_parts(named, series, opened, words)
        write_table(out / STABILITY, pd.DataFrame([*stable, *agreed]))
        direction = _direction(follow, opened)
        stages.next()
        if targets:
            _probe(opened, series, targets, out, words, codebook, seconds, whole_brain)
        told = [*_answers(table, direction, follow, series), *_answers_of_codebooks(books, stable, agreed)]
        opened.write(
            out,
            "vocabulary",
            told,
            notes,
            command,
            words=words,
            seconds=series.seconds,
            codebook=codebook,
            whole_brain=whole_brain,
            targets=targets,
        )
    return table


def _tokens(opened: Opened, seconds: float | None, whole_brain: bool, progress: Progress | None = None) -> TokenSeries:
    series = tokens_over_time(opened, seconds, progress)
    return series.of_brain() if whole_brain else series


def _probe(
    opened: Opened,
    series: TokenSeries,
    targets: Sequence[str],
    out: Path,
    words: int,
    codebook: Kind,
    seconds: float | None,
    whole_brain: bool,
) -> None:
    """Predict targets from words, and from those of the same encoder with random weights."""
    untrained = _tokens(replace(opened, encoder=opened.random()), seconds, whole_brain)
    extra = {}
    for prefix, tokens, whose in (("", series, ""), (OF_RANDOM, untrained, ", random weights")):
        books = Codebooks(tokens, opened.people.owner, len(opened.people), words, opened.config.seed, codebook)
        for name, (said, features) in FEATURES.items():
            extra[prefix + name] = Baseline(words=said + whose, features=partial(_of, features(books)))
    probe_inside(opened, targets, out, EVERY, extra)


def _of(features: Any, shown: Shown) -> Any:  # noqa: ARG001
    """Return what is fitted on training people, whatever is shown."""
    return features


def _words(
    named: Words, used: Float[ndarray, "recording network word"], series: TokenSeries, opened: Opened
) -> pd.DataFrame:
    """Describe every word."""
    words = used.shape[2]
    share = used.sum(axis=(0, 1)) / used.sum()
    owner = opened.people.owner
    rows, lengths = [], _dwells(named, words)
    names = series.of
    for word in range(words):
        of_network = used[:, :, word].sum(axis=0)
        users = len(np.unique(owner[used[:, :, word].sum(axis=1) > 0]))
        rows.append(
            {
                **{"word": str(word + 1), "share": share[word], "people": users / len(opened.people)},
                **{"dwell": lengths[word] * series.seconds, "dwell_by_chance": series.seconds / (1 - share[word])},
                **{
                    "network": names[int(of_network.argmax())],
                    "of_network": of_network.max() / max(of_network.sum(), 1),
                },
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


def _usage(used: Float[ndarray, "recording network word"], names: Sequence[str]) -> pd.DataFrame:
    """Return the share of each word in each network, and how many words it uses as if all alike; NaN without data."""
    rows = []
    for network, name in enumerate(names):
        counts = used[:, network].sum(axis=0)
        known = counts.sum() > 0  # nobody may have data of a network
        share = counts / counts.sum() if known else np.full(len(counts), np.nan)
        effective = _as_if_alike(share) if known else np.nan
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


def _patterns(named: Words, series: TokenSeries, opened: Opened, words: int) -> pd.DataFrame:
    """Return the mean level of each network, and correlation of each pair, in the windows that a word names.

    Both less the mean over all tokens' windows; correlations are of networks' mean series. NaN for a network of which
    nobody has data.
    """
    networks = len(opened.card.atlas.network_names)
    nobodys = missing_networks(opened.cohort.missing, opened.cohort.atlas.network_index).all(axis=0)
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
    pattern = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None] - overall, 0.0)
    names, rows = opened.card.atlas.network_names, []
    for word in range(words):
        level, together = pattern[word, :networks], pattern[word, networks:].reshape(networks, networks)
        level[nobodys] = together[nobodys] = together[:, nobodys] = np.nan
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
    return [
        f"{plural(len(table), 'word')} are used as {alike:.0f} equally frequent ones would be; a token is of "
        f"{series.seconds:g} s.",
        f"A word is followed by itself in {percent(stays)} of cases ({percent(chance)} by chance).",
        f"Transitions {'have a' if p < 0.05 else 'show no'} direction that people share: asymmetry {found:.3f}, "
        f"{expected:.3f} where each person may be read backwards (p = {p:.3f}).",
    ]


def _answers_of_codebooks(books: pd.DataFrame, stable: Rows, agreed: Rows) -> list[str]:
    """Say what words keep of the tokens, and how stable they are."""
    own, others = books.iloc[0], books.iloc[1:]
    beside = "".join(f"; k-means with as many words, {percent(row['kept'])}" for _, row in others.iterrows())
    halves, seeds = (row["agreement"] for row in agreed)
    return [
        f"Learned from half of the people, a word has {own['bits']:.1f} bits ({own['used_bits']:.1f} as used) and "
        f"keeps {percent(own['kept'])} of the variance of the other half's tokens{beside}.",
        f"Codebooks of two halves of the people agree to {halves:.2f}, of two seeds to {seeds:.2f} (adjusted Rand "
        "index; 1 = the same, 0 = chance).",
        *(
            f"By their usage of words, {percent(row['found_again'])} of {row['people']:.0f} people are re-identified "
            f"{row['map']}."
            for row in stable
        ),
    ]
