"""The participant level: a part for each participant, which shares no file with any other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joblib import delayed, effective_n_jobs

from semantoks.bids_app.dataset import WORK, AppConfig, Dataset, Share
from semantoks.bids_app.derivative import open_derivative
from semantoks.errors import BusyError, ConfigError
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import check_jobs, store
from semantoks.signals.writer import Progress
from semantoks.storage.workers import run_calls

if TYPE_CHECKING:
    from semantoks.bids_app.embeddings import Embedding

TASKS_PER_PROCESS = 8
"""Calls into which each process's work is cut: the source travels with each, and few let the last one wait."""


_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True, kw_only=True)
class PreparedParticipant:
    """What became of a participant: recordings ``kept`` and ``excluded``, in the cohort ``path``."""

    participant: str
    path: Path
    kept: int
    excluded: int


def run_participants(
    config: AppConfig,
    *,
    n_jobs: int = 1,
    embedding: "Embedding | None" = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[list[PreparedParticipant], list[str]]:
    """Prepare the recordings of each participant as a cohort of its own, and embed them where there is an embedding.

    ``tell`` is told what was recognised of the input and left out.

    Calls on the same output at the same time do not disturb each other; where they share a participant, one waits for
    the other. The same call again finishes what was killed and leaves alone what is finished.

    Returns
    -------
    parts, unknown
        What became of each participant, and those that were asked for but are not in the input.

    Raises
    ------
    ConfigError
        When the input has nobody that is asked for, a part is there that was made differently, or there are no jobs.
    DataError
        When the input cannot be opened.
    """
    check_jobs(n_jobs)
    dataset = Dataset(config)
    chosen, unknown = dataset.chosen()
    if tell is not None:
        for note in dataset.notes():
            tell(note)
    if not chosen:
        raise ConfigError(f"{config.source} has no sub-{' or sub-'.join(unknown)}; it has {_some(dataset)}.")
    open_derivative(config.source, config.out)
    (config.out / WORK).mkdir(exist_ok=True)
    shares = [(one, dataset.part(one), dataset.share_of(one)) for one in chosen]
    size = -(-len(shares) // (TASKS_PER_PROCESS * effective_n_jobs(n_jobs))) if n_jobs != 1 else 1
    tasks = [shares[start : start + size] for start in range(0, len(shares), size)]
    report = progress or (lambda _done, _total: None)
    parts: list[PreparedParticipant] = []
    for made in run_calls((delayed(_write_parts)(task, config) for task in tasks), n_jobs=n_jobs):
        parts += made
        report(len(parts), len(shares))
    if embedding is not None:
        from semantoks.bids_app.embeddings import write_embeddings  # torch is a second in each of many short calls

        for part in parts:
            write_embeddings(embedding, dataset, part.participant)
    return parts, unknown


def _write_parts(shares: Sequence[tuple[str, Path, Share]], config: AppConfig) -> list[PreparedParticipant]:
    parts = []
    for participant, path, share in shares:
        while True:
            try:
                store(share, path, config.input_config)
                break
            except BusyError:  # another call on this participant: soon its part is finished, or ours to finish
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        cohort = Cohort(path)
        parts.append(
            PreparedParticipant(participant=participant, path=path, kept=len(cohort), excluded=len(cohort.excluded))
        )
    return parts


def _some(dataset: Dataset) -> str:
    there = sorted(dataset.items_of)
    return ", ".join(f"sub-{one}" for one in there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
