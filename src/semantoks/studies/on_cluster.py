"""Runs of a study on the workers of a Dask cluster: each is its part of the command, in a process of its own."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semantoks.errors import EXIT_OK, EXIT_PARTIAL, ConfigError
from semantoks.signals.cluster import map_on_cluster
from semantoks.studies.table import Planned, Study

TRIES, PAUSE = 5, 2.0
"""How often, and after how many seconds, a run is tried that another job is writing: one that died may seem to."""
BUSY = "another job is writing it"
_CHILD = "import os, sys; from semantoks.storage.workers import end_with; end_with(int(sys.argv[1])); "
_CHILD += "from semantoks.cli.main import run; sys.exit(run(sys.argv[2:]))"


@dataclass(frozen=True)
class Typed:
    """A command without what says where it runs, the folder in which it was typed, and how many runs it has."""

    words: tuple[str, ...]
    folder: Path
    runs: int


def run_on_cluster(address: str, study: Study, runs: Sequence[Planned]) -> Iterator[Planned]:
    """Carry runs out on the workers of a Dask scheduler; yield each as it gets done.

    A worker that dies takes its run with it, and another one goes on from the last checkpoint.

    Raises
    ------
    ConfigError
        As `map_on_cluster`; if the study was not begun by a command; and with the last words of a run that failed.
    """
    if not study.command:
        raise ConfigError("--scheduler is for studies that a command begins: each worker runs its part of it.")
    typed = Typed(_without_place(study.command), Path.cwd(), len(study.runs))
    number = {run.name: place for place, run in enumerate(study.runs, start=1)}
    needed = [
        typed.folder,
        *(path.absolute() for path in (study.out, study.sides.cohort.path, study.sides.tested.path)),
    ]
    for place in map_on_cluster(address, run_part, typed, [number[run.name] for run in runs], needed=needed):
        yield study.runs[place - 1]


def _without_place(command: str) -> tuple[str, ...]:
    """Return the words of a command but for the program, --scheduler and --part."""
    words, found = shlex.split(command)[1:], []
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name in ("--scheduler", "--part"):
            words = words if equals else words[1:]
        else:
            found.append(word)
    return tuple(found)


def run_part(typed: Typed, place: int) -> int:
    """Run the command's part that is this one run, and return its place; the process ends with the worker."""
    words = [*typed.words, "--part", f"{place}/{typed.runs}"]
    for _ in range(TRIES):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(os.getpid()), *words],
            cwd=typed.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if BUSY not in done.stdout:
            break
        time.sleep(PAUSE)
    if done.returncode not in (EXIT_OK, EXIT_PARTIAL):
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        why = last[0].removeprefix("semantoks: ") if last else f"it ended with status {done.returncode}"
        raise ConfigError(f"run {place} of {typed.runs} failed on its worker: {why}")
    return place
