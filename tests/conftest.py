"""Shapes are types: the whole suite runs the package under beartype, and warnings are errors (pyproject)."""

import gc
import os
import signal

gc.disable()  # until all is imported and collected: see below
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: threads cost more than they give, and xdist has its own
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell's background job ignores Ctrl-C, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jaxtyping
import pytest

from typed import check_anew, check_types

check_types("semantoks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: with short ones at the end, no worker waits long for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Leave what is there now out of garbage collection, on which a tenth of the tests' time went."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_runtest_setup() -> None:
    """Check the types of each test's first calls."""
    check_anew()


@pytest.fixture
def untyped():
    """As users have it: the tests' own type checks would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
