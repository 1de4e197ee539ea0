"""The partial confounder test: do predictions follow a confound beyond what the true target explains of it?"""

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from scipy.special import expit, ndtri
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from semantoks.statistics.tables import TargetKind

_STEPS = 50
"""Rounds of swaps from one sample to the next, as in Berrett et al."""
_INVERSE_PENALTY = 100.0


def p_of_association(found: Float[ndarray, "output draw"]) -> float:
    """Return p of the partial confounder test (Spisak 2022, GigaScience 11:giac082): do predictions follow a confound?

    The share of draws (``redrawn``: of the confound, given the target alone) that go with the predictions at least as
    much (``association``, mean over outputs) as draw 0, the observed confound, does: between 1 / draws and 1, and 1
    where the predictions or the confound are constant. A small p means that the predictions carry the confound; a large
    one is no proof that they do not.
    """
    mean = found.mean(axis=0)
    return float(np.mean(mean >= mean[0] - 1e-12))


def redrawn(
    confound: Shaped[ndarray, " row"],
    truth: Shaped[ndarray, " row"],
    kind_confound: TargetKind,
    kind_truth: TargetKind,
    *,
    permutations: int,
    rng: np.random.Generator,
) -> Shaped[ndarray, "row draw"]:
    """Draw permutations of a confound from its distribution given the target; draw 0 is the observed confound itself.

    A confound that is a class becomes its number, a value its normal score (its rank's normal quantile): a few outliers
    then decide nothing, and the model below is closer to the truth.

    Where the target is a class, the confound is shuffled within its classes, which asks for no model at all. Where it
    is a value, this is the conditional permutation test of Berrett et al. 2020 (JRSS-B 82:175, algorithm 1): pairs of
    people swap their confounds, or not, with the odds that a model of the confound given the target (linear in a cubic
    of the target's normal score; Gaussian, or multinomial logistic for a class) gives to both ways. All draws swap
    along the same pairs, with coins of their own: first one chain away from the observed confound, then one per draw
    back along the same pairs. Given the pairs and the end of the first chain, observed and drawn confounds are
    independent and distributed alike, which is what makes p valid; and one pass makes them all.
    """
    if kind_confound == "class":
        values = np.unique(confound, return_inverse=True)[1].astype(np.intp)
    else:
        values = _normal_scores(confound).astype(np.float32)
    draws = np.repeat(values[:, None], permutations + 1, axis=1)
    if kind_truth == "class":
        for name in np.unique(truth):
            member = truth == name
            draws[member, 1:] = rng.permuted(draws[member, 1:], axis=0)
        return draws
    pull = _pull(values, truth.astype(np.float64), kind_confound)
    people = 2 * (len(values) // 2)
    pairs = np.stack([rng.permutation(len(values))[:people].reshape(2, -1) for _ in range(_STEPS)])
    far = values[:, None].copy()
    for pair in pairs:
        _swap(far, pull, pair, rng)
    chains = np.repeat(far, permutations, axis=1)
    for pair in pairs[::-1]:
        _swap(chains, pull, pair, rng)
    draws[:, 1:] = chains
    return draws


def association(
    predicted: Float[ndarray, "row output"], confounds: Shaped[ndarray, "row draw"], kind: TargetKind
) -> Float[ndarray, "output draw"]:
    """Return R² (0..1) of each output on each confound: squared correlation, or eta² of class numbers; 0 if flat."""
    outputs = predicted.astype(np.float64) - predicted.mean(axis=0)
    length = np.linalg.norm(outputs, axis=0)
    outputs = outputs / np.where(length > 1e-12 * np.abs(predicted).max(axis=0), length, np.inf)
    if kind == "value":
        spread = confounds - confounds.mean(axis=0)
        norm = np.linalg.norm(spread, axis=0)
        found: Float[ndarray, "output draw"] = (outputs.T @ spread / np.where(norm > 0, norm, np.inf)) ** 2
        return found
    between = np.zeros((predicted.shape[1], confounds.shape[1]))
    for code in np.unique(confounds[:, 0]):
        member = (confounds == code).astype(np.float64)
        between += (outputs.T @ member) ** 2 / member[:, 0].sum()
    return between


def _normal_scores(values: Shaped[ndarray, " row"]) -> Float[ndarray, " row"]:
    scores: Float[ndarray, " row"] = ndtri((rankdata(values) - 0.5) / len(values))
    return scores


def _pull(
    values: Shaped[ndarray, " row"], truth: Float[ndarray, " row"], kind: TargetKind
) -> Float[ndarray, "row parameter"]:
    """Fit the confound given the target; log q(c | y) is c * pull[y], or pull[y, c], plus what c or y alone decides."""
    score = _normal_scores(truth)
    basis = np.column_stack([score, score**2, score**3])
    if kind == "class":
        model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(basis / basis.std(axis=0), values)
        return np.asarray(model.predict_log_proba(basis / basis.std(axis=0)), dtype=np.float32)
    basis = np.column_stack([np.ones_like(score), basis])
    mean = basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    variance = np.mean((values - mean) ** 2)
    found: Float[ndarray, "row parameter"] = (mean / max(variance, 1e-12))[:, None].astype(np.float32)
    return found


def _swap(
    state: Shaped[ndarray, "row draw"],
    pull: Float[ndarray, "row parameter"],
    pair: Int[ndarray, "2 pair"],
    rng: np.random.Generator,
) -> None:
    """Let the people of every pair swap their confounds with the odds that the model gives to it, in every draw."""
    one, other = state[pair[0]], state[pair[1]]
    more = pull[pair[1]] - pull[pair[0]]
    if state.dtype == np.intp:
        odds = np.take_along_axis(more, one, axis=1) - np.take_along_axis(more, other, axis=1)
    else:
        odds = more * (one - other)
    swap = rng.random(odds.shape, dtype=np.float32) < expit(odds)
    state[pair[0]], state[pair[1]] = np.where(swap, other, one), np.where(swap, one, other)
