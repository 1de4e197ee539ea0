"""One training step, read straight down: draw, forward twice, losses, backward, clip, step, teacher (METHOD 6-8)."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig
from semantoks.objective.self_distillation import Branch, HeadConfig, Projections
from semantoks.objective.terms import LossTerms, ObjectiveConfig, loss_terms
from semantoks.train.monitor import Monitor, describe
from semantoks.train.optim import OptimConfig, set_rates, update_teacher
from semantoks.train.schedule import learning_rate, teacher_momentum, ttr_weight, weight_decay
from semantoks.views.batch import Batch, Slice, ViewConfig, draw_batch
from semantoks.views.pool import Pool


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Everything that decides the weights; the defaults are the published ones (recipe "paper")."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    batch_size: int = 512
    """People in one step, over all devices and accumulation steps."""
    accumulate: int = 1
    """Parts that a step is computed in, to save memory; the coding rate is that of a part."""
    epochs: int = 100
    """Times that every person is seen; not used when steps is given."""
    steps: int | None = None
    """Optimiser steps; None = as many as epochs makes."""
    min_seconds: float = 240.0
    """Good data that a recording needs to be trained on, seconds; 0 = all."""
    seed: int = 0
    """Seed of the weights and of every draw."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.batch_size, self.accumulate, self.epochs) < 1 or (self.steps is not None and self.steps < 1):
            raise ConfigError("batch_size, accumulate, epochs and steps have to be at least 1.")
        if self.seed < 0:
            raise ConfigError(f"seed has to be at least 0, not {self.seed}.")
        if self.batch_size % self.accumulate:
            raise ConfigError(f"batch_size {self.batch_size} has to be a multiple of accumulate {self.accumulate}.")

    def total_steps(self, people: int) -> int:
        """Return the number of optimiser steps for a pool of ``people``; incomplete batches are dropped."""
        return self.steps if self.steps is not None else self.epochs * max(1, people // self.batch_size)


def project_views(
    student: Callable[..., Projections], teacher: nn.Module, batch: Batch, *, networks: bool, autocast: Any
) -> tuple[Projections, Projections]:
    """Run student (masked) and teacher (never masked but for empty tokens, no gradient) over all 2B crops at once."""
    asks = {"networks": networks, "grid": batch.mask is not None}
    with torch.no_grad(), autocast:
        seen: Projections = teacher(batch.crops, batch.empty, **asks)
    return student(batch.crops, batch.hidden, **asks), seen


def step_terms(
    student: Branch, teacher: Branch, batch: Batch, *, ttr_weight: float, config: ObjectiveConfig | None = None
) -> LossTerms:
    """Return the loss terms of a batch: the documented call for given views, masks and regulariser weight."""
    given, seen = project_views(student, teacher, batch, networks=ttr_weight > 0, autocast=nullcontext())
    return loss_terms(given, seen, batch.mask, ttr_weight=ttr_weight, config=config or ObjectiveConfig())


@dataclass
class Trainer:
    """What one training holds; ``run_step`` takes it one optimiser step further."""

    fabric: Fabric
    pool: Pool
    config: PretrainConfig
    total: int
    student: Any
    """The student as fabric wrapped it."""
    teacher: Branch
    optimizer: Any

    def rates(self, step: int) -> dict[str, float]:
        """Return what the schedules say for a step."""
        optim, aim = self.config.optim, self.config.objective
        peak = optim.lr * self.config.batch_size / 256
        return {
            "lr": learning_rate(step, self.total, peak, round(optim.warmup_share * self.total)),
            "weight_decay": weight_decay(step, self.total, *optim.weight_decay),
            "momentum": teacher_momentum(step, self.total, optim.teacher_momentum),
            "ttr_weight": ttr_weight(step, self.total, aim.ttr_weight, aim.ttr_share),
        }

    def draw(self, step: int, part: int) -> Batch:
        """Draw this rank's batch of one accumulation part."""
        c, world = self.config, self.fabric.world_size
        place = Slice(
            step=step,
            seed=c.seed,
            chunk=self.fabric.global_rank * c.accumulate + part,
            chunks=world * c.accumulate,
        )
        window, patch, device = c.encoder.frames, c.encoder.patch, self.fabric.device
        return draw_batch(
            self.pool, place, batch_size=c.batch_size, config=c.views, window=window, patch=patch, device=device
        )

    def run_step(self, step: int, monitor: Monitor) -> None:
        """Take one optimiser step and hand its numbers to the monitor."""
        rates = self.rates(step)
        set_rates(self.optimizer, rates["lr"], rates["weight_decay"])
        waited, parts, masked, rows = 0.0, [], False, 0
        for part in range(self.config.accumulate):
            begin = time.perf_counter()
            batch = self.draw(step, part)
            waited += time.perf_counter() - begin
            with self.fabric.no_backward_sync(self.student, enabled=part < self.config.accumulate - 1):
                given, seen = project_views(
                    self.student, self.teacher, batch, networks=rates["ttr_weight"] > 0, autocast=self.fabric.autocast()
                )
                terms = loss_terms(
                    given, seen, batch.mask, ttr_weight=rates["ttr_weight"], config=self.config.objective
                )
                self.fabric.backward(terms.loss / self.config.accumulate)
            parts.append(describe(terms, given, seen, batch))
            masked, rows = batch.mask is not None, terms.cls.rows
        norm = self.fabric.clip_gradients(
            self.student, self.optimizer, max_norm=self.config.optim.clip, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        update_teacher(self.teacher, self.student, rates["momentum"])
        numbers = {name: torch.stack([part[name] for part in parts]).mean(dim=0) for name in parts[0]}
        epoch = step // max(1, self.pool.people // self.config.batch_size)
        host = {"step": step, "epoch": epoch, **rates, "masked": int(masked), "rows": rows}
        monitor.add(
            {**host, "people": self.config.batch_size}, {**numbers, "grad_norm": torch.as_tensor(norm).detach()}, waited
        )
