"""Seconds that ``prepare`` takes for a folder of XCP-D, beside the bare parsing of its tables.

    python -m benchmarks.xcpd [--runs 1000]

Runs of 180 frames (TR 2 s) of 456 ROIs as XCP-D 26 writes them: the 4S456 table (456 columns, about 0.9 MB of text),
its sidecars, motion and outliers; the atlas is schaefer400. Counted first, a run: 82,080 numbers of text to parse,
144 kB to write, and the filter of ``benchmarks.prepare``. Two floors: pandas' C parser alone on every table, and that
plus a filter (TR 2 s needs no spline) and a synced write. One core, one turn each after a warm-up of ten runs.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from benchmarks.measure import machine, show
from scipy.signal import butter, sosfiltfilt

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.prepare import prepare
from semantoks.simulation.derivatives import described, write_json, write_table

FRAMES, ATLAS, TR, BAND = 180, "4s456", 2.0, (0.01, 0.1)
DISTINCT = 20


def write_runs(folder: Path, runs: int) -> list[Path]:
    """Write the folder; the numbers repeat after twenty runs, the files do not."""
    rng = np.random.default_rng(0)
    labels = get_atlas(ATLAS).labels
    described(folder, "XCP-D", [("xcp_d", "26.1.1"), ("fMRIPrep", "25.2.0")])
    texts: list[bytes] = []
    tables = []
    for number in range(runs):
        name = f"sub-{number:04d}_task-rest"
        func = folder / f"sub-{number:04d}" / "func"
        table = func / f"{name}_space-MNI152NLin2009cAsym_atlas-4S456Parcels_stat-mean_timeseries.tsv"
        if number < DISTINCT:
            write_table(table, labels, 1000 + 10 * rng.standard_normal((FRAMES, len(labels))))
            texts.append(table.read_bytes())
        else:
            func.mkdir(parents=True)
            table.write_bytes(texts[number % DISTINCT])
        write_json(table.with_suffix(".json"), {"SamplingFrequency": "TR"})
        write_json(func / f"{name}_space-MNI152NLin2009cAsym_desc-denoised_bold.json", {"RepetitionTime": TR})
        write_table(func / f"{name}_motion.tsv", ["framewise_displacement"], np.full((FRAMES, 1), 0.1))
        write_table(func / f"{name}_outliers.tsv", ["framewise_displacement"], np.zeros((FRAMES, 1), dtype=int))
        tables.append(table)
    return tables


def parse(tables: Sequence[Path]) -> None:
    """Parse every table with pandas."""
    for table in tables:
        pd.read_csv(table, sep="\t", na_values=["n/a"], dtype=np.float64)


def parse_filter_write(tables: Sequence[Path], out: Path) -> None:
    """Parse, filter and write what the cohort will hold."""
    sections = butter(5, BAND, "bandpass", fs=1 / TR, output="sos")
    with out.open("wb") as file:
        for table in tables:
            values = pd.read_csv(table, sep="\t", na_values=["n/a"], dtype=np.float64).to_numpy()[:, :400]
            clean = sosfiltfilt(sections, values, axis=0)
            np.save(file, ((clean - clean.mean(axis=0)) / clean.std(axis=0)).astype(np.float16))
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    title = f"Preparing {runs} XCP-D runs of {FRAMES} x 456 on one core. {machine(torch.device('cpu'))}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken: dict[str, float] = {}
        for kind, count in (("few", 10), ("all", runs)):
            at, out = folder / kind, folder / f"{kind}-out"
            tables = write_runs(at, count)
            out.mkdir()
            calls = {
                "parse with pandas": partial(parse, tables),
                "parse, filter, write": partial(parse_filter_write, tables, out / "bare.npy"),
                "prepare": partial(prepare, at, out=out / "cohort", atlas="schaefer400"),
            }
            for what, call in calls.items():
                begin = time.perf_counter()
                call()
                taken[what] = time.perf_counter() - begin
    floor = taken["parse with pandas"]
    rows = [[what, f"{s:.1f}", f"{1e3 * s / runs:.1f}", f"{s / floor:.2f}"] for what, s in taken.items()]
    show(title, ["", "s", "ms a run", "/ floor"], rows)


if __name__ == "__main__":
    main()
