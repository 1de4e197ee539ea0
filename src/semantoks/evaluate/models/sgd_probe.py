"""The paper's linear probe, BatchNorm1d + Linear by SGD: all rates and repetitions train in one batched program."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from semantoks.errors import DataError

RATES = (0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
EPOCHS, LARGEST_BATCH, WEIGHT_SD, MOMENTUM = 50, 256, 2e-5, 0.9
EPS, NEWEST = 1e-5, 0.1
"""Of BatchNorm1d: what is added to a variance, and the weight of the newest batch in the running statistics."""
_AT_ONCE = {"cpu": 4 * 2**20, "cuda": 2**30}
"""Bytes of features that are worked on at a time; on a CPU, about what stays in its cache."""


@dataclass(frozen=True, kw_only=True)
class SgdRecipe:
    """How all probes are trained: at which rates, for how many epochs, from which seed, and where (None: the rows')."""

    seed: int
    rates: Sequence[float] = RATES
    epochs: int = EPOCHS
    device: torch.device | None = None


@dataclass(frozen=True, kw_only=True)
class ProbeJob:
    """One probe, to be trained at every rate.

    Attributes
    ----------
    train
        The people to train on.
    labels
        Of everybody: class numbers, or values. Only those of the training people are looked at.
    classes
        How many classes there are, at least 2; 0 for a value.
    key
        Number of the target, of the repetition, and of the part of it. With the seed, it alone decides the job's
        batches and initial weights.
    """

    train: Int[ndarray, " train"]
    labels: Int[ndarray, " person"] | Float[ndarray, " person"]
    classes: int
    key: tuple[int, int, int]

    def generator(self, seed: int) -> np.random.Generator:
        """Return what draws the initial weights and then, one epoch after the other, the batches."""
        return np.random.default_rng([seed, *self.key])

    def scale(self) -> tuple[float, float]:
        """Return mean and standard deviation (1 where it is 0) of the training people's values; 0 and 1 for classes."""
        if self.classes:
            return 0.0, 1.0
        known = self.labels[self.train]
        return float(known.mean()), float(known.std()) or 1.0


def initial_weights(job: ProbeJob, features: int, rng: np.random.Generator) -> Float[ndarray, "output feature"]:
    """Draw the weights of the Linear layer, from which all rates start; its bias starts at 0.

    The paper cuts its normal distribution at -2 and 2, a hundred thousand standard deviations out: without effect.
    """
    return WEIGHT_SD * rng.standard_normal((job.classes or 1, features))


def batch_sizes(rows: int) -> list[int]:
    """Return the sizes of an epoch's batches: min(256, rows / 8) rounded down, but at least 2; the last has the rest.

    A rest of one row, which has no variance to normalise by, is left out; every epoch shuffles anew who that is.
    """
    size = max(2, min(LARGEST_BATCH, rows // 8))
    full, rest = divmod(rows, size)
    return [size] * full + [rest] * (rest > 1)


def epoch_batches(rows: int, rng: np.random.Generator) -> list[Int[ndarray, " batch"]]:
    """Shuffle rows into the batches of an epoch."""
    ends = np.cumsum(batch_sizes(rows))
    return np.split(rng.permutation(rows)[: ends[-1]], ends[:-1])


def train_probes(
    rows: Float[Tensor, "row feature"],
    owner: Int[ndarray, " row"],
    jobs: Sequence[ProbeJob],
    recipe: SgdRecipe,
) -> list[Float[ndarray, "rate person output"]]:
    """Train every job at every rate, and return each probe's outputs for everybody.

    BatchNorm1d (affine; running statistics for evaluation) and Linear, by SGD with momentum, without schedule and
    decay; plain cross-entropy for classes; for values L1 loss, the values standardised by those of the training people
    and turned back. Every row of a training person is a row of its own; a person's output is the mean over their rows.
    METHOD 9; the weights after the last epoch are the ones that count.

    Jobs of one target train side by side, as many as the cache holds; no other target touches their numbers.

    Parameters
    ----------
    rows
        Features of crops; what is computed has their type, float32 or float64.
    owner
        The person of each row, a place in the jobs' ``labels``; everybody has a row.

    Returns
    -------
    list
        For each job, logits [rate, person, class], of which the last class's are 0, or values [rate, person, 1].

    Raises
    ------
    DataError
        When a job has fewer than two training rows.
    """
    crops = _Crops.of(rows, owner, people=max(len(job.labels) for job in jobs), device=recipe.device or rows.device)
    found: dict[int, ndarray] = {}
    for places in _groups(jobs, crops):
        probes = _train([jobs[place] for place in places], crops, recipe)
        found |= dict(zip(places, probes.predict(crops.everybody), strict=True))
    return [found[place] for place in range(len(jobs))]


@dataclass(frozen=True, kw_only=True)
class _Crops:
    """Rows minus ``centre``, with a row of zeros at the end; their squares; their owners; everybody's mean row.

    Batch normalisation undoes any shift, and the variance of centred rows loses nothing in E[x^2] - E[x]^2. Outputs are
    linear in a row, so a person's mean output is the output of their mean row.
    """

    rows: Float[Tensor, "padded feature"]
    squares: Float[Tensor, "padded feature"]
    centre: Float[Tensor, " feature"]
    owner: Int[ndarray, " row"]
    everybody: Float[Tensor, "person feature"]

    @classmethod
    def of(cls, rows: Tensor, owner: ndarray, *, people: int, device: torch.device) -> "_Crops":
        centre = rows.mean(dim=0)
        rows = rows - centre
        total = rows.new_zeros(people, rows.shape[1]).index_add_(0, torch.from_numpy(owner), rows)
        everybody = total / torch.from_numpy(np.bincount(owner, minlength=people)).to(rows)[:, None]
        rows = pad(rows, (0, 0, 0, 1)).to(device)
        return cls(
            rows=rows, squares=rows.square(), centre=centre.to(device), owner=owner, everybody=everybody.to(device)
        )

    def of_people(self, people: ndarray) -> Int[ndarray, " _"]:
        """Return the places of the rows of some people."""
        return np.flatnonzero(np.isin(self.owner, people))


def _groups(jobs: Sequence[ProbeJob], crops: _Crops) -> Iterator[list[int]]:
    """Yield the places of jobs of one target, those with the most batches first, as many as go side by side."""
    sizes = [len(crops.of_people(job.train)) for job in jobs]
    if min(sizes) < 2:
        raise DataError("a probe needs at least 2 rows of training people: more people with a label, or more crops.")
    most = max(1, _AT_ONCE.get(crops.rows.device.type, 2**30) // (LARGEST_BATCH * crops.centre.nbytes))

    def kind(place: int) -> tuple[int, int]:
        return jobs[place].key[0], jobs[place].classes

    for _, places in groupby(sorted(range(len(jobs)), key=kind), kind):
        ordered = sorted(places, key=lambda place: -len(batch_sizes(sizes[place])))
        yield from (ordered[begin : begin + most] for begin in range(0, len(ordered), most))


def _train(jobs: list[ProbeJob], crops: _Crops, recipe: SgdRecipe) -> "_Probes":
    """Train jobs side by side, as ``_groups`` sorted them: at any time, those with a batch left are the first ones."""
    draws = [job.generator(recipe.seed) for job in jobs]
    starts = [initial_weights(job, len(crops.centre), rng) for job, rng in zip(jobs, draws, strict=True)]
    probes = _Probes(jobs, starts, recipe.rates, crops)
    members = [crops.of_people(job.train) for job in jobs]
    labels = [(job.labels[crops.owner] - job.scale()[0]) / job.scale()[1] for job in jobs]
    for _ in range(recipe.epochs):
        order = [epoch_batches(len(rows), rng) for rows, rng in zip(members, draws, strict=True)]
        batches = [[rows[part] for part in parts] for rows, parts in zip(members, order, strict=True)]
        for index, truth, weight in _side_by_side(batches, labels, crops.rows):
            probes.step(index, truth, weight)
    return probes


def _side_by_side(
    batches: list[list[ndarray]], labels: list[ndarray], rows: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield for each step of an epoch, over the jobs that have a batch left, tensors [job, batch].

    Which row (where a batch is over, the last one, of zeros), its label, its weight.
    """
    shape = len(batches[0]), len(batches), max(len(batch) for parts in batches for batch in parts)
    index, truth, weight = np.full(shape, len(rows) - 1), np.zeros(shape), np.zeros(shape)
    for job, parts in enumerate(batches):
        for step, batch in enumerate(parts):
            filled = step, job, slice(len(batch))
            index[filled], truth[filled], weight[filled] = batch, labels[job][batch], 1 / len(batch)
    tensors = (
        torch.from_numpy(index).to(rows.device),
        torch.from_numpy(truth).to(rows),
        torch.from_numpy(weight).to(rows),
    )
    for step in range(shape[0]):
        live = sum(len(parts) > step for parts in batches)
        longest = max(len(parts[step]) for parts in batches[:live])
        yield tensors[0][step, :live, :longest], tensors[1][step, :live, :longest], tensors[2][step, :live, :longest]


class _Probes:
    """Probes of several jobs at all rates, in training.

    A softmax only knows differences of logits, so classes have weights and biases for each class but the last, minus
    the last one's: an output less to compute, and two classes cost no more than a value.

    ``theta`` [job, rate, output + 2, feature] has the weights of the outputs, gamma and beta.
    """

    def __init__(
        self, jobs: Sequence[ProbeJob], starts: Sequence[ndarray], rates: Sequence[float], crops: _Crops
    ) -> None:
        self.rows, self.squares = crops.rows, crops.squares
        self.scales, self.classes = [job.scale() for job in jobs], jobs[0].classes
        initial = np.stack([start[:-1] - start[-1:] if self.classes else start for start in starts])
        count, self.width, features = initial.shape
        self.rates = torch.tensor(rates, dtype=self.rows.dtype, device=self.rows.device)
        self.theta = self.rows.new_zeros(count, len(rates), self.width + 2, features)
        self.theta[:, :, : self.width] = torch.from_numpy(initial).to(self.rows)[:, None]
        self.theta[:, :, self.width] = 1
        self.bias = self.rows.new_zeros(count, len(rates), self.width)
        self.speed, self.bias_speed = torch.zeros_like(self.theta), torch.zeros_like(self.bias)
        # The running statistics start at 0 and 1, as nn.BatchNorm1d's; rows have been shifted by their centre.
        self.mean, self.variance = -crops.centre.repeat(count, 1), self.rows.new_ones(count, features)
        self.gathered = self.rows.new_empty(count * LARGEST_BATCH, features)

    def step(
        self,
        index: Int[Tensor, "job batch"],
        truth: Float[Tensor, "job batch"],
        weight: Float[Tensor, "job batch"],
    ) -> None:
        """Take one step of SGD for the first jobs.

        Batches are the same at all rates, so they are gathered and measured once. The normalised rows are never
        written down: gamma over the standard deviation goes into the weights, the mean goes out of logits and errors.
        Then one product of a batch with the weights of all rates side by side gives their logits, another the slopes
        S = sum over rows of dL/dlogit x normalised row, from which all gradients follow.
        """
        live, flat = len(index), index.flatten()
        x = torch.index_select(self.rows, 0, flat, out=self.gathered[: len(flat)]).view(*index.shape, -1)
        size = 1 / weight[:, :1]
        mean = x.sum(dim=1) / size  # rows beyond a batch are zeros
        variance = (embedding_bag(index, self.squares, mode="sum") / size - mean.square()).clamp_(min=0)
        self.mean[:live].lerp_(mean, NEWEST)
        self.variance[:live].lerp_(variance * (size / (size - 1)), NEWEST)

        theta, bias, speed, bias_speed = (t[:live] for t in (self.theta, self.bias, self.speed, self.bias_speed))
        weights, gamma, beta = torch.split(theta, [self.width, 1, 1], dim=2)
        sharpness = (variance + EPS).rsqrt_()[:, None, None]
        logits = ((weights * (gamma * sharpness)).flatten(1, 2) @ x.mT).view(*bias.shape, -1)
        level = (weights @ beta.mT).squeeze(3) + bias - (logits @ weight[:, None, :, None]).squeeze(3)
        errors = self.errors(logits + level[..., None], truth) * weight[:, None, None]
        total = errors.sum(dim=3)
        errors -= total[..., None] * weight[:, None, None]
        slopes = (errors.flatten(1, 2) @ x).view(*bias.shape, -1) * sharpness

        speed.mul_(MOMENTUM)
        to_weights, to_gamma, to_beta = torch.split(speed, [self.width, 1, 1], dim=2)
        to_gamma += (slopes * weights).sum(dim=2, keepdim=True)
        to_beta += total[:, :, None] @ weights
        if self.classes:
            # A class's own gradient, minus the last class's: that of minus all others together.
            slopes, total = slopes + slopes.sum(dim=2, keepdim=True), total + total.sum(dim=2, keepdim=True)
        to_weights.addcmul_(slopes, gamma).addcmul_(total[..., None], beta)
        bias_speed.mul_(MOMENTUM).add_(total)
        theta.addcmul_(speed, self.rates[:, None, None], value=-1)
        bias.addcmul_(bias_speed, self.rates[:, None], value=-1)

    def errors(
        self, outputs: Float[Tensor, "job rate output batch"], truth: Float[Tensor, "job batch"]
    ) -> Float[Tensor, "job rate output batch"]:
        """Return the gradient of each row's loss: probability minus truth, or the sign of what is too much."""
        if not self.classes:
            return (outputs - truth[:, None, None]).sign()
        member = truth[:, None, None] == torch.arange(self.width, device=truth.device)[:, None]
        return pad(outputs, (0, 0, 0, 1)).softmax(dim=2)[:, :, :-1] - member.to(outputs)

    def predict(self, everybody: Float[Tensor, "person feature"]) -> list[Float[ndarray, "rate person output"]]:
        """Return the outputs of each job's probes, normalising by the running statistics."""
        found = []
        for job, (mean, spread) in enumerate(self.scales):
            weights, gamma, beta = torch.split(self.theta[job], [self.width, 1, 1], dim=1)
            folded = weights * (gamma * (self.variance[job] + EPS).rsqrt())
            level = (weights @ beta.mT).squeeze(2) + self.bias[job] - folded @ self.mean[job]
            outputs = (everybody @ folded.flatten(0, 1).T).view(-1, *level.shape).transpose(0, 1) + level[:, None]
            outputs = pad(outputs, (0, 1)) if self.classes else outputs * spread + mean
            found.append(outputs.cpu().double().numpy())
        return found
