"""The main job end to end on simulated people: simulate, prepare, pretrain, embed, probe, report."""

import dataclasses
import shlex
from pathlib import Path

from semantoks.config import check_arguments
from semantoks.errors import ConfigError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.embed import embed, write_features
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.progress import shown_if
from semantoks.reporting.page import report
from semantoks.signals.prepare import prepare
from semantoks.simulation.cohort import SimulationConfig, simulate
from semantoks.statistics.shown import Scores
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


def demo(
    out: Path | str = "demo", *, participants: int = 80, steps: int = 40, seed: int = 0, verbose: bool = False
) -> Scores:
    """Write simulated recordings, a cohort, a run, features and ``report.html`` into ``out``; return the scores.

    With a small encoder and few people, it shows the workflow, not what the method can do.

    Parameters
    ----------
    out
        Output folder.
    participants
        Number of simulated people, at least 40; each has two 6-minute recordings.
    steps
        Pretraining steps, at least 1.
    seed
        Seed for everything, at least 0.
    verbose
        Show a bar for each of the five parts, in a terminal or a notebook.

    Returns
    -------
    Scores
        As ``probe`` returns them.
    """
    check_arguments(demo, locals())
    out = Path(out)
    if participants < FEWEST or steps < 1:
        raise ConfigError(
            f"the demo needs at least {FEWEST} simulated people and 1 step, not {participants} and {steps}."
        )
    size = SimulationConfig(participants=participants, sessions=2, atlas=ATLAS, minutes=6.0, seed=seed)
    with shown_if(verbose, "1/5 simulate", "recordings", None) as shown:
        recordings = simulate(size, out=out / "recordings", progress=shown)
    with shown_if(verbose, "2/5 prepare", "recordings", None) as shown:
        cohort = prepare(recordings, out=out / "cohort", atlas=ATLAS, progress=shown)
    config = _config(steps, seed)
    size_words = f"--participants {participants} --steps {steps} --seed {seed}"
    command = f"semantoks demo --out {shlex.quote(str(out))} {size_words}"
    with shown_if(verbose, "3/5 pretrain", "steps", None) as shown:
        pretrain(
            [cohort],
            out=out / "run",
            config=config,
            resume=True,
            on_row=None if shown is None else lambda row: shown(row["step"] + 1, steps),
            command=command,
        )
    with shown_if(verbose, "4/5 embed", "windows", None) as shown:
        table = embed(cohort, model=out / "run", progress=shown)
        write_features(table, out / "features.parquet")
    with shown_if(verbose, "5/5 probe", "%", None) as shown:
        summary = probe(
            out / "run",
            cohort,
            targets=TARGETS,
            out=out / "run" / "probe",
            config=ProbeConfig(repeats=1, permutations=100, seed=seed),
            n_jobs=-1,
            command=command,
            progress=shown,
        )
    report(out / "run", out / "report.html")
    return summary
