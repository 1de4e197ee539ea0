"""Where the pieces of an evaluation are computed; those that are done are kept, so that one that was killed goes on."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from semantoks.signals.cluster import map_on_cluster
from semantoks.statistics.tables import ABOUT, PREDICTION_KEYS, PREDICTION_VALUES, PREDICTIONS, SCORE_KEYS, SCORES
from semantoks.storage.checksums import SUMS
from semantoks.storage.durable import write_durably
from semantoks.storage.own import need_own
from semantoks.storage.text import read_json
from semantoks.storage.workers import Call, run_calls

UNFINISHED, ARRAYS = ".unfinished-semantoks", "arrays"
"""Folder of the pieces that are done, for as long as not all are, and that of large arrays in it."""


def check_out(out: Path) -> None:
    """Refuse a folder with anything but the results of a probe or a fine-tuning, whole or as a kill left them."""
    need_own(
        out,
        "the folder of a probe or a fine-tuning",
        marks=(ABOUT, UNFINISHED),
        left=("cache", "epochs.csv", SCORES, PREDICTIONS, SUMS),
    )


@dataclass(frozen=True)
class Results:
    """Rows of scores.csv, tables of predictions, and the epochs of what was trained for them."""

    scores: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[pd.DataFrame] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Results") -> None:
        """Append the rows of other results."""
        self.scores.extend(other.scores)
        self.predictions.extend(other.predictions)
        self.epochs.extend(other.epochs)

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return both as tables with all their columns."""
        scores = pd.DataFrame(self.scores)
        scores = scores[[*SCORE_KEYS, *(name for name in scores if name not in SCORE_KEYS)]]
        if not self.predictions:
            return scores, pd.DataFrame(columns=[*PREDICTION_KEYS, *PREDICTION_VALUES])
        return scores, pd.concat(self.predictions, ignore_index=True)

    def write(self, folder: Path, ids: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Write scores.csv and predictions.parquet into ``folder``, and return them.

        People are identified by number, unless ``ids`` gives their participant_id.
        """
        scores, predictions = self.tables()
        if ids is not None:
            predictions["participant_id"] = np.asarray(ids)[predictions["person"]]
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / SCORES, scores.to_csv(index=False).encode())
        write_durably(folder / PREDICTIONS, predictions.to_parquet(index=False))
        return scores, predictions


@dataclass(frozen=True)
class Piece:
    """One call that returns Results, and the name under which these are kept (`name_of`)."""

    call: Call
    name: str


def name_of(*about: Any) -> str:
    """Hash all that a piece depends on beside its study, or a study itself, to a name."""
    digest = hashlib.sha256()
    for part in about:
        content = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Work:
    """Worker processes, or a Dask cluster, and a folder.

    Attributes
    ----------
    n_jobs
        Worker processes; -1 uses all cores.
    scheduler
        Address of a Dask scheduler, whose workers do the pieces instead.
    folder
        Where pieces that are done are kept, and large arrays made; None = nowhere, and in memory.
    """

    n_jobs: int = 1
    scheduler: str | None = None
    folder: Path | None = None

    @property
    def arrays(self) -> Path | None:
        """The folder of large arrays."""
        return None if self.folder is None else self.folder / ARRAYS

    def results(self, pieces: Sequence[Piece], doing: Callable[[int], str]) -> Iterator[Results]:
        """Yield the results of all pieces, in their order; those that are kept are read instead of computed.

        Raises
        ------
        MemoryShort
            When a worker was killed; ``doing`` says, from the number of pieces done, what it was at.
        ConfigError
            As ``signals.cluster.map_on_cluster``.
        """
        kept = [None if self.folder is None else _read(self.folder, piece) for piece in pieces]
        lacking = [piece for piece, found in zip(pieces, kept, strict=True) if found is None]
        made = self._made(lacking, lambda done: doing(len(pieces) - len(lacking) + done))
        for number, found in enumerate(kept, 1):
            result = next(made) if found is None else found
            if number == len(kept):
                next(made, None)  # at its end it leaves its workers to the next pieces; given up, it would end them
            yield result

    def _made(self, pieces: Sequence[Piece], doing: Callable[[int], str]) -> Iterator[Results]:
        """Compute pieces, in order."""
        done = 0
        if self.scheduler is None:
            calls = [joblib.delayed(_carry_out)(self.folder, numbered) for numbered in enumerate(pieces)]
            for _, found in run_calls(calls, n_jobs=self.n_jobs, doing=lambda: doing(done)):  # noqa: B023
                done += 1
                yield found
            return
        needed = [] if self.folder is None else [self.folder]
        early: dict[int, Results] = {}
        for number, found in map_on_cluster(
            self.scheduler, _carry_out, self.folder, list(enumerate(pieces)), needed=needed
        ):
            early[number] = found
            while done in early:
                yield early.pop(done)
                done += 1


def _carry_out(folder: Path | None, numbered: tuple[int, Piece]) -> tuple[int, Results]:
    """Compute one piece, and keep it."""
    number, piece = numbered
    function, args, kwargs = piece.call
    found: Results = function(*args, **kwargs)
    if folder is not None:
        name, rows = piece.name, sum(map(len, found.predictions))
        if rows:
            table = pd.concat(found.predictions, ignore_index=True)
            write_durably(folder / f"{name}.parquet", table.to_parquet(index=False))
        about = {"rows": rows, "scores": found.scores, "epochs": found.epochs}
        write_durably(folder / f"{name}.json", json.dumps(about, default=_plain).encode())
    return number, found


def _read(folder: Path, piece: Piece) -> Results | None:
    """Return what is kept of a piece; None where there is nothing, or nothing whole."""
    name = piece.name
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        about = read_json(folder / f"{name}.json")
        found = Results(list(about["scores"]), epochs=list(about["epochs"]))
        if about["rows"]:
            found.predictions.append(pd.read_parquet(folder / f"{name}.parquet"))
        return found if sum(map(len, found.predictions)) == about["rows"] else None
    return None


def _plain(value: Any) -> Any:
    """Turn a number of numpy's into one of Python's."""
    return value.item()


@contextmanager
def unfinished(out: Path, about: Sequence[Any]) -> Iterator[Path]:
    """Give a folder in ``out`` for the pieces of this evaluation.

    It goes away at the end; after a failure it stays, if there is anything in it. Those of another evaluation, which
    was killed, go away first.
    """
    here = (out / UNFINISHED).absolute()
    folder = here / name_of(*about)
    if here.is_symlink():  # what it leads to is not ours to clear
        here.unlink()
    for other in here.glob("*"):
        if other != folder and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)
    shutil.rmtree(folder / ARRAYS, ignore_errors=True)
    (folder / ARRAYS).mkdir(parents=True)
    done = False
    try:
        yield folder
        done = True
    finally:
        shutil.rmtree(here if done or not any(folder.glob("*.json")) else folder / ARRAYS, ignore_errors=True)
