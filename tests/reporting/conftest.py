"""Folders for the tests of the report: one run and one cohort for all of them; a test that changes one gets a copy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from simulated_cohort import write_cohort
from simulated_probe import SMALL, write_probe
from simulated_run import about, write_run

from made_once import made_once
from semantoks.reporting.page import report
from semantoks.reporting.run.folder import RunFolder, read_run


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with everything; nobody may change it."""
    name = "whole_run"
    return made_once(tmp_path_factory, name, lambda at: write_run(at / "a", steps=80, total=80, probe=True)) / "a"


@pytest.fixture(scope="session")
def whole(whole_run: Path) -> RunFolder:
    """Return what it holds."""
    return read_run(whole_run)


@pytest.fixture(scope="session")
def whole_page(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its report."""
    page = "page.html"
    return made_once(tmp_path_factory, "whole_page", lambda at: report(whole_run, at / page)) / page


@pytest.fixture(scope="session")
def whole_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cohort with everything; nobody may change it."""
    name = "whole_cohort"
    return made_once(tmp_path_factory, name, lambda at: write_cohort(at, people=4, frames=330)) / "cohort"


@pytest.fixture(scope="session")
def cohort_page(whole_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its report."""
    page = "page.html"
    return made_once(tmp_path_factory, "cohort_page", lambda at: report(whole_cohort, at / page)) / page


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    """Write a run of a few people and methods that nothing is logged of, and return its path."""
    write_probe(tmp_path / "small" / "probe", SMALL)
    (tmp_path / "small" / "run.json").write_text(json.dumps(about(80, 80)))
    return tmp_path / "small"


@pytest.fixture
def make_run(whole_run: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a factory: ``make_run(steps=80, total=80, probe=True)`` writes a run folder and returns its path."""

    def make(*, steps: int = 80, total: int = 80, probe: bool = True) -> Path:
        if (steps, total) != (80, 80):
            write_run(tmp_path / "a", steps=steps, total=total, probe=False)
            if probe:
                shutil.copytree(whole_run / "probe", tmp_path / "a" / "probe")
            return tmp_path / "a"
        left = None if probe else shutil.ignore_patterns("probe")
        return shutil.copytree(whole_run, tmp_path / "a", ignore=left)

    return make
