"""Fine-tuning: a copy of an encoder learns one target from random crops; its best epoch is kept (METHOD 9)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import log_softmax
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_arguments, check_fields, from_plain, read_toml
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.finetuning.beside import FromLabels, Trainable
from semantoks.evaluate.finetuning.target_model import (
    WindowModel,
    draw_starts,
    fresh_model,
    parameter_groups,
    predict_people,
)
from semantoks.model.encoder import Encoder
from semantoks.views.corrupt import CorruptionConfig
from semantoks.views.crops import send
from semantoks.views.pool import Pool


@dataclass(frozen=True, kw_only=True)
class TuningCorruption(CorruptionConfig):
    """Corruption of each training crop: the pretraining's, but every ROI stays."""

    drop_rois: tuple[float, float] = (0.0, 0.0)
    """Range of the share of ROIs set to 0."""


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How an encoder is fine-tuned; the defaults are the published ones (recipe "finetune")."""

    epochs: int = 50
    """Passes over the training people; the learning rates fall to 0 along half a cosine."""
    batch_size: int = 16
    """People per step, at least 2; a single person left over joins the previous batch."""
    lr: tuple[float, ...] = (1e-4,)
    """Learning rates of head and last norm; if several, each starts from fresh weights and validation chooses one."""
    beside_lr: tuple[float, ...] = (1e-3,)
    """Learning rates of networks trained from labels alone (--beside); if several, validation chooses one."""
    weight_decay: float = 0.05
    """Weight decay of matrices; biases, norms and other vectors have none."""
    layer_decay: float = 0.9
    """Ratio of a block's learning rate to that of the block above; tokenizer and embeddings are the lowest block."""
    clip: float = 1.0
    """Clip the gradient to this global L2 norm."""
    corruption: TuningCorruption = field(default_factory=TuningCorruption)
    """Corruption of each training crop."""
    crops: int = 8
    """Evenly spaced windows per test recording; their outputs are averaged."""
    validation_crops: int = 8
    """Windows per recording in the validation after each epoch."""
    validation: float = 0.2
    """Share of the training people held out to choose epoch and learning rate; above 0, at most 0.5."""
    patience: int | None = None
    """Stop after this many epochs without a better validation score; None = never."""
    frozen_epochs: int = 0
    """Number of epochs at the start in which only the head learns."""
    lora_rank: int = 0
    """Rank of low-rank adapters, which learn in place of the encoder's weights; 0 trains all weights."""
    lora_alpha: float = 16.0
    """Strength of the adapters: their output is multiplied by lora_alpha / lora_rank."""
    class_weight: Literal["none", "balanced"] = "none"
    """Weights in the loss; none: every person counts the same; balanced: every class does."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.batch_size < 2 or min(self.epochs, self.crops, self.validation_crops) < 1:
            raise ConfigError("batch_size has to be at least 2; epochs, crops and validation_crops at least 1.")
        for name, rates in (("lr", self.lr), ("beside_lr", self.beside_lr)):
            if not rates or min(rates) <= 0 or len(set(rates)) < len(rates):
                raise ConfigError(f"{name} has to be one rate above 0, or several different ones.")
        if min(self.clip, self.lora_alpha) <= 0:
            raise ConfigError("clip and lora_alpha have to be above 0.")
        if self.weight_decay < 0 or not 0 < self.layer_decay <= 1 or not 0 < self.validation <= 0.5:
            raise ConfigError("weight_decay has to be at least 0, layer_decay in (0, 1] and validation in (0, 0.5].")
        if min(self.frozen_epochs, self.lora_rank) < 0 or (self.patience is not None and self.patience < 1):
            raise ConfigError("frozen_epochs and lora_rank have to be at least 0, and patience at least 1.")


def load_settings(name: str | Path) -> FinetuneConfig:
    """Read the packaged recipe "finetune", or a TOML file; missing keys keep the published defaults."""
    check_arguments(load_settings, locals())
    if str(name) == "finetune":
        with resources.as_file(resources.files("semantoks.recipes") / "finetune.toml") as path:
            return from_plain(FinetuneConfig, read_toml(path), "recipe finetune")
    if Path(name).suffix != ".toml":
        raise ConfigError(f"there is no recipe {str(name)!r} for fine-tuning: use finetune, or a FILE.toml.")
    return from_plain(FinetuneConfig, read_toml(Path(name)), str(name))


@dataclass(frozen=True, kw_only=True)
class Examples:
    """People of a pool, each with a class number (int64) or a value (float32)."""

    people: Int[ndarray, " row"]
    truth: Int[ndarray, " row"] | Float[ndarray, " row"]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one training learns, and from what.

    Attributes
    ----------
    validation
        The people who choose the epoch.
    classes
        Number of classes (the loss is the cross-entropy); None for a value (the loss is L1; standardise it before).
    lr, seed
        The learning rate, and the seed for head, crops and batches.
    """

    train: Examples
    validation: Examples
    classes: int | None
    lr: float
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The outcome of one epoch."""

    lr: float
    epoch: int
    """Counted from 1."""
    quality: float
    """On the validation people: balanced accuracy, or minus the mean absolute error of the standardised value."""
    last: bool
    """Whether training ends with this epoch."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The result of one training: the model after its best epoch."""

    model: WindowModel
    """In evaluation mode; adapters are merged."""
    epoch: int
    quality: tuple[float, float]
    """On the validation people, larger is better; the second number breaks ties."""
    validation: Float[ndarray, "row output"]
    """Outputs for the validation people."""


