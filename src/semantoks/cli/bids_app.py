"""The program ``semantoks-bids INPUT OUTPUT {participant,group}``: prepare and embed as a BIDS App."""

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.bids_app.settings import EmbeddingConfig
from semantoks.cli.everywhere import call_with_words
from semantoks.cli.everywhere import say as print
from semantoks.cli.main import answered
from semantoks.cli.main import run as run_command
from semantoks.cli.sources import AtlasName, SourceFlags, SourceOptions
from semantoks.cli.typed import TYPED
from semantoks.errors import EXIT_OK, EXIT_PARTIAL, ConfigError, DataError
from semantoks.progress import progress
from semantoks.storage.cores import share_cores

if TYPE_CHECKING:
    from semantoks.atlas.atlas import Atlas
    from semantoks.bids_app.dataset import AppConfig
    from semantoks.bids_app.embeddings import Embedding
    from semantoks.signals.clean import CleaningConfig

Level = Literal["participant", "group"]
PassBand = tuple[float, float] | Literal["model"] | None
"""Of model: the model's, or the usual one; None = no band-pass."""
PROGRAM = "semantoks-bids"
OR_MODEL = "(default: the model's, or "
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
    atlas: AtlasName = None,
    band: Annotated[PassBand, arg(metavar="{LOW HIGH|none}", help_behavior_hint=f"{OR_MODEL}0.01 0.1)")] = "model",
    already_filtered: bool = False,
    full_band: bool = True,
    target_tr: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint=f"{OR_MODEL}2)")] = None,
    max_fd: Annotated[float | None, arg(metavar="MM")] = 0.5,
    options: SourceFlags = SourceOptions(),  # noqa: B008
    embedding: Annotated[EmbeddingConfig, arg(name="")] = EmbeddingConfig(),  # noqa: B008
    n_jobs: int = 1,
    report: bool = True,
) -> int:
    """Prepare recordings participant by participant, on any number of machines, then join what they made.

    Example: semantoks-bids xcp_d/ derivatives/semantoks participant --participant-label 01 02

    participant: writes one part per participant into OUTPUT/work; calls on different participants may run in parallel.
    group: joins all finished parts into OUTPUT/cohort, the same cohort that prepare makes, and names who is missing.
    Give both levels the same options. The exit code is 4 if recordings were excluded or participants are missing.

    Args:
        source: Anything that prepare reads: another tool's derivative, a folder of arrays, or an HDF5 file.
        out: Folder of the derivative, outside INPUT.
        level: First participant, on any number of machines; then group, once.
        atlas: Name (schaefer400, cc200 ...), or FILE.tsv of label and network.
        band: Lower and upper edge of the band-pass in Hz, or none.
        already_filtered: The recordings are already band-passed; do not filter them again.
        full_band: Keep the series without the band-pass, too.
        target_tr: Repetition time of the cohort in seconds (0.3 to 6).
        max_fd: Exclude recordings whose mean framewise displacement is known to exceed this, in mm; none = keep all.
        options: What is known of the recordings, and which participants this call works on.
        embedding: Whether and how to embed recordings, too.
        n_jobs: Worker processes of the participant level; -1 uses all cores.
        report: Also write OUTPUT/report.html, the page of the cohort, and what to cite (group).
    """
    from semantoks.bids_app.account import logged
    from semantoks.bids_app.dataset import AppConfig
    from semantoks.signals.opened_source import SourceConfig
    from semantoks.signals.quality import GateConfig

    encoder = _opened(embedding)
    known, cleaning, needs_full = _demanded(encoder, atlas, band, already_filtered, target_tr, source)
    input_config = SourceConfig(
        atlas=known,
        tr=options.tr,
        participants=options.participants,
        reading=options.reading,
        cleaning=replace(cleaning, full_band=full_band),
        gates=GateConfig(max_fd=max_fd, full_band=needs_full),
    )
    if needs_full and not full_band:
        raise ConfigError(
            "--model takes the full band: leave out --no-full-band, or use a model of band-passed series."
        )
    config = AppConfig(source=source, out=out, input_config=input_config)
    with logged(config.out, TYPED.get()):
        return _participant(config, encoder, n_jobs) if level == "participant" else _group(config, encoder, report)


def _opened(config: EmbeddingConfig) -> "Embedding | None":
    if config.model is None:
        return None
    from semantoks.bids_app.embeddings import open_embedding

    return open_embedding(config.model, config)


def _demanded(
    embedding: "Embedding | None",
    atlas: str | None,
    band: PassBand,
    already_filtered: bool,
    target_tr: float | None,
    source: Path,
) -> "tuple[Atlas, CleaningConfig, bool]":
    """Take atlas, cleaning and whether the full band is needed from the model or from the options, never from both."""
    if embedding is None:
        from semantoks.signals.clean import CleaningConfig

        cuts, interval = (0.01, 0.1) if band == "model" else band, 2.0 if target_tr is None else target_tr
        cleaning = CleaningConfig(band=cuts, already_filtered=already_filtered, target_tr=interval)
        return _atlas(atlas, source), cleaning, False
    if (atlas, band, target_tr) != (None, "model", None):
        raise ConfigError("--model determines atlas, band and target TR: leave out --atlas, --band and --target-tr.")
    from semantoks.model.card import cleaning_for

    card = embedding.card
    return card.atlas, cleaning_for(card, already_filtered=already_filtered)[0], card.full_band


def _atlas(name: str | None, source: Path) -> "Atlas":
    from semantoks.signals.opened_source import named_atlas

    if not source.exists():
        raise DataError(f"INPUT {source} does not exist.")
    return named_atlas(name, source)


def _participant(config: "AppConfig", embedding: "Embedding | None", n_jobs: int) -> int:
    from semantoks.bids_app.participant import run_participants

    with progress("participant", "participants") as shown:
        told = partial(print, file=sys.stderr)
        parts, unknown = run_participants(config, n_jobs=n_jobs, embedding=embedding, progress=shown, tell=told)
    kept, excluded = sum(part.kept for part in parts), sum(part.excluded for part in parts)
    print(f"participants: {len(parts)}, recordings kept: {kept}, excluded: {excluded}, in {config.out}")
    _list("recordings excluded, see", [str(part.path / "excluded.tsv") for part in parts if part.excluded])
    _list("not in the input:", [f"sub-{one}" for one in unknown])
    return EXIT_PARTIAL if excluded or unknown else EXIT_OK


def _group(config: "AppConfig", embedding: "Embedding | None", report: bool) -> int:
    from semantoks.bids_app.account import PAGE, write_page
    from semantoks.bids_app.group import run_group

    with progress("group", "participants") as shown:
        made = run_group(config, embedding=embedding, progress=shown)
    excluded = len(made.cohort.excluded)
    people = made.cohort.recordings["participant_id"].nunique()
    kept = len(made.cohort)
    print(f"participants: {people}, recordings kept: {kept}, excluded: {excluded}, in {made.cohort.path}")
    if made.embeddings is not None:
        print(f"embeddings: {kept - len(made.lacking)}, in {made.embeddings}")
    if report:
        write_page(config.out, made.cohort.path)
        print(f"report: {config.out / PAGE}")
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
    return answered(lambda: call_with_words(bids, _ours(argv), PROGRAM))


def main() -> None:
    """Entry point of the ``semantoks-bids`` program."""
    share_cores()
    sys.exit(run(sys.argv[1:]))
