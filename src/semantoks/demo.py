"""The main job end to end on simulated people: simulate, prepare, pretrain, embed, probe, report."""

import dataclasses
from pathlib import Path

import pandas as pd

from semantoks.called import as_function
from semantoks.errors import ConfigError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import embed, write_features
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.progress import progress
from semantoks.report.page import write_report
from semantoks.signals.prepare import prepare
from semantoks.simulation.cohort import SimulationConfig, simulate
from semantoks.train.recipe import PretrainConfig, load_recipe
from semantoks.train.run import pretrain

ATLAS = "schaefer100"
TARGETS = ("sex", "age", "sequence", "site")
FEWEST = 40
"""With fewer people, a class can be too small for the probe's splits."""


def _config(steps: int, seed: int) -> PretrainConfig:
    """Return `small` for few people and steps, with a lag: ``sequence`` is who follows whom (docs/results.md)."""
    small = load_recipe("small")
    assert isinstance(small.encoder.tokenizer, ConnectivityConfig)
    tokenizer = dataclasses.replace(small.encoder.tokenizer, lag=2, shrinkage=0.9)
    encoder = dataclasses.replace(small.encoder, width=64, tokenizer=tokenizer)
    return dataclasses.replace(small, encoder=encoder, steps=steps, batch_size=32, seed=seed)


def run_demo(out: Path | str, *, participants: int = 80, steps: int = 40, seed: int = 0) -> pd.DataFrame:
    """Write simulated recordings, a cohort, a run, features and ``report.html`` into ``out``; return the summary.

    With a small encoder and few people, it shows the workflow, not what the method can do.
    """
    out = Path(out)
    if participants < FEWEST or steps < 1:
        raise ConfigError(
            f"the demo needs at least {FEWEST} simulated people and 1 step, not {participants} and {steps}."
        )
    size = SimulationConfig(participants=participants, sessions=2, atlas=ATLAS, minutes=6.0, seed=seed)
    with progress("1/5 simulate", "recordings") as shown:
        recordings = simulate(size, out=out / "recordings", progress=shown)
    with progress("2/5 prepare", "recordings") as shown:
        cohort = prepare(recordings, out=out / "cohort", atlas=ATLAS, progress=shown)
    config = _config(steps, seed)
    with progress("3/5 pretrain", "steps") as shown:
        pretrain(
            [cohort],
            out=out / "run",
            config=config,
            resume=True,
            on_row=lambda row: shown(row["step"] + 1, steps),
            command="semantoks demo",
        )
    with progress("4/5 embed", "windows") as shown:
        table = embed(cohort, model=out / "run", progress=shown)
        write_features(table, out / "features.parquet")
    with progress("5/5 probe", "%") as shown:
        summary = probe(
            out / "run",
            cohort,
            targets=TARGETS,
            out=out / "run" / "probe",
            config=ProbeConfig(repeats=1, permutations=100, seed=seed),
            n_jobs=-1,
            command="semantoks demo",
            progress=shown,
        )
    write_report(out / "run", out / "report.html")
    return summary


as_function(__name__, "semantoks.demo:run_demo")
