"""Files that are there whole or not at all: written under a temporary name, synced, renamed."""

import contextlib
import errno
import glob
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".tmp-semantoks-"
SCRATCH = "semantoks-"
Content = bytes | memoryview
_cleared: set[Path] = set()
"""Folders in which this process has removed what dead ones left."""


def need_folder(path: Path) -> None:
    """Raise NotADirectoryError where ``path`` cannot become a folder because a file is in the way: before long work."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is a file, where a folder is needed", str(there))


def write_durably(path: Path, *parts: Content) -> None:
    """Write ``parts`` end to end as the file ``path``; a reader, and a kill at any moment, sees all of it or nothing.

    Processes that write the same path do not disturb each other: each has its own temporary name, the last one wins.
    If another process cleans the temporary file away before its renaming, it is written again. An OSError names
    ``path`` and how much was to be written; what was half written is gone then. What killed processes of this machine
    left half written in the folder goes away with the first file that is written there.
    """
    mine = f"{TEMPORARY}{socket.gethostname()}-"
    if path.parent not in _cleared:
        _cleared.add(path.parent)
        for left in _left_by_dead(path.parent, mine):
            left.unlink(missing_ok=True)
    while True:
        temporary = path.with_name(f"{mine}{os.getpid()}-{uuid.uuid4().hex}")
        try:
            _write(temporary, parts)
            os.replace(temporary, path)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, "its folder is not there", str(path)) from None
            continue
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OSError(
                error.errno, f"{error.strerror} ({sum(map(len, parts)):,} bytes to write)", str(path)
            ) from error
        except BaseException:  # Ctrl-C leaves nothing, too
            temporary.unlink(missing_ok=True)
            raise
        break
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def append(path: Path, text: str) -> None:
    """Add to the end of a log; an OSError names it and how much was to be written, of which a part may be there."""
    content = text.encode()
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({len(content):,} bytes to write)", str(path)) from error


def _write(temporary: Path, parts: tuple[Content, ...]) -> None:
    with temporary.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder of the system's for the time of a ``with``; what killed processes left of theirs goes away, too."""
    mine = f"{SCRATCH}{socket.gethostname()}-"
    for left in _left_by_dead(Path(tempfile.gettempdir()), mine):
        if not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)  # another user's stays
    with tempfile.TemporaryDirectory(prefix=f"{mine}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _left_by_dead(folder: Path, mine: str) -> list[Path]:
    """List what is called ``mine``, the number of a process of this machine that has ended, and more."""
    found = folder.glob(f"{glob.escape(mine)}*")
    return [path for path in found if _is_over(path.name.removeprefix(mine).partition("-")[0])]


def _is_over(process: str) -> bool:
    """Say whether no process of this machine has this number."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except (ValueError, OSError):
        return False
    return False


def clear_temporary(folder: Path) -> None:
    """Remove what killed processes left half written in ``folder``."""
    for file in folder.glob(f"{TEMPORARY}*"):
        file.unlink(missing_ok=True)
