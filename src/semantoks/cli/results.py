"""Commands about trained encoders: embed, probe, report, demo."""

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found, show
from semantoks.cli.everywhere import say as print
from semantoks.cli.sources import Files, Source, SourceFlags, SourceOptions, named_source
from semantoks.cli.typed import TYPED, worded
from semantoks.errors import EXIT_OK, EXIT_PARTIAL, ConfigError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.block_config import BlockConfig
from semantoks.screen import probe_notes, score_table
from semantoks.storage.lock import hold_file
from semantoks.types import Precision

Model = Positional[Annotated[Path, arg(metavar="RUN")]]
Recordings = Positional[Annotated[Path, arg(metavar="COHORT")]]
OF_BLOCKS = {"events": "none, whole recordings", "trial_types": "all"}
if TYPE_CHECKING:
    import pandas as pd

    _Settings = ProbeConfig
    _Blocks = BlockConfig
else:
    _Blocks = worded(BlockConfig, **OF_BLOCKS)
    _Settings = worded(
        ProbeConfig,
        **OF_BLOCKS,
        methods="all",
        analyses="none",
        seconds="none",
        readouts="the encoder's own: cls_avg, or avg in closed form",
        crops="8, or the whole recording in closed form",
        repeats="5 (nested), 10 (paper), 100 (brainmarks)",
        bins="none",
        components="none, exact",
        equivalence="no test",
        as_class="none",
        as_value="none",
        missing="none",
    )


def embed(
    source: Source = None,
    *,
    out: Path,
    model: Annotated[
        str | None, arg(metavar="MODEL", help_behavior_hint="(default: the one in the box that fits the recordings)")
    ] = None,
    files: Files = None,
    options: SourceFlags = SourceOptions(),  # noqa: B008
    already_filtered: bool = False,
    readout: Annotated[
        Literal["cls_avg", "cls", "avg", "network"] | None,
        arg(metavar="{cls_avg,cls,avg,network}", help_behavior_hint="(default: the encoder's own, cls_avg or avg)"),
    ] = None,
    crops: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: 8, or the whole recording)")] = None,
    keep_crops: bool = False,
    blocks: Annotated[_Blocks, arg(name="")] = _Blocks(),  # noqa: B008
    keep_cohort: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: delete them)")] = None,
    device: str = "auto",
    precision: Precision = "32-true",
    n_jobs: int = 1,
) -> int:
    """Write the features of every recording as a parquet table, from recordings of any kind.

    Example: semantoks embed xcp_d/ --out features.parquet

    Another encoder: semantoks embed xcp_d/ --model runs/a --out features.parquet

    Task blocks: semantoks embed cohort/ --model runs/a --events bids/ --out blocks.parquet

    Recordings are cleaned as the encoder requires, and each step is reported. Networks that a recording lacks are
    hidden from the encoder, and so is the part of the window that a short recording does not fill. Recordings that
    cannot be used are listed in a file next to the table, and the exit code is then 4.

    Args:
        source: Anything that prepare reads, or a prepared cohort.
        model: Run, encoder folder, Hugging Face id (owner/name), or one in the box: schaefer400, mist122.
        out: Output table, a FILE.parquet with one row per participant, session and run (and block).
        files: Instead of SOURCE: a table (.tsv, .csv) of path, participant_id and, where known, session_id, run, tr.
        options: What is known about the recordings, and which of them to read.
        already_filtered: The recordings are already band-passed; do not filter them again.
        readout: Features: cls_avg = [mean over all tokens, CLS]; cls; avg; network = one mean per network.
        crops: Evenly spaced windows per recording, at least 1.
        keep_crops: Write one row per window instead of their mean.
        blocks: Embed the blocks of a task, each with every other position hidden.
        keep_cohort: Keep the cleaned recordings in this folder, as a cohort.
        device: Device to compute on: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1, mps.
        precision: bf16-mixed: products in bfloat16, for speed on a GPU or a CPU that gains by it; auto: the faster one.
        n_jobs: Worker processes that read and clean; -1 uses all cores.
    """
    from semantoks.features.embed import embed as run
    from semantoks.features.embed import left_out_of, write_features
    from semantoks.features.events import reasons_words
    from semantoks.signals.reasons import excluded_words

    if out.suffix != ".parquet" or out.is_dir():
        raise ConfigError(f"--out must be a file that ends in .parquet, not {out}.")
    with hold_file(out):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # exclusions are printed below
            table = run(
                named_source(source, files),
                model=model,
                tr=options.tr,
                already_filtered=already_filtered,
                participants=options.participants,
                reading=options.reading,
                blocks=BlockConfig(**vars(blocks)),
                readout=readout,
                crops=crops,
                keep_crops=keep_crops,
                keep_cohort=keep_cohort,
                device=device,
                precision=precision,
                n_jobs=n_jobs,
                verbose=True,
            )
        show("\n".join(table.attrs["notes"]))
        excluded = write_features(table, out)
    columns = table.shape[1] - list(table).index("crop_spread") - 1
    found(out=out, rows=len(table), features=columns)
    found(excluded=len(table.attrs["excluded"]), left_out=len(table.attrs["left_out"]))
    print(f"\n{len(table)} row{'s' * (len(table) != 1)} x {columns} feature{'s' * (columns != 1)} in {out}")
    if excluded is not None:
        show(excluded_words(table.attrs["excluded"], excluded), indent=2)
    if left_out := table.attrs["left_out"]:
        print(f"Left out: {reasons_words(left_out)}. See {left_out_of(out)}.")
    return EXIT_PARTIAL if left_out or excluded is not None else EXIT_OK


