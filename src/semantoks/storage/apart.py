"""Readers of binary formats in a process of their own, with limits: a hostile file ends that process and no other.

The process starts with the first file and reads all others, one at a time; it ends with the one that started it.
"""

import atexit
import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from semantoks.errors import DataError, SemantoksError
from semantoks.storage.text import regular_size

Result = TypeVar("Result")

SECONDS, SECONDS_PER_MIB = 8.0, 1.0
"""Processor time that a file may take."""
PATIENCE = 60.0
"""Seconds that a file may take in all, beyond ten times its processor time: its disk may be slow."""
MEMORY, MEMORY_PER_BYTE = 1 << 30, 32
"""Bytes of memory that a file may take."""
START = "import sys; sys.path[:] = {path!r}; from semantoks.storage.apart import serve; serve()"
_ALONE = threading.Lock()
_given_up: dict[tuple[Path, int], str] = {}
"""Files that ended the process, and when they were changed: their other recordings would do so, too."""


def read_apart(path: Path, function: Callable[..., Result], *args: object) -> Result:
    """Return what ``function(*args)`` makes of the file ``path``, in the process for it.

    Parameters
    ----------
    function
        Of a module, or a method of what can be pickled; so can its arguments and its result.

    Raises
    ------
    DataError
        When the file is none, takes too much time or memory, or ends the process, and for whatever else the function
        raises: only errors of semantoks come as they are.
    """
    size, file = _size(path), (path.absolute(), path.stat().st_mtime_ns)
    if file in _given_up:
        raise DataError(_given_up[file])
    seconds, memory = SECONDS + SECONDS_PER_MIB * size / 2**20, MEMORY + MEMORY_PER_BYTE * size
    with _ALONE:
        reader = _Reader.get()
        answer = reader.ask((os.getcwd(), function, args, seconds, memory), PATIENCE + 10 * seconds)
    if answer is None:
        why = _why(reader.end(), seconds)
        _given_up[file] = f"{path} cannot be read: {why}. It is damaged or made to do harm: copy or make it again."
        raise DataError(_given_up[file])
    good, value = answer
    if good:
        result: Result = value
        return result
    if isinstance(value, MemoryError):
        raise DataError(
            f"{path} cannot be read: it takes more than {memory >> 20:,} MiB of memory, and has {size / 2**20:,.1f} "
            "MiB itself. It is damaged or made to do harm: copy or make it again."
        )
    if isinstance(value, Unforeseen):
        raise DataError(f"{path} cannot be read, is it damaged? ({value})") from value
    raise value


class Unforeseen(Exception):
    """Whatever else a reader raises, in words: it is the file's fault."""


def _size(path: Path) -> int:
    try:
        return regular_size(path)
    except OSError as error:
        fetch = " It is a link to a file that is not here (datalad get, git annex get)." if path.is_symlink() else ""
        raise DataError(f"{path} cannot be read: {error.strerror}.{fetch}") from error


def _why(status: int | None, seconds: float) -> str:
    if status is None or status == -signal.SIGPROF:
        return f"its reader had not finished after {seconds:.0f} s"
    if status == -signal.SIGKILL:
        return "its reader was killed, usually for want of memory"
    return f"its reader crashed ({signal.Signals(-status).name if status < 0 else f'status {status}'})"


class _Reader:
    """The process, from this one's side."""

    _only: "_Reader | None" = None

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-c", START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")},
        )

    @classmethod
    def get(cls) -> "_Reader":
        """Return the process that is there, or start one: after a fork, or when the last one died."""
        if cls._only is None or cls._only.owner != os.getpid() or cls._only.process.poll() is not None:
            cls._only = cls()
        return cls._only

    def ask(self, request: object, patience: float) -> tuple[bool, Any] | None:
        """Send a request and wait for the answer; None where none comes. Whatever interrupts this ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(request, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], patience)[0]:
                return None
            answer: tuple[bool, Any] = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            return None
        except BaseException:
            self.end()
            raise
        return answer

    def end(self) -> int | None:
        """End the process; returns how it had ended before, None if it had not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.5)
        status = self.process.returncode
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait()
        return status


@atexit.register
def _end() -> None:
    reader = _Reader._only
    if reader is not None and reader.owner == os.getpid() and reader.process.poll() is None:
        reader.end()


def serve() -> None:
    """Answer requests until there are no more: what the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends it
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while True:
        try:
            here, function, args, seconds, memory = pickle.load(requests)
        except EOFError:
            return
        os.chdir(here)  # relative paths mean what they mean to whoever asks
        answer = _answer(function, args, seconds, memory)
        _send(answer, answers)


def _answer(function: Callable[..., Any], args: tuple[Any, ...], seconds: float, memory: int) -> tuple[bool, Any]:
    _limit(seconds, memory)
    try:
        return True, function(*args)
    except MemoryError:
        return False, MemoryError()
    except Exception as error:
        return False, error if isinstance(error, SemantoksError) else Unforeseen(_words(error))
    finally:
        _limit(0, None)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _send(answer: tuple[bool, Any], answers: BinaryIO) -> None:
    try:
        content = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        if not answer[0]:
            pickle.loads(content)
    except Exception as error:  # an answer that cannot travel
        content = pickle.dumps((False, Unforeseen(_words(error if answer[0] else answer[1]))))
    answers.write(content)
    answers.flush()


def _limit(seconds: float, memory: int | None) -> None:
    """Let this process die after some seconds of work (0: never), and take no more memory than that in addition."""
    if not hasattr(signal, "setitimer"):
        return
    import resource

    signal.setitimer(signal.ITIMER_PROF, seconds)  # nobody handles its signal: even a loop inside a library ends
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    with contextlib.suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = resource.RLIM_INFINITY if memory is None else used + memory
        resource.setrlimit(resource.RLIMIT_AS, (hard if memory is None else limit, hard))
