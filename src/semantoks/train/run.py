"""The pretraining job: cohorts in, a run folder with metrics, checkpoints and an encoder out."""

import json
import platform
import resource
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from semantoks.config import to_plain
from semantoks.errors import ConfigError, DataError
from semantoks.model.encoder import Encoder
from semantoks.model.head import Branch
from semantoks.model.weights import EncoderCard, hash_participant, save_encoder
from semantoks.signals.cohort import Cohort
from semantoks.train.checkpoint import TrainState, list_checkpoints, load_checkpoint, save_checkpoint, write_whole
from semantoks.train.loop import PretrainConfig, Trainer
from semantoks.train.monitor import Monitor
from semantoks.train.optim import build_optimizer
from semantoks.train.stop import StopRequest
from semantoks.views.pool import Residence, open_pool

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "32-true", "bf16-mixed"]
OnRow = Callable[[dict[str, Any]], None]
RUN_SCHEMA = 1


def build_branch(config: PretrainConfig, network_index: Sequence[int]) -> Branch:
    """Return a student with its weights drawn from ``config.seed``; the caller's random state is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return Branch(Encoder(config.encoder, network_index), config.head)


def start_fabric(device: Device, precision: Precision, devices: int) -> Fabric:
    """Choose device and precision ("auto": CUDA in bf16 where there is one, else CPU in float32) and launch."""
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    exact: Any = ("bf16-mixed" if chosen == "cuda" else "32-true") if precision == "auto" else precision
    strategy: Any = DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto"
    try:
        fabric = Fabric(accelerator=chosen, devices=devices, precision=exact, strategy=strategy)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot train on {devices} x {chosen}: {error}") from error
    fabric.launch()
    return fabric


def pretrain(
    cohorts: Sequence[Cohort | str | Path],
    *,
    out: str | Path,
    config: PretrainConfig | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    devices: int = 1,
    residence: Residence = "auto",
    resume: bool = False,
    checkpoint_every: int = 200,
    keep: int = 3,
    log_every: int = 10,
    on_row: OnRow | None = None,
    on_epoch: Callable[[int, Path], None] | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Pretrain an encoder by self-distillation (Gijsen et al. 2026) and return what ``run.json`` holds.

    Parameters
    ----------
    cohorts
        Prepared cohorts of one atlas; people of different cohorts count as different people.
    out
        The run folder: run.json, metrics.jsonl, warnings.jsonl, checkpoints/, encoder/.
    resume
        Go on from the last checkpoint in ``out``; on a CPU the result is bitwise that of an unbroken run.
    checkpoint_every, keep, log_every
        In steps; how many checkpoints are kept; steps between two writes of metrics.
    on_row
        Called with each step's metrics, as they are written.
    on_epoch
        Called with the epoch just ended and the run folder, after the encoder was saved there.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, cohorts or checkpoints that do not fit; FloatingPointError when the loss is not finite.
    """
    config, out = config or PretrainConfig(), Path(out)
    opened = [c if isinstance(c, Cohort) else Cohort(Path(c)) for c in cohorts]
    if not opened:
        raise DataError("pretrain needs at least one cohort: prepare one with `semantoks prepare`.")
    if (out / "run.json").exists() and not resume:
        raise ConfigError(f"{out} already holds a run: pass --resume to go on with it, or choose another --out.")
    fabric = start_fabric(device, precision, devices)
    trainer, state = _assemble(fabric, opened, config, residence)
    meta = {"config": to_plain(config), "atlas": opened[0].atlas.fingerprint, "people": trainer.pool.people}
    done = 0
    checkpoints = list_checkpoints(out / "checkpoints") if resume else []
    if checkpoints:
        done = load_checkpoint(checkpoints[-1], state, meta=json.loads(json.dumps(meta)))
    out.mkdir(parents=True, exist_ok=True)
    record = _record(opened, config, fabric, trainer.total, command, out)
    monitor = Monitor(
        out,
        every=log_every,
        first_step=done,
        on_row=on_row or (lambda _row: None),
        watch_from=round(2 * config.optim.warmup_share * trainer.total),
    )
    job = _Job(out, record, opened, trainer, state, meta, keep)
    job.write_record("running")
    per_epoch = max(1, trainer.pool.people // config.batch_size)
    with StopRequest() as stop:
        for step in range(done, trainer.total):
            trainer.run_step(step, monitor)
            last, epoch_ends = step + 1 == trainer.total, (step + 1) % per_epoch == 0 and on_epoch is not None
            if last or stop.asked or epoch_ends or (step + 1) % checkpoint_every == 0:
                monitor.flush()
                job.save(step + 1, "finished" if last else "stopped" if stop.asked else "running")
            if epoch_ends and on_epoch is not None:
                on_epoch(step // per_epoch, out)
            if stop.asked:
                break
    return record


def _assemble(
    fabric: Fabric, cohorts: Sequence[Cohort], config: PretrainConfig, residence: Residence
) -> tuple[Trainer, TrainState]:
    """Build the pool, student, teacher and optimiser on the device."""
    parts = fabric.world_size * config.accumulate
    if config.batch_size % parts:
        raise ConfigError(f"batch_size {config.batch_size} has to be a multiple of devices x accumulate = {parts}.")
    pool = open_pool(cohorts, fabric.device, residence)
    if config.batch_size > pool.people:
        raise ConfigError(
            f"a batch of {config.batch_size} people cannot be drawn from {pool.people}: "
            f"pass --batch-size {pool.people} or less."
        )
    index = pool.network_index.tolist()
    student = build_branch(config, index)
    teacher = build_branch(config, index).requires_grad_(False).to(fabric.device)
    optimizer = build_optimizer(student.to(fabric.device), config.optim)
    wrapped, wrapped_optimizer = fabric.setup(student, optimizer)
    trainer = Trainer(
        fabric=fabric,
        pool=pool,
        config=config,
        total=config.total_steps(pool.people),
        student=wrapped,
        teacher=teacher,
        optimizer=wrapped_optimizer,
    )
    return trainer, TrainState(student, teacher, optimizer)


def _record(
    cohorts: Sequence[Cohort], config: PretrainConfig, fabric: Fabric, total: int, command: str, out: Path
) -> dict[str, Any]:
    """Assemble run.json; a resumed run carries on the cost that it had."""
    before = json.loads((out / "run.json").read_text(encoding="utf-8")) if (out / "run.json").exists() else {}
    return {
        "schema": RUN_SCHEMA,
        "version": version("semantoks"),
        "command": command,
        "status": "running",
        "config": to_plain(config),
        "cohorts": [
            {
                "path": str(cohort.path),
                "recordings": len(cohort),
                "participants": int(cohort.recordings["participant_id"].nunique()),
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
            "precision": str(fabric._precision.precision),
            "platform": platform.platform(),
        },
        "cost": before.get("cost", {"samples": 0, "flops": 0.0, "seconds": 0.0, "peak_memory_bytes": 0}),
        "salt": before.get("salt", secrets.token_hex(8)),
    }


class _Job:
    """Where a running training is written down: run.json, checkpoints, encoder."""

    def __init__(
        self,
        out: Path,
        record: dict[str, Any],
        cohorts: Sequence[Cohort],
        trainer: Trainer,
        state: TrainState,
        meta: dict[str, Any],
        keep: int,
    ) -> None:
        self.out, self.record, self.cohorts, self.trainer = out, record, cohorts, trainer
        self.state, self.meta, self.keep = state, meta, keep
        self.begin = time.perf_counter()
        self.counted = int(record["cost"]["samples"]) // trainer.config.batch_size

    def write_record(self, status: str) -> None:
        """Write run.json whole."""
        self.record["status"] = status
        text = json.dumps(self.record, indent=1)
        if self.trainer.fabric.is_global_zero:
            write_whole(self.out / "run.json", lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def save(self, step: int, status: str) -> None:
        """Write checkpoint, encoder and run.json; on several devices the first one does."""
        trainer, config = self.trainer, self.trainer.config
        cost, now = self.record["cost"], time.perf_counter()
        steps, self.counted = step - self.counted, step
        views = 2 * config.batch_size
        cost["samples"] += steps * config.batch_size
        cost["flops"] += 4.0 * steps * trainer.teacher.encoder.flops(views)
        cost["seconds"] += now - self.begin
        cost["peak_memory_bytes"] = max(cost["peak_memory_bytes"], peak_memory(trainer.fabric.device))
        self.begin = now
        if trainer.fabric.is_global_zero:
            save_checkpoint(self.out / "checkpoints", self.state, step=step, meta=self.meta, keep=self.keep)
            save_encoder(self.out / "encoder", trainer.teacher.encoder, self._card())
        trainer.fabric.barrier()
        self.write_record(status)

    def _card(self) -> EncoderCard:
        first, salt = self.cohorts[0], self.record["salt"]
        band = first.description.get("Band")
        people = {p for cohort in self.cohorts for p in cohort.recordings["participant_id"]}
        return EncoderCard(
            encoder=self.trainer.config.encoder,
            atlas=first.atlas,
            tr=first.tr,
            band=None if band is None else (band[0], band[1]),
            seed=self.trainer.config.seed,
            salt=salt,
            participants=tuple(sorted(hash_participant(salt, p) for p in people)),
            versions={"semantoks": version("semantoks"), "torch": torch.__version__},
            cost=dict(self.record["cost"]),
        )


def peak_memory(device: torch.device) -> int:
    """Return the most memory that this process has held, bytes: on the GPU it trains on, else resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
