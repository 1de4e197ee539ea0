"""Shapes are types: the whole suite runs the package under beartype, and warnings are errors (pyproject)."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: threads cost more than they give, and xdist has its own
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell's background job ignores Ctrl-C, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jaxtyping
import pytest

from typed import check_types

check_types("semantoks")


@pytest.fixture
def untyped():
    """As users have it: the tests' own type checks would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
