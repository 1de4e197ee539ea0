"""Run folders for the tests of the report."""

from collections.abc import Callable
from pathlib import Path

import pytest
from simulated_run import write_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a factory: ``make_run(steps=80, total=80, probe=True)`` writes a run folder and returns its path."""

    def make(*, steps: int = 80, total: int = 80, probe: bool = True) -> Path:
        return write_run(tmp_path / "a", steps=steps, total=total, probe=probe)

    return make
