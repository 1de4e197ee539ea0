"""Time and memory against the number of people, stage by stage, each in a process of its own.

    python -m benchmarks.growth [--people 100 1000 10000] [--rois 100] [--components 4096] [--figure growth.svg]

A made-up cohort of one recording each (120 frames of noise at TR 2 s; in half of the people two ROIs go together), and
what a user does with it: prepare, open, 20 steps of training (batch 32), embed, whitening and components in closed form
(``fit``), a probe from FC, one from tangent FC, the cohort's page. What the mathematics asks for, n people and R ROIs:
prepare, open, embed n; a training step nothing; fit n, and n² for the products of people up to as many as there are
products of components; FC n R² T and, in each split, n² R² for the products of people and n³ for their axes (of more
people than pairs of ROIs, n R⁴ for products of the pairs instead); tangent FC n R³ in each split, and the same.
"""

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from benchmarks.measure import machine, show

from semantoks.atlas.atlas import Atlas
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import embed, write_features
from semantoks.model.encoder import EncoderConfig
from semantoks.reporting.page import report
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.source import Item, row_item
from semantoks.train.closed_form import COLUMNS, FitConfig, fit
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain

FRAMES, TR, STEPS, NETWORKS = 120, 2.0, 20, 7
MEASURED = "measured.json"
STAGES = ("prepare", "open", "train", "embed", "fit", "probe fc", "probe fc_tangent", "report")


class MadeUp:
    """A source of noise: one recording of each person, made as it is read."""

    kind = "made-up recordings"

    def __init__(self, people: int, rois: int) -> None:
        self.path, self.count, self.rois = Path("made_up"), people, rois

    def items(self) -> list[Item]:
        """One for each person."""
        return [row_item(self.path, n, participant=f"{n:06d}", session="", run="") for n in range(self.count)]

    def participants(self) -> pd.DataFrame:
        """Say who has which sex."""
        ids = [f"{n:06d}" for n in range(self.count)]
        return pd.DataFrame({"participant_id": ids, "sex": np.where(np.arange(self.count) % 2, "F", "M")})

    def read(self, item: Item) -> Recording:
        """Make the noise of one person."""
        assert item.row is not None
        series = np.random.default_rng(item.row).standard_normal((FRAMES, self.rois), dtype=np.float32)
        series[:, 1] += (item.row % 2) * 0.3 * series[:, 0]
        return Recording(series=series, tr=TR, participant=item.participant, source=item.key)


def atlas_of(rois: int) -> Atlas:
    """Seven networks that take turns."""
    networks = tuple(f"n{k % NETWORKS}" for k in range(rois))
    return Atlas(name="made up", labels=tuple(f"r{k}" for k in range(rois)), networks=networks)


def run_stage(stage: str, folder: Path, people: int, rois: int, components: int | None) -> dict[str, float]:
    """Do one stage; return its seconds, without the start of the process, and what it may add.

    ``components`` are those of a probe's wide features; None = no less than all.
    """
    cohort, run = folder / "cohort", folder / "run"
    begin, more = time.perf_counter(), {}
    if stage == "prepare":
        as_it_is = CleaningConfig(band=None, target_tr=None)
        prepare(MadeUp(people, rois), out=cohort, atlas=atlas_of(rois), cleaning=as_it_is)
    elif stage == "open":
        opened = Cohort(cohort)
        opened.check_signals()
        assert len(opened.participants) == people
    elif stage == "train":
        size = EncoderConfig(frames=100, width=64, depth=2)
        config = PretrainConfig(encoder=size, steps=STEPS, batch_size=min(32, people), min_seconds=0)
        pretrain([Cohort(cohort)], out=run, config=config, device="cpu")
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        more["step"] = config.batch_size / rows[-1]["samples_per_s"]
    elif stage == "embed":
        write_features(embed(Cohort(cohort), model=run, crops=1), folder / "features.parquet")
    elif stage == "fit":
        fit(Cohort(cohort), out=folder / "fit", config=FitConfig(columns=min(COLUMNS, (people - 1) // 2 * 2)))
    elif stage == "report":
        report([cohort], folder / "cohort.html")
    else:
        methods = (stage.split()[1],)
        config = ProbeConfig(methods=methods, analyses=(), repeats=1, crops=1, components=components)
        probe(run, cohort, targets=["sex"], out=folder / stage.replace(" ", "_"), config=config)
    return {"seconds": time.perf_counter() - begin, **more}


def measure(stage: str, folder: Path, *size: int | None) -> dict[str, float]:
    """Run a stage in a process of its own; return its seconds, and the most memory that it had, in bytes."""
    process = get_context("fork").Process(target=_measured, args=(stage, folder, *size))
    process.start()
    process.join()
    assert not process.exitcode, f"{stage} of {size[0]} people failed"
    found: dict[str, float] = json.loads((folder / MEASURED).read_text())
    print(f"{size[0]:,} people, {stage}: {found['seconds']:.1f} s", file=sys.stderr)  # a size may take an hour
    return found


def _measured(stage: str, folder: Path, *size: Any) -> None:
    found = run_stage(stage, folder, *size)
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (folder / MEASURED).write_text(json.dumps(found))


def table_of(measured: dict[int, dict[str, dict[str, float]]]) -> list[list[str]]:
    """Write a row for each stage: seconds and memory at each number of people, and how the time grew at the end."""
    sizes, rows = list(measured), []
    for stage in measured[sizes[0]]:
        each = [measured[size][stage] for size in sizes]
        cells = [f"{one['seconds']:.1f} s, {one['peak'] / 2**30:.2f} GiB" for one in each]
        power = "-"
        if len(sizes) > 1 and each[-1]["seconds"] > 1:
            power = f"n^{math.log(each[-1]['seconds'] / each[-2]['seconds']) / math.log(sizes[-1] / sizes[-2]):.2f}"
        rows.append([stage, *cells, power])
    if "train" in measured[sizes[0]]:
        steps = [f"{1e3 * measured[size]['train']['step']:.0f} ms" for size in sizes]
        rows.append(["a training step", *steps, "-"])
    return rows


def draw(measured: dict[int, dict[str, dict[str, float]]], path: Path) -> None:
    """Draw seconds and memory of each stage against the number of people."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "semantoks"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = (("seconds", 1, "log", "seconds"), ("peak", 2**30, "linear", "most memory (GiB)"))
    for axes, (key, unit, scale, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for stage in next(iter(measured.values())):
            points = [measured[people][stage][key] / unit for people in measured]
            axes.plot(list(measured), points, marker="o", label=stage)
        axes.set(xscale="log", yscale=scale, xlabel="people", ylabel=label)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        if scale == "linear":
            axes.set_ylim(bottom=0)
        else:
            axes.yaxis.set_major_formatter("{x:g}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Read the options, and run one stage, or all of them at each number of people."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--rois", type=int, default=100)
    parser.add_argument("--components", type=int)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--stages", choices=STAGES, nargs="+", default=STAGES)
    given = parser.parse_args()
    measured: dict[int, dict[str, dict[str, float]]] = {}
    for people in given.people:
        with tempfile.TemporaryDirectory() as folder:
            size = (people, given.rois, given.components)
            measured[people] = {stage: measure(stage, Path(folder), *size) for stage in given.stages}
    title = f"Growth with the number of people, {given.rois} ROIs, {FRAMES} frames: {machine(torch.device('cpu'))}"
    show(title, ["", *(f"{people:,} people" for people in measured), "grew"], table_of(measured))
    if given.figure:
        draw(measured, given.figure)


if __name__ == "__main__":
    main()
