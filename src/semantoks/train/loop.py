"""One training step, read straight down: draw, loss, backward, clip, step, and what follows it (METHOD 6-8)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from semantoks.objective.objective import Learner, Objective, StepLoss
from semantoks.objective.schedule import learning_rate, weight_decay
from semantoks.train.ahead import Ahead
from semantoks.train.monitor import Monitor
from semantoks.train.pieces import InPieces, taught_in_pieces
from semantoks.train.recipe import OptimConfig, PretrainConfig
from semantoks.views.batch import Slice
from semantoks.views.pool import Pool


@dataclass
class Trainer:
    """What one training works with; ``run_step`` takes it one optimiser step further."""

    fabric: Fabric
    pool: Pool
    config: PretrainConfig
    total: int
    learner: Learner
    trained: Any
    """The learner's trained part as fabric wrapped it."""
    optimizer: Any
    compiled: bool = False
    """Whether torch compiled student and teacher (``train.compiling``)."""
    graphs: bool = False
    """Whether they are CUDA graphs, which overwrite in every step what they left in the one before."""

    def __post_init__(self) -> None:
        """Draw ahead where the device does not hold the frames."""
        device = self.fabric.device
        self.ahead = None if self.pool.frames.held_by(device) else Ahead(self.draw, self.total, device)

    @property
    def dtype(self) -> torch.dtype:
        """What products are computed in."""
        return torch.bfloat16 if "bf16" in str(self.fabric._precision.precision) else torch.float32

    @property
    def objective(self) -> Objective:
        """What the configuration trains by."""
        return self.config.objective

    def rates(self, step: int) -> dict[str, float]:
        """Return what the schedules say for a step."""
        optim = self.config.optim
        peak = optim.lr * self.config.batch_size / 256
        return {
            "lr": learning_rate(step, self.total, peak, round(optim.warmup_share * self.total)),
            "weight_decay": weight_decay(step, self.total, *optim.weight_decay),
            **self.objective.rates(step, self.total),
        }

    def draw(self, step: int) -> Any:
        """Draw this rank's batch."""
        c, fabric = self.config, self.fabric
        place = Slice(step=step, seed=c.seed, chunk=fabric.global_rank, chunks=fabric.world_size)
        return self.objective.draw(
            self.pool, place, batch_size=c.batch_size, views=c.views, size=c.encoder, device=fabric.device
        )

    def close(self) -> None:
        """End what draws ahead."""
        if self.ahead:
            self.ahead.close()

    def run_step(self, step: int, monitor: Monitor) -> None:
        """Take one optimiser step and hand its numbers to the monitor."""
        rates = self.rates(step)
        set_rates(self.optimizer, rates["lr"], rates["weight_decay"])
        begin = time.perf_counter()
        batch = self.ahead.take(step) if self.ahead else self.draw(step)
        waited = time.perf_counter() - begin
        found = self.backward(batch, rates)
        norm = self.fabric.clip_gradients(
            self.trained, self.optimizer, max_norm=self.config.optim.clip, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.learner.follow(rates)
        epoch = step // max(1, self.pool.people // self.config.batch_size)
        host = {"step": step, "epoch": epoch, **rates, **found.numbers, "people": self.config.batch_size}
        scalars = {**found.scalars, "grad_norm": torch.as_tensor(norm).detach()}
        matrices = found.matrices
        if self.graphs:
            scalars, matrices = ({name: value.clone() for name, value in kept.items()} for kept in (scalars, matrices))
        monitor.add(host, scalars, matrices, waited)

    def backward(self, batch: Any, rates: Mapping[str, float]) -> StepLoss:
        """Return the loss of a batch, its gradient being added to that of the weights."""
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        parts = self.config.accumulate
        pieces = InPieces(self.fabric, self.trained, parts) if parts > 1 else None
        with self.fabric.autocast(), taught_in_pieces(self.learner, parts):
            found = self.objective.loss(self.learner, pieces or self.trained, batch, rates)
        self.fabric.backward(found.loss)
        if pieces:
            pieces.backward()
        return found


def build_optimizer(trained: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """Return AdamW over all of the parameters; learning rate and decay are set before each step."""
    parameters = list(trained.parameters())
    groups: list[dict[str, Any]] = [{"params": parameters, "decays": True}]
    if not config.decay_all:
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "decays": True},
            {"params": [p for p in parameters if p.ndim <= 1], "decays": False},
        ]
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas, eps=1e-8, fused=True)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, weight_decay: float) -> None:
    """Set this step's learning rate and weight decay."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["weight_decay"] = weight_decay if group["decays"] else 0.0
