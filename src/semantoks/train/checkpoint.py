"""Checkpoints that resume a training bit for bit: safetensors, each written whole or not at all."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from semantoks.errors import WeightsError
from semantoks.model.tensors import read_whole, write_tensors
from semantoks.objective.objective import Learner
from semantoks.storage.durable import clear_temporary
from semantoks.storage.text import plain_json
from semantoks.train.recipe import completed, modernise
from semantoks.types import Precision

GROWN = 30.0
"""Weights whose norm grew so many times since the last checkpoint have exploded."""
REMEDY = "Delete it, and resume from the one before, or from the start."


@dataclass(frozen=True)
class TrainState:
    """All that changes while training; random numbers need no state, they derive from (seed, step, rank, purpose)."""

    learner: Learner
    optimizer: torch.optim.Optimizer

    def norm(self) -> float:
        """Return the norm of all weights, those of a teacher included."""
        tensors = [value for value in self.learner.state_dict().values() if value.is_floating_point()]
        return math.hypot(*torch.stack([torch.linalg.vector_norm(value.float()) for value in tensors]).tolist())


def _tensors(state: TrainState) -> dict[str, Tensor]:
    named = dict(state.learner.state_dict())
    for index, slots in state.optimizer.state_dict()["state"].items():
        named |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
    return named


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder``, oldest first."""
    return sorted(path for path in folder.glob("step-*.safetensors") if path.stem.removeprefix("step-").isdecimal())


def set_aside(folder: Path, step: int) -> Path | None:
    """Rename the checkpoint of ``step``, which turned out bad, so that no resumed run takes it up; None without one."""
    path = folder / f"step-{step:08d}.safetensors"
    return path.rename(path.with_name(f"diverged-{step:08d}.safetensors")) if path.exists() else None


def save_checkpoint(folder: Path, state: TrainState, *, step: int, meta: dict[str, Any], keep: int) -> Path:
    """Save the state before ``step`` (= steps done) and delete all but the last ``keep`` checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    clear_temporary(folder)
    path = folder / f"step-{step:08d}.safetensors"
    write_tensors(path, _tensors(state), {"step": str(step), "meta": json.dumps(meta, sort_keys=True)})
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def differences(before: dict[str, Any], now: dict[str, Any], where: str = "") -> list[str]:
    """Name every setting that is not the same, with both of its values."""
    found = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{where}{key}.")
        elif old != new:
            found.append(f"{where}{key} was {old!r} and is now {new!r}")
    return found


def precision_of(folder: Path) -> Precision:
    """Return the precision of the last checkpoint; "auto" without one that can be read."""
    try:
        with safe_open(list_checkpoints(folder)[-1], framework="pt") as file:
            said = plain_json(file.metadata()["meta"])["precision"]
    except (IndexError, OSError, SafetensorError, KeyError, TypeError, ValueError):
        return "auto"
    return said if said in ("32-true", "bf16-mixed") else "auto"


def load_checkpoint(path: Path, state: TrainState, *, meta: dict[str, Any]) -> int:
    """Load into ``state`` in place and return the number of steps done.

    Raises
    ------
    WeightsError
        When the file is damaged, or was written with other settings than ``meta`` (the first difference is named).
    """
    tensors, written = read_whole(path, REMEDY)
    try:
        done, before = int(written["step"]), plain_json(written["meta"])
        before["config"]["optim"]
    except (KeyError, TypeError, ValueError):
        raise WeightsError(f"{path} is a safetensors file, but not a semantoks checkpoint. {REMEDY}") from None
    before["devices"] = meta.get("devices")  # another number of ranks draws other views of the same people: no setting
    before["config"] = completed(modernise(before.get("config", {}), str(path)))
    if differing := differences(before, meta):
        raise WeightsError(
            f"{path} was written with other settings: {'; '.join(differing)}. Resume with the settings it was started "
            "with, or choose another --out."
        )
    slots: dict[int, dict[str, Tensor]] = {}
    for key in [key for key in tensors if key.startswith("optimizer.")]:
        _, index, slot = key.split(".")
        slots.setdefault(int(index), {})[slot] = tensors.pop(key)
    try:
        state.learner.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not have the tensors of this training: {error}. {REMEDY}") from error
    state.optimizer.load_state_dict({"state": slots, "param_groups": state.optimizer.state_dict()["param_groups"]})
    return done
