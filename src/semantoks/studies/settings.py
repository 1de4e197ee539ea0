"""Settings of a study: whom to train and to test, by which recipe, and how to probe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.types import Precision


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """What every study asks."""

    steps: int | None = None
    """Optimiser steps of each run, at least 1."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds; each gives weights, draws and subsets of people of its own."""
    held_out: float = 0.3
    """Share of the people, 0 to 1, that are tested and in no training."""
    probe: Path | None = None
    """Another cohort, whose people are tested instead."""
    family: str = "auto"
    """Column of participants.tsv that names families, to keep together; auto = family_id or rel_family_id, if any."""
    folds: int = 5
    """Folds of the probe among the test people, at least 2."""
    repeats: int = 5
    """Repeats of these folds, at least 1."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train and embed; auto takes a CUDA GPU where there is one."""
    precision: Precision = "auto"
    """Of the trainings, as for pretrain; embedding is in float32."""
    n_jobs: int = -1
    """Worker processes of the probes; -1 uses all cores. The results are the same for any number."""
    scheduler: str | None = None
    """Address of a Dask scheduler (tcp://HOST:8786), each of whose workers carries out one run at a time."""
    tflops: float | None = None
    """Speed in 10^12 operations per second for the hours of the plan."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds have to be different whole numbers from 0 on, not {list(self.seeds)}.")
        if self.tflops is not None and not self.tflops > 0:
            raise ConfigError(f"--tflops has to be above 0, not {self.tflops:g}.")

    def probing(self) -> ProbeConfig:
        """Return the settings of the probes."""
        return ProbeConfig(folds=self.folds, repeats=self.repeats, family=self.family, analyses=())

    def about(self, recipe: str) -> tuple[tuple[str, str], ...]:
        """Say what was asked of a recipe, for the page."""
        who = f"{100 * self.held_out:g} % of the people" if self.probe is None else str(self.probe)
        return (
            ("Recipe", recipe + ("" if self.steps is None else f", {self.steps} steps")),
            ("Seeds", ", ".join(map(str, self.seeds))),
            ("Tested", f"{who}: {self.repeats} x {self.folds} folds among the test people; linear models"),
        )
