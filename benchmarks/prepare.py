"""Recordings a second that ``prepare`` turns into a cohort, beside the bare reading and writing of the same bytes.

    python -m benchmarks.prepare [--recordings 60]

Recordings of 6 minutes of noise at TR 1.5 s (240 frames, 200 ROIs, float32 .npy). Counted first, a recording: 192 kB
read, 72 kB written (180 frames as float16); a forward and a backward pass of an order-5 band-pass (5 sections of 9
FLOPs) over 48,000 values and a spline of about 20 FLOPs a value: 5 MFLOP, which a scalar loop of one core does in some
milliseconds. Two floors: ``numpy.load`` of every file and a synced write of the cohort's shards, and that plus scipy's
filter and spline on each recording as one call each.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from benchmarks.measure import machine, show
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt

from semantoks.signals.prepare import prepare

FRAMES, ROIS, TR, TARGET, BAND = 240, 200, 1.5, 2.0, (0.01, 0.1)


def write_source(folder: Path, recordings: int) -> None:
    """Write the recordings as files."""
    rng = np.random.default_rng(0)
    for number in range(recordings):
        series = rng.standard_normal((FRAMES, ROIS), dtype=np.float32)
        np.save(folder / f"sub-{number:04d}_task-rest_timeseries.npy", series)


def store(series: list[np.ndarray], path: Path) -> None:
    """Write a shard, synced to the disk as the cohort's are."""
    with path.open("wb") as out:
        np.save(out, np.concatenate(series).astype(np.float16))
        out.flush()
        os.fsync(out.fileno())


def bare(source: Path, path: Path) -> None:
    """Read every file and write as many frames as the cohort will have."""
    store([np.load(file)[: int(FRAMES * TR / TARGET)] for file in sorted(source.glob("*.npy"))], path)


def filtered(source: Path, path: Path) -> None:
    """Read, filter and resample every file with scipy, and write."""
    sections = butter(5, BAND, "bandpass", fs=1 / TR, output="sos")
    seconds = np.arange(FRAMES) * TR
    series = []
    for file in sorted(source.glob("*.npy")):
        clean = sosfiltfilt(sections, np.load(file).astype(np.float64), axis=0)
        series.append(CubicSpline(seconds, clean)(np.arange(0, seconds[-1], TARGET)))
    store(series, path)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=60)
    count = parser.parse_args().recordings
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        source.mkdir()
        write_source(source, count)
        least: dict[str, float] = {}
        for turn in range(3):
            calls = {
                "read and write": lambda turn=turn: bare(source, folder / f"bare-{turn}.npy"),
                "read, filter, resample, write": lambda turn=turn: filtered(source, folder / f"filtered-{turn}.npy"),
                "prepare": lambda turn=turn: prepare(source, out=folder / f"cohort-{turn}", atlas="cc200", tr=TR),
            }
            for what, call in calls.items():
                begin = time.perf_counter()
                call()
                least[what] = min(least.get(what, float("inf")), time.perf_counter() - begin)
    floor = least["read and write"]
    rows = [[what, f"{count / s:.0f}", f"{1e3 * s / count:.1f}", f"{s / floor:.1f}"] for what, s in least.items()]
    title = f"Preparing {count} recordings. {machine(torch.device('cpu'))}"
    show(title, ["", "recordings/s", "ms each", "/ floor"], rows)


if __name__ == "__main__":
    main()
