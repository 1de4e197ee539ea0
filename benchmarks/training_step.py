"""One training step: FLOPs, bytes and the floor they set, steps/s, share of time per stage, peak memory.

    python -m benchmarks.training_step [--size toy d64 small paper] [--batch N] [--device cpu|cuda]
                                       [--precision auto|32-true|bf16-mixed] [--threads N] [--torch-compile]

Random frames, 180 a recording, in RAM (or on the GPU); the step is ``Trainer.run_step`` itself. Floor = FLOPs of all
matrix products over the rate of one large product + bytes of weights, gradients, optimiser state and frames over the
rate of a copy. Half of the steps are masked. Shares come from steps with the functions clocked from outside. On a GPU
ten steps are timed as one, as they follow each other in a training; clocked functions wait for the GPU each.
"""

import argparse
import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from benchmarks.measure import copy_bandwidth, machine, matmul_rate, show, wait_for
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from semantoks.atlas.catalog import get_atlas
from semantoks.config import from_plain
from semantoks.objective import learner as learner_module
from semantoks.objective import objective, self_distillation
from semantoks.train.compiling import compile_steps
from semantoks.train.job import peak_memory
from semantoks.train.launch import start_fabric
from semantoks.train.loop import Trainer, build_optimizer
from semantoks.train.monitor import Monitor
from semantoks.train.recipe import PretrainConfig, load_recipe
from semantoks.types import Precision
from semantoks.views import batch as batch_module
from semantoks.views.batch import Slice, step_is_masked
from semantoks.views.crops import Frames
from semantoks.views.pool import Pool, count_good

FRAMES, TOTAL, FIRST = 180, 1000, 100
PAIRS_A_TURN = {"cpu": 1, "cuda": 5}
"""Masked and unmasked steps that are timed as one."""
PUBLISHED = "schaefer400+tian-s3+buckner7"
STAGES = {
    "views: gather": "gather",
    "views: corrupt": "corrupt",
    "views: masks": "masks",
    "views: rest": "draw",
    "teacher forward": "teacher",
    "student forward": "student",
    "losses": "losses",
    "backward": "backward",
    "clip": "clip",
    "AdamW": "adamw",
    "teacher's average": "ema",
    "monitor": "monitor",
}


@dataclass(frozen=True)
class Size:
    """What is measured: settings, atlas, and how many turns."""

    config: PretrainConfig
    atlas: str
    turns: int


def sizes() -> dict[str, Size]:
    """Return the sizes by name."""
    d64 = from_plain(PretrainConfig, {"batch_size": 32, "encoder": {"width": 64, "depth": 2}}, "d64")
    paper = from_plain(PretrainConfig, {"batch_size": 16}, "paper")
    toy = from_plain(PretrainConfig, {"batch_size": 2, "encoder": {"width": 16, "depth": 1}}, "toy")
    return {
        "toy": Size(toy, "schaefer100", 1),
        "d64": Size(d64, PUBLISHED, 12),
        "small": Size(load_recipe("small-published"), "cc200", 4),
        "paper": Size(paper, PUBLISHED, 2),
    }


def random_pool(atlas_name: str, people: int, device: torch.device) -> Pool:
    """Return people with one recording of random frames each, in RAM or on the GPU."""
    atlas = get_atlas(atlas_name)
    noise = np.random.default_rng(0).standard_normal((people * FRAMES, atlas.n_rois), dtype=np.float32)
    return Pool(
        frames=Frames([noise.astype(np.float16)], device),
        network_index=atlas.network_index,
        first=np.arange(people) * FRAMES,
        length=np.full(people, FRAMES),
        good_before=count_good(np.ones(people * FRAMES, dtype=bool)),
        missing=np.zeros((people, atlas.n_networks), dtype=bool),
        person=np.arange(people),
    )


def build_trainer(size: Size, device: str, precision: Precision) -> Trainer:
    """Assemble a trainer over two steps' people."""
    config = size.config
    fabric, _ = start_fabric(device, precision, 1, config.encoder)
    pool = random_pool(size.atlas, 2 * config.batch_size, fabric.device)
    learner = config.objective.learner(config.encoder, pool.network_index, config.seed).to(fabric.device)
    wrapped, optimizer = fabric.setup(learner.trained, build_optimizer(learner.trained, config.optim))
    return Trainer(
        fabric=fabric, pool=pool, config=config, total=TOTAL, learner=learner, trained=wrapped, optimizer=optimizer
    )


