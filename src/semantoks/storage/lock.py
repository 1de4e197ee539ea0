"""One job at a time writes a folder or a file: a lock that ends with its process, and says who has it."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from semantoks.errors import BusyError
from semantoks.storage.durable import clear_temporary, need_folder
from semantoks.storage.text import plain_json

with contextlib.suppress(ImportError):  # not on Windows, where the owner that is written down has to do
    import fcntl

LOCK = ".lock-semantoks"
"""The lock's file in a folder, for as long as a job writes there; a killed job leaves it behind, but not locked."""


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Write ``folder`` as the only job; it is made if need be. BusyError says who else writes it."""
    with _made(folder), _hold(folder / LOCK, folder):
        clear_temporary(folder)
        yield


@contextlib.contextmanager
def hold_file(file: Path) -> Iterator[None]:
    """Write ``file`` (or a folder that appears whole) as the only job; BusyError says who else writes it."""
    with _made(file.parent), _hold(file.with_name(f".{file.name}{LOCK}"), file):
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
    handle = _locked(path, what)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(_me()).encode(), 0)
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone
            path.unlink()
        os.close(handle)


def _locked(path: Path, what: Path) -> int:
    """Open and lock the file; again where its last owner removed it in between."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, path, what)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: Path, what: Path) -> None:
    """Lock an open file; where the file system has no locks, trust the owner that is written in it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise BusyError(f"{what} is being written by {_words(_owner(path))}. {OTHERWISE}.") from None
    except (OSError, NameError):
        owner = _owner(path)
        if owner and not _is_over(owner):
            raise BusyError(
                f"{what} is being written by {_words(owner)}. {OTHERWISE}; if that job was killed, delete {path}."
            ) from None


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
