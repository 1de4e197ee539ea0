"""Carries a study out: trains and probes what is not there yet, and writes down what was asked for."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from semantoks.config import from_plain, to_plain
from semantoks.errors import BusyError, ConfigError, DataError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.encode import as_encoder_takes, find_device, open_encoder
from semantoks.features.stored import embed_stored
from semantoks.objective.watch import spread_of
from semantoks.progress import duration
from semantoks.reporting.study import STUDY
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.storage.checksums import read_sealed, write_sealed
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import hold_file
from semantoks.storage.memory import need_memory
from semantoks.storage.own import need_own
from semantoks.storage.text import read_json
from semantoks.studies.on_cluster import BUSY, run_on_cluster
from semantoks.studies.sides import check_unseen
from semantoks.studies.table import RUNS, Planned, Study
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain, training_bytes

FAILED = "failed.txt"
"""Why a run could not be trained to its end; deleted, it is tried again."""
PROBED, SPREAD = "probe/probe.json", "spread.json"
MOMENTS = 60.0
"""Seconds in which another job has to have written what takes moments."""
OVER = ("finished", "failed")
"""What runs are that need no more work."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """What a command has done: the runs that are there now, and those that are not, with the reason."""

    there: tuple[Planned, ...]
    missing: tuple[tuple[Planned, str], ...]


def status_of(study: Study, run: Planned) -> str:
    """Say how far a run is: finished, failed, trained, started, or absent."""
    folder = study.folder(run)
    if (folder / FAILED).exists():
        return "failed"
    try:
        status = read_json(folder / "run.json")["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return "absent"
    if status != "finished":
        return "started"
    return "finished" if (folder / PROBED).exists() else "trained"


def carry_out(
    study: Study, *, part: str | None = None, progress: Progress | None = None, tell: Tell | None = None
) -> Done:
    """Train and probe the runs of a part that are not there, one after the other, or on the workers of a cluster.

    A run that another job is writing is left to it; one that does not stay finite is noted as failed. A job that is
    asked to stop saves its run and ends; the same command goes on.

    Raises
    ------
    ConfigError
        If the study's folder is of another study.
    DataError
        If a test person was in a training.
    """
    begin(study)
    chosen = study.part(part)
    open_runs = [run for run in chosen if status_of(study, run) not in OVER]
    _need_memory(study, open_runs)
    clock = _Clock(study, open_runs, progress, tell or (lambda _: None))
    if study.settings.scheduler is not None and open_runs:
        for number, run in enumerate(run_on_cluster(study.settings.scheduler, study, open_runs), start=1):
            clock.end(run)
            clock.say(f"{number} of {len(open_runs)} runs are back: {run.condition}, seed {run.seed}")
        begin(study)  # workers have written their own parts of the command down
        return done_of(study)
    busy: dict[str, str] = {}
    for number, run in enumerate(open_runs, start=1):
        clock.start(run, number)
        try:
            stopped = _train_and_probe(study, run, clock)
        except BusyError:
            busy[run.name] = BUSY
            continue
        if stopped:
            break
        clock.end(run)
    return done_of(study, busy)


def _need_memory(study: Study, runs: list[Planned]) -> None:
    """Say what the largest training of all will need, before the first one: on a processor of this machine."""
    settings, networks = study.settings, study.sides.cohort.atlas.n_networks
    if runs and settings.scheduler is None and find_device(settings.device).type == "cpu":
        largest = max(runs, key=lambda run: training_bytes(run.config, networks))
        remedy = f"make {largest.condition} smaller: its batch_size, or its encoder's width or depth"
        need_memory(study.kind, training_bytes(largest.config, networks), remedy)


def done_of(study: Study, busy: Mapping[str, str] | None = None) -> Done:
    """Say which runs are there, and how far the others are; ``busy`` gives another word for some."""
    states = {run.name: status_of(study, run) for run in study.runs} | dict(busy or {})
    there = tuple(run for run in study.runs if states[run.name] in OVER)
    return Done(there, tuple((run, states[run.name]) for run in study.runs if run not in there))


def _train_and_probe(study: Study, run: Planned, clock: "_Clock") -> bool:
    """Take a run to its end; return whether it was asked to stop before."""
    folder = study.folder(run)
    if status_of(study, run) != "trained":
        try:
            record = pretrain(
                [run.cohort(study.sides)],
                out=folder,
                config=run.config,
                device=study.settings.device,
                precision=study.settings.precision,
                resume=True,
                keep=1,
                command=study.command,
                on_row=clock.row,
            )
        except FloatingPointError as error:
            folder.mkdir(parents=True, exist_ok=True)
            write_durably(folder / FAILED, f"{error}\n".encode())
            return False
        if record["status"] != "finished":
            return True
    check_unseen(folder, study.sides)
    device = str(find_device(study.settings.device))
    config = replace(study.settings.probing(), methods=("encoder", *run.methods), analyses=run.analyses)
    where = folder / "probe"
    cohort = run.tested(study.sides)
    write_durably(folder / SPREAD, json.dumps(_spread(folder, cohort, device)).encode())
    probe(folder, cohort, targets=study.targets, out=where, config=config, device=device, n_jobs=study.settings.n_jobs,
          command=study.command)  # fmt: skip
    return False


def _spread(folder: Path, cohort: Cohort, device: str) -> dict[str, float]:
    """Say how far the encoder's readouts of the test recordings are spread (``objective.watch.spread_of``)."""
    encoder, card = open_encoder(folder)
    features = embed_stored(
        encoder.to(device),
        as_encoder_takes(cohort, card),
        readouts=["cls_avg"],
        crops=None,
        device=torch.device(device),
        folder=folder / "cache",
    )
    found = spread_of(torch.from_numpy(features["cls_avg"].mean(axis=1)))
    return {name: float(value) for name, value in found.items()}


