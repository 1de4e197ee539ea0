"""All settings of a pretraining, and recipes: named settings packaged as TOML, or the user's own TOML file."""

import functools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from semantoks.config import check_arguments, check_fields, from_plain, read_toml, to_plain
from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig
from semantoks.objective.contrastive import Contrastive
from semantoks.objective.fc_aligned import FcAligned
from semantoks.objective.jepa import Jepa
from semantoks.objective.masked_reconstruction import MaskedReconstruction
from semantoks.objective.objective import Objective
from semantoks.objective.prototypes import Prototypes
from semantoks.objective.self_distillation import SelfDistillation
from semantoks.views.batch import ViewConfig

MOVED = {("head",): ("objective", "head"), ("optim", "teacher_momentum"): ("objective", "teacher_momentum")}
"""Settings that were elsewhere before objectives were files: older recipes, runs and commands still work."""
ONLY_KINDS = {("objective",): "self-distillation", ("encoder", "tokenizer"): "published"}
"""What runs trained with before there was a ``kind``."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW and its schedules; the defaults are the published ones."""

    lr: float = 7e-4
    """Peak learning rate for a batch of 256; the peak used is lr * batch_size / 256."""
    warmup_share: float = 0.03
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: tuple[float, float] = (0.05, 0.3)
    """Weight decay at the first and the last step."""
    decay_all: bool = True
    """Decay every parameter, as published; False leaves out biases, norms and other vectors."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's betas."""
    clip: float = 1.0
    """Clip the gradient to this global L2 norm."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.lr <= 0 or self.clip <= 0 or min(self.weight_decay) < 0:
            raise ConfigError("optim lr and clip have to be above 0, and weight_decay at least 0.")
        if not 0 <= self.warmup_share < 1 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError("optim warmup_share and betas have to be in [0, 1).")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Everything that decides the weights; the defaults are the published ones (recipe "paper")."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    # The table of objectives: `kind` chooses among the dataclasses of this union; an outsider passes any Objective.
    objective: SelfDistillation | Prototypes | MaskedReconstruction | Jepa | Contrastive | FcAligned | Objective = (
        field(default_factory=SelfDistillation)
    )
    optim: OptimConfig = field(default_factory=OptimConfig)
    """The optimiser and its schedules."""
    batch_size: int = 512
    """People per step, over all devices."""
    accumulate: int = 1
    """Parts that each step is split into, to save memory, at a third more work; the loss is that of the whole batch."""
    epochs: int = 100
    """Passes over all people; not used when steps is given."""
    steps: int | None = None
    """Number of optimiser steps; None = derived from epochs."""
    min_seconds: float = 240.0
    """Seconds of good data that a recording needs to be trained on; 0 = use all."""
    band: Literal["passed", "full"] = "passed"
    """The cohorts' band-passed series, or those of the full band, where they keep them."""
    seed: int = 0
    """Seed for the weights and all random draws."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if min(self.batch_size, self.accumulate, self.epochs) < 1 or (self.steps is not None and self.steps < 1):
            raise ConfigError("batch_size, accumulate, epochs and steps have to be at least 1.")
        for name in ("seed", "min_seconds"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} has to be at least 0, not {getattr(self, name)}.")
        if self.batch_size % self.accumulate:
            raise ConfigError(f"batch_size {self.batch_size} has to be a multiple of accumulate {self.accumulate}.")

    def total_steps(self, people: int) -> int:
        """Return the number of optimiser steps for a pool of ``people``; incomplete batches are dropped."""
        return self.steps if self.steps is not None else self.epochs * max(1, people // self.batch_size)


def list_recipes() -> list[str]:
    """Return the names of the packaged recipes for pretraining."""
    names = (Path(r.name).stem for r in resources.files("semantoks.recipes").iterdir() if r.name.endswith(".toml"))
    return sorted(name for name in names if name != "finetune")


def load_recipe(name: str | Path) -> PretrainConfig:
    """Read a packaged recipe by its name, or a TOML file; keys that are not given keep the published defaults."""
    check_arguments(load_recipe, locals())
    if str(name) in list_recipes():
        with resources.as_file(resources.files("semantoks.recipes") / f"{name}.toml") as path:
            return from_plain(PretrainConfig, read_toml(path), f"recipe {name}")
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"there is no recipe {str(name)!r}: use {', '.join(list_recipes())}, or a FILE.toml.")
    return from_plain(PretrainConfig, modernise(read_toml(path), str(path)), str(path))


def modernise(plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return plain settings with those at former places (``MOVED``) at their present ones; ConfigError if at both."""
    new = {key: dict(value) if isinstance(value, Mapping) else value for key, value in plain.items()}
    for (*folder, name), (section, key) in MOVED.items():
        holder = new.get(folder[0]) if folder else new
        if not isinstance(holder, dict) or name not in holder:
            continue
        target = new.setdefault(section, {})
        if not isinstance(target, dict):
            raise ConfigError(f"{where}: {section} has to be a table of settings, not {target!r}.")
        if key in target:
            raise ConfigError(f"{where} sets both {'.'.join([*folder, name])} and {section}.{key}: keep the latter.")
        target[key] = holder.pop(name)
    return new


def check_given(asked: PretrainConfig, taken: PretrainConfig, given: Collection[str], weights: str | Path) -> None:
    """Refuse a setting that was given (``encoder.width``) where those of the weights to start from take its place."""
    for name in given:
        wanted, theirs = (_value(one, name) for one in (asked, taken))
        if wanted != theirs:
            raise ConfigError(
                f"--{name.replace('_', '-')} is {wanted}, but the weights of {weights} have {theirs}, and a training "
                "that starts from them keeps it: leave the option out, or leave out --init-from."
            )


def _value(config: PretrainConfig, name: str) -> Any:
    """Return a setting by its path; None where there is none of this name."""
    found: Any = config
    for key in name.split("."):
        found = getattr(found, key, None)
    return found


def completed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an older run with those that it could not name: kinds, and settings that came later.

    What came later takes its default, which is what that run did. Settings of kinds from outside this package stay.
    """
    new = json.loads(json.dumps(plain))
    for path, kind in ONLY_KINDS.items():
        functools.reduce(lambda table, name: table.setdefault(name, {}), path, new).setdefault("kind", kind)
    try:
        return dict(json.loads(json.dumps(to_plain(from_plain(PretrainConfig, new)))))
    except ConfigError:
        return dict(new)
