"""Progress of a job: a bar on a terminal or in a notebook, elsewhere a line every half minute."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

_SECONDS_PER_LINE = 30.0
_FIRST_GUESS = 0.02, 10.0
"""Share of the work, or seconds, after which the first word is said on the time that is left."""
_BARS = {120: 40, 80: 15}
"""Columns of a terminal from which on there is room for a bar, and for one of how many."""
QUIET: ContextVar[bool] = ContextVar("QUIET", default=False)
"""Whether nothing but errors is shown."""


@runtime_checkable
class Report(Protocol):
    """What a job calls with the progress that it makes."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show how much of ``total`` is done; ``note`` stands behind it."""


@contextmanager
def progress(title: str, unit: str = "") -> Iterator[Report]:
    """Yield a function of (done, total) that draws a bar on a terminal and prints an occasional line elsewhere.

    ``unit`` says what is counted ("recordings"); for "%", the share is shown, for work that is counted in no unit.
    """
    if QUIET.get():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console, pace = Console(stderr=True), Pace()

    bar_width = next((bar for width, bar in _BARS.items() if console.width >= width), 0)
    drawn = (BarColumn(bar_width),) if bar_width else ()
    room = console.width - len(title) - bar_width - len(drawn) - 1

    def words(done: int, total: int, note: str, room: int | None = None) -> str:
        return fitting([_counted(done, total, unit), *note.split(", ")], pace.words(done / max(total, 1)), room)

    if not (console.is_terminal or console.is_jupyter):
        yield _lines(title, words)
        return
    with Progress(TextColumn(title), *drawn, TextColumn("{task.fields[words]}"), console=console) as bar:
        task = bar.add_task(title, total=None, words="")

        def report(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, words=words(done, total, note, room))

        try:
            yield report
        finally:  # a job that was refused before it began leaves no empty bar
            bar.update(task, visible=bar.tasks[0].total is not None)


def fitting(parts: Sequence[str], times: Sequence[str], room: int | None) -> str:
    """Join what is counted, the notes and the times; where room is short, notes go from the last on, then times passed.

    What is counted and the time that is left stay.
    """
    count, *notes = filter(None, parts)
    kept = [[*notes[:n], *times] for n in range(len(notes), -1, -1)] + [list(times[-1:])]
    lines = [", ".join([count, *rest]) for rest in kept]
    return next((line for line in lines if room is None or len(line) <= room), lines[-1])


def _silent(done: int, total: int, note: str = "") -> None:
    """Show nothing."""


def _counted(done: int, total: int, unit: str) -> str:
    if unit == "%":
        return f"{int(100 * done / max(total, 1))} %"  # 100 is the end, no sooner
    return f"{done:,} of {total:,}{' ' * bool(unit)}{unit}"


class Pace:
    """How long a job took, and how long the rest will take at the pace of the later half of that time.

    What an earlier call had kept goes by at once, and says nothing of the pace.
    """

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.seen = deque([(self.begin, 0.0)])

    def words(self, share: float) -> list[str]:
        """Note the share that is done by now; say the time that passed, and what is left once it can be guessed."""
        now = time.monotonic()
        self.seen.append((now, share))
        while len(self.seen) > 2 and self.seen[1][0] <= (self.begin + now) / 2:
            self.seen.popleft()
        then, before = self.seen[0]
        elapsed = now - self.begin
        if not before < share < 1 or (share < _FIRST_GUESS[0] and elapsed < _FIRST_GUESS[1]):
            return [duration(elapsed)]
        return [duration(elapsed), f"about {duration((1 - share) * (now - then) / (share - before))} left"]


def duration(seconds: float) -> str:
    """Write seconds as people say them: 12 s, 3 min, 2 h 10 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _lines(title: str, words: Callable[[int, int, str], str]) -> Report:
    last, ended = time.monotonic(), False

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal last, ended
        now, said = time.monotonic(), words(done, total, note)
        if now - last >= _SECONDS_PER_LINE or (done == total and not ended):
            last, ended = now, done == total
            sys.stderr.write(f"{title}: {said}\n")
            sys.stderr.flush()

    return report


@contextmanager
def shown_if(verbose: bool, title: str, unit: str, given: Callable[[int, int], None] | None) -> Iterator[Any]:
    """Yield what shows progress: what was given, a bar where ``verbose``, or None."""
    if given is not None or not verbose:
        yield given
        return
    with progress(title, unit) as shown:
        yield shown
