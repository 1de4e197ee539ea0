"""What every benchmark needs: seconds of a call, the machine's matmul rate and copy bandwidth, and a table."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch

from semantoks.counted import plural
from semantoks.train.pace import matmul_rate, wait_for

__all__ = ["compare", "copy_bandwidth", "machine", "matmul_rate", "seconds", "show", "wait_for"]


def seconds(call: Callable[[], object], *, repeats: int, device: torch.device | None = None) -> list[float]:
    """Return the seconds of ``repeats`` calls, after one that is not counted."""
    device = device or torch.device("cpu")
    times = []
    for _ in range(repeats + 1):
        wait_for(device)
        begin = time.perf_counter()
        call()
        wait_for(device)
        times.append(time.perf_counter() - begin)
    return times[1:]


def compare(
    calls: dict[str, Callable[[], object]],
    *,
    repeats: int,
    device: torch.device | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median seconds of each call, taken in turns, so that a busy machine slows all of them alike."""
    device = device or torch.device("cpu")
    turns: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            wait_for(device)
            begin = clock()
            call()
            wait_for(device)
            if turn:
                turns[name].append(clock() - begin)
    return {name: statistics.median(times) for name, times in turns.items()}


def copy_bandwidth(device: torch.device) -> float:
    """Return the bytes/s, read plus written, of copying 256 MB (1 GB on a GPU), the median of 3."""
    source = torch.ones(2**28 if device.type == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / statistics.median(seconds(lambda: target.copy_(source), repeats=3, device=device))


def machine(device: torch.device) -> str:
    """Say in a line on what, and beside what load, this was measured."""
    load = f"load {os.getloadavg()[0]:.1f} before the run"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, {load}"
    cores = f"{os.cpu_count()} x {platform.machine()} ({_model()}), {plural(torch.get_num_threads(), 'thread')}"
    return f"{cores}, torch {torch.__version__}, {load}"


def _model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "CPU"


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table, its columns aligned."""
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    print(f"{title}\n")
    for number, row in enumerate(table):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print(f"| {' | '.join(cells)} |")
        if not number:
            print(f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    print()
