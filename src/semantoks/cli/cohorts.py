"""Commands about recordings: prepare, simulate, info."""

import dataclasses
import inspect
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found, show
from semantoks.cli.everywhere import say as print
from semantoks.cli.sources import AtlasName, Files, ReadingOptions, Source, SourceFlags, SourceOptions, named_source
from semantoks.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL

Tool = Literal["arrays", "xcpd", "ukb", "abide", "hdf5", "ptseries"]
Band = Annotated[tuple[float, float] | None, arg(metavar="LOW HIGH")]
TargetTR = Annotated[float, arg(metavar="SECONDS")]
MaxFD = Annotated[float | None, arg(metavar="MM")]
COLUMNS, BATCH = 256, 128
"""People above which the usual closed form fits, and from which on the recipe small has a batch."""


def prepare(
    source: Source = None,
    *,
    out: Path,
    files: Files = None,
    atlas: AtlasName = None,
    band: Band = (0.01, 0.1),
    already_filtered: bool = False,
    full_band: bool = True,
    target_tr: TargetTR = 2.0,
    max_fd: MaxFD = 0.5,
    options: SourceFlags = SourceOptions(),  # noqa: B008
    n_jobs: int = 1,
    scheduler: Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="(default: none)")] = None,
) -> int:
    """Clean recordings and store them as a cohort.

    Example: semantoks prepare timeseries/ --out cohort/ --atlas schaefer400 --tr 0.8 --n-jobs 2

    Recordings are band-passed at their own repetition time, interpolated to the target one and z-scored per ROI. Those
    that cannot be used are listed with their reasons in cohort/excluded.tsv, and the exit code is 4. After an
    interruption, the same command finishes the work.

    Args:
        source: Folder of XCP-D, fMRIPrep, UK Biobank, ABIDE, CONN ... or of arrays, or an HDF5 file (docs/sources.md).
        out: Folder of the cohort: new, or left by the same command.
        files: Instead of SOURCE: a table (.tsv, .csv) of path, participant_id and, where known, session_id, run, tr.
        atlas: Name (schaefer400, cc200 ...), or FILE.tsv of label and network.
        band: Lower and upper edge of the band-pass in Hz, or none.
        already_filtered: The recordings are already band-passed; do not filter them again.
        full_band: Keep the series without the band-pass, too; twice the disk space.
        target_tr: Repetition time of the cohort in seconds (0.3 to 6).
        max_fd: Exclude recordings whose mean framewise displacement is known to exceed this, in mm; none = keep all.
        options: What is known of the recordings, and which of them are read.
        n_jobs: Worker processes; -1 uses all cores.
        scheduler: Address of a Dask scheduler (tcp://HOST:8786) whose workers do the work instead of this machine.
    """
    from semantoks.contents import info as look
    from semantoks.signals.clean import CleaningConfig
    from semantoks.signals.prepare import prepare as run
    from semantoks.signals.quality import GateConfig
    from semantoks.signals.reasons import excluded_words

    cleaning = CleaningConfig(band=band, already_filtered=already_filtered, full_band=full_band, target_tr=target_tr)
    cohort = run(
        named_source(source, files),
        out=out,
        atlas=atlas,
        tr=options.tr,
        cleaning=cleaning,
        gates=GateConfig(max_fd=max_fd),
        participants=options.participants,
        reading=options.reading,
        n_jobs=n_jobs,
        scheduler=scheduler,
        verbose=True,
        tell=print,
    )
    show(f"\n{look(out)}")
    found(out=out, recordings=len(cohort), excluded=len(cohort.excluded))
    if len(cohort.excluded):
        show(f"\n{excluded_words(cohort.excluded.to_dict('records'), out / 'excluded.tsv')}", indent=2)
    people = cohort.recordings["participant_id"].nunique()
    edges = " --edges" if people <= COLUMNS else ""
    print(f"\nNext: semantoks fit {shlex.quote(str(out))}{edges} --out encoders/a")
    if people >= BATCH:
        print(f"  or: semantoks pretrain {shlex.quote(str(out))} --recipe small --out runs/a")
    return EXIT_PARTIAL if len(cohort.excluded) else EXIT_OK


