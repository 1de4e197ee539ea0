"""One tiny cohort for all tests of training."""

import pytest
from tiny_run import make_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Twelve people, two sessions each."""
    return make_cohort(tmp_path_factory.mktemp("tiny"))
