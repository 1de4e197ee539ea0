"""Codebooks: the few words that stand for an encoder's tokens, learned by k-means or by quantisers of a finer kind."""

import importlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn

from semantoks.errors import ConfigError

Kind = Literal["kmeans", "residual", "fsq"]
"""How words are learned."""
Tokens = Float[ndarray, "token width"]
Centres = Float[ndarray, "word width"]
"""The token that each word stands for."""

MOST_TOKENS, MOST_NUMBERS = 20_000, 40_000_000
"""Tokens from which words are learned, and numbers in them; of more, so many are drawn."""
STARTS, ITERATIONS = 2, 100
MOST_FACTOR, MOST_LEVELS = 8, 4
"""Words of a stage of residual k-means; levels of a dimension of the grid, where that makes as many words."""
HIDDEN, STEPS, BATCH, RATE = 64, 400, 512, 1e-2
"""The training of finite scalar quantisation: units between a token and the grid, each way."""


def learn_words(tokens: Tokens, words: int, seed: int, kind: Kind = "kmeans") -> Centres:
    """Find ``words`` centres, the most frequent word first.

    kmeans
        Each centre is free.
    residual
        A centre is a sum of one of a few vectors per stage; k-means of the tokens, then of what is left of them (post
        hoc residual vector quantisation; Zeghidour et al. 2022, IEEE/ACM TASLP).
    fsq
        Finite scalar quantisation (Mentzer et al. 2024, ICLR): a trained projection onto a few dimensions, each
        rounded to a few levels, and a trained way back; the centres are what the grid's points are turned into.

    Raises
    ------
    ConfigError
        If ``words`` is no product of stages or levels of 2 to 8 (of two stages at least), or the library of ``fsq`` is
        not installed.
    """
    rng = np.random.default_rng(seed)
    most = min(MOST_TOKENS, MOST_NUMBERS // tokens.shape[1])
    if len(tokens) > most:
        tokens = tokens[rng.choice(len(tokens), most, replace=False)]
    with threadpool_limits(1):
        centres = _LEARNERS[kind](tokens, words, seed)
    order = np.argsort(-np.bincount(nearest(tokens, centres), minlength=words), kind="stable")
    found: ndarray = centres[order]
    return found


def check_words(words: int, kind: Kind) -> None:
    """Raise what `learn_words` would raise of a number of words, or of a library that is not installed."""
    if kind == "residual":
        stages_of(words)
    if kind == "fsq":
        levels_of(words)
        _library()


def nearest(tokens: Tokens, centres: Centres) -> Int[ndarray, " token"]:
    """Return the word whose centre is nearest to each token."""
    squares = (centres**2).sum(axis=1)
    return np.concatenate([(squares - 2 * part @ centres.T).argmin(axis=1) for part in np.array_split(tokens, 64)])


def kept(tokens: Tokens, centres: Centres) -> float:
    """Return the share of the tokens' variance that is kept by their words' centres."""
    left = tokens - centres[nearest(tokens, centres)]
    return float(1 - (left**2).sum() / ((tokens - tokens.mean(axis=0)) ** 2).sum())


def levels_of(words: int, most: int = MOST_FACTOR) -> tuple[int, ...]:
    """Split a number of words into as few factors up to ``most`` as can be, as equal as can be, the largest first.

    Raises
    ------
    ConfigError
        If that takes a factor above 8; it names the nearest number that does without.
    """
    found = _factors(words, most) or _factors(words, MOST_FACTOR)
    if not found:
        near = next(n for step in range(words) for n in (words - step, words + step) if n > 1 and _factors(n))
        raise ConfigError(
            f"--codebook residual and fsq need --words that are a product of numbers from 2 to {MOST_FACTOR}, such as "
            f"{near}, not {words}."
        )
    return found


def stages_of(words: int) -> tuple[int, ...]:
    """Split a number of words as `levels_of`, but into two stages at least: one alone is plain k-means."""
    found = levels_of(words)
    found = found if len(found) > 1 else _factors(words, words - 1) or ()
    if not found:
        raise ConfigError(
            f"--codebook residual needs two stages, of 2 words at least: use --words 4, or more, not {words}."
            if words < 4
            else f"--codebook residual needs two stages, and {words} words cannot be split: use --words {words + 1}."
        )
    return found


def _factors(words: int, most: int = MOST_FACTOR) -> tuple[int, ...] | None:
    """Return the fewest factors of at most ``most``, with the smallest largest one; None if there are none."""
    if words == 1:
        return ()
    options = []
    for first in range(min(most, words), 1, -1):
        rest = _factors(words // first, first) if words % first == 0 else None
        if rest is not None:
            options.append((first, *rest))
    return min(options, key=lambda one: (len(one), one[0]), default=None)


def _kmeans(tokens: Tokens, words: int, seed: int) -> Centres:
    model = KMeans(words, n_init=STARTS, max_iter=ITERATIONS, random_state=seed).fit(tokens)
    found: ndarray = model.cluster_centers_
    return found


def _residual(tokens: Tokens, words: int, seed: int) -> Centres:
    left, found = tokens, np.zeros((1, tokens.shape[1]))
    for size in stages_of(words):
        stage = _kmeans(left, size, seed)
        left = left - stage[nearest(left, stage)]
        found = (found[:, None] + stage).reshape(-1, tokens.shape[1])
    return found


def _scalar(tokens: Tokens, words: int, seed: int) -> Centres:
    """Train the way to a grid and back; both begin as principal components, which a hidden layer learns to bend."""
    levels, library = levels_of(words, MOST_LEVELS), _library()
    scale = float(tokens.std()) or 1.0
    given = torch.from_numpy((tokens / scale).astype(np.float32))
    if len(levels) > min(given.shape):
        raise ConfigError(f"--words {words} needs tokens of {len(levels)} columns: use --words {MOST_LEVELS}.")
    start = PCA(len(levels), random_state=seed).fit(given.numpy())
    spread = np.sqrt(np.maximum(start.explained_variance_, 1e-9))[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grid = library.FSQ(levels=list(levels), preserve_symmetry=True)
        there = _Bent(start.components_ / spread, -(start.components_ / spread) @ start.mean_)
        back = _Bent((start.components_ * spread).T, start.mean_)
        optimiser = torch.optim.Adam([*there.parameters(), *back.parameters()], lr=RATE)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
        for _ in range(STEPS):
            batch = given[torch.randint(len(given), (BATCH,))]
            optimiser.zero_grad()
            loss = (back(grid(there(batch)[None])[0][0]) - batch).square().mean()
            loss.backward()
            optimiser.step()
            rate.step()
        with torch.no_grad():
            found: ndarray = back(grid.implicit_codebook.float()).double().numpy()
    return scale * found


class _Bent(nn.Module):
    """A given linear map, and a hidden layer that adds nothing at first."""

    def __init__(self, weight: Float[ndarray, "out width"], bias: Float[ndarray, " out"]) -> None:
        super().__init__()
        outputs, width = weight.shape
        self.straight = nn.Linear(width, outputs)
        last = nn.Linear(HIDDEN, outputs)
        self.bend = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), last)
        with torch.no_grad():
            self.straight.weight.copy_(torch.from_numpy(weight))
            self.straight.bias.copy_(torch.from_numpy(bias))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, values: Float[Tensor, "batch width"]) -> Float[Tensor, "batch out"]:
        """Map straight, and bend."""
        mapped: Tensor = self.straight(values) + self.bend(values)
        return mapped


def _library() -> Any:
    try:
        return importlib.import_module("vector_quantize_pytorch")
    except ImportError as error:
        raise ConfigError(
            "--codebook fsq needs vector-quantize-pytorch, which is not here: pip install vector-quantize-pytorch, "
            "or use --codebook residual."
        ) from error


_LEARNERS: dict[Kind, Callable[[Tokens, int, int], Centres]] = {
    "kmeans": _kmeans,
    "residual": _residual,
    "fsq": _scalar,
}
