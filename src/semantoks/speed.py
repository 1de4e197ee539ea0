"""The speed of this machine: training by recipe, preparing, embedding, probing, and what follows from that."""

import html
import itertools
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from semantoks.config import as_list, check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import embed
from semantoks.features.encode import find_device
from semantoks.progress import shown_if
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.simulation.cohort import SimulationConfig, simulate
from semantoks.statistics.methods import ENCODER, FC
from semantoks.storage.cores import load_found
from semantoks.train.launch import Device
from semantoks.train.pace import matmul_rate, measure_pace
from semantoks.train.recipe import load_recipe
from semantoks.train.run import pretrain
from semantoks.types import Precision

RECIPES = ("small", "small-published", "paper")
PEOPLE, FEWEST = 40, 20
"""Simulated people that are prepared, trained on, embedded and probed."""
BATCH = 16
"""Most people per step that a processor without GPU is timed with: larger ones have the same pace per person."""
UK_BIOBANK = 40_000 * 100
"""People times epochs of a published training (docs/paper.md)."""
FASTER = 1.5
"""Products in bfloat16 that are so much faster than in float32 are worth a word."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, repr=False)
class Bench:
    """How fast a machine is."""

    machine: str
    """In words."""
    device: str
    load: float
    """Of the last minute before the measurement, over cores."""
    matmul_tflops: dict[str, float]
    """Of products of square matrices, by precision."""
    training: pd.DataFrame
    """One row per recipe: precision, batch, samples_per_s (people per second), steps_per_s (of the recipe's own batch),
    tflops, share_of_matmul (of the precision's rate), peak_memory_gib, hours_uk_biobank (40,000 people, 100 epochs)."""
    seconds_per_1000_people: dict[str, float]
    """Of prepare, embed and probe."""
    advice: str
    """The one thing that would help most."""

    def __str__(self) -> str:
        """Lay it out as text of at most 80 columns."""
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        """Say what was measured."""
        return f"Bench({self.machine}; {', '.join(self.training['recipe'])}; print it to read it)"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def bench(
    recipes: Sequence[str] | str = RECIPES,
    *,
    device: Device = "auto",
    precision: Precision = "auto",
    people: int = PEOPLE,
    verbose: bool = False,
    progress: Progress | None = None,
) -> Bench:
    """Measure this machine on simulated people, with the published atlas, in a folder that is thrown away.

    Parameters
    ----------
    recipes
        Names of recipes, or FILE.toml.
    device, precision
        Where to train, embed and probe, and how, as in ``pretrain``.
    people
        Simulated people, at least 20.
    verbose
        Show a bar, in a terminal or a notebook; ``progress`` is called instead, if given.

    Returns
    -------
    Bench
        What was measured; printed, it is the command's table.

    Raises
    ------
    ConfigError
        For a recipe or device that there is not, or too few people for the probe.
    """
    check_arguments(bench, locals())
    if people < FEWEST:
        raise ConfigError(f"bench needs at least {FEWEST} simulated people, not {people}.")
    recipes = as_list(recipes)
    with shown_if(verbose, "bench", "%", progress) as shown:
        return _measured(recipes, device, precision, people, shown or (lambda _done, _total: None))


def _measured(recipes: Sequence[str], device: Device, precision: Precision, people: int, progress: Progress) -> Bench:
    total, done = 4 + len(recipes), itertools.count(1)

    def step() -> None:
        progress(next(done), total)

    load = load_found()
    chosen = find_device(device)
    rates = {name: matmul_rate(chosen, getattr(torch, name)) / 1e12 for name in ("float32", "bfloat16")}
    with tempfile.TemporaryDirectory(prefix="semantoks-bench-") as folder:
        out = Path(folder)
        raw = simulate(SimulationConfig(participants=people, sessions=1, minutes=6.0), out=out / "recordings")
        step()
        seconds, cohort = {}, out / "cohort"
        seconds["prepare"] = _seconds(lambda: prepare(raw, out=cohort, atlas=SimulationConfig().atlas))
        step()
        training = []
        for name in recipes:
            training.append(_row(name, Cohort(cohort), people, device, precision, rates))
            step()
        config = replace(load_recipe("small-published"), steps=1, batch_size=min(people, BATCH))
        pretrain([cohort], out=out / "run", config=config, device=device, precision=precision)
        how: dict[str, Any] = {"device": chosen.type, "precision": precision}
        seconds["embed"] = _seconds(lambda: embed(Cohort(cohort), model=out / "run", **how))
        step()
        few = ProbeConfig(methods=(ENCODER, FC), repeats=1, analyses=())
        seconds["probe"] = _seconds(
            lambda: probe(out / "run", cohort, targets=["age"], out=out / "probe", config=few, **how)
        )
        step()
    return Bench(
        machine=_machine(chosen),
        device=chosen.type,
        load=round(load, 2),
        matmul_tflops={name: round(rate, 3) for name, rate in rates.items()},
        training=pd.DataFrame(training),
        seconds_per_1000_people={name: round(1000 / people * each, 1) for name, each in seconds.items()},
        advice=_advice(chosen, load, rates, training),
    )


def _row(
    name: str, cohort: Cohort, people: int, device: Device, precision: Precision, rates: dict[str, float]
) -> dict[str, Any]:
    """Time a recipe."""
    config = load_recipe(name)
    batch = min(config.batch_size, people, BATCH if find_device(device).type == "cpu" else people)
    config = replace(config, min_seconds=0.0)
    pace = measure_pace(cohort, config, batch, device=device, precision=precision)
    rate = rates["bfloat16" if pace.precision.startswith("bf16") else "float32"]
    return {
        "recipe": name,
        "precision": pace.precision,
        "batch": batch,
        "samples_per_s": float(f"{pace.samples_per_s:.3g}"),
        "steps_per_s": float(f"{pace.samples_per_s / config.batch_size:.3g}"),
        "tflops": float(f"{pace.flops_per_s / 1e12:.3g}"),
        "share_of_matmul": round(pace.flops_per_s / 1e12 / rate, 3),
        "peak_memory_gib": round(pace.peak_memory / 2**30, 2),
        "hours_uk_biobank": float(f"{UK_BIOBANK / pace.samples_per_s / 3600:.3g}"),
    }


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _machine(device: torch.device) -> str:
    threads = plural(torch.get_num_threads(), "thread")
    cores = f"{os.cpu_count()} cores ({platform.machine()}), {threads}, torch {torch.__version__}"
    return f"{torch.cuda.get_device_name(device)}, {cores}" if device.type == "cuda" else cores


def _advice(device: torch.device, load: float, rates: dict[str, float], training: list[dict[str, Any]]) -> str:
    """Say the one thing that would help most."""
    faster = rates["bfloat16"] / rates["float32"]
    if load > 0.5:
        return (
            f"Other programs use {100 * load:.0f} % of the cores: measure again when they are done, and give "
            "OMP_NUM_THREADS the number of cores that are free."
        )
    if faster > FASTER and all(row["precision"] == "32-true" for row in training):
        return f"Products in bfloat16 are {faster:.1f} times as fast here as in float32: try --precision bf16-mixed."
    slow = [row for row in training if row["hours_uk_biobank"] > 24]
    if slow and device.type == "cpu":
        names = ", ".join(row["recipe"] for row in slow)
        return f"UK Biobank takes days here with {names}: take a GPU, or `semantoks fit`, which is done in seconds."
    return "Nothing stands out: train."


def _lines(found: Bench) -> list[str]:
    rates = ", ".join(f"{name} {rate:.3g}" for name, rate in found.matmul_tflops.items())
    heads = f"{'people/s':>9}{'steps/s':>9}{'TFLOP/s':>9}{'matmul':>8}{'GiB':>6}{'UKB, h':>8}"
    lines = [
        f"machine  {found.machine}",
        f"load     {found.load:.2f} of the cores, before the measurement",
        f"products {rates} TFLOP/s (square matrices)",
        "",
        f"{'recipe':<16}{'precision':<11}{heads}",
    ]
    for row in found.training.to_dict("records"):
        lines.append(
            f"{row['recipe']:<16}{row['precision']:<11}{row['samples_per_s']:>9.3g}{row['steps_per_s']:>9.3g}"
            f"{row['tflops']:>9.3g}{100 * row['share_of_matmul']:>6.0f} %{row['peak_memory_gib']:>6.1f}"
            f"{row['hours_uk_biobank']:>8,.0f}"
        )
    per = ", ".join(f"{name} {each:,.0f} s" for name, each in found.seconds_per_1000_people.items())
    return [
        *lines,
        "",
        f"1,000 people: {per}",
        "(one session of 6 minutes; probe: the encoder and FC, one target, one repeat)",
        "matmul: TFLOP/s as a share of the products' above. UKB: UK Biobank at this pace,",
        "40,000 people x 100 epochs.",
        "",
        found.advice,
    ]
