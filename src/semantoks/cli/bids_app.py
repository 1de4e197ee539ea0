"""The program ``semantoks-bids INPUT OUTPUT {participant,group}``: prepare and embed as a BIDS App."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from semantoks.bids_app.settings import EmbeddingConfig
from semantoks.cli.main import answered
from semantoks.cli.main import run as run_command
from semantoks.cli.typed import TYPED
from semantoks.errors import EXIT_OK, EXIT_PARTIAL, ConfigError, DataError
from semantoks.screen import progress
from semantoks.signals.reading_config import ReadingConfig

if TYPE_CHECKING:
    from semantoks.atlas.atlas import Atlas
    from semantoks.bids_app.dataset import AppConfig
    from semantoks.bids_app.embeddings import Embedding

Level = Literal["participant", "group"]
Band = tuple[float, float] | Literal["none"] | None
PROGRAM = "semantoks-bids"
NO_VALIDATOR = "--skip-bids-validator"
"""Programs that run BIDS Apps pass it to each; here it changes nothing, as the input is not validated."""
ELSEWHERE = {
    "--nprocs": "--n-jobs",
    "--nthreads": "--n-jobs",
    "--n-cpus": "--n-jobs",
    "--session-id": "--session-label",
    "--task-id": "--task-label",
}
"""Options as other apps call them, and what they are called here."""


def bids(
    source: Positional[Annotated[Path, arg(metavar="INPUT")]],
    out: Positional[Annotated[Path, arg(metavar="OUTPUT")]],
    level: Positional[Annotated[Level, arg(metavar="{participant,group}")]],
    atlas: str | None = None,
    tr: float | None = None,
    band: Band = None,
    already_filtered: bool = False,
    target_tr: float | None = None,
    max_fd: float | None = 0.5,
    participants: Path | None = None,
    reading: Annotated[ReadingConfig, arg(name="")] = ReadingConfig(),  # noqa: B008
    embedding: Annotated[EmbeddingConfig, arg(name="")] = EmbeddingConfig(),  # noqa: B008
    n_jobs: int = 1,
) -> int:
    """Prepare recordings participant by participant, on any number of machines, then join what they made.

    Example: semantoks-bids xcp_d/ derivatives/semantoks participant --participant-label 01 02

    participant: a part for each participant in OUTPUT/work; calls on different participants may run at the same time.
    group: OUTPUT/cohort of all finished parts, the same that prepare makes; who is missing is named. Give both levels
    the same options. The exit code is 4 when recordings were excluded or somebody is missing.

    Args:
        source: Whatever prepare reads: the derivative of another tool, a folder of arrays, an HDF5 file.
        out: Folder of the derivative, outside of INPUT.
        level: participant, for each of them; then group, once.
        atlas: A name (schaefer400, cc200 ...), or a FILE.tsv with label and network; default: the model's or INPUT's.
        tr: Repetition time of the recordings, seconds (0.3 to 6), unless INPUT says it.
        band: Low and high cut of the band-pass, Hz, or none; default: the model's, else 0.01 0.1.
        already_filtered: The recordings are band-passed already: do not filter again.
        target_tr: Repetition time of the cohort, seconds (0.3 to 6); default: the model's, else 2.
        max_fd: Leave out recordings whose mean framewise displacement is known to be above this, mm; None keeps all.
        participants: Table (.tsv .csv) of participant_id and phenotypes; default: participants.tsv in INPUT.
        reading: What is read, and whom this call works on.
        embedding: Whether and how recordings are embedded, too.
        n_jobs: Processes of the participant level, -1 for one a core.
    """
    from semantoks.bids_app.dataset import AppConfig
    from semantoks.signals.clean import CleaningConfig
    from semantoks.signals.quality import GateConfig

    encoder = _opened(embedding)
    known, cuts, interval = _demanded(encoder, atlas, band, target_tr, source)
    config = AppConfig(
        source=source,
        out=out,
        atlas=known,
        tr=tr,
        cleaning=CleaningConfig(band=cuts, already_filtered=already_filtered, target_tr=interval),
        gates=GateConfig(max_fd=max_fd),
        participants=participants,
        reading=reading,
    )
    return _participant(config, encoder, n_jobs) if level == "participant" else _group(config, encoder)


def _opened(config: EmbeddingConfig) -> "Embedding | None":
    if config.model is None:
        return None
    from semantoks.bids_app.embeddings import open_embedding

    return open_embedding(config.model, config)


def _demanded(
    embedding: "Embedding | None", atlas: str | None, band: Band, target_tr: float | None, source: Path
) -> "tuple[Atlas, tuple[float, float] | None, float]":
    """Take atlas, band and target TR from the model or from the options, never from both."""
    if embedding is None:
        cuts = None if band == "none" else band or (0.01, 0.1)
        return _atlas(atlas, source), cuts, 2.0 if target_tr is None else target_tr
    if (atlas, band, target_tr) != (None, None, None):
        raise ConfigError("--model says atlas, band and target TR itself: leave out --atlas, --band and --target-tr.")
    return embedding.card.atlas, embedding.card.band, embedding.card.tr


def _atlas(name: str | None, source: Path) -> "Atlas":
    from semantoks.signals.prepare import named_atlas

    if not source.exists():
        raise DataError(f"INPUT {source} does not exist.")
    return named_atlas(name, source)


def _participant(config: "AppConfig", embedding: "Embedding | None", n_jobs: int) -> int:
    from semantoks.bids_app.participant import run_participants

    with progress("participant") as shown:
        parts, unknown = run_participants(config, n_jobs=n_jobs, embedding=embedding, progress=shown)
    kept, excluded = sum(part.kept for part in parts), sum(part.excluded for part in parts)
    print(f"participants: {len(parts)}, recordings kept: {kept}, excluded: {excluded}, in {config.out}")
    _list("recordings excluded, see", [str(part.path / "excluded.tsv") for part in parts if part.excluded])
    _list("not in the input:", [f"sub-{one}" for one in unknown])
    return EXIT_PARTIAL if excluded or unknown else EXIT_OK


def _group(config: "AppConfig", embedding: "Embedding | None") -> int:
    from semantoks.bids_app.group import run_group

    with progress("group") as shown:
        made = run_group(config, embedding=embedding, progress=shown)
    excluded = len(made.cohort.excluded)
    people = made.cohort.recordings["participant_id"].nunique()
    kept = len(made.cohort)
    print(f"participants: {people}, recordings kept: {kept}, excluded: {excluded}, in {made.cohort.path}")
    if made.embeddings is not None:
        print(f"embeddings: {kept - len(made.lacking)}, in {made.embeddings}")
    if excluded:
        print(f"recordings excluded, see {made.cohort.path / 'excluded.tsv'}")
    _list("missing, no finished part:", [f"sub-{one}" for one in made.missing])
    _list("without an embedding:", made.lacking)
    _list("left out, a part of nobody in the input:", made.strangers)
    return EXIT_PARTIAL if excluded or made.missing or made.lacking else EXIT_OK


def _list(what: str, names: list[str]) -> None:
    """Print all names, however many: a log is searched for them."""
    for name in names:
        print(f"{what} {name}")


def _ours(argv: list[str]) -> list[str]:
    """Pass over what is for apps that validate their input; ConfigError, with our name, for other apps' options."""
    words = []
    for word in argv:
        name = word.partition("=")[0].replace("_", "-") if word.startswith("--") else ""
        if name in ELSEWHERE:
            raise ConfigError(f"{word.partition('=')[0]} is called {ELSEWHERE[name]} here.")
        if name != NO_VALIDATOR:
            words.append(word)
    return words


def run(argv: list[str]) -> int:
    """Run the app and return its exit code; its errors are answered as those of each command of ``semantoks``."""
    if argv == ["--version"]:
        return run_command(argv)
    TYPED.set(shlex.join([PROGRAM, *argv]))
    return answered(lambda: tyro.cli(bids, args=_ours(argv), prog=PROGRAM))


def main() -> None:
    """Entry point of the ``semantoks-bids`` program."""
    sys.exit(run(sys.argv[1:]))
