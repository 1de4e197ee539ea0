"""A training step, and drawing its views, beside a straightforward implementation of the same, steps taken in turn.

    python -m benchmarks.beside_plain [--case toy d64 paper-8 paper-16] [--turns 3] [--threads N] [--no-bf16]

Straightforward is what one writes down from the paper, in float32: a loader that cuts and corrupts one window after the
other, nine tokenizers in a loop with grouped ``conv1d``, softmax attention, a forward pass of its own for each view of
student and teacher, torch's plain AdamW and an average over the teacher's tensors one by one. The losses and masks are
ours in both: they take a hundredth of a step. With one thread, seconds are the processor's, which other programs on the
machine change little. Counted first: the products of a step over the rate of a large one in the
same precision, the floor. Frames are random, in RAM; half of the steps are masked.
"""

import argparse
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.embedding import straightforward
from benchmarks.measure import compare, machine, show
from benchmarks.training_step import FRAMES, TOTAL, build_trainer, count_flops, paired_steps, sizes
from einops import rearrange
from numpy import ndarray
from torch import Tensor

from semantoks.objective.branch import Branch, Projections
from semantoks.objective.self_distillation import loss_terms
from semantoks.train.loop import Trainer
from semantoks.train.monitor import Monitor
from semantoks.views.batch import Slice, step_is_masked
from semantoks.views.masks import draw_masks

CASES = {"toy": ("toy", 2), "d64": ("d64", 32), "paper-8": ("paper", 8), "paper-16": ("paper", 16)}
CPU = torch.device("cpu")


class Plain:
    """The same objective on the same frames, written down one thing after the other."""

    def __init__(self, trainer: Trainer) -> None:
        self.config, self.frames = trainer.config, np.asarray(trainer.pool.frames.resident)
        student, teacher = trainer.learner
        self.student, self.teacher = deepcopy(student), deepcopy(teacher)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=1e-4, foreach=False, fused=False)

    def sample(self, person: int, rng: np.random.Generator) -> ndarray:
        """Cut one window of a person, and corrupt it."""
        change, length = self.config.views.corruption, self.config.encoder.frames
        start = person * FRAMES + rng.integers(0, FRAMES - length + 1)
        window = self.frames[start : start + length].T.astype(np.float32)
        rois = len(window)
        window[rng.permutation(rois)[: max(1, int(rng.uniform(*change.drop_rois) * rois))]] = 0
        block = max(1, int(rng.uniform(*change.drop_frames) * length))
        begin = rng.integers(0, length - block + 1)
        window[:, begin : begin + block] = 0
        window *= rng.uniform(*change.scale)
        found: ndarray = window + rng.normal(0, change.noise, window.shape).astype(np.float32)
        return found

    def views(self, step: int) -> tuple[Tensor, Tensor]:
        """Return both views of a step's people, one sample after the other."""
        rng = np.random.default_rng(step)
        people = rng.permutation(2 * self.config.batch_size)[: self.config.batch_size]
        first, second = (np.stack([self.sample(int(person), rng) for person in people]) for _ in range(2))
        return torch.from_numpy(first), torch.from_numpy(second)

    def project(
        self, branch: Branch, views: tuple[Tensor, Tensor], masks: list[Tensor] | None, *, masked: bool
    ) -> Projections:
        """Encode each view in a pass of its own, and project CLS, and in masked steps all tokens."""
        found = []
        for number, view in enumerate(views):
            tokens = straightforward(branch.encoder, view, None if masks is None else masks[number])
            grid = rearrange(tokens[:, 1:], "b (n p) d -> b n p d", n=branch.encoder.n_networks)
            found.append((branch.head(tokens[:, 0]), branch.head(grid) if masked else None, tokens[:, 0]))
        cls, grids, feature = zip(*found, strict=True)
        return Projections(torch.cat(cls), None, torch.cat(grids) if masked else None, torch.cat(feature))

    def step(self, step: int) -> None:
        """Take a step."""
        views, mask, masks = self.views(step), None, None
        if step_is_masked(self.config.views.masks, Slice(step=step, seed=self.config.seed)):
            rows, networks = 2 * self.config.batch_size, self.student.encoder.n_networks
            generator = torch.Generator().manual_seed(step)
            mask = draw_masks(rows, networks, self.config.encoder.patches, self.config.views.masks, generator)
            masks = list(mask.chunk(2))
        with torch.no_grad():
            seen = self.project(self.teacher, views, None, masked=mask is not None)
        given = self.project(self.student, views, masks, masked=mask is not None)
        loss_terms(given, seen, mask, ttr_weight=0.0, config=self.config.objective).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.config.optim.clip, foreach=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for mine, its in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                mine.mul_(0.99).add_(its, alpha=0.01)


