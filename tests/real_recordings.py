"""Where real recordings lie, for tests marked ``real``: they are no part of the project."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """The folder that SEMANTOKS_REAL_DATA names; skips without it."""
    folder = os.environ.get("SEMANTOKS_REAL_DATA")
    if folder is None:
        pytest.skip("SEMANTOKS_REAL_DATA is not set")
    return Path(folder)
