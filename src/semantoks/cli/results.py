"""Commands about trained encoders: embed, probe, report, demo."""

import shlex
import warnings
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.sources import Files, Source, SourceFlags, SourceOptions, named_source
from semantoks.cli.typed import TYPED
from semantoks.errors import EXIT_OK, EXIT_PARTIAL, ConfigError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.screen import progress, said_of, score_table

Model = Positional[Annotated[Path, arg(metavar="RUN")]]
Recordings = Positional[Annotated[Path, arg(metavar="COHORT")]]


def embed(
    source: Source = None,
    *,
    model: str,
    out: Path,
    files: Files = None,
    options: SourceFlags = SourceOptions(),  # noqa: B008
    already_filtered: bool = False,
    readout: Literal["cls_avg", "cls", "avg", "network"] = "cls_avg",
    crops: int = 8,
    keep_crops: bool = False,
    keep_cohort: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: delete them)")] = None,
    device: str = "cpu",
    n_jobs: int = 1,
) -> int:
    """Write the features of every recording as a parquet table, from recordings of any kind.

    Example: semantoks embed xcp_d/ --model runs/a --out features.parquet

    Recordings are cleaned as the encoder requires, and each step is reported. Networks that a recording lacks, and the
    part of the window that a short one does not fill, are hidden from the encoder. Recordings that cannot be used are
    listed beside the table, and the exit code is 4.

    Args:
        source: Anything that prepare reads, or a prepared cohort.
        model: Run, encoder folder, or Hugging Face id (owner/name).
        out: Output table, a FILE.parquet with one row per participant, session and run.
        files: Instead of SOURCE: a table (.tsv, .csv) of path, participant_id and, where known, session_id, run, tr.
        options: What is known of the recordings, and which of them are read.
        already_filtered: The recordings are already band-passed; do not filter them again.
        readout: Features: cls_avg = [mean over all tokens, CLS]; cls; avg; network = one mean per network.
        crops: Evenly spaced windows per recording, at least 1.
        keep_crops: Write one row per window instead of their mean.
        keep_cohort: Keep the cleaned recordings in this folder, as a cohort.
        device: Where to compute: cpu, cuda, cuda:1, mps.
        n_jobs: Worker processes that read and clean; -1 uses all cores.
    """
    from semantoks.features.embed import embed as run
    from semantoks.features.embed import write_features

    if out.suffix != ".parquet" or out.is_dir():
        raise ConfigError(f"--out must be a file that ends in .parquet, not {out}.")
    with progress("embed") as shown, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what was excluded is said below
        table = run(
            named_source(source, files),
            model=model,
            tr=options.tr,
            already_filtered=already_filtered,
            participants=options.participants,
            reading=options.reading,
            readout=readout,
            crops=crops,
            keep_crops=keep_crops,
            keep_cohort=keep_cohort,
            device=device,
            n_jobs=n_jobs,
            progress=shown,
        )
    print("\n".join(table.attrs["notes"]))
    excluded = write_features(table, out)
    print(f"\n{len(table)} rows x {sum(str(c).startswith(readout + '_') for c in table)} features in {out}")
    if excluded is None:
        return EXIT_OK
    print(f"{len(table.attrs['excluded'])} recordings were excluded: see {excluded}.")
    return EXIT_PARTIAL


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
        n_jobs: Splits at a time; -1 uses all cores. The numbers do not depend on it.
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
    """Write the report of a run or of a cohort, one HTML page that opens offline.

    Example: semantoks report runs/a

    Args:
        run: A run folder, a probe's folder, or a cohort.
        out: The page; default RUN/report.html, or COHORT_report.html beside a cohort.
    """
    from semantoks.report.page import write_report

    print(f"Open {write_report(run, out)} in a browser.")
    return EXIT_OK


def demo(out: Path = Path("demo"), participants: int = 80, steps: int = 150, seed: int = 0) -> int:
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
