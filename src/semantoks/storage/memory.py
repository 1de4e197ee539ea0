"""Memory: what a job will need is said before it needs it, and refused above what is there."""

import contextlib
import logging
import os
import shutil
from pathlib import Path

from semantoks.errors import MemoryShort

LIBRARIES = 400 << 20
"""Bytes that a process takes before it has read anything."""
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where a container, or a job of a batch system, has its limit and what it uses: version 2, version 1."""
TOLD = logging.getLogger("semantoks.memory")
"""Says what will be needed; the command line shows it."""
_said: set[tuple[str, str]] = set()
"""What this process has said: a job in many parts says it once."""


def free_memory() -> int | None:
    """Return the bytes that this process can still have: of machine, container and ``ulimit -v``; None if not known."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")))
    for limit, used in CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            found.append(soft - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found)) if found else None


def need_memory(what: str, needed: int, remedy: str) -> None:
    """Say, once, that ``what`` will need so many bytes (beside ``LIBRARIES``), and how many are free.

    Raises
    ------
    MemoryShort
        When fewer are free; with the ``remedy``.
    """
    free, wanted = free_memory(), needed + LIBRARIES
    known = "" if free is None else f"; {gib(free)} are free"
    if (what, gib(wanted)) not in _said:
        _said.add((what, gib(wanted)))
        TOLD.info("%s needs about %s of memory%s", what, gib(wanted), known)
    if free is not None and needed > free:
        raise MemoryShort(f"{what} needs about {gib(wanted)} of memory, and {gib(free)} are free: {remedy}.")


def need_room(what: str, needed: int, folder: Path, remedy: str) -> None:
    """Refuse what needs more bytes on a disk than are free there.

    Raises
    ------
    MemoryShort
        With the ``remedy``.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MemoryShort(
            f"{what} needs about {gib(needed)} of disk in {folder} while it runs, and {gib(free)} are free: {remedy}."
        )


def gib(count: int) -> str:
    """Write bytes as GiB."""
    size = count / 2**30
    return f"{size:.1f} GiB" if size < 100 else f"{size:,.0f} GiB"
