"""The processes that torchrun or SLURM started train together, and what contradicts them is refused."""

import re

import pytest
import torch

from semantoks.cli.training import go_on_with
from semantoks.errors import ConfigError
from semantoks.train.launch import Launched, find_launched, start_fabric

TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
SRUN = {"SLURM_NTASKS": "4", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_STEP_ID": "0"}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "Go on with: semantoks pretrain a"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "Go on with the torchrun command that started its processes."),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "Go on with the srun command that started its processes."),
    ],
)
def test_a_training_goes_on_with_as_many_processes_as_it_had(monkeypatch, environment, said):
    monkeypatch.setattr("semantoks.train.launch.find_launched", lambda: find_launched(dict(environment)))
    assert go_on_with("semantoks pretrain a") == said


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (TORCHRUN, ("torchrun", 4, 2)),
        ({"RANK": "0", "WORLD_SIZE": "3"}, ("torchrun", 3, 1)),  # one process a machine, as in pods
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, ("torchrun", 2, 2)),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}, None),  # started by our own first rank
        (SRUN, ("srun", 4, 4)),
        (SRUN | {"SLURM_NNODES": "2"}, ("srun", 4, 2)),
        (SRUN | {"SLURM_NNODES": "4", "SLURM_NTASKS_PER_NODE": "1"}, ("srun", 4, 1)),
        (SRUN | TORCHRUN, ("torchrun", 4, 2)),
        (SRUN | {"SLURM_JOB_NAME": "interactive"}, ("srun", 4, 4)),
        ({"SLURM_NTASKS": "8"}, None),  # a shell of salloc
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "ENVIRONMENT": "BATCH"}, None),  # a script of sbatch, without srun
        (SRUN | {"SLURM_PTY_PORT": "1"}, None),  # srun --pty bash
    ],
)
def test_the_processes_that_something_else_started_are_found(environment, found):
    launched = find_launched(dict(environment))
    assert (launched and (launched.by, launched.world, launched.local)) == found


def as_one_of(monkeypatch, by, world, local):
    launched = Launched(by, {"torchrun": "--nproc-per-node", "srun": "--ntasks-per-node"}[by], world, local)
    monkeypatch.setattr("semantoks.train.launch.find_launched", lambda: launched)


@pytest.mark.parametrize(("by", "world", "devices"), [("torchrun", 4, 1), ("torchrun", 2, 8), ("srun", 1, 2)])
def test_a_number_of_devices_that_was_not_started_is_refused_with_both_numbers(monkeypatch, by, world, devices):
    as_one_of(monkeypatch, by, world, world)
    with pytest.raises(
        ConfigError, match=f"{by} started {world} process.* but --devices is {devices}: leave --devices"
    ):
        start_fabric("cpu", "auto", devices)


@pytest.mark.parametrize(("by", "there"), [("torchrun", 1), ("srun", 2), (None, 2), (None, 0)])
def test_more_processes_than_gpus_are_refused_with_a_number_that_works(monkeypatch, by, there):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    if by is not None:
        as_one_of(monkeypatch, by, 4, 4)
    with pytest.raises(ConfigError, match=f"4 processes .* it sees {there or 'none'}") as error:
        start_fabric("cuda", "auto", None if by else 4)
    if there:
        assert re.search(rf"(--nproc-per-node|--ntasks-per-node|--devices) {there}\b", str(error.value))
    assert "--device cpu" in str(error.value)


def test_machines_with_unequal_numbers_of_processes_are_refused(monkeypatch):
    as_one_of(monkeypatch, "srun", 5, 2)
    with pytest.raises(ConfigError, match="5 processes, 2 of them on this machine: start equally many"):
        start_fabric("cpu", "auto", None)


def test_a_gpu_that_is_not_there_is_a_sentence():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(
        ConfigError, match=r"^--device cuda needs a CUDA GPU, and torch sees none here: use --device cpu"
    ):
        start_fabric("cuda", "auto", None)