def begin(study: Study) -> None:
    """Write study.json, or compare it with the one that is there.

    Raises
    ------
    ConfigError
        If the folder holds a study of other people, targets, probes or settings, or something else.
    """
    need_own(study.out, "a study", marks=(STUDY, f"{RUNS}/*/run.json"), left=(RUNS,))
    with hold_file(study.out / STUDY, patience=MOMENTS):  # parts of a study begin at once
        _write_down(study)


def _write_down(study: Study) -> None:
    path = study.out / STUDY
    mine = {
        "schema": 1,
        "version": version("semantoks"),
        "kind": study.kind,
        "command": study.command,
        "cohort": str(study.sides.cohort.path),
        "tested": str(study.sides.tested.path),
        "people": study.sides.fingerprint,
        "pool": len(study.sides.pool),
        "test_people": study.sides.tested.recordings["participant_id"].nunique(),
        "targets": list(study.targets),
        "probe": to_plain(study.settings.probing()),
        "reference": study.reference,
        "left_out": [list(pair) for pair in study.left_out],
        "about": [list(pair) for pair in study.about],
        "notes": list(study.sides.notes),
        "runs": {run.name: run.plain() for run in study.runs},
    }
    mine = json.loads(json.dumps(mine))
    mine["table"] = list(mine["runs"])
    if path.exists():
        mine["runs"] = _compared(study, mine) | mine["runs"]
    write_sealed(path, mine)


def _compared(study: Study, mine: dict[str, Any]) -> dict[str, Any]:
    """Return the runs of the study that is there, after comparing it with this one."""
    path = study.out / STUDY
    try:
        before = read_sealed(path)
        runs = {name: run | {"config": _whole(PretrainConfig, run["config"])} for name, run in before["runs"].items()}
        before["probe"] = _whole(ProbeConfig, before["probe"])
    except DataError as error:
        raise DataError(f"{error} Or delete it, and run the command again: runs that are there stay.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error!r}): delete it, and run the command again.") from error
    words = {"kind": "another kind", "people": "other people", "targets": "other targets", "probe": "another probe"}
    if other := [what for name, what in words.items() if before.get(name) != mine[name]]:
        raise ConfigError(f"{study.out} holds a study with {' and '.join(other)}: choose another --out.")
    if changed := [name for name in mine["runs"] if name in runs and runs[name] != mine["runs"][name]]:
        raise ConfigError(
            f"{study.out} holds the run {changed[0]} with other settings ({len(changed)} such runs): choose another "
            f"--out, or delete {study.out / RUNS / changed[0]} and {path}."
        )
    return runs


def _whole(kind: type, plain: dict[str, Any]) -> dict[str, Any]:
    """Return settings that an earlier version wrote, with the defaults of those that it did not have."""
    try:
        found: dict[str, Any] = json.loads(json.dumps(to_plain(from_plain(kind, plain, STUDY))))
    except ConfigError:
        return plain
    return found


class _Clock:
    """Progress over runs by their operations, and the time that is left by those done since the start."""

    def __init__(self, study: Study, runs: list[Planned], progress: Progress | None, tell: Tell) -> None:
        self.flops, self.progress, self.tell = study.flops, progress, tell
        self.total, self.runs = sum(self.flops[run.name] for run in runs) or 1.0, len(runs)
        self.done, self.share, self.current, self.since = 0.0, 0.0, "", time.monotonic()
        self.steps = {run.name: run.config.total_steps(run.people) for run in runs}

    def start(self, run: Planned, number: int) -> None:
        """Say which run begins, and how long all of them will take at the speed so far."""
        self.current = run.name
        self.say(f"run {number} of {self.runs}: {run.condition}, seed {run.seed}")

    def say(self, what: str) -> None:
        """Tell something, and the time that is left."""
        elapsed, left = time.monotonic() - self.since, ""
        if 0 < self.done < self.total:
            left = f", about {duration(elapsed * (self.total / self.done - 1))} left"
        self.tell(what + left)

    def row(self, row: dict[str, Any]) -> None:
        """Count a step."""
        share = (row["step"] + 1) / self.steps[self.current]
        self._show(self.done + share * self.flops[self.current])

    def end(self, run: Planned) -> None:
        """Count a run."""
        self.done += self.flops[run.name]
        self._show(self.done)

    def _show(self, done: float) -> None:
        if self.progress:
            self.progress(round(1000 * done / self.total), 1000)
