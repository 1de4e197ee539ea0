"""Commands about trained encoders: embed, probe, report, demo."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.typed import TYPED
from semantoks.errors import EXIT_OK, ConfigError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.screen import progress, said_of, score_table

Model = Positional[Annotated[Path, arg(metavar="RUN")]]
Recordings = Positional[Annotated[Path, arg(metavar="COHORT")]]


def embed(
    model: Model,
    cohort: Recordings,
    out: Path,
    readout: Literal["cls_avg", "cls", "avg", "network"] = "cls_avg",
    crops: int = 8,
    keep_crops: bool = False,
    device: str = "cpu",
) -> int:
    """Write the features of every recording as a parquet table.

    Example: semantoks embed runs/a cohort/ --out features.parquet

    Args:
        model: A run folder, or an encoder folder.
        cohort: A cohort prepared with the encoder's atlas.
        out: The table, a FILE.parquet; one row a participant and recording.
        readout: cls_avg = [mean over all tokens, CLS]; cls; avg; network = one mean a network.
        crops: Evenly spaced windows a recording, at least 1.
        keep_crops: A row a crop instead of their mean.
        device: Where to compute: cpu, cuda, cuda:1, mps.
    """
    from semantoks.evaluate.embed import embed as run

    if out.suffix != ".parquet" or out.is_dir():
        raise ConfigError(f"--out has to be a file that ends in .parquet, not {out}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress("embed") as shown:
        table = run(model, cohort, readout=readout, crops=crops, keep_crops=keep_crops, device=device, progress=shown)
    table.to_parquet(out)
    print(f"{len(table)} rows x {sum(str(c).startswith(readout) for c in table)} features in {out}")
    return EXIT_OK


def probe(
    model: Model,
    cohort: Recordings,
    target: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")],
    out: Path,
    config: Annotated[ProbeConfig, arg(name="")] = ProbeConfig(),  # noqa: B008
    device: str = "cpu",
    n_jobs: int = -1,
) -> int:
    """Predict targets from the encoder, beside functional connectivity and every other baseline.

    Example: semantoks probe runs/a cohort/ --target sex age dx --out runs/a/probe

    Everything is fitted inside each training fold; a person (or a family, or a copy of a recording) is never on both
    sides of a split; all methods see the same people, splits and frames. Writes scores.csv, predictions.parquet and
    probe.json.

    Args:
        model: A run folder, or an encoder folder.
        cohort: A cohort prepared with the encoder's atlas.
        target: Columns of the cohort's participants.tsv, one or several.
        out: Folder for what it writes.
        config: The settings.
        device: Where to embed: cpu, cuda, cuda:1, mps.
        n_jobs: Splits at a time, -1 for one a core; the numbers do not depend on it.
    """
    from semantoks.evaluate.probe import probe as run

    with progress("probe") as shown:
        summary = run(
            model,
            cohort,
            targets=target,
            out=out,
            config=config,
            device=device,
            n_jobs=n_jobs,
            command=TYPED.get(),
            progress=shown,
        )
    print(score_table(summary))
    print("\n".join(said_of(out)))
    print(f"\nAll scores: {out / 'scores.csv'}. Next: semantoks report {shlex.quote(str(model))}")
    return EXIT_OK


def report(run: Model, out: Path | None = None) -> int:
    """Write a run's report, one HTML page that opens offline.

    Example: semantoks report runs/a

    Args:
        run: A run folder, or a probe's folder.
        out: The page; default RUN/report.html.
    """
    from semantoks.report.page import write_report

    print(f"Open {write_report(run, out)} in a browser.")
    return EXIT_OK


def demo(out: Path = Path("demo"), participants: int = 100, steps: int = 150, seed: int = 0) -> int:
    """Run the main job end to end on simulated people.

    Example: semantoks demo --out demo/

    Args:
        out: Folder for everything that it writes.
        participants: Simulated people, at least 40, two recordings of 6 minutes each.
        steps: Steps of the pretraining, at least 1.
        seed: Seed of everything, at least 0.
    """
    from semantoks.demo import run_demo

    summary = run_demo(out, participants=participants, steps=steps, seed=seed)
    print(score_table(summary))
    print(
        f"\nA small encoder and {participants} simulated people: this shows the road, not what the method can do."
        f"\n\nReport      {out / 'report.html'}   (open it in a browser)"
        f"\nRecordings  {out / 'recordings'}\nCohort      {out / 'cohort'}\nRun         {out / 'run'}"
        f"\nFeatures    {out / 'features.parquet'}"
        f"\n\nNext: semantoks info {out / 'cohort'}"
        "\n      semantoks prepare YOUR_RECORDINGS/ --atlas schaefer400 --tr SECONDS --out cohort/"
    )
    return EXIT_OK
