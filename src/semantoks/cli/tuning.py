"""The command finetune: a recipe and the options that override it, an encoder and a cohort."""

import argparse
import dataclasses
import inspect
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import read_words
from semantoks.cli.results import tell_scores
from semantoks.cli.typed import TYPED, worded, words_if_empty
from semantoks.types import Precision


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Finetune:
    model: Positional[Annotated[Path, arg(metavar="RUN")]]
    """A run folder, or an encoder folder."""
    cohort: Positional[Annotated[Path, arg(metavar="COHORT")]]
    """A cohort prepared with the encoder's atlas."""
    target: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")]
    """One or more columns of the cohort's participants.tsv."""
    out: Path
    """Output folder."""
    recipe: str = "finetune"
    """Where the defaults come from: finetune (the published settings), or a FILE.toml."""
    from_scratch: bool = False
    """Also fine-tune from random weights, to show what pretraining adds."""
    beside: Annotated[tuple[str, ...], words_if_empty("none")] = ()
    """Networks to train from labels alone on the same splits: fc_mlp, fc_transformer, dynamic_graph."""
    device: str = "auto"
    """Device to compute on: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1, mps."""
    precision: Precision = "auto"
    """Of what is tuned: auto takes bf16-mixed (products in bfloat16) on a GPU, and on a CPU that gains by it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _People:
    """The settings of a probe that choose the people, the splits and what is said of the scores."""

    split: str = "person"
    """person, site (folds of whole sites), leave-site-out, or a FILE.tsv: participant_id and one column per split."""
    folds: int = 5
    """Number of folds, at least 2; each is the test set once."""
    repeats: int = 1
    """Number of repeats, at least 1; each draws new splits."""
    seed: int = 0
    """Seed for splits, heads, crops and batches, at least 0."""
    family: str = "auto"
    """Column of participants.tsv that names families, to keep together; auto = family_id or rel_family_id, if any."""
    bins: Annotated[int | None, words_if_empty("none")] = None
    """Cut every numeric target into this many classes of equal size, 2 to 9."""
    as_class: Annotated[tuple[str, ...], words_if_empty("none")] = ()
    """Targets whose numbers are class codes."""
    as_value: Annotated[tuple[str, ...], words_if_empty("none")] = ()
    """Targets whose few whole numbers are amounts, not class codes."""
    missing: Annotated[tuple[str, ...], words_if_empty("none")] = ()
    """Codes that stand for a missing value, e.g. -9999."""
    drop_rare: bool = False
    """Leave out classes that are too small for the splits, instead of refusing the target."""
    exclude_pretrained: bool = False
    """Leave out the people that the encoder saw (without labels) in pretraining."""
    trust_ids: bool = False
    """Count people as seen by their id alone, even if none of their recordings was in pretraining."""
    equivalence: Annotated[float | None, words_if_empty("no test")] = None
    """A difference from FC that would not matter, in the score's unit (e.g. 0.05): tests "as good as FC" within it."""
    identifiers: bool = False
    """Write participant_id into predictions.parquet."""


def finetune(argv: list[str]) -> int:
    """Fine-tune an encoder on targets, compared with linear probes on the same splits.

    Example: semantoks finetune runs/a cohort/ --target dx --out runs/a/finetune --lr 1e-4 1e-3 --beside fc_mlp

    On each split, a copy of the encoder is trained on the training people; a share of them is held out to choose the
    epoch and the learning rate. The test people are scored once. Writes scores.csv, predictions.parquet, probe.json
    and epochs.csv. The recipe sets the defaults below; command-line options override it.
    """
    from semantoks.evaluate.finetuning.tuning import FinetuneConfig, load_settings
    from semantoks.evaluate.settings import ProbeConfig

    # Find the recipe first: its values are the defaults of the other options.
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe", nargs="?", default="finetune", const="finetune")
    config_kind = worded(FinetuneConfig, patience="never")
    config = load_settings(first.parse_known_args(argv)[0].recipe)
    settings = [
        ("config", Annotated[config_kind, arg(name="")], dataclasses.field(default=config_kind(**vars(config)))),
        ("people", Annotated[_People, arg(name="")], dataclasses.field(default=_People())),
    ]
    kinds: Any = dataclasses.make_dataclass("Finetune", settings, bases=(_Finetune,), frozen=True, kw_only=True)
    given = read_words(kinds, argv, "semantoks finetune", description=inspect.getdoc(finetune))
    from semantoks.evaluate.finetuning.finetune import (
        finetune as run,  # scikit-learn takes a second, which no help needs
    )

    summary = run(
        given.model,
        given.cohort,
        targets=given.target,
        out=given.out,
        config=FinetuneConfig(**vars(given.config)),
        probe=ProbeConfig(**vars(given.people)),
        from_scratch=given.from_scratch,
        beside=given.beside,
        device=given.device,
        precision=given.precision,
        command=TYPED.get(),
        verbose=True,
    )
    return tell_scores(summary, given.model, given.out)
