"""Commands that are killed, in processes of their own, at a random write or moment; and what they leave behind."""

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from semantoks.cli.main import run

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SAID, TEMPORARY = "said.txt", "tmp"
"""Beside a command's outputs: what it wrote to the terminal, and its folder for temporary files."""
TORCH = "torchinductor_"
"""A folder that torch makes among temporary ones when it is imported."""
PATIENCE = 20.0
"""Seconds in which the workers of a process that was killed have to be gone."""


@dataclass
class Attack:
    """One command, typed anew in folder after folder, so that nothing in its outputs says where it ran."""

    words: Sequence[str]
    unlike: Sequence[str] = ()
    """Names of files that say when or how fast they were made."""
    goes_on: bool = True
    """Whether a stopped command goes on with what is finished; else it begins anew."""
    once: bool = False
    """Whether it writes over nothing: once it is through, it is not typed again."""
    lasts: float = field(default=1e9, init=False)
    """Seconds that an undisturbed run takes, by the shortest so far."""

    def carry_out(self, place: Path, rounds: int, chance: random.Random, *, stops: int = 2) -> str:
        """Stop the command some times in each round, let it end, compare what it wrote; say what came of it.

        In turns it is stopped before one of its files is in place, and at any moment, by one signal after the other.
        """
        writes, drawn, in_time = self.end(place / "whole", place / "writes"), chance.randrange(6), 0
        expected = self.contents(place / "whole")
        for number in range(rounds):
            folder, over = place / f"round-{number}", False
            for turn in range(drawn + number, drawn + number + stops):
                by_write = writes and turn % 2
                how = {"write": chance.randrange(writes)} if by_write else {"moment": chance.uniform(0, self.lasts)}
                stopped = not over and self.stop(folder, SIGNALS[turn % 3], **how)
                in_time, over = in_time + stopped, self.once and not stopped
            if not over:
                self.end(folder)
            assert self.contents(folder) == expected, number
        return f"{in_time} of {stops * rounds} signals in time, {len(expected)} files equal ({writes} are written)"

    def end(self, folder: Path, count: Path | None = None) -> int:
        """Run the command to its end and find nothing left over; return how many files it put in place, if counted."""
        begin = time.perf_counter()
        child = self._typed(folder, lambda: None if count is None else _counting(count))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.lasts = min(self.lasts, time.perf_counter() - begin)
        assert code == 0, (folder / SAID).read_text()
        _wait_for_all_of(child)
        assert not [path for path in (folder / TEMPORARY).iterdir() if not path.name.startswith(TORCH)]
        assert not [path for path in folder.rglob(".*semantoks*") if path.is_file()]
        return len(count.read_bytes()) if count else 0

    def stop(self, folder: Path, number: int, *, write: int | None = None, moment: float = 0.0) -> bool:
        """Run the command, send it a signal, and say whether that ended it, in order where it could be."""
        child = self._typed(folder, lambda: None if write is None else _signalling(write, number))
        if write is None:
            time.sleep(moment)
            os.kill(child, number)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _wait_for_all_of(child)
        said = (folder / SAID).read_text() if (folder / SAID).exists() else ""
        assert code in (0, -number, 128 + number), (code, said)
        assert "Traceback" not in said, said
        if code > 0:
            assert "semantoks: stopped" in said
            how = ("goes on with", "Go on with") if self.goes_on else ("begins anew",)
            assert any(words in said for words in how), said
        return code != 0

    def contents(self, folder: Path) -> dict[str, bytes]:
        """Read all that the command wrote, but for what says how fast."""
        files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (*self.unlike, SAID))
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    def _typed(self, folder: Path, arrange: Callable[[], None]) -> int:
        """Run the command in a process and a session of its own; return its number."""
        (folder / TEMPORARY).mkdir(parents=True, exist_ok=True)
        if child := os.fork():
            return child
        code = 70
        try:
            os.setsid()
            os.chdir(folder)
            tempfile.tempdir = str(folder / TEMPORARY)
            with open(SAID, "w") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            sys.stdout, sys.stderr = (os.fdopen(one, "w", 1, closefd=False) for one in (1, 2))
            arrange()
            code = run(list(self.words))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)


def _counting(count: Path) -> None:
    """Write a dot to a file whenever this process puts a file in its place."""
    count.touch()

    def note(_: int) -> None:
        with count.open("ab") as file:
            file.write(b".")

    _before_each_file(note)


def _signalling(write: int, number: int) -> None:
    """Send this process a signal before it puts its ``write``th file in place."""
    _before_each_file(lambda seen: os.kill(os.getpid(), number) if seen == write else None)


def _before_each_file(call: Callable[[int], None]) -> None:
    really, seen = os.replace, iter(range(1 << 40))

    def replace(source: Path, target: Path) -> None:
        call(next(seen))
        really(source, target)

    os.replace = replace


def _wait_for_all_of(session: int) -> None:
    """Wait until no process of a session lives; AssertionError where one goes on."""
    until = time.monotonic() + PATIENCE
    while left := _living(session):
        assert time.monotonic() < until, left
        time.sleep(0.05)


def _living(session: int) -> list[str]:
    """Give the command lines of the processes of a session."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, theirs = (place / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(theirs) == session and state != "Z":
                found.append((place / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return found
