"""One tiny cohort and one encoder for all tests of evaluation."""

import pytest
from tiny_people import make_people, save_model, write_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Forty people, two sessions each, with planted answers."""
    return write_cohort(tmp_path_factory.mktemp("people"), *make_people())


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An encoder that claims to have seen three of them."""
    return save_model(tmp_path_factory.mktemp("model") / "encoder", seed=7, people=("00", "01", "39", "elsewhere"))
