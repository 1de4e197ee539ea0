"""A codebook of tokens: every token becomes the nearest of a few words, and words are counted."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from semantoks.inside.tokens import TokenSeries, by_person
from semantoks.types import Features

MOST_TOKENS = 20_000
"""Tokens from which words are learned; of more, so many are drawn."""
STARTS, ITERATIONS = 2, 100

Words = Int[ndarray, "recording time network"]
"""The word of every token, -1 where there is none."""


def learn_words(tokens: Float[ndarray, "token width"], words: int, seed: int) -> Float[ndarray, "word width"]:
    """Find the centres of ``words`` clusters by k-means; the most frequent word first."""
    rng = np.random.default_rng(seed)
    if len(tokens) > MOST_TOKENS:
        tokens = tokens[rng.choice(len(tokens), MOST_TOKENS, replace=False)]
    with threadpool_limits(1):
        model = KMeans(words, n_init=STARTS, max_iter=ITERATIONS, random_state=seed).fit(tokens)
    order = np.argsort(-np.bincount(model.labels_, minlength=words), kind="stable")
    found: ndarray = model.cluster_centers_[order]
    return found


def name_tokens(series: TokenSeries, centres: Float[ndarray, "word width"]) -> Words:
    """Give every token its nearest word."""
    flat = series.tokens.reshape(-1, series.tokens.shape[-1])
    squares = (centres**2).sum(axis=1)
    found = np.concatenate([(squares - 2 * part @ centres.T).argmin(axis=1) for part in np.array_split(flat, 64)])
    return np.where(series.there, found.reshape(series.there.shape), -1)


def usage(named: Words, words: int) -> Float[ndarray, "recording network word"]:
    """Count words by recording and network."""
    recordings, _, networks = named.shape
    found = np.zeros((recordings, networks, words))
    row, _, network = np.nonzero(named >= 0)
    np.add.at(found, (row, network, named[named >= 0]), 1)
    return found


def transitions(named: Words, words: int) -> Float[ndarray, "recording word word"]:
    """Count how often one word of a network is followed by another in the same recording."""
    now, then = named[:, :-1], named[:, 1:]
    both = (now >= 0) & (then >= 0)
    found = np.zeros((len(named), words, words))
    np.add.at(found, (np.nonzero(both)[0], now[both], then[both]), 1)
    return found


@dataclass
class Codebooks:
    """Words learned from training people alone, once for each set of them; people by their place in ``owner``."""

    series: TokenSeries
    owner: Int[ndarray, " recording"]
    people: int
    words: int
    seed: int
    known: dict[bytes, Words] = field(default_factory=dict)

    def named(self, train: Int[ndarray, " train"]) -> Words:
        """Name everybody's tokens with the words of the training people."""
        key = train.tobytes()
        if key not in self.known:
            of_them = self.series.there & np.isin(self.owner, train)[:, None, None]
            self.known = {
                key: name_tokens(self.series, learn_words(self.series.tokens[of_them], self.words, self.seed))
            }
        return self.known[key]


@dataclass(frozen=True)
class WordUsage:
    """How often each person's networks use each word: roots of the shares within a network."""

    books: Codebooks

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return the features of ``people``, in words of ``train``."""
        counts = usage(self.books.named(train), self.books.words)
        mine = by_person(counts.reshape(len(counts), -1), self.books.owner, self.books.people)[people]
        mine = mine.reshape(len(people), -1, self.books.words)
        found: Features = np.sqrt(mine / np.maximum(mine.sum(axis=2, keepdims=True), 1)).reshape(len(people), -1)
        return found


@dataclass(frozen=True)
class WordTransitions:
    """Which word follows which in each person: roots of the shares of all pairs."""

    books: Codebooks

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return the features of ``people``, in words of ``train``."""
        counts = transitions(self.books.named(train), self.books.words)
        mine = by_person(counts.reshape(len(counts), -1), self.books.owner, self.books.people)[people]
        found: Features = np.sqrt(mine / np.maximum(mine.sum(axis=1, keepdims=True), 1))
        return found
