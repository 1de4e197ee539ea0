"""The paper's linear probe: all targets, repetitions and rates in one tensor program, and one after the other.

    python -m benchmarks.paper_probe [--people 858] [--features 1536] [--targets 3] [--turns 3] [--threads N]

Random features, 8 crops a person; targets are two classes, but every third is a value; 10 repetitions that train on
31 % of the people, six rates, 50 epochs. Counted first, for a step of one target and repetition, a batch of B rows of F
features: two products with the weights of six rates, 4 x 6 x B x F FLOPs, over the rate of one large product; B x F
numbers are read, written and their squares read, over the rate of a copy. The floor is the sum of both.

One after the other is BatchNorm1d, Linear and torch.optim.SGD with the same batches and initial weights. It is timed
on the first repetition of each target, at all rates, for 2 epochs, and scaled to all repetitions and epochs; all at
once runs in full. Both take turns. The last line is how far apart their outputs are after 2 epochs.
"""

import argparse

import numpy as np
import torch
from benchmarks.measure import compare, copy_bandwidth, machine, matmul_rate, show
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.evaluate.models.sgd_probe import (
    EPOCHS,
    MOMENTUM,
    RATES,
    ProbeJob,
    SgdRecipe,
    batch_sizes,
    epoch_batches,
    initial_weights,
    train_probes,
)

CROPS, REPETITIONS, SHARE, SLOW_EPOCHS = 8, 10, 0.31, 2


def jobs_of(people: int, targets: int) -> list[ProbeJob]:
    """Draw labels and training sides."""
    rng, jobs = np.random.default_rng(0), []
    for target in range(targets):
        classes = 0 if target % 3 == 2 else 2
        labels = rng.integers(0, 2, people) if classes else rng.standard_normal(people)
        for repetition in range(REPETITIONS):
            train = rng.permutation(people)[: round(SHARE * people)]
            jobs.append(ProbeJob(train=train, labels=labels, classes=classes, key=(target, repetition, 0)))
    return jobs


def one_after_the_other(rows: Tensor, owner: np.ndarray, jobs: list[ProbeJob]) -> list[np.ndarray]:
    """Train each job at each rate for two epochs; return the outputs [rate, row, output]."""
    found = []
    for job in jobs:
        members = torch.from_numpy(np.flatnonzero(np.isin(owner, job.train)))
        mean, spread = job.scale()
        truth = (
            torch.from_numpy((job.labels - mean) / spread).float() if not job.classes else torch.from_numpy(job.labels)
        )
        truth = truth[torch.from_numpy(owner)]
        outputs = []
        for rate in RATES:
            rng, head = job.generator(0), nn.Linear(rows.shape[1], job.classes or 1)
            nn.init.zeros_(head.bias)
            head.weight.data.copy_(torch.from_numpy(initial_weights(job, rows.shape[1], rng)))
            probe = nn.Sequential(nn.BatchNorm1d(rows.shape[1]), head)
            optimizer = torch.optim.SGD(probe.parameters(), lr=rate, momentum=MOMENTUM)
            for _ in range(SLOW_EPOCHS):
                for batch in epoch_batches(len(members), rng):
                    chosen = members[torch.from_numpy(batch)]
                    output = probe(rows.index_select(0, chosen))
                    loss = (
                        F.cross_entropy(output, truth[chosen])
                        if job.classes
                        else F.l1_loss(output[:, 0], truth[chosen])
                    )
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            with torch.no_grad():
                outputs.append(probe.eval()(rows).double().numpy() * spread + mean)
        found.append(np.array(outputs))
    return found


def difference(rows: Tensor, owner: np.ndarray, jobs: list[ProbeJob]) -> float:
    """Return the largest difference of people's outputs, over the largest output."""
    apart = []
    for slow, fast in zip(
        one_after_the_other(rows, owner, jobs),
        train_probes(rows, owner, jobs, SgdRecipe(seed=0, epochs=SLOW_EPOCHS)),
        strict=True,
    ):
        people = slow.reshape(len(RATES), -1, CROPS, slow.shape[2]).mean(axis=2)
        people = people - people[:, :, -1:] if people.shape[2] > 1 else people
        apart.append(np.abs(people - fast).max() / np.abs(people).max())
    return float(max(apart))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=858)
    parser.add_argument("--features", type=int, default=1536)
    parser.add_argument("--targets", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device("cpu")
    title = f"The paper's linear probe. {machine(device)}"
    rows = torch.randn(args.people * CROPS, args.features, generator=torch.Generator().manual_seed(0))
    owner, jobs = np.arange(args.people).repeat(CROPS), jobs_of(args.people, args.targets)
    sizes = batch_sizes(round(SHARE * args.people) * CROPS)
    steps, passed = EPOCHS * len(sizes) * len(jobs), EPOCHS * sum(sizes) * len(jobs)
    flops, moved = 4 * len(RATES) * passed * args.features, 3 * 4 * passed * args.features
    floor = flops / matmul_rate(device) + moved / copy_bandwidth(device)
    few = jobs[::REPETITIONS]
    calls = {
        "fast": lambda: train_probes(rows, owner, jobs, SgdRecipe(seed=0)),
        "slow": lambda: one_after_the_other(rows, owner, few),
    }
    times = compare(calls, repeats=args.turns)
    fast, slow = times["fast"], times["slow"] * REPETITIONS * EPOCHS / SLOW_EPOCHS
    table = [
        ["people x crops x features", f"{args.people} x {CROPS} x {args.features}"],
        ["probes (targets x repetitions x rates)", f"{len(jobs) * len(RATES)}"],
        ["steps of SGD, a rate", f"{steps}"],
        ["GFLOP", f"{flops / 1e9:.0f}"],
        ["GB", f"{moved / 1e9:.0f}"],
        ["**floor, s**", f"{floor:.1f}"],
        ["**all at once, s**", f"{fast:.1f}"],
        ["all at once, ms a step (six rates)", f"{1e3 * fast / steps:.2f}"],
        ["one after the other, s (scaled)", f"{slow:.0f}"],
        ["one after the other, ms a step (one rate)", f"{1e3 * slow / steps / len(RATES):.2f}"],
        ["**one after the other / all at once**", f"{slow / fast:.1f}"],
        ["all at once / floor", f"{fast / floor:.2f}"],
        ["largest relative difference", f"{difference(rows, owner, few):.0e}"],
    ]
    show(title, ["", "float32"], table)


if __name__ == "__main__":
    main()
