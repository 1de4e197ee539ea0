"""Files that are there whole or not at all: written under a temporary name, synced, renamed."""

import errno
import os
import uuid
from pathlib import Path

TEMPORARY = ".tmp-semantoks-"
Content = bytes | memoryview


def need_folder(path: Path) -> None:
    """Raise NotADirectoryError where ``path`` cannot become a folder because a file is in the way: before long work."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is a file, where a folder is needed", str(there))


def write_durably(path: Path, *parts: Content) -> None:
    """Write ``parts`` end to end as the file ``path``; a reader, and a kill at any moment, sees all of it or nothing.

    Processes that write the same path do not disturb each other: each has its own temporary name, the last one wins.
    If another process cleans the temporary file away before its renaming, it is written again. An OSError names
    ``path`` and how much was to be written; what was half written is gone then.
    """
    while True:
        temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex}")
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


def _write(temporary: Path, parts: tuple[Content, ...]) -> None:
    with temporary.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def clear_temporary(folder: Path) -> None:
    """Remove what killed processes left half written in ``folder``."""
    for file in folder.glob(f"{TEMPORARY}*"):
        file.unlink(missing_ok=True)
