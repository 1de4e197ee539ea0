"""What a training run writes: run.json, checkpoints, the encoder for users, and its cost."""

import hashlib
import json
import logging
import os
import platform
import resource
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from semantoks.config import to_plain
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.model.card import EncoderCard, hashes, input_of, software
from semantoks.model.tensors import save_encoder
from semantoks.notebook import as_html
from semantoks.signals.cohort import Cohort
from semantoks.storage.checksums import unsealed, write_sealed
from semantoks.storage.cores import WAIT
from semantoks.storage.text import read_json
from semantoks.train.checkpoint import (
    GROWN,
    TrainState,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
    set_aside,
)
from semantoks.train.loop import Trainer
from semantoks.train.monitor import CURVES, Diverged
from semantoks.train.recipe import PretrainConfig
from semantoks.views.pool import long_enough

RUN_SCHEMA = 1
TOLD = logging.getLogger("semantoks.train")


def read_record(out: Path) -> dict[str, Any]:
    """Read a run's run.json; DataError when it is damaged."""
    path = out / "run.json"
    try:
        plain = read_json(path)
        for name in ("samples", "flops", "seconds", "peak_memory_bytes"):
            float(plain["cost"][name])
        for step, ranks in plain.get("ranks", ()):
            range(step, ranks)
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged: move it away, or choose another --out.") from error
    return unsealed(plain, path)


def recordings_hash(cohorts: Sequence[Cohort]) -> str:
    """Return what a resumed run compares: the people and checksums of all recordings, in order."""
    both = [zip(cohort.recordings["participant_id"], cohort.checksums, strict=True) for cohort in cohorts]
    rows = [list(row) for rows in both for row in rows]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def start_record(
    cohorts: Sequence[Cohort],
    config: PretrainConfig,
    fabric: Any,
    total: int,
    command: str,
    out: Path,
    parent: EncoderCard | None,
) -> dict[str, Any]:
    """Assemble run.json; a resumed run carries on its cost, and one that starts from a ``parent`` its salt."""
    before = read_record(out) if (out / "run.json").exists() else {}
    return {
        "schema": RUN_SCHEMA,
        "version": version("semantoks"),
        "command": command,
        "status": "running",
        "config": to_plain(config),
        "curves": [to_plain(panel) for panel in (*CURVES, *config.objective.curves())],
        "cohorts": [
            {
                "path": str(cohort.path),
                "recordings": int(long_enough(cohort, config.min_seconds).sum()),
                "too_short": int((~long_enough(cohort, config.min_seconds)).sum()),
                "participants": _trained_on(cohort, config)["participant_id"].nunique(),
                "atlas": cohort.atlas.name,
                "fingerprint": cohort.atlas.fingerprint,
            }
            for cohort in cohorts
        ],
        "steps_total": total,
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if fabric.device.type == "cuda" else platform.processor() or "CPU",
            "devices": fabric.world_size,
            "threads": torch.get_num_threads(),
            "threads_wait": os.environ.get(WAIT, "as the system has it"),
            "precision": str(fabric._precision.precision),
            "platform": platform.platform(),
        },
        "ranks": before.get("ranks", []),
        "cost": before.get("cost", {"samples": 0, "flops": 0.0, "seconds": 0.0, "peak_memory_bytes": 0}),
        "salt": before.get("salt") or (parent and parent.salt) or secrets.token_hex(8),
    }


