"""One way of stopping for all commands: a signal is an exception, and who has work to finish first notes it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU") if hasattr(signal, name))
"""What batch systems and terminals send before they end a job; Python makes KeyboardInterrupt of SIGINT itself."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end. Like Ctrl-C, it is no error, and unwinds all that is held."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell makes of a process that the signal ended."""
        return 128 + self.number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped in the main thread when a signal asks to end; signals that are ignored (nohup) stay so."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        signal.signal(number, signal.SIG_IGN)  # one is enough; Ctrl-C still ends an end that takes too long
        raise Stopped(number)

    before = _take_over(ENDING, stop)
    try:
        yield
    finally:
        _give_back(before)


class StopRequest:
    """While entered, notes that a signal asked to stop (``asked``), so that a unit of work can be finished and saved.

    A second Ctrl-C does not wait. At the end the signal goes to whoever would have had it before: Ctrl-C is a
    KeyboardInterrupt then, and within ``stoppable`` every signal is ``Stopped``; one that nobody handles was only a
    request.
    """

    def __init__(self) -> None:
        self.asked = False
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked, self._number = True, number

    def __enter__(self) -> "StopRequest":
        """Take the signals over; only a main thread can."""
        self._before = _take_over((*ENDING, signal.SIGINT), self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the signals back, and pass on the one that came."""
        _give_back(self._before)
        handler = self._before.get(self._number) if self._number is not None else None
        if kind is None and callable(handler):
            handler(self._number, None)


def _take_over(numbers: tuple[int, ...], handler: Any) -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    free = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in free}


def _give_back(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
