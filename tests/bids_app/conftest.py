"""One small derivative for all tests here, and the settings of calls on it."""

import pytest
from small_derivative import ATLAS, write_derivative

from semantoks.bids_app.dataset import AppConfig
from semantoks.signals.opened_source import SourceConfig
from semantoks.signals.reading_config import ReadingConfig


@pytest.fixture(scope="session")
def xcpd(tmp_path_factory):
    """Read only."""
    return write_derivative(tmp_path_factory.mktemp("input") / "xcp_d")


@pytest.fixture
def told(xcpd, tmp_path):
    """Make the settings of a call on some participants; ``facts`` are other settings."""

    def config(*participants, **facts):
        reading = ReadingConfig(participant_label=participants)
        places = {"source": xcpd, "out": tmp_path / "out"} | {k: facts.pop(k) for k in ("source", "out") if k in facts}
        return AppConfig(**places, input_config=SourceConfig(**{"atlas": ATLAS, "reading": reading, **facts}))

    return config