def quality(outputs: Float[ndarray, "row output"], truth: ndarray) -> tuple[float, float]:
    """Judge outputs, larger is better: balanced accuracy, then minus the cross-entropy; or minus the L1 error, then 0.

    Class numbers (integers) mean that ``outputs`` are logits.
    """
    if not np.issubdtype(truth.dtype, np.integer):
        return -float(np.abs(outputs[:, 0] - truth).mean()), 0.0
    right = outputs.argmax(axis=1) == truth
    balanced = np.mean([right[truth == name].mean() for name in np.unique(truth)])
    return float(balanced), float(log_softmax(outputs, axis=1)[np.arange(len(truth)), truth].mean())


def draw_batches(rows: int, batch_size: int, rng: np.random.Generator) -> list[Int[ndarray, " batch"]]:
    """Cut a random order of rows into batches; a single row left over, which has no spread, joins the batch before."""
    return np.split(rng.permutation(rows), np.arange(batch_size, rows - 1, batch_size))


def loss_function(
    truth: ndarray, classes: int | None, class_weight: Literal["none", "balanced"], device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of (outputs, truth): cross-entropy for ``classes`` classes, L1 for a value (None)."""
    if classes is None:
        return lambda outputs, values: F.l1_loss(outputs[:, 0], values)
    weight = None
    if class_weight == "balanced":
        counts = np.bincount(truth, minlength=classes)
        weight = torch.as_tensor(len(truth) / (classes * np.maximum(counts, 1)), dtype=torch.float32, device=device)
    return nn.CrossEntropyLoss(weight=weight)


class Tuning:
    """One training under way; ``run_epoch`` takes it one epoch further and never waits for the device."""

    def __init__(self, model: WindowModel, pool: Pool, lesson: Lesson, config: FinetuneConfig) -> None:
        train = lesson.train
        if len(train.people) < 2:
            raise DataError(f"fine-tuning needs at least 2 people to train on, but there are {len(train.people)}.")
        self.model, self.pool, self.lesson, self.config = model, pool, lesson, config
        self.device = model.device
        self.late = model.late()
        groups = parameter_groups(model, layer_decay=config.layer_decay, weight_decay=config.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, fused=True)
        self.truth = torch.as_tensor(train.truth, device=self.device)
        self.loss = loss_function(train.truth, lesson.classes, config.class_weight, self.device)

    def run_epoch(self, epoch: int) -> None:
        """Show every training person once; ``epoch`` counts from 1, and with the seed it decides every draw."""
        config, train, rng = self.config, self.lesson.train, np.random.default_rng([self.lesson.seed, epoch])
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        for parameter in self.late:
            parameter.requires_grad_(epoch > config.frozen_epochs)
        self.model.train()
        batches = draw_batches(len(train.people), config.batch_size, rng)
        for number, rows in enumerate(batches):
            share = ((epoch - 1) * len(batches) + number) / (config.epochs * len(batches))
            rate = self.lesson.lr * (1 + math.cos(math.pi * share)) / 2
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            recordings, starts = draw_starts(self.pool, train.people[rows], self.model.frames, rng)
            windows = self.model.gather(self.pool, recordings, starts)
            outputs = self.model(*self.model.vary(windows, config.corruption, generator))
            torch.autograd.backward(self.loss(outputs, self.truth[send(rows, self.device)]))
            nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)


def start_model(start: Encoder | Trainable, pool: Pool, lesson: Lesson, config: FinetuneConfig) -> WindowModel:
    """Copy an encoder and give it a head, or build a network; what is drawn depends on the lesson's seed alone."""
    outputs = lesson.classes or 1
    if isinstance(start, Trainable):
        return FromLabels.of(start, pool, outputs, lesson.seed)
    rank, alpha = config.lora_rank, config.lora_alpha
    return fresh_model(start, outputs, lora_rank=rank, lora_alpha=alpha, seed=lesson.seed)


def tune(
    start: Encoder | Trainable,
    pool: Pool,
    lesson: Lesson,
    *,
    config: FinetuneConfig,
    device: torch.device,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Tuned:
    """Train a copy of an encoder, or a network from nothing; return it as after the epoch that validated best.

    Parameters
    ----------
    pool
        The recordings; ``Examples.people`` counts its people.
    on_epoch
        Called after every epoch.

    Raises
    ------
    DataError
        For fewer than two people to train on.
    FloatingPointError
        When the outputs stop being finite.
    """
    model = start_model(start, pool, lesson, config).to(device)
    tuning, validation = Tuning(model, pool, lesson, config), lesson.validation
    best: Tuned | None = None
    state: dict[str, Tensor] = {}
    for epoch in range(1, config.epochs + 1):
        tuning.run_epoch(epoch)
        outputs = predict_people(model, pool, validation.people, config.validation_crops)
        if not np.isfinite(outputs).all():
            raise FloatingPointError(f"the outputs are not finite after epoch {epoch} at lr {lesson.lr:g}: lower --lr.")
        found = quality(outputs, validation.truth)
        if best is None or found > best.quality:
            best = Tuned(model=model, epoch=epoch, quality=found, validation=outputs)
            # Copy: state_dict returns the weights themselves, which go on training.
            state = {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
        last = epoch == config.epochs or (config.patience is not None and epoch - best.epoch >= config.patience)
        if on_epoch:
            on_epoch(Epoch(lr=lesson.lr, epoch=epoch, quality=found[0], last=last))
        if last:
            break
    assert best is not None
    model.load_state_dict(state)
    model.settle()
    model.eval()
    return best
