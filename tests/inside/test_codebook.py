"""Codebooks: what each kind of words keeps, how they are split, and what they need."""

import importlib
import re

import numpy as np
import pytest

from semantoks.errors import ConfigError
from semantoks.inside.codebook import kept, learn_words, levels_of, nearest, stages_of

KINDS = ("kmeans", "residual", "fsq")


@pytest.fixture(scope="module")
def tokens():
    """Tokens around twelve centres."""
    rng = np.random.default_rng(0)
    return (2 * rng.normal(size=(12, 16))[rng.integers(12, size=3000)] + rng.normal(size=(3000, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def books(tokens):
    """(kind, words) -> centres from half of them."""
    return {(kind, words): learn_words(tokens[::2], words, 0, kind) for kind in KINDS for words in (4, 16)}


def test_more_words_keep_more_and_no_grid_keeps_more_than_free_centres(tokens, books):
    shares = {key: kept(tokens[1::2], centres) for key, centres in books.items()}
    assert shares["kmeans", 16] > 0.75  # 0.8 lies between the clusters
    for kind in KINDS:
        assert 0.2 < shares[kind, 4] < shares[kind, 16] - 0.2
        assert shares[kind, 16] <= shares["kmeans", 16] + 0.01


def test_what_is_kept_is_one_less_the_squares_that_are_left(tokens, books):
    centres = books["residual", 4].astype(np.float64)
    left = sum(min(((one - centre) ** 2).sum() for centre in centres) for one in tokens[:200].astype(np.float64))
    whole = ((tokens[:200] - tokens[:200].mean(axis=0, dtype=np.float64)) ** 2).sum()
    assert kept(tokens[:200], centres) == pytest.approx(1 - left / whole, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_as_many_as_asked_for_the_most_frequent_first_and_the_same_again(tokens, books, kind):
    found = books[kind, 16]
    assert found.shape == (16, 16)
    assert (np.diff(np.bincount(nearest(tokens[::2], found), minlength=16)) <= 0).all()
    np.testing.assert_array_equal(learn_words(tokens[::2], 16, 0, kind), found)


def test_words_of_two_stages_are_sums_of_four_and_four_vectors(books):
    centres = books["residual", 16]
    # 4 + 4 vectors span at most 4 + 4 - 1 dimensions around their mean; 16 free centres span 15.
    ranks = [np.linalg.matrix_rank(one - one.mean(axis=0), tol=1e-4) for one in (centres, books["kmeans", 16])]
    assert ranks == [6, 15]


def test_words_are_split_into_few_and_equal_factors():
    found = [levels_of(words) for words in (2, 8, 12, 64, 100, 128, 512)]
    assert found == [(2,), (8,), (4, 3), (8, 8), (5, 5, 4), (8, 4, 4), (8, 8, 8)]
    assert [levels_of(words, 4) for words in (7, 16, 64, 100)] == [(7,), (4, 4), (4, 4, 4), (5, 5, 4)]


def test_residual_words_have_two_stages_at_least_or_are_refused_with_a_number_that_has(tokens):
    assert [stages_of(words) for words in (4, 6, 8, 9, 64)] == [(2, 2), (3, 2), (4, 2), (3, 3), (8, 8)]
    for words in (2, 3, 5, 7):
        with pytest.raises(ConfigError, match="needs two stages") as refused:
            learn_words(tokens, words, 0, "residual")
        assert len(stages_of(int(re.search(r"use --words (\d+)", str(refused.value))[1]))) == 2
    assert not np.allclose(learn_words(tokens, 8, 0, "residual"), learn_words(tokens, 8, 0, "kmeans"))


@pytest.mark.parametrize("words", [11, 22, 61, 121, 997])
def test_a_number_that_cannot_be_split_is_refused_with_one_that_can(words):
    with pytest.raises(ConfigError, match="product of numbers from 2 to 8") as refused:
        levels_of(words)
    near = int(re.search(r"such as (\d+), not", str(refused.value))[1])
    assert np.prod(levels_of(near)) == near
    assert abs(near - words) <= 8 + words // 50


def test_without_its_library_fsq_says_what_to_install(tokens, monkeypatch):
    def absent(name, *args):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match="pip install vector-quantize-pytorch"):
        learn_words(tokens, 8, 0, "fsq")
    assert learn_words(tokens, 8, 0, "residual").shape == (8, 16)


def test_more_dimensions_than_a_token_has_are_refused_with_words_that_do(tokens):
    narrow = tokens[:, :2]
    with pytest.raises(ConfigError, match=r"needs tokens of 3 columns: use --words 4\."):
        learn_words(narrow, 64, 0, "fsq")
    assert learn_words(narrow, 4, 0, "fsq").shape == (4, 2)
