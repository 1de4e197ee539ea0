"""The fine-tuning job: an encoder tuned on each target, beside linear probes and baselines on the same splits."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.config import from_plain, read_toml, to_plain
from semantoks.errors import ConfigError
from semantoks.evaluate.finetuning.tuned import Finetune
from semantoks.evaluate.finetuning.tuning import Epoch, FinetuneConfig
from semantoks.evaluate.methods import feature_sets, methods_for
from semantoks.evaluate.plans import open_study
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.crossval import Results, cross_validate
from semantoks.evaluate.study.study import Progress, Stages, Study
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import BAR, ENCODER, FINETUNED, FINETUNED_RANDOM, RANDOM
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import ABOUT
from semantoks.views.pool import open_pool

EPOCHS = "epochs.csv"


def load_settings(name: str | Path) -> FinetuneConfig:
    """Read the packaged recipe "finetune", or a TOML file; keys that are not given keep the published defaults."""
    if str(name) == "finetune":
        with resources.as_file(resources.files("semantoks.recipes") / "finetune.toml") as path:
            return from_plain(FinetuneConfig, read_toml(path), "recipe finetune")
    if Path(name).suffix != ".toml":
        raise ConfigError(f"there is no recipe {str(name)!r} for fine-tuning: use finetune, or a FILE.toml.")
    return from_plain(FinetuneConfig, read_toml(Path(name)), str(name))


def settings_beside(probe: ProbeConfig, config: FinetuneConfig) -> ProbeConfig:
    """Return the settings of the linear probes beside a fine-tuning: the same people, splits and crops."""
    return dataclasses.replace(
        probe,
        protocol="nested",
        readouts=("cls_avg",),
        methods=(ENCODER, *BAR),
        analyses=(),
        repeats=probe.repeats or 1,
        crops=config.crops,
    )


class Diary:
    """Every epoch of every training as a row, and the progress that it makes."""

    def __init__(self, config: FinetuneConfig, splits: int, step: Progress) -> None:
        self.config, self.step = config, step
        self.total = splits * len(config.lr) * config.epochs
        self.done, self.rows = 0, list[dict[str, Any]]()

    def of(self, target: str, method: str) -> Callable[[Epoch], None]:
        """Return what writes down the epochs of one method on one target, which come split by split."""
        ended = 0

        def write(epoch: Epoch) -> None:
            nonlocal ended
            row = {"target": target, "method": method, "split": ended // len(self.config.lr), "lr": epoch.lr}
            self.rows.append({**row, "epoch": epoch.epoch, "validation": epoch.quality})
            ended += epoch.last
            self.done += 1 + (self.config.epochs - epoch.epoch if epoch.last else 0)
            self.step(self.done, self.total)

        return write


def tune_and_compare(study: Study, config: FinetuneConfig, *, from_scratch: bool) -> tuple[Results, pd.DataFrame]:
    """Score fine-tuning and what stands beside it on every split of a study; return the scores, and the epochs."""
    sets = feature_sets(study)
    study.stages.next()
    starts = {FINETUNED: study.encoder}
    if from_scratch:
        starts[FINETUNED_RANDOM] = study.encoders[RANDOM]
    pool = open_pool([study.cohort], study.device)
    results = Results()
    diary = Diary(config, len(starts) * sum(len(plan.splits) for plan in study.plans), study.stages.step)
    for plan in study.plans:
        tuned = {
            name: Finetune(
                encoder=encoder,
                pool=pool,
                groups=study.people.groups,
                config=config,
                device=study.device,
                on_epoch=diary.of(plan.target, name),
            )
            for name, encoder in starts.items()
        }
        results.add(cross_validate(plan, methods_for(study, sets, plan) | tuned, seed=study.config.seed))
    study.words |= {name: study.words_of(name) for name in starts}
    return results, pd.DataFrame(diary.rows)


def finetune(
    model: str | Path,
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str],
    out: str | Path,
    config: FinetuneConfig | None = None,
    probe: ProbeConfig | None = None,
    from_scratch: bool = False,
    device: str = "cpu",
    command: str = "",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Fine-tune a run's (or an encoder folder's) teacher on ``targets`` and score it beside every baseline.

    On each split, a copy of the encoder learns the target from the training people, some of whom are held out to
    choose epoch and learning rate; the test people are scored once, after that. The linear probes of the encoder, of
    random weights, of functional connectivity and of motion see the same people and splits: for the same seed, those
    of ``probe``.

    Parameters
    ----------
    config
        How to fine-tune; the published settings by default.
    probe
        Who is predicted, and on which splits, as in a probe; what it says of protocol, readouts, methods, crops and
        analyses does not count here. Repeats are 1 unless given: every split costs a training a learning rate.
    from_scratch
        Also fine-tune from random weights: what did the pretraining bring?

    Returns
    -------
    DataFrame
        ``statistics.summary.summarise``: a row a target x method. In ``out`` lie scores.csv, predictions.parquet and
        probe.json, as after a probe, and epochs.csv with the validation after every epoch.

    Raises
    ------
    ConfigError
        Without a target, or for a setting or device that does not exist.
    DataError
        For an unknown target, too few people in a class, or a label that varies within a person.
    WeightsError
        When there is no encoder, or its atlas is not the cohort's.
    FloatingPointError
        When a training diverges.
    """
    config, out = config or FinetuneConfig(), Path(out)
    if not targets:
        raise ConfigError("finetune needs at least one target: a column of the cohort's participants.tsv.")
    settings = settings_beside(probe or ProbeConfig(), config)
    study = open_study(model, cohort, targets, settings, device=device, n_jobs=1, out=out)
    study.stages = Stages(progress, 2)
    results, epochs = tune_and_compare(study, config, from_scratch=from_scratch)
    scores, predictions = results.write(out, study.people.ids if settings.identifiers else None)
    epochs.to_csv(out / EPOCHS, index=False)
    about = {"command": command, **study.about(), "finetune": to_plain(config)}
    (out / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    return summarise(scores, predictions, seed=settings.seed)
