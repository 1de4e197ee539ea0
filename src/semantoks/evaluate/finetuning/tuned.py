"""Fine-tuning as a method of the evaluation, beside the linear probes on the same people and splits (METHOD 9)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import softmax

from semantoks.errors import DataError
from semantoks.evaluate.finetuning.target_model import TargetModel, predict_people
from semantoks.evaluate.finetuning.tuning import Epoch, Examples, FinetuneConfig, Lesson, tune
from semantoks.evaluate.study.splits import Split, split_people
from semantoks.evaluate.study.tasks import Predicted, Task
from semantoks.model.encoder import Encoder
from semantoks.statistics.tables import TargetKind
from semantoks.views.pool import Pool


def hold_out(labels: ndarray, groups: Int[ndarray, " row"], *, kind: TargetKind, share: float, seed: int) -> Split:
    """Set one of round(1 / share) parts of the rows apart: whole groups, stratified; a larger part for rare classes.

    Raises
    ------
    DataError
        When a class has a single group, or a value a single person.
    """
    for parts in range(round(1 / share), 2, -1):
        with suppress(DataError):
            return split_people(labels, groups, kind=kind, folds=parts, repeats=1, seed=seed)[0]
    return split_people(labels, groups, kind=kind, folds=2, repeats=1, seed=seed)[0]


@dataclass(frozen=True)
class Scale:
    """Labels to what a model learns, and its outputs to what is predicted; made from the training side alone."""

    classes: ndarray | None
    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def of(cls, kind: TargetKind, labels: ndarray) -> "Scale":
        """Take the classes, or mean and standard deviation, of the training people."""
        if kind == "class":
            return cls(np.unique(labels))
        return cls(None, float(labels.mean()), float(labels.std()) or 1.0)

    def encode(self, labels: ndarray) -> ndarray:
        """Return class numbers (int64), or standardised values (float32)."""
        if self.classes is not None:
            return np.searchsorted(self.classes, labels)
        return ((labels - self.mean) / self.sd).astype(np.float32)

    def decode(self, outputs: Float[ndarray, "row output"]) -> Float[ndarray, "row output"]:
        """Return probabilities of the classes, or values."""
        found: ndarray = outputs * self.sd + self.mean if self.classes is None else softmax(outputs, axis=1)
        return found

    def base(self, labels: ndarray) -> Float[ndarray, " output"]:
        """Return what would be predicted without any recording: the shares of the classes, or the median."""
        if self.classes is None:
            return np.array([np.median(labels)])
        return np.bincount(self.encode(labels)) / len(labels)


@dataclass(frozen=True)
class Fits:
    """The models of all learning rates, which one was chosen, and what that one says of the held-out rows."""

    scale: Scale
    models: tuple[TargetModel, ...]
    best: int
    held: Int[ndarray, " held"]
    outputs: Float[ndarray, "held output"]


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """A method that fine-tunes an encoder on the training people of each task.

    A share of them, by groups, is held out; by these the epoch and, of several, the learning rate are chosen. What it
    says of them is their inner prediction; a person who was trained on has the base rate of the training side instead,
    which tells nothing: out-of-fold predictions would cost a training a fold. Stack it with that in mind.

    Attributes
    ----------
    encoder
        Where every training starts; it is copied, never changed.
    pool
        The cohort's recordings; its people are those of ``People``.
    groups
        Group of each person of the pool.
    on_epoch
        Called after every epoch.
    """

    encoder: Encoder
    pool: Pool
    groups: Int[ndarray, " person"]
    config: FinetuneConfig
    device: torch.device
    on_epoch: Callable[[Epoch], None] | None = None

    def fit(self, people: Int[ndarray, " row"], labels: ndarray, *, kind: TargetKind, seed: int) -> Fits:
        """Train once a learning rate, each time from fresh weights, with the same held-out people and draws."""
        scale, config = Scale.of(kind, labels), self.config
        truth = scale.encode(labels)
        kept, held = hold_out(labels, self.groups[people], kind=kind, share=config.validation, seed=seed)
        train, validation = (Examples(people=people[rows], truth=truth[rows]) for rows in (kept, held))
        classes = None if scale.classes is None else len(scale.classes)
        lessons = [Lesson(train=train, validation=validation, classes=classes, lr=lr, seed=seed) for lr in config.lr]
        found = [
            tune(self.encoder, self.pool, lesson, config=config, device=self.device, on_epoch=self.on_epoch)
            for lesson in lessons
        ]
        best = max(range(len(found)), key=lambda i: found[i].quality)
        return Fits(scale, tuple(one.model for one in found), best, held, found[best].validation)

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Fine-tune on the training people and predict the test people by the chosen model, and by every candidate."""
        fits = self.fit(task.train, task.labels, kind=task.kind, seed=task.seed)
        crops, decode = self.config.crops, fits.scale.decode
        candidates = np.stack([decode(predict_people(m, self.pool, task.test, crops)) for m in fits.models])
        inner = np.tile(fits.scale.base(task.labels), (len(task.train), 1))
        inner[fits.held] = decode(fits.outputs)
        return Predicted(classes=fits.scale.classes, test=candidates[fits.best], inner=inner, candidates=candidates)
