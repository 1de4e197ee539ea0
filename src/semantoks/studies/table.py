"""The table of runs of a study: what each trains, on how many people, and what it will cost on this machine."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.config import from_plain, merged, to_plain
from semantoks.errors import ConfigError
from semantoks.evaluate.settings import Analysis
from semantoks.model.encoder import Encoder, random_encoder
from semantoks.signals.cohort import Cohort
from semantoks.signals.part import Networks, Part
from semantoks.statistics.methods import RANDOM
from semantoks.studies.settings import StudyConfig
from semantoks.studies.sides import Sides
from semantoks.train.pace import measure_pace
from semantoks.train.recipe import PretrainConfig

RUNS = "runs"
"""The folder of the run folders."""
_MEASURED_PEOPLE = 64


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run of a study.

    Attributes
    ----------
    name
        Of its folder.
    condition
        What distinguishes it from others of the same seed, in words.
    people
        The first so many of its seed's order are trained on.
    differs
        The settings that differ from the study's recipe, in words.
    methods
        What its probe scores beside the encoder and FC.
    analyses
        What its probe does beside the scores.
    """

    name: str
    condition: str
    seed: int
    people: int
    config: PretrainConfig
    differs: str = ""
    minutes: float | None = None
    networks: Networks = "own"
    methods: tuple[str, ...] = (RANDOM,)
    analyses: tuple[Analysis, ...] = ()

    def cohort(self, sides: Sides) -> Cohort:
        """Return what it is trained on."""
        people = sides.trained(self.people, self.seed)
        return Part(sides.cohort, people=people, minutes=self.minutes, networks=self.networks)

    def tested(self, sides: Sides) -> Cohort:
        """Return whom it is probed on: whole recordings."""
        return Part(sides.tested, networks=self.networks)

    def plain(self) -> dict[str, Any]:
        """Return all that decides its result, ready for JSON."""
        return {
            "people": self.people,
            "minutes": self.minutes,
            "networks": self.networks,
            "config": to_plain(self.config),
        }


def folder_name(words: str, seed: int) -> str:
    """Make the name of a folder of a condition and a seed."""
    return f"{'-'.join(re.findall(r'[a-z0-9.]+', words.lower()))}_seed-{seed}"


def changed(config: PretrainConfig, changes: Mapping[str, Any], where: str) -> PretrainConfig:
    """Return a recipe with some settings changed; ConfigError names one that there is not."""
    return from_plain(PretrainConfig, merged(to_plain(config), changes), where)


def for_people(config: PretrainConfig, people: int, whole: int, equal: str) -> PretrainConfig:
    """Return a recipe for some of ``whole`` people: a batch that they can fill, and its number of steps written out.

    ``equal`` is "steps", as many as for all people, or "epochs", as many passes.
    """
    batch = min(config.batch_size, people) // config.accumulate * config.accumulate
    if batch < 1:
        raise ConfigError(f"{people} people cannot fill a batch of {config.accumulate} parts: set accumulate to 1.")
    steps = config.total_steps(whole)
    if equal == "epochs":
        epochs = config.epochs if config.steps is None else max(1, round(steps * config.batch_size / whole))
        steps = epochs * max(1, people // batch)
    return dataclasses.replace(config, batch_size=batch, steps=steps)


def seeded(
    name: str, config: PretrainConfig, sides: Sides, seeds: Sequence[int], *, differs: str, networks: Networks = "own"
) -> list[Planned]:
    """Return one run per seed of a condition, trained on everybody of the pool."""
    people = len(sides.pool)
    return [
        Planned(
            name=folder_name(name, seed),
            condition=name,
            seed=seed,
            people=people,
            config=changed(for_people(config, people, people, "steps"), {"seed": seed}, name),
            differs=differs,
            networks=networks,
        )
        for seed in seeds
    ]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A table of runs, and on whom and by what they are judged.

    Attributes
    ----------
    kind
        ablate, scale or compare.
    about
        What the page says of it: (name, value).
    reference
        The condition that others are compared with.
    left_out
        (condition, why it is not run).
    """

    kind: str
    out: Path
    sides: Sides
    targets: tuple[str, ...]
    settings: StudyConfig
    runs: tuple[Planned, ...]
    reference: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    about: tuple[tuple[str, str], ...] = ()
    command: str = ""

    def folder(self, run: Planned) -> Path:
        """Return the run folder of a run."""
        return self.out / RUNS / run.name

    @cached_property
    def flops(self) -> dict[str, float]:
        """Floating-point operations of each run, by name."""
        steps: dict[str, float] = {}
        found = {}
        for run in self.runs:
            batch = run.config.batch_size
            key = json.dumps([to_plain(run.config.encoder), to_plain(run.config.objective), run.networks, batch])
            if key not in steps:
                steps[key] = run.config.objective.flops(build(run, self.sides), batch)
            found[run.name] = run.config.total_steps(run.people) * steps[key]
        return found

    def part(self, text: str | None) -> tuple[Planned, ...]:
        """Return the runs of a part: ``2/8`` is the second of eight; None = all.

        Raises
        ------
        ConfigError
            If the text does not name a part.
        """
        if text is None:
            return self.runs
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        number, parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= parts:
            raise ConfigError(f"--part has to be NUMBER/PARTS with a number from 1 on, e.g. 2/8, not {text!r}.")
        return self.runs[number - 1 :: parts]


def build(run: Planned, sides: Sides) -> Encoder:
    """Build the encoder of a run with random weights; ConfigError says why it, or its views, do not fit the cohort."""
    atlas, size = run.tested(sides).atlas, run.config.encoder
    run.config.objective.check(size, run.config.views)
    run.config.views.window(size.frames, size.patch, sides.cohort.tr, any_length=size.any_length)
    return random_encoder(run.config.encoder, atlas.network_index, run.seed)


def measure_rate(study: Study) -> tuple[float, str]:
    """Time a few steps of the first run on this machine; return operations per second, and how they were found."""
    run = study.runs[0]
    batch = min(run.config.batch_size, _MEASURED_PEOPLE, run.people)
    device, precision = study.settings.device, study.settings.precision
    pace = measure_pace(run.cohort(study.sides), run.config, batch, device=device, precision=precision)
    seconds = batch / pace.samples_per_s
    return pace.flops_per_s, f"measured: {seconds:.2g} s per step of {batch} people of “{run.condition}”"


def plan_table(study: Study, rate: float, done: Sequence[str]) -> pd.DataFrame:
    """Return the plan, one row per run: what it trains, TFLOP, and hours at ``rate`` operations per second."""
    return pd.DataFrame(
        {
            "run": run.name,
            "condition": run.condition,
            "people": run.people,
            "steps": run.config.total_steps(run.people),
            "batch": run.config.batch_size,
            "tflop": float(f"{study.flops[run.name] / 1e12:.2g}"),
            "hours": float(f"{study.flops[run.name] / rate / 3600:.2g}"),
            "there": "yes" if run.name in done else "",
            "differs": run.differs,
        }
        for run in study.runs
    )
