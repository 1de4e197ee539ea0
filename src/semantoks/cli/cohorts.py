"""Commands about recordings: prepare, simulate, info."""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL, ConfigError
from semantoks.screen import progress
from semantoks.signals.reading_config import ReadingConfig

if TYPE_CHECKING:
    from semantoks.atlas.atlas import Atlas

Source = Annotated[Positional[Path | None], arg(metavar="SOURCE")]


def named_source(source: Path | None, files: Path | None) -> Path:
    """Take the one that was given: a source, or a list of files, which is one, too."""
    if (source is None) == (files is None):
        raise ConfigError("give either SOURCE or --files FILE.tsv.")
    path = files if source is None else source
    assert path is not None
    return path


def prepare(
    source: Source = None,
    *,
    out: Path,
    files: Path | None = None,
    atlas: str | None = None,
    tr: float | None = None,
    band: tuple[float, float] | None = (0.01, 0.1),
    already_filtered: bool = False,
    target_tr: float = 2.0,
    max_fd: float | None = 0.5,
    participants: Path | None = None,
    reading: Annotated[ReadingConfig, arg(name="")] = ReadingConfig(),  # noqa: B008
    n_jobs: int = 1,
    scheduler: str | None = None,
) -> int:
    """Clean recordings and store them as a cohort.

    Example: semantoks prepare timeseries/ --out cohort/ --atlas schaefer400 --tr 0.8 --n-jobs 2

    Band-pass at the recordings' own repetition time, cubic interpolation to the target one, z-score per ROI. What
    cannot be used is listed in cohort/excluded.tsv with its reason, and the exit code is then 4. The same command
    again finishes what was killed.

    Args:
        source: Folder of XCP-D, fMRIPrep, UK Biobank, ABIDE, CONN ... or of arrays, or an HDF5 file (docs/sources.md).
        out: Folder of the cohort, new or from the same command before.
        files: Instead of a source: a table (.tsv .csv) of path, participant_id and, where known, session_id, run, tr.
        atlas: A name (schaefer400, cc200 ...), or a FILE.tsv with label and network; XCP-D: the published 457 ROIs.
        tr: Repetition time of the recordings, seconds (0.3 to 6), unless the participants table has a column tr.
        band: Low and high cut of the band-pass, Hz; None for no band-pass.
        already_filtered: The recordings are band-passed already: do not filter again.
        target_tr: Repetition time of the cohort, seconds (0.3 to 6).
        max_fd: Leave out recordings whose mean framewise displacement is known to be above this, mm; None keeps all.
        participants: Table (.tsv .csv) of participant_id and phenotypes; default: participants.tsv beside the source.
        reading: What is read.
        n_jobs: Processes, -1 for one a core.
        scheduler: Address of a Dask scheduler (tcp://HOST:8786): its workers do the work, not this machine.
    """
    from semantoks.signals.clean import CleaningConfig
    from semantoks.signals.prepare import prepare as run
    from semantoks.signals.quality import GateConfig

    cleaning = CleaningConfig(band=band, already_filtered=already_filtered, target_tr=target_tr)
    with progress("prepare") as shown:
        cohort = run(
            named_source(source, files),
            out=out,
            atlas=atlas,
            tr=tr,
            cleaning=cleaning,
            gates=GateConfig(max_fd=max_fd),
            participants=participants,
            reading=reading,
            n_jobs=n_jobs,
            scheduler=scheduler,
            progress=shown,
            tell=print,
        )
    print()
    info(out)
    if len(cohort.excluded):
        print(f"\n{len(cohort.excluded)} recordings were excluded: see {out / 'excluded.tsv'}.")
    print(f"\nNext: semantoks pretrain {shlex.quote(str(out))} --recipe small --out runs/a")
    return EXIT_PARTIAL if len(cohort.excluded) else EXIT_OK


