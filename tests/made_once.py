"""Folders that take long to make: one for all workers of a run, which nobody may change."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Make the folder ``name`` by ``make``, unless another worker has; wait while one does. Return its path."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    done = root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it ends with the file that is closed, or with its process
        if not done.exists():
            (root / name).mkdir(exist_ok=True)
            make(root / name)
            done.touch()
    return root / name
