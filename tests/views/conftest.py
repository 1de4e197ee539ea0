"""The pool that the tests of views draw from."""

import pytest
import torch
from tiny_pool import make_pool


@pytest.fixture
def pool():
    """Frames in memory."""
    return make_pool(torch.device("cpu"))