def doctor(
    source: Source = None,
    *,
    files: Path | None = None,
    atlas: str | None = None,
    model: str | None = None,
    tr: float | None = None,
    participants: Path | None = None,
    reading: Annotated[ReadingConfig, arg(name="")] = ReadingConfig(),  # noqa: B008
    recordings: int = 20,
    table: Path | None = None,
) -> int:
    """Say what a source of recordings is and what is wrong with it, before anything runs.

    Example: semantoks doctor timeseries/ --atlas schaefer400

    Kind, people, repetition times, atlas, missing networks, filters, lengths; and from what correlates with what,
    whether the columns stand in the atlas's order. The exit code is 3 when there is a problem.

    Args:
        source: Whatever prepare reads.
        files: Instead of a source: a table (.tsv .csv) of path, participant_id and, where known, session_id, run, tr.
        atlas: What the columns are said to be (a name, or FILE.tsv); default: found out.
        model: A run, an encoder folder or a hub id whose atlas the columns are held against.
        tr: Repetition time of the recordings, seconds, where the source does not say it.
        participants: Table (.tsv .csv) of participant_id and facts such as tr; default: participants.tsv of the source.
        reading: What is read.
        recordings: Recordings that are looked into, evenly over the source; 0 = all.
        table: Write what was found of each of them as FILE.tsv.
    """
    from semantoks.doctor.checkup import checkup
    from semantoks.storage.tables import table_text

    if atlas is not None and model is not None:
        raise ConfigError("--atlas and --model both say what the columns are: give one.")
    if recordings < 0:
        raise ConfigError(f"--recordings has to be at least 0, not {recordings}.")
    path = named_source(source, files)
    named = _atlas_of(model) or atlas
    found = checkup(path, atlas=named, tr=tr, participants=participants, reading=reading, most=recordings)
    print("\n".join(found.facts))
    if table is not None:
        table.write_text(table_text(found.table), encoding="utf-8")
    for problem in found.problems:
        print(f"\nPROBLEM    {problem.evidence}\n       ->  {problem.remedy}")
    if not found.problems:
        words = ["semantoks", "prepare", str(path), "--atlas", atlas or found.atlas, "--out", "cohort/"]
        words += [*([] if tr is None else ["--tr", f"{tr:g}"])]
        words += [*([] if participants is None else ["--participants", str(participants)]), *_flags(reading)]
        print(f"\nNothing wrong. Next: {shlex.join(words)}")
    return EXIT_INPUT if found.problems else EXIT_OK


def _flags(reading: ReadingConfig) -> list[str]:
    """Spell what differs from the defaults as options."""
    words: list[str] = []
    for field in dataclasses.fields(reading):
        value = getattr(reading, field.name)
        if value != field.default:
            several = value if isinstance(value, tuple) else [] if value is True else [value]
            words += [f"--{field.name.replace('_', '-')}", *map(str, several)]
    return words


def _atlas_of(model: str | None) -> "Atlas | None":
    if model is None:
        return None
    from semantoks.model.card import read_card
    from semantoks.model.hub import find_encoder

    return read_card(find_encoder(model)).atlas


def simulate(
    out: Path,
    layout: Annotated[Literal["xcpd", "ukb", "abide", "hdf5", "ptseries"] | None, arg(name="as")] = None,
    participants: int = 100,
    sessions: int = 2,
    atlas: str = "schaefer400+tian-s3+buckner7",
    minutes: float = 6.0,
    seed: int = 0,
    n_jobs: int = 1,
) -> int:
    """Write simulated recordings with known traits, as a folder that prepare reads.

    Example: semantoks simulate --out recordings/ --participants 200 --atlas cc200

    Args:
        out: The folder: one .npy a recording and participants.tsv.
        layout: Write the files of another tool instead, to try how they are read.
        participants: People, at least 1.
        sessions: Recordings of each, at least 1.
        atlas: A name (schaefer400, cc200, schaefer400+tian-s3+buckner7 ...), or a FILE.tsv with label and network.
        minutes: Length of a recording, minutes.
        seed: Seed of everything, at least 0.
        n_jobs: Processes, -1 for one a core.
    """
    from semantoks.simulation.as_tool import simulate_as
    from semantoks.simulation.cohort import SimulationConfig
    from semantoks.simulation.cohort import simulate as run

    if n_jobs == 0 or not minutes > 0:
        raise ConfigError(f"--n-jobs has to be other than 0, and --minutes above 0, not {n_jobs} and {minutes}.")
    config = SimulationConfig(participants=participants, sessions=sessions, atlas=atlas, minutes=minutes, seed=seed)
    with progress("simulate") as shown:
        if layout is None:
            folder = run(config, out=out, n_jobs=n_jobs, progress=shown)
        else:
            folder = simulate_as(layout, config, out=out, progress=shown)
    print(f"Next: semantoks prepare {shlex.quote(str(folder))} --atlas {shlex.quote(atlas)} --out cohort/")
    return EXIT_OK


def info(path: Positional[Annotated[Path, arg(metavar="PATH")]], verify: bool = False) -> int:
    """Say what a cohort, run or encoder is, in ten lines.

    Example: semantoks info cohort/ --verify

    Args:
        path: A folder that semantoks wrote.
        verify: Check every recording of a cohort against its checksum.
    """
    from semantoks.info import describe_path, verify_cohort

    print("\n".join(describe_path(path)))
    if not verify:
        return EXIT_OK
    problems = verify_cohort(path)
    print("\n".join(problems) or "verified: every recording agrees with its checksum")
    return EXIT_INPUT if problems else EXIT_OK
