"""Words over time: tokens named by a codebook, counted, and as features of people."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.inside.codebook import Centres, Kind, learn_words, nearest
from semantoks.inside.tokens import TokenSeries, by_person
from semantoks.types import Features

Words = Int[ndarray, "recording time network"]
"""The word of every token, -1 where there is none."""


def name_tokens(series: TokenSeries, centres: Centres) -> Words:
    """Give every token its nearest word."""
    flat = series.tokens.reshape(-1, series.tokens.shape[-1])
    return np.where(series.there, nearest(flat, centres).reshape(series.there.shape), -1)


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
    kind: Kind = "kmeans"
    known: dict[bytes, Words] = field(default_factory=dict)

    def named(self, train: Int[ndarray, " train"]) -> Words:
        """Name everybody's tokens with the words of the training people."""
        key = train.tobytes()
        if key not in self.known:
            of_them = self.series.there & np.isin(self.owner, train)[:, None, None]
            centres = learn_words(self.series.tokens[of_them], self.words, self.seed, self.kind)
            self.known = {key: name_tokens(self.series, centres)}
        return self.known[key]

    def followed(
        self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]
    ) -> Float[ndarray, "person word word"]:
        """Return which share of the transitions of each of ``people`` goes from one word to another."""
        counts = transitions(self.named(train), self.words)
        mine = by_person(counts.reshape(len(counts), -1), self.owner, self.people)[people]
        shares: ndarray = mine / np.maximum(mine.sum(axis=1, keepdims=True), 1)
        return shares.reshape(-1, self.words, self.words)


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
        found: Features = np.sqrt(self.books.followed(train, people)).reshape(len(people), -1)
        return found


@dataclass(frozen=True)
class WordDirection:
    """How much oftener one word follows another than the other way round: what is left of transitions by direction."""

    books: Codebooks

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return the features of ``people``, one per pair of words of ``train``."""
        shares = self.books.followed(train, people)
        rows, columns = np.triu_indices(self.books.words, 1)
        found: Features = shares[:, rows, columns] - shares[:, columns, rows]
        return found
