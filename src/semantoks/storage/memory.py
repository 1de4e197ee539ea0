"""Memory: what a job will need is said before it needs it, and refused above what is there."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from semantoks.errors import MemoryShort

LIBRARIES, WORKER = 500 << 20, 300 << 20
"""Bytes that a process takes before it has read anything, and one that it starts to work for it."""
OWN_GROUPS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
"""Which control groups this process is in, and where they are: a container's, those of a batch system's jobs."""
TOLD = logging.getLogger("semantoks.memory")
"""Says what will be needed; the command line shows it."""
_said: set[tuple[str, str]] = set()
"""What this process has said: a job in many parts says it once."""
WORTH_SAYING = 0.05
"""Share of the free memory below which nobody needs to know."""


def free_memory() -> int | None:
    """Return the bytes that this process can still have: of machine, container and ``ulimit -v``; None if not known."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")))
    found += _left_in_groups()
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            found.append(soft - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found)) if found else None


def _left_in_groups() -> Iterator[int]:
    """Yield what is left in every control group that this process is in, from its own to the outermost.

    Pages of files count as used there, but are given back when memory is short.
    """
    with contextlib.suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, kinds, own = line.split(":", 2)
            if kinds == "":  # version 2 of control groups
                root, limit, used, pages = GROUPS, "memory.max", "memory.current", ""
            elif kinds == "memory":
                root, limit, used, pages = GROUPS / kinds, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
            else:
                continue
            here = Path(own.lstrip("/"))
            for group in (here, *here.parents):
                with contextlib.suppress(OSError, ValueError):
                    most, taken = (int((root / group / name).read_text()) for name in (limit, used))
                    about = dict(row.split() for row in (root / group / "memory.stat").read_text().splitlines())
                    of_files = sum(int(about.get(f"{pages}{kind}_file", 0)) for kind in ("active", "inactive"))
                    yield most - (taken - of_files)


def need_memory(what: str, needed: int, remedy: str) -> None:
    """Say, once, that ``what`` will need so many bytes (beside ``LIBRARIES``), and how many are free, if it is much.

    Raises
    ------
    MemoryShort
        When fewer are free; with the ``remedy``.
    """
    free, wanted = free_memory(), needed + LIBRARIES
    known = "" if free is None else f"; {gib(free)} are free"
    much = free is None or wanted > WORTH_SAYING * free
    if much and (what, gib(wanted)) not in _said:
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


def memory_short(error: BaseException) -> str | None:
    """Say what to do about an error that says that memory is used up, a GPU's or the machine's; None for any other."""
    gpu = type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported for this
    if not (gpu or isinstance(error, MemoryError) or "can't allocate memory" in str(error)):
        return None
    whose, other = ("the GPU's memory", "or --device cpu") if gpu else ("memory", "or fewer --n-jobs")
    return (
        f"{whose} is used up. Take less at once: a smaller --batch-size (of pretrain, or --accumulate), fewer --crops, "
        f"{other}."
    )


def gib(count: int) -> str:
    """Write bytes as GiB."""
    size = count / 2**30
    return f"{size:.1f} GiB" if size < 100 else f"{size:,.0f} GiB"