def paired_steps(config: PretrainConfig) -> Iterator[tuple[int, int]]:
    """Yield a masked and an unmasked step number, again and again."""
    numbers: dict[bool, list[int]] = {True: [], False: []}
    for step in range(FIRST, TOTAL):
        numbers[step_is_masked(config.views.masks, Slice(step=step, seed=config.seed))].append(step)
    return zip(numbers[True], numbers[False], strict=False)


class Clock:
    """Adds up the seconds of named stages; a stage's time includes that of the stages that it calls."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent = dict.fromkeys(STAGES.values(), 0.0)

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time is added to a stage."""

        def run(*args: Any, **named: Any) -> Any:
            wait_for(self.device)
            begin = time.perf_counter()
            result = call(*args, **named)
            wait_for(self.device)
            self.spent[stage] += time.perf_counter() - begin
            return result

        return run

    @contextmanager
    def inside(self, trainer: Trainer, monitor: Monitor) -> Iterator[None]:
        """Wrap the functions that make up a step for as long as the context lasts."""
        places = [
            (trainer.pool.frames, "gather", "gather"),
            (batch_module, "corrupt", "corrupt"),
            (batch_module, "draw_masks", "masks"),
            (objective, "draw_batch", "draw"),
            (trainer.learner.teacher, "forward", "teacher"),
            (trainer.learner.student, "forward", "student"),
            (self_distillation, "loss_terms", "losses"),
            (trainer.fabric, "backward", "backward"),
            (trainer.fabric, "clip_gradients", "clip"),
            (trainer.optimizer, "step", "adamw"),
            (learner_module, "update_teacher", "ema"),
            (self_distillation, "describe", "monitor"),
            (monitor, "add", "monitor"),
        ]
        with ExitStack() as stack:
            for owner, name, stage in places:
                stack.enter_context(patch.object(owner, name, self.timed(stage, getattr(owner, name))))
            yield


@dataclass
class Result:
    """One size's numbers, in SI units."""

    people: int
    parameters: int
    flops: float
    bytes: float
    rate: float
    bandwidth: float
    step: float
    shares: dict[str, float]
    launches: float
    syncs: float | None
    memory: int

    @property
    def floor(self) -> float:
        """Seconds that a perfect implementation on this machine would need."""
        return self.flops / self.rate + self.bytes / self.bandwidth


def count_bytes(trainer: Trainer) -> float:
    """Count the bytes of state and frames that a step has to move.

    Weights: AdamW reads weight, gradient and two moments and writes three of them, clipping reads the gradient twice
    and writes it once, backward writes it, the teacher's average reads two and writes one. Frames: read as float16,
    written as float32 and read again by both branches.
    """
    config = trainer.config
    values = 2 * config.batch_size * trainer.pool.frames.shards[0].shape[1] * config.encoder.frames
    weights = sum(p.numel() for p in trainer.learner.trained.parameters())
    return 4.0 * weights * (7 + 3 + 1 + 3) + values * (2.0 + 4 + 4 + 4)


def count_flops(run: Callable[[int], None], pair: tuple[int, int]) -> float:
    """Count the FLOPs of the mean of a masked and an unmasked step, as torch dispatches them."""
    aten = torch.ops.aten
    on_cpu = {
        aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda grad, q, k, v, *_, **__: (
            sdpa_backward_flop_count(grad, q, k, v)
        ),
    }
    with FlopCounterMode(display=False, custom_mapping=on_cpu) as counter:
        for step in pair:
            run(step)
    return counter.get_total_flops() / len(pair)


class Launches(TorchDispatchMode):
    """Counts what a GPU would start a kernel for: every operator but those that only look at memory in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operator, and run it."""
        self.number += not (
            func.is_view or func._schema.name.split("::")[1].startswith(("empty", "new_empty", "detach"))
        )
        return func(*args, **(kwargs or {}))


def count_launches(run: Callable[[int], None], pair: tuple[int, int]) -> float:
    """Count the operators that do something, of the mean of a masked and an unmasked step."""
    with Launches() as counted:
        for step in pair:
            run(step)
    return counted.number / len(pair)


