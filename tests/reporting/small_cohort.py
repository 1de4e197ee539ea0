"""Cohorts of a few recordings that are in memory, for what needs no more."""

from pathlib import Path
from typing import Any

import numpy as np
from test_page import plain

from semantoks.atlas.atlas import Atlas
from semantoks.reporting.page import report
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource

SMALL = Atlas(name="own", labels=tuple("abcdef"), networks=("Vis", "Vis", "Vis", "Cont", "Cont", "Cont"))


def recording(person: str = "1", frames: int = 60, seed: int = 0, tr: float = 2.0, **facts: Any) -> Recording:
    """Return noise of the six ROIs of ``SMALL``."""
    series = np.random.default_rng(seed).normal(size=(frames, 6)).astype(np.float32)
    return Recording(series=series, tr=tr, participant=person, source=f"file of {person}", **facts)


def made(out: Path, recordings: list[Recording], atlas: Atlas = SMALL, **options: Any) -> Path:
    """Prepare recordings as the cohort ``out``."""
    prepare(MemorySource(recordings, atlas=atlas), out=out, atlas=atlas, **options)
    return out


def words_of(cohort: Path, out: Path) -> str:
    """Return the words of a cohort's page, which is written into ``out``."""
    return plain(report(cohort, out / "page.html").read_text(encoding="utf-8"))