def probe(
    model: Model,
    cohort: Recordings,
    target: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")],
    out: Path,
    config: Annotated[_Settings, arg(name="")] = _Settings(),  # noqa: B008
    device: str = "auto",
    precision: Precision = "32-true",
    n_jobs: int = -1,
    scheduler: Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="(default: this machine)")] = None,
) -> int:
    """Predict targets from the encoder, compared with functional connectivity and every other baseline.

    Example: semantoks probe runs/a cohort/ --target sex age dx --out runs/a/probe

    Task states: semantoks probe runs/a motor/ --events bids/ --target trial_type --out runs/a/states

    Everything is fitted inside each training fold. A person, a family or a copied recording is never on both sides of
    a split, and all methods see the same people, splits and frames. Writes scores.csv, predictions.parquet and
    probe.json.

    Args:
        model: A run folder, or an encoder folder.
        cohort: A cohort prepared with the encoder's atlas.
        target: One or more columns of the cohort's participants.tsv; for blocks, of their events: trial_type.
        out: Output folder.
        config: The settings.
        device: Device to embed on: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1, mps.
        precision: Of the encoder: bf16-mixed has products in bfloat16, for speed; auto: the faster one here.
        n_jobs: Worker processes; -1 uses all cores. The results are the same for any number.
        scheduler: Address of a Dask scheduler (tcp://HOST:PORT), whose workers compute the splits instead.
    """
    from semantoks.evaluate.probe import probe as run

    summary = run(
        model,
        cohort,
        targets=target,
        out=out,
        config=ProbeConfig(**vars(config)),
        device=device,
        precision=precision,
        n_jobs=n_jobs,
        scheduler=scheduler,
        command=TYPED.get(),
        verbose=True,
    )
    return tell_scores(summary, model, out)


def tell_scores(summary: "pd.DataFrame", model: str | Path, out: Path) -> int:
    """Show the scores of a probe or a fine-tuning, its notes, where the scores are, and what makes a page of them.

    The page is the run's, where it looks for them, else their own.
    """
    found(out=out, scores=summary.to_dict("records"))
    print(score_table(summary))
    show("\n".join(probe_notes(out)), indent=2)
    of_run = out.resolve().parent == Path(model).resolve() and out.name in ("probe", "finetune")
    page = model if of_run and Path(model, "run.json").exists() else out
    print(f"\nAll scores: {out / 'scores.csv'}\nNext: semantoks report {shlex.quote(str(page))}")
    return EXIT_OK


def report(
    run: Positional[Annotated[tuple[Path, ...], arg(metavar="RUN [RUN ...]", help_behavior_hint="(required)")]],
    out: Annotated[
        Path | None,
        arg(
            metavar="FILE",
            help_behavior_hint="(default: RUN/report.html, COHORT_report.html, or comparison.html next to the first)",
        ),
    ] = None,
    show_ids: bool = False,
) -> int:
    """Write the report of a run or a cohort, or compare several runs: one HTML page that opens offline.

    Example: semantoks report runs/a

    The tables of the page are written next to it, as TSV files.

    Args:
        run: A run, a probe, a study, a look inside (audit ...), or a cohort; or several runs and probes, to compare.
        out: Output file, a FILE.html.
        show_ids: Name the recordings of a cohort instead of numbering them.
    """
    from semantoks.reporting.page import report as run_report

    page = run_report(run, out, show_ids=show_ids)
    found(page=page)
    print(f"Open {page} in a browser. Its tables: {page.with_name(f'{page.stem}_tables')}")
    return EXIT_OK


def demo(out: Path = Path("demo"), participants: int = 80, steps: int = 40, seed: int = 0) -> int:
    """Run the main job end to end on simulated people.

    Example: semantoks demo --out demo/

    Args:
        out: Output folder.
        participants: Number of simulated people, at least 40; each has two 6-minute recordings.
        steps: Pretraining steps, at least 1.
        seed: Seed for everything, at least 0.
    """
    from semantoks.walkthrough import demo as run

    summary = run(out, participants=participants, steps=steps, seed=seed, verbose=True)
    found(out=out, scores=summary.to_dict("records"), page=out / "report.html")
    print(score_table(summary))
    print(
        f"\nA small encoder and {participants} simulated people: this shows the workflow, not what the method can do."
        f"\n\nReport      {out / 'report.html'}   (open it in a browser)"
        f"\nRecordings  {out / 'recordings'}\nCohort      {out / 'cohort'}\nRun         {out / 'run'}"
        f"\nFeatures    {out / 'features.parquet'}"
        f"\n\nNext: semantoks info {out / 'cohort'}"
        "\n      semantoks prepare YOUR_RECORDINGS/ --atlas schaefer400 --tr SECONDS --out cohort/"
    )
    return EXIT_OK