def rows_of(name: str, turns: int, bf16: bool) -> tuple[list[str], list[str]]:
    """Measure one case: a row of steps, and a row of views."""
    key, batch = CASES[name]
    size = sizes()[key]
    size = replace(size, config=replace(size.config, batch_size=batch))
    trainers = {p: build_trainer(size, "cpu", p) for p in (("32-true", "bf16-mixed") if bf16 else ("32-true",))}
    ours, plain, pairs = trainers["32-true"], Plain(trainers["32-true"]), paired_steps(size.config)
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"objective": ours.objective, "every": 10**6, "first_step": 0, "watch_from": TOTAL}
        monitor = Monitor(Path(folder), **options)

        def ours_in(trainer: Trainer) -> Callable[[int], None]:
            return lambda step: trainer.run_step(step, monitor)

        def both(run: Callable[[int], Any], steps: Any) -> Callable[[], None]:
            return lambda: [run(step) for step in next(steps)] and None

        runs = {"plain": plain.step, **{p: ours_in(trainer) for p, trainer in trainers.items()}}
        flops = count_flops(runs["32-true"], next(pairs))
        steps = dict(zip(runs, itertools.tee(pairs, len(runs)), strict=True))
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        took = compare({run: both(call, steps[run]) for run, call in runs.items()}, repeats=turns, clock=clock)
        views = {"plain": lambda: plain.views(101), "ours": lambda: ours.draw(101)}
        drawn = compare(views, repeats=2 * turns, clock=clock)
    square = {p: torch.ones(2048, 2048, dtype=torch.bfloat16 if "bf16" in p else torch.float32) for p in trainers}
    products = compare({p: partial(torch.mm, one, one) for p, one in square.items()}, repeats=5, clock=clock)
    floors = {p: flops / (2 * 2048**3) * seconds for p, seconds in products.items()}
    seconds = {run: each / 2 for run, each in took.items()}
    cells = [f"{seconds['plain']:.3f}"]
    for p in ("32-true", "bf16-mixed"):
        known = p in trainers
        cells += (
            [f"{seconds[p]:.3f}", f"{seconds['plain'] / seconds[p]:.2f}", f"{floors[p]:.3f}"] if known else [""] * 3
        )
    ratio = drawn["plain"] / drawn["ours"]
    return [name, *cells], [name, f"{1e3 * drawn['plain']:.1f}", f"{1e3 * drawn['ours']:.1f}", f"{ratio:.1f}"]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=["d64", "paper-8", "paper-16"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-bf16", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    title = machine(CPU)
    found = [rows_of(name, chosen.turns, not chosen.no_bf16) for name in chosen.case]
    header = ["", "plain, s", "float32, s", "plain / it", "floor, s", "bf16, s", "plain / it", "floor, s"]
    show(f"A step, beside a straightforward one in float32. {title}", header, [steps for steps, _ in found])
    show("Drawing its views", ["", "one by one, ms", "ours, ms", "ratio"], [views for _, views in found])


if __name__ == "__main__":
    main()