def count_syncs(run: Callable[[int], None], pair: tuple[int, int]) -> float:
    """Count the times a step makes the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in pair:
            run(step)
    torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(w.message) for w in caught) / len(pair)


def measure(
    name: str, batch: int | None, device_name: str, precision: Precision, threads: int, compiles: bool
) -> Result:
    """Measure one size; meant for a process of its own, so that its peak memory is its own."""
    warnings.filterwarnings("ignore", module="lightning_fabric")
    torch.set_num_threads(threads)
    size = sizes()[name]
    size = replace(size, config=replace(size.config, batch_size=batch or size.config.batch_size))
    trainer = build_trainer(size, device_name, precision)
    device, pairs = trainer.fabric.device, paired_steps(size.config)
    with tempfile.TemporaryDirectory() as folder:
        monitor = Monitor(Path(folder), objective=trainer.objective, every=10, first_step=0, watch_from=TOTAL)

        def run(step: int) -> None:
            trainer.run_step(step, monitor)

        def timed_turn() -> float:
            steps = list(itertools.chain.from_iterable(itertools.islice(pairs, PAIRS_A_TURN[device.type])))
            wait_for(device)
            begin = time.perf_counter()
            for step in steps:
                run(step)
            wait_for(device)
            return (time.perf_counter() - begin) / len(steps)

        flops, launches = count_flops(run, next(pairs)), count_launches(run, next(pairs))
        syncs = count_syncs(run, next(pairs)) if device.type == "cuda" else None
        plain, rates, clock, clocked, memory = [], [], Clock(device), 0.0, 0
        if compiles:
            compile_steps(trainer, graphs=device.type == "cuda")
        timed_turn()
        for _ in range(size.turns):
            plain.append(timed_turn())
            with nullcontext() if trainer.compiled else clock.inside(trainer, monitor):
                clocked += 2 * PAIRS_A_TURN[device.type] * timed_turn()
            memory = memory or peak_memory(device)  # before that of the large product
            rates.append(matmul_rate(device, trainer.dtype))
    spent = clock.spent
    spent["draw"] -= spent["gather"] + spent["corrupt"] + spent["masks"]
    return Result(
        people=size.config.batch_size,
        parameters=sum(p.numel() for p in trainer.learner.trained.parameters()),
        flops=flops,
        bytes=count_bytes(trainer),
        rate=statistics.median(rates),
        bandwidth=copy_bandwidth(device),
        step=statistics.median(plain),
        shares={stage: value / clocked for stage, value in spent.items()},
        launches=launches,
        syncs=syncs,
        memory=memory,
    )


def rows_of(results: list[Result]) -> list[list[str]]:
    """Lay the results out, one column per size."""
    lines: list[tuple[str, Callable[[Result], str]]] = [
        ("people per step", lambda r: f"{r.people}"),
        ("parameters, million", lambda r: f"{r.parameters / 1e6:.2f}"),
        ("GFLOP per step", lambda r: f"{r.flops / 1e9:.1f}"),
        ("GB per step (state, frames)", lambda r: f"{r.bytes / 1e9:.2f}"),
        ("matmul rate, GFLOP/s", lambda r: f"{r.rate / 1e9:.0f}"),
        ("copy rate, GB/s", lambda r: f"{r.bandwidth / 1e9:.1f}"),
        ("**floor, s**", lambda r: f"{r.floor:.3g}"),
        ("**step, s (median)**", lambda r: f"{r.step:.3g}"),
        ("steps/s", lambda r: f"{1 / r.step:.2f}"),
        ("step / floor", lambda r: f"{r.step / r.floor:.2f}"),
        ("FLOP/s over matmul rate", lambda r: f"{100 * r.flops / r.step / r.rate:.2g}%"),
    ]
    table = [[label, *(cell(r) for r in results)] for label, cell in lines]
    if any(sum(r.shares.values()) for r in results):
        for label, stage in STAGES.items():
            table.append([label, *(f"{r.shares[stage]:.1%}" for r in results)])
        table.append(["rest", *(f"{1 - sum(r.shares.values()):.1%}" for r in results)])
    table.append(["kernels per step", *(f"{r.launches:.0f}" for r in results)])
    if any(r.syncs is not None for r in results):
        table.append(["host waits for GPU per step", *(f"{r.syncs:.1f}" for r in results)])
    table.append(["peak memory, MB", *(f"{r.memory / 1e6:.0f}" for r in results)])
    return table


def main() -> None:
    """Measure each size in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", choices=list(sizes()), default=["d64", "small", "paper"])
    parser.add_argument("--batch", type=int, help="people a step, in place of the size's own")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["auto", "32-true", "bf16-mixed"], default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--torch-compile", action="store_true", help="as in pretrain; says nothing of single stages")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        settings = (chosen.batch, chosen.device, chosen.precision, chosen.threads, chosen.torch_compile)
        results = [alone.submit(measure, name, *settings).result() for name in chosen.size]
    title = f"One training step, precision {chosen.precision}. {machine(torch.device(chosen.device))}"
    show(title, ["", *chosen.size], rows_of(results))


if __name__ == "__main__":
    main()
