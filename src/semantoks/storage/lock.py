"""One job at a time writes a folder or a file: a lock that ends with its process, and says who has it.

It is ``flock``, which NFS (version 4, or 3 with its lock daemon) passes on to other machines. Where a file system has
it for each machine alone, who holds the lock touches its file every few seconds, and a job of another machine watches
for that. Where there is none at all, whoever makes the file (O_EXCL) has it.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from semantoks.errors import BusyError, DataError
from semantoks.storage.durable import clear_temporary, need_folder
from semantoks.storage.text import plain_json

with contextlib.suppress(ImportError):  # not on Windows, where the owner that is written down has to do
    import fcntl

LOCK = ".lock-semantoks"
"""The lock's file in a folder, for as long as a job writes there; a killed job leaves it behind, but not locked."""

BEAT = 5.0
"""Seconds between two touches of a lock that is held."""
WATCH = 3 * BEAT
"""Seconds without a touch after which a lock of another machine is one of a job that has ended."""


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Write ``folder`` as the only job; it is made if need be. BusyError says who else writes it."""
    with _made(folder), _hold(folder / LOCK, folder):
        clear_temporary(folder)
        yield


@contextlib.contextmanager
def hold_file(file: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Write ``file`` (or a folder that appears whole) as the only job; BusyError says who else writes it.

    For what takes moments, have ``patience``: so many seconds are waited for the other job.
    """
    until = time.monotonic() + patience
    with _made(file.parent), contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(_hold(file.with_name(f".{file.name}{LOCK}"), file))
                break
            except BusyError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.1)
        yield


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; take it away again if it was new and nothing came into it."""
    need_folder(folder)
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if new:
            with contextlib.suppress(OSError):  # it is not empty, as it should be
                folder.rmdir()


@contextlib.contextmanager
def _hold(path: Path, what: Path) -> Iterator[None]:
    handle, over = _locked(path, what), threading.Event()
    beating = threading.Thread(target=_beat, args=(handle, over), daemon=True)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(_me()).encode(), 0)
        beating.start()
        yield
    finally:
        over.set()
        if beating.is_alive():
            beating.join()
        with contextlib.suppress(OSError):  # the folder may be gone
            path.unlink()
        os.close(handle)


def _beat(handle: int, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # a server that does not answer just now
            os.utime(handle)


def _beats(path: Path) -> bool:
    """Say whether somebody touches a lock; opened anew each time, since then NFS asks its server."""
    until, first = time.monotonic() + WATCH, _touched(path)
    while time.monotonic() < until:
        time.sleep(min(1.0, BEAT))
        if _touched(path) != first:
            return True
    return False


def _touched(path: Path) -> int:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns
    return 0


def _locked(path: Path, what: Path) -> int:
    """Open and lock the file; again where its last owner removed it in between."""
    while True:
        handle, new = _opened(path)
        try:
            if _lock(handle, path, what, new) and path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _opened(path: Path) -> tuple[int, bool]:
    """Open a lock, and say whether this made it; a link, whose file would be overwritten, is none."""
    with contextlib.suppress(FileExistsError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
    if path.is_symlink():
        raise DataError(f"{path} is a link, and semantoks makes a file of this name: delete it.")
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), False


def _lock(handle: int, path: Path, what: Path, new: bool) -> bool:
    """Lock an open file, and say whether it is locked; BusyError where somebody else has it.

    Where the file system has no locks, it is its maker's; one that a dead process left is removed.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise BusyError(f"{what} is being written by {_words(_owner(path))}. {OTHERWISE}.") from None
    except (OSError, NameError):
        if new:
            return True
        owner = _owner(path)
        if _is_over(owner):
            path.unlink(missing_ok=True)
            return False
        raise BusyError(
            f"{what} is being written by {_words(owner)}. {OTHERWISE}; if that job was killed, delete {path}."
        ) from None
    owner = {} if new else _owner(path)
    if owner.get("host", socket.gethostname()) != socket.gethostname() and _beats(path):
        raise BusyError(f"{what} is being written by {_words(owner)}. {OTHERWISE}.")
    return True


OTHERWISE = "Wait until it ends, stop it, or choose another output"


def _me() -> dict[str, Any]:
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now().isoformat(" ", "minutes")}
    return me | ({"job": os.environ["SLURM_JOB_ID"]} if "SLURM_JOB_ID" in os.environ else {})


def _owner(path: Path) -> dict[str, Any]:
    try:
        found = plain_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process"
    job = f", SLURM job {owner['job']}," if "job" in owner else ""
    return f"process {owner.get('pid')} on {owner.get('host')}{job} since {owner.get('since')}"


def _is_over(owner: dict[str, Any]) -> bool:
    """Say whether a process of this machine has ended; of another machine's nothing is known."""
    if owner.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(owner.get("pid", 0)), 0)
    except (ProcessLookupError, ValueError):
        return True
    except PermissionError:
        return False
    return int(owner.get("pid", 0)) in (0, os.getpid())
