"""Where a training runs: its device, its precision, and the processes that train together (torchrun, srun, ours)."""

import logging
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig
from semantoks.model.precision import Choice, choose_precision, chosen_device, tell
from semantoks.storage.cores import warn_of_spinning
from semantoks.types import Precision

TOLD = logging.getLogger("semantoks.pretrain")
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Launched:
    """Processes that something else started, to train together."""

    by: str
    """torchrun or srun."""
    option: str
    """How to start another number of them."""
    world: int
    """How many there are, on all machines."""
    local: int
    """How many of them are on this machine."""


def find_launched(environment: MutableMapping[str, str] = os.environ) -> Launched | None:
    """Say whether torchrun or SLURM's srun started this process among others; None when it was started alone.

    What Lightning needs to know of them and they left out is added to the environment.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        environment.setdefault("LOCAL_WORLD_SIZE", environment["WORLD_SIZE"] if "LOCAL_RANK" in environment else "1")
        environment.setdefault("LOCAL_RANK", "0")
        world, local = (int(environment[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        return Launched("torchrun", "--nproc-per-node", world, local)
    if not _is_slurm_task(environment):
        return None
    world, machines = int(environment["SLURM_NTASKS"]), int(environment.get("SLURM_NNODES", 1))
    per_machine = environment.setdefault("SLURM_NTASKS_PER_NODE", str(max(1, world // machines)))
    return Launched("srun", "--ntasks-per-node", world, int(per_machine))


def count_processes(devices: int | None) -> int:
    """Count the processes that will train together: those that were started, else ``devices``."""
    launched = find_launched()
    return launched.world if launched else devices or 1


def _is_slurm_task(environment: MutableMapping[str, str]) -> bool:
    """Say whether this is one of srun's tasks, and not a script of sbatch, or a shell, which is there once."""
    script = environment.get("ENVIRONMENT") == "BATCH" and "SLURM_STEP_ID" not in environment
    return {"SLURM_NTASKS", "SLURM_PROCID"} <= environment.keys() and not script and "SLURM_PTY_PORT" not in environment


def start_fabric(
    device: Device, precision: Precision, devices: int | None, size: EncoderConfig | None = None
) -> tuple[Fabric, Choice]:
    """Choose device and precision, for an encoder of this ``size``, and launch; say why this precision.

    Several processes on CPUs, which might not measure the same, are in float32 by "auto".

    Parameters
    ----------
    devices
        How many train together; None: the processes that torchrun or srun started, else one.

    Raises
    ------
    ConfigError
        When ``devices`` is not the number of processes that were started, or this machine does not have as many.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets, and says again what was chosen
    chosen = chosen_device(device)
    launched = find_launched()
    world = count_processes(devices)
    local = launched.local if launched else world
    _check(launched, world, local, devices, chosen)
    strategy: Any = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False) if world > 1 else "auto"
    choice = Choice("32-true", "several processes on CPUs")
    if precision != "auto" or chosen != "cpu" or world == 1:
        choice = choose_precision(precision, torch.device(chosen), size)
    exact: Any = choice.precision
    try:
        fabric = Fabric(
            accelerator=chosen,
            devices=local,
            num_nodes=world // local,
            precision=exact,
            strategy=strategy,
            plugins=_environment(launched),
        )
        fabric.launch()
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise ConfigError(f"cannot train on {world} x {chosen}: {' '.join(str(error).split())}") from error
    if fabric.is_global_zero:
        tell(choice)
        warn_of_spinning(torch.get_num_threads() if chosen == "cpu" else 1)
    return fabric, choice


def in_any_process(fabric: Fabric, so: bool) -> bool:
    """Say whether something is so in any of the processes that train together; each of them has to ask."""
    if fabric.world_size == 1:
        return so
    count = fabric.all_reduce(torch.tensor(float(so), device=fabric.device), reduce_op="sum")
    return bool(torch.as_tensor(count) > 0)


def _check(launched: Launched | None, world: int, local: int, devices: int | None, chosen: str) -> None:
    """Refuse numbers of processes and of GPUs that contradict each other."""
    if launched and devices not in (None, world):
        raise ConfigError(
            f"{launched.by} started {world} process{'es' if world > 1 else ''} to train together, but --devices is "
            f"{devices}: leave --devices out, or start {devices} ({launched.by} {launched.option})."
        )
    if world % local:
        raise ConfigError(
            f"{world} processes, {local} of them on this machine: start equally many on every machine"
            f"{f' ({launched.by} {launched.option} N)' if launched else ''}."
        )
    there = torch.cuda.device_count() if chosen == "cuda" else 1 if chosen == "mps" else local
    if not there and local == 1:
        raise ConfigError(
            "--device cuda needs a CUDA GPU, and torch sees none here: use --device cpu, or leave it out."
        )
    if local > there:
        kind, few = ("CUDA GPU", f"{there or 'none'}") if chosen == "cuda" else ("GPU", "one")
        how = f"{launched.by} {launched.option} {there or 1}" if launched else f"--devices {there or 1}"
        raise ConfigError(
            f"{local} processes are to train on this machine, each on a {kind} of its own, but it sees {few}. "
            f"Use {how}" + (", or --device cpu." if there else " --device cpu.")
        )


def _environment(launched: Launched | None) -> Any:
    if launched:
        return TorchElasticEnvironment() if launched.by == "torchrun" else SLURMEnvironment()
    return LightningEnvironment() if "SLURM_NTASKS" in os.environ else None  # else Lightning would wait for tasks
