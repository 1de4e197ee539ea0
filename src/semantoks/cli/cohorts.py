"""Commands about recordings: prepare, simulate, info."""

import shlex
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from semantoks.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL, ConfigError
from semantoks.screen import progress


def prepare(
    source: Positional[Annotated[Path, arg(metavar="SOURCE")]],
    out: Path,
    atlas: str,
    tr: float | None = None,
    band: tuple[float, float] | None = (0.01, 0.1),
    already_filtered: bool = False,
    target_tr: float = 2.0,
    participants: Path | None = None,
    n_jobs: int = 1,
) -> int:
    """Clean recordings and store them as a cohort.

    Example: semantoks prepare timeseries/ --out cohort/ --atlas schaefer400 --tr 0.8 --n-jobs 2

    Band-pass at the recordings' own repetition time, cubic interpolation to the target one, z-score per ROI. What
    cannot be used is listed in cohort/excluded.tsv with its reason, and the exit code is then 4. The same command
    again finishes what was killed.

    Args:
        source: Folder of arrays (.tsv .csv .npy .npz .1D .txt .mat), or an HDF5 file of recordings.
        out: Folder of the cohort, new or from the same command before.
        atlas: A name (schaefer400, cc200, schaefer400+tian-s3+buckner7 ...), or a FILE.tsv with label and network.
        tr: Repetition time of the recordings, seconds (0.3 to 6), unless the participants table has a column tr.
        band: Low and high cut of the band-pass, Hz; None for no band-pass.
        already_filtered: The recordings are band-passed already: do not filter again.
        target_tr: Repetition time of the cohort, seconds (0.3 to 6).
        participants: Table (.tsv .csv) of participant_id and phenotypes; default: participants.tsv beside the source.
        n_jobs: Processes, -1 for one a core.
    """
    from semantoks.signals.clean import CleaningConfig
    from semantoks.signals.prepare import prepare as run

    cleaning = CleaningConfig(band=band, already_filtered=already_filtered, target_tr=target_tr)
    with progress("prepare") as shown:
        cohort = run(
            source,
            out=out,
            atlas=atlas,
            tr=tr,
            cleaning=cleaning,
            participants=participants,
            n_jobs=n_jobs,
            progress=shown,
        )
    info(out)
    if len(cohort.excluded):
        print(f"\n{len(cohort.excluded)} recordings were excluded: see {out / 'excluded.tsv'}.")
    print(f"\nNext: semantoks pretrain {shlex.quote(str(out))} --recipe small --out runs/a")
    return EXIT_PARTIAL if len(cohort.excluded) else EXIT_OK


def simulate(
    out: Path,
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
        participants: People, at least 1.
        sessions: Recordings of each, at least 1.
        atlas: A name (schaefer400, cc200, schaefer400+tian-s3+buckner7 ...), or a FILE.tsv with label and network.
        minutes: Length of a recording, minutes.
        seed: Seed of everything, at least 0.
        n_jobs: Processes, -1 for one a core.
    """
    from semantoks.signals.synth import SimulationConfig
    from semantoks.signals.synth import simulate as run

    if n_jobs == 0 or not minutes > 0:
        raise ConfigError(f"--n-jobs has to be other than 0, and --minutes above 0, not {n_jobs} and {minutes}.")
    config = SimulationConfig(participants=participants, sessions=sessions, atlas=atlas, minutes=minutes, seed=seed)
    with progress("simulate") as shown:
        folder = run(config, out=out, n_jobs=n_jobs, progress=shown)
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
