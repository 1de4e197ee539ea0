"""The command finetune: a recipe, whatever of it the command line changes, an encoder and a cohort."""

import argparse
import dataclasses
import inspect
import shlex
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional, arg

from semantoks.cli.typed import TYPED
from semantoks.errors import EXIT_OK
from semantoks.screen import progress, said_of, score_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Finetune:
    model: Positional[Annotated[Path, arg(metavar="RUN")]]
    """A run folder, or an encoder folder."""
    cohort: Positional[Annotated[Path, arg(metavar="COHORT")]]
    """A cohort prepared with the encoder's atlas."""
    target: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")]
    """Columns of the cohort's participants.tsv, one or several."""
    out: Path
    """Folder for what it writes."""
    recipe: str = "finetune"
    """Defaults of the settings: finetune (the published ones), or a FILE.toml."""
    from_scratch: bool = False
    """Fine-tune from random weights, too, to show what the pretraining added."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, mps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _People:
    """The settings of a probe that say who is predicted, and on which splits."""

    split: str = "person"
    """person, site (folds of whole sites), leave-site-out, or a FILE.tsv: participant_id and one column per split."""
    folds: int = 5
    """Number of folds, at least 2; each is the test side once."""
    repeats: int = 1
    """Repeats, each with other splits, at least 1."""
    seed: int = 0
    """Seed of splits, heads, crops and batches, at least 0."""
    as_class: tuple[str, ...] = ()
    """Targets whose numbers are codes of classes."""
    missing: tuple[str, ...] = ()
    """Codes that mean a missing value, e.g. -9999."""
    drop_rare: bool = False
    """Leave out people of classes that are too small for the splits, instead of refusing the target."""
    exclude_pretrained: bool = False
    """Leave out people whom the encoder saw (without labels) in pretraining."""


def finetune(argv: list[str]) -> int:
    """Fine-tune an encoder on targets, beside linear probes on the same splits.

    Example: semantoks finetune runs/a cohort/ --target dx --out runs/a/finetune --epochs 10 --lr 1e-4 1e-3

    On each split a copy of the encoder learns from the training people, some of whom choose epoch and rate; the test
    people are scored once. Writes scores.csv, predictions.parquet, probe.json and epochs.csv. The recipe sets the
    defaults below; command-line options override it.
    """
    from semantoks.evaluate.finetuning.finetune import finetune as run
    from semantoks.evaluate.finetuning.finetune import load_settings
    from semantoks.evaluate.finetuning.tuning import FinetuneConfig
    from semantoks.evaluate.settings import ProbeConfig

    # The recipe has to be known before the rest is parsed: its values are the defaults of the rest.
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe", nargs="?", default="finetune", const="finetune")
    config = load_settings(first.parse_known_args(argv)[0].recipe)
    settings = [
        ("config", Annotated[FinetuneConfig, arg(name="")], dataclasses.field(default=config)),
        ("people", Annotated[_People, arg(name="")], dataclasses.field(default=_People())),
    ]
    kinds: Any = dataclasses.make_dataclass("Finetune", settings, bases=(_Finetune,), frozen=True, kw_only=True)
    given = tyro.cli(kinds, args=argv, prog="semantoks finetune", description=inspect.getdoc(finetune))
    with progress("finetune") as shown:
        summary = run(
            given.model,
            given.cohort,
            targets=given.target,
            out=given.out,
            config=given.config,
            probe=ProbeConfig(**vars(given.people)),
            from_scratch=given.from_scratch,
            device=given.device,
            command=TYPED.get(),
            progress=shown,
        )
    print(score_table(summary))
    print("\n".join(said_of(given.out)))
    print(f"\nAll scores: {given.out / 'scores.csv'}. Next: semantoks report {shlex.quote(str(given.model))}")
    return EXIT_OK
