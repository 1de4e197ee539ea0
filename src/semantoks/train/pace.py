"""How fast this machine trains: a few steps of a recipe, and the rate of one large matrix product beside them."""

import dataclasses
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from semantoks.model.encoder import random_encoder
from semantoks.signals.cohort import Cohort
from semantoks.storage.text import plain_json
from semantoks.train.launch import Device
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain
from semantoks.types import Precision

STEPS = 4
"""Steps that are timed; the first is not counted."""
_LONG = 0.05
"""Seconds from which on a matrix product is wide enough to be timed."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a few steps have shown: people per step and second, FLOP/s, the process's peak memory (bytes), precision."""

    batch: int
    samples_per_s: float
    flops_per_s: float
    peak_memory: int
    precision: str


def measure_pace(
    cohort: Cohort,
    config: PretrainConfig,
    batch: int,
    *,
    device: Device = "auto",
    precision: Precision = "auto",
) -> Pace:
    """Train a few steps of ``batch`` people in a folder that is thrown away; the first one does not count.

    Operations are counted as if every step read all tokens: those without a mask do less.
    """
    config = dataclasses.replace(config, batch_size=batch, accumulate=1, steps=STEPS)
    with tempfile.TemporaryDirectory() as folder:
        record = pretrain([cohort], out=folder, config=config, device=device, precision=precision, log_every=1)
        rows = [plain_json(line) for line in Path(folder, "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    speed = statistics.harmonic_mean([row["samples_per_s"] for row in rows[1:]])  # people over all seconds
    flops = config.objective.flops(random_encoder(config.encoder, cohort.atlas.network_index, config.seed), batch)
    return Pace(
        batch=batch,
        samples_per_s=speed,
        flops_per_s=speed / batch * flops,
        peak_memory=record["cost"]["peak_memory_bytes"],
        precision=record["environment"]["precision"],
    )


def matmul_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Return the FLOP/s of a square matrix product (a multiply-add is two), 2048 wide (8192 on a GPU), median of 3.

    It is less wide where that would take long, as in a precision that a processor has to emulate.
    """
    size, largest = 256, 8192 if device.type == "cuda" else 2048
    while (seconds := _seconds_of_a_product(size, device, dtype)) < _LONG and size < largest:
        size *= 2
    return 2 * size**3 / seconds


def _seconds_of_a_product(size: int, device: torch.device, dtype: torch.dtype) -> float:
    left = torch.randn(size, size, device=device, dtype=dtype)
    times = []
    for _ in range(4):
        wait_for(device)
        begin = time.perf_counter()
        _ = left @ left
        wait_for(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def wait_for(device: torch.device) -> None:
    """Let a GPU finish what it was given, so that a clock read now means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