@dataclass(frozen=True, repr=False, eq=False)
class Trained(Mapping[str, Any]):
    """A training as far as it is: where it is, and all that run.json says, by the names there (``run["cost"]``)."""

    out: Path
    record: dict[str, Any]
    first: bool = True
    """Whether this process speaks for the training: of several that train together, the first one does."""

    @property
    def status(self) -> str:
        """``finished`` or ``stopped``; the same call goes on with the latter."""
        return str(self.record["status"])

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return int(self.record["steps_total"])

    def __getitem__(self, name: str) -> Any:
        """Return an entry of run.json."""
        return self.record[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in run.json."""
        return iter(self.record)

    def __len__(self) -> int:
        """Count them."""
        return len(self.record)

    def __repr__(self) -> str:
        """Say where it is and how far."""
        return f"Trained({str(self.out)!r}: {self.status}, {self.steps} steps)"

    def _repr_html_(self) -> str:
        cost = ", ".join(f"{name} {value:g}" for name, value in self.record["cost"].items())
        return as_html(str(self.out), {"status": self.status, "steps": self.steps, "cost": cost})


@dataclass(kw_only=True)
class Job:
    """What a training run writes: run.json, checkpoints, encoder."""

    out: Path
    record: dict[str, Any]
    """What run.json says (``start_record``)."""
    cohorts: Sequence[Cohort]
    trainer: Trainer
    state: TrainState
    meta: dict[str, Any]
    """Settings and data that must not change when the run is resumed."""
    keep: int
    """Checkpoints that are kept."""
    parent: EncoderCard | None
    """The card of the weights that the training started from."""

    def __post_init__(self) -> None:
        """Start the clock, and the count of steps that the record knows of."""
        forget_peak(self.trainer.fabric.device)
        self.begin = time.perf_counter()
        self.counted = int(self.record["cost"]["samples"]) // self.trainer.config.batch_size
        self.norm = self.state.norm()

    def write_record(self, status: str) -> None:
        """Write run.json whole."""
        self.record["status"] = status
        if self.trainer.fabric.is_global_zero:
            write_sealed(self.out / "run.json", self.record)

    def save(self, step: int, status: str) -> None:
        """Write checkpoint, encoder and run.json, in this order; on several devices the first one does.

        Until the end two checkpoints are kept at least: whether the last is good, the loss of the next step says.

        Raises
        ------
        Diverged
            When the weights are not finite, or have exploded; nothing is written then.
        """
        norm = self.state.norm()
        if not norm <= GROWN * self.norm:
            raise Diverged(f"the norm of the weights grew from {self.norm:.3g} to {norm:.3g}", step - 1)
        self.norm = norm
        self._count(step)
        if self.trainer.fabric.is_global_zero:
            keep = self.keep if status == "finished" else max(self.keep, 2)
            save_checkpoint(self.out / "checkpoints", self.state, step=step, meta=self.meta, keep=keep)
        self._derive(status)

    def step_back(self, step: int) -> str:
        """Leave the weights from before ``step``, which went wrong: the last good checkpoint and its encoder.

        Returns
        -------
        str
            What is kept, and what to do.
        """
        remedy = "a lower --optim.lr or --precision 32-true"
        if not self.trainer.fabric.is_global_zero:
            return ""
        folder = self.out / "checkpoints"
        bad = set_aside(folder, step)
        good = list_checkpoints(folder)
        if bad is not None and good:
            self._count(load_checkpoint(good[-1], self.state, meta=self.meta))
            self._write_encoder()
        elif bad is not None:
            shutil.rmtree(self.out / "encoder", ignore_errors=True)
        self.write_record("diverged")
        aside = f" {bad.name} is from after it." if bad else ""
        if not good:
            return f"Nothing from before it was saved.{aside} Start again: another --out, with {remedy}."
        return (
            f"{good[-1].name} and encoder/ are from before it.{aside} Go on from them: --init-from {self.out}, "
            f"another --out, with {remedy}."
        )

    def _count(self, step: int) -> None:
        """Add to the cost what was spent since it was last counted."""
        trainer, config = self.trainer, self.trainer.config
        cost, now = self.record["cost"], time.perf_counter()
        steps, self.counted = step - self.counted, step
        cost["samples"] += steps * config.batch_size
        cost["flops"] += steps * config.objective.flops(trainer.learner.encoder, config.batch_size)
        cost["seconds"] += now - self.begin
        cost["peak_memory_bytes"] = max(cost["peak_memory_bytes"], peak_memory(trainer.fabric.device))
        self.begin = now

    def _derive(self, status: str) -> None:
        """Write what follows from the last checkpoint: the encoder, then run.json."""
        if self.trainer.fabric.is_global_zero:
            self._write_encoder()
        self.trainer.fabric.barrier()
        self.write_record(status)

    def _write_encoder(self) -> None:
        learner = self.state.learner
        save_encoder(self.out / "encoder", learner.encoder, self._card(), learner.training_tensors())

    def take_up(self, step: int) -> None:
        """Go on from the checkpoint of ``step``; a kill may have kept the encoder from being written with it."""
        ranks, world, first = self.record["ranks"], self.trainer.fabric.world_size, self.trainer.fabric.is_global_zero
        if not ranks or ranks[-1][1] != world:
            ranks.append([step, world])
            if len(ranks) > 1 and first:
                TOLD.info(
                    "%d processes go on from step %d, %d were there before: each step has the people that it would "
                    "have had, in other random views",
                    world,
                    step,
                    ranks[-2][1],
                )
        if not step:
            self.write_record("running")
            return
        if first:
            TOLD.info("pretrain goes on from step %d of %d", step, self.trainer.total)
        self._count(step)
        self._derive("finished" if step >= self.trainer.total else "running")

    def _card(self) -> EncoderCard:
        salt, config = self.record["salt"], self.trainer.config
        trained_on = pd.concat([_trained_on(cohort, config) for cohort in self.cohorts])
        people = {*hashes(salt, trained_on["participant_id"])}
        recordings = {*hashes(salt, trained_on["sha256"])}
        if self.parent is not None:
            people |= set(self.parent.participants)
            # A parent that does not know its recordings leaves the list incomplete: then there is none.
            known = bool(self.parent.recordings) or not self.parent.participants
            recordings = recordings | set(self.parent.recordings) if known else set()
        return EncoderCard(
            **input_of(self.cohorts[0]),
            encoder=config.encoder,
            learner=config.objective.settings(),
            seed=config.seed,
            salt=salt,
            participants=tuple(sorted(people)),
            recordings=tuple(sorted(recordings)),
            origin=self._origin(),
            versions=software(),
            cost=dict(self.record["cost"]),
        )

    def _origin(self) -> tuple[str, ...]:
        """Describe the training data, after the origin of the initial weights; no paths, no names."""
        size, steps = self.trainer.config.batch_size, self.counted
        lines = []
        for cohort in self.cohorts:
            table = _trained_on(cohort, self.trainer.config)
            who = plural(table["participant_id"].nunique(), "person")
            lines.append(
                f"trained on {plural(len(table), 'recording')} of {who} "
                f"({cohort.description['Name']}), {steps} steps of {size} people"
            )
        return (*(self.parent.origin if self.parent else ()), *lines)


def _trained_on(cohort: Cohort, config: PretrainConfig) -> pd.DataFrame:
    """Take the rows of the recordings that are long enough to be trained on."""
    return cohort.recordings[long_enough(cohort, config.min_seconds)]


def forget_peak(device: torch.device) -> None:
    """Begin to measure peak memory anew; where the system has no way to (macOS), it is that of the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux, proc(5): resets the resident peak


def peak_memory(device: torch.device) -> int:
    """Return the peak memory since ``forget_peak``, in bytes: on the GPU if it trains on one, else resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