def doctor(
    source: Source = None,
    *,
    files: Files = None,
    atlas: Annotated[str | None, arg(metavar="NAME|FILE", help_behavior_hint="(default: the likeliest)")] = None,
    model: Annotated[str | None, arg(metavar="MODEL", help_behavior_hint="(default: none)")] = None,
    band: Band = (0.01, 0.1),
    already_filtered: bool = False,
    target_tr: TargetTR = 2.0,
    max_fd: MaxFD = 0.5,
    options: SourceFlags = SourceOptions(),  # noqa: B008
    recordings: int = 20,
    table: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None,
) -> int:
    """Say what a source of recordings is and what is wrong with it, before anything runs.

    Example: semantoks doctor timeseries/ --atlas schaefer400

    Reports kind, people, repetition times, atlas, missing networks, filters and lengths, cleans some recordings as
    prepare would, judges from correlations whether the columns follow the atlas's order, and warns of recordings that
    are near copies of each other. The exit code is 3 if there is a problem, and 4 if all that is wrong is that some of
    the recordings would be left out.

    Args:
        source: Anything that prepare reads.
        files: Instead of SOURCE: a table (.tsv, .csv) of path, participant_id and, where known, session_id, run, tr.
        atlas: Atlas that the columns should follow: a name, or a FILE.tsv.
        model: Run, encoder folder or Hugging Face id whose atlas, band and TR are used; no motion limit applies.
        band: As for prepare.
        already_filtered: As for prepare.
        target_tr: As for prepare.
        max_fd: As for prepare.
        options: What is known of the recordings, and which of them are read.
        recordings: Number of recordings to look into, spread evenly over the source; 0 looks into all.
        table: Write the findings on each recording to FILE.tsv.
    """
    from semantoks.examination import doctor as run
    from semantoks.signals.clean import CleaningConfig
    from semantoks.signals.quality import GateConfig
    from semantoks.storage.tables import write_table

    path = named_source(source, files)
    findings = run(
        path,
        atlas=atlas,
        model=model,
        tr=options.tr,
        participants=options.participants,
        reading=options.reading,
        cleaning=CleaningConfig(band=band, already_filtered=already_filtered, target_tr=target_tr),
        gates=GateConfig(max_fd=max_fd),
        recordings=recordings,
        verbose=True,
    )
    problems = [dataclasses.asdict(problem) for problem in findings.problems]
    found(atlas=findings.atlas, facts=findings.facts, problems=problems, warnings=findings.warnings)
    show(findings)
    if table is not None:
        write_table(table, findings.table)
    if not findings.usable:
        return EXIT_INPUT
    if model is not None:
        words = ["embed", str(path), "--model", model, "--out", "features.parquet"]
    else:
        words = ["prepare", str(path), "--atlas", atlas or findings.atlas, "--out", "cohort/"]
        words += _changed(prepare, band=band, target_tr=target_tr, max_fd=max_fd)
    words += [*([] if options.tr is None else ["--tr", f"{options.tr:.9g}"])]
    words += [*([] if options.participants is None else ["--participants", str(options.participants)])]
    words += [*dict.fromkeys([*findings.options, *(["--already-filtered"] if already_filtered else [])])]
    words += _flags(options.reading)
    fine = "" if findings.problems or findings.warnings else "Nothing wrong.\n"
    found(next=shlex.join(["semantoks", *words]))
    print(f"\n{fine}Next: {shlex.join(['semantoks', *words])}")
    return EXIT_PARTIAL if findings.problems else EXIT_OK


def _changed(command: Callable[..., int], **given: Any) -> list[str]:
    """Spell what differs from a command's defaults as options."""
    defaults = inspect.signature(command).parameters
    words: list[str] = []
    for name, value in given.items():
        if value != defaults[name].default:
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value])]
    return words


def _flags(reading: ReadingOptions) -> list[str]:
    """Spell what differs from the defaults as options."""
    words: list[str] = []
    for field in dataclasses.fields(reading):
        value = getattr(reading, field.name)
        if value != field.default:
            several = value if isinstance(value, tuple) else [] if value is True else [value]
            words += [f"--{field.name.replace('_', '-')}", *map(str, several)]
    return words


def simulate(
    out: Path,
    tool: Annotated[Tool, arg(name="as")] = "arrays",
    participants: int = 100,
    sessions: int = 2,
    atlas: str = "schaefer400+tian-s3+buckner7",
    minutes: float = 6.0,
    task_blocks: bool = False,
    seed: int = 0,
    n_jobs: int = 1,
) -> int:
    """Write simulated recordings with known traits, as a folder that prepare reads.

    Example: semantoks simulate --out recordings/ --participants 200 --atlas cc200

    Args:
        out: Output folder: one .npy file per recording, and participants.tsv.
        tool: Write files as another tool does instead, to try out how they are read.
        participants: Number of people, at least 1.
        sessions: Recordings per person, at least 1.
        atlas: Name (schaefer400, cc200, schaefer400+tian-s3+buckner7 ...), or FILE.tsv of label and network.
        minutes: Length of each recording in minutes.
        task_blocks: Recordings of a task instead of rest: blocks of 30 s of two trial types, which change how networks
            go together, with a BIDS events.tsv next to each recording.
        seed: Random seed, at least 0.
        n_jobs: Worker processes; -1 uses all cores.
    """
    from semantoks.simulation.cohort import SimulationConfig
    from semantoks.simulation.cohort import simulate as run

    config = SimulationConfig(
        participants=participants,
        sessions=sessions,
        atlas=atlas,
        minutes=minutes,
        task_blocks=task_blocks,
        seed=seed,
    )
    folder = run(config, out=out, tool=tool, n_jobs=n_jobs, verbose=True)
    found(out=folder)
    print(f"Next: semantoks prepare {shlex.quote(str(folder))} --atlas {shlex.quote(atlas)} --out cohort/")
    return EXIT_OK


def info(path: Positional[Annotated[Path, arg(metavar="PATH")]], verify: bool = False) -> int:
    """Describe a cohort, run or encoder in ten lines.

    Example: semantoks info cohort/ --verify

    Args:
        path: A folder that semantoks wrote, or an encoder in the box: schaefer400, mist122.
        verify: Check every file against its checksum; of a cohort also name near copies under different ids.
    """
    from semantoks.contents import info as look

    there = look(path, verify=verify)
    found(path=there.path, kind=there.kind, facts=there.facts, problems=there.problems)
    if there.problems:
        show("\n".join(there.problems))
        return EXIT_INPUT
    show(there)
    if verify:
        show("\n".join(there.notes))
    return EXIT_OK
