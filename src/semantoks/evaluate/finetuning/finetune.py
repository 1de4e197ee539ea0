"""Fine-tuning: an encoder tuned on the training people of every split, beside probes and baselines (METHOD 9)."""

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import softmax

from semantoks.config import as_list, check_arguments, to_plain
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.finetuning.beside import BESIDE, Trainable, only_shown
from semantoks.evaluate.finetuning.target_model import WindowModel, predict_people
from semantoks.evaluate.finetuning.tuning import Epoch, Examples, FinetuneConfig, Lesson, tune
from semantoks.evaluate.methods import check_extra, feature_sets, methods_for
from semantoks.evaluate.plans import open_study
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.crossval import about_split, score_split
from semantoks.evaluate.study.shown import Baseline, crop_spans
from semantoks.evaluate.study.splits import Split, split_people
from semantoks.evaluate.study.study import Progress, Stages, Study
from semantoks.evaluate.study.tasks import Method, Plan, Predicted, Task
from semantoks.evaluate.study.work import Piece, Results, Work, check_out, name_of, unfinished
from semantoks.model.encoder import Encoder
from semantoks.model.precision import choose_precision, in_precision, tell
from semantoks.progress import shown_if
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import BAR, ENCODER, FINETUNED, FINETUNED_RANDOM, RANDOM
from semantoks.statistics.shown import Scores
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import ABOUT, PREDICTIONS, SCORES, TargetKind
from semantoks.storage.checksums import write_sealed, write_sums_of_tables
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import hold_folder
from semantoks.types import Precision
from semantoks.views.pool import Pool, open_pool


def hold_out(labels: ndarray, groups: Int[ndarray, " row"], *, kind: TargetKind, share: float, seed: int) -> Split:
    """Hold out one of round(1 / share) parts of the rows: whole groups, stratified; a larger part for rare classes.

    Raises
    ------
    DataError
        If a class has a single group, or a value a single person.
    """
    for parts in range(round(1 / share), 2, -1):
        with suppress(DataError):
            return split_people(labels, groups, kind=kind, folds=parts, repeats=1, seed=seed)[0]
    return split_people(labels, groups, kind=kind, folds=2, repeats=1, seed=seed)[0]


@dataclass(frozen=True)
class Scale:
    """Convert labels to training targets, and outputs to predictions; made from the training side only."""

    classes: ndarray | None
    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def of(cls, kind: TargetKind, labels: ndarray) -> "Scale":
        """Take the classes, or mean and standard deviation, of the training people."""
        if kind == "class":
            return cls(np.unique(labels))
        return cls(None, float(labels.mean()), float(labels.std()) or 1.0)

    def encode(self, labels: ndarray) -> ndarray:
        """Return class numbers (int64), or standardised values (float32)."""
        if self.classes is not None:
            return np.searchsorted(self.classes, labels)
        return ((labels - self.mean) / self.sd).astype(np.float32)

    def decode(self, outputs: Float[ndarray, "row output"]) -> Float[ndarray, "row output"]:
        """Return probabilities of the classes, or values."""
        found: ndarray = outputs * self.sd + self.mean if self.classes is None else softmax(outputs, axis=1)
        return found

    def base(self, labels: ndarray) -> Float[ndarray, " output"]:
        """Return the prediction without any recording: the shares of the classes, or the median."""
        if self.classes is None:
            return np.array([np.median(labels)])
        return np.bincount(self.encode(labels)) / len(labels)


@dataclass(frozen=True)
class Fits:
    """The models for all learning rates, the chosen one, and its outputs for the validation rows."""

    scale: Scale
    models: tuple[WindowModel, ...]
    best: int
    validation: Int[ndarray, " validation"]
    outputs: Float[ndarray, "validation output"]


def rates_for(start: Encoder | Trainable, config: FinetuneConfig) -> tuple[float, ...]:
    """Return the learning rates for what is pretrained, or for what starts from nothing."""
    return config.beside_lr if isinstance(start, Trainable) else config.lr


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """A method that fine-tunes an encoder, or trains a network, on the training people of each task.

    A share of them (whole groups) is held out to choose the epoch and the learning rate. Its outputs for these people
    are their inner predictions; all other training people get the uninformative base rate of the training side, since
    out-of-fold predictions would cost one training per fold. Keep that in mind when stacking.

    Attributes
    ----------
    start
        Where every training starts: an encoder, which is copied, never changed, or a network to build.
    pool
        The cohort's recordings; its people are those of ``People``.
    groups
        Group of each person of the pool.
    on_epoch
        Called after every epoch.
    """

    start: Encoder | Trainable
    pool: Pool
    groups: Int[ndarray, " person"]
    config: FinetuneConfig
    device: torch.device
    on_epoch: Callable[[Epoch], None] | None = None

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates that are tried."""
        return rates_for(self.start, self.config)

    def fit(self, people: Int[ndarray, " row"], labels: ndarray, *, kind: TargetKind, seed: int) -> Fits:
        """Train once per learning rate, each time from fresh weights, with the same held-out people and draws."""
        scale, config = Scale.of(kind, labels), self.config
        truth = scale.encode(labels)
        kept, held_out = hold_out(labels, self.groups[people], kind=kind, share=config.validation, seed=seed)
        train, validation = (Examples(people=people[rows], truth=truth[rows]) for rows in (kept, held_out))
        classes = None if scale.classes is None else len(scale.classes)
        lessons = [Lesson(train=train, validation=validation, classes=classes, lr=lr, seed=seed) for lr in self.rates]
        found = [
            tune(self.start, self.pool, lesson, config=config, device=self.device, on_epoch=self.on_epoch)
            for lesson in lessons
        ]
        best = max(range(len(found)), key=lambda i: found[i].quality)
        return Fits(scale, tuple(one.model for one in found), best, held_out, found[best].validation)

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Fine-tune on the training people and predict the test people by the chosen model, and by every candidate."""
        fits = self.fit(task.train, task.labels, kind=task.kind, seed=task.seed)
        crops, decode = self.config.crops, fits.scale.decode
        candidates = np.stack([decode(predict_people(m, self.pool, task.test, crops)) for m in fits.models])
        inner = np.tile(fits.scale.base(task.labels), (len(task.train), 1))
        inner[fits.validation] = decode(fits.outputs)
        return Predicted(classes=fits.scale.classes, test=candidates[fits.best], inner=inner, candidates=candidates)


EPOCHS = "epochs.csv"


def settings_beside(probe: ProbeConfig, config: FinetuneConfig) -> ProbeConfig:
    """Return the settings of the linear probes beside a fine-tuning: the same people, splits and crops."""
    return dataclasses.replace(
        probe,
        protocol="nested",
        readouts=("cls_avg",),
        methods=(ENCODER, *BAR),
        analyses=(),
        seconds=(),
        repeats=probe.repeats or 1,
        crops=config.crops,
    )


class Diary:
    """A row for every epoch of every training, and overall progress over ``trainings``."""

    def __init__(self, epochs: int, trainings: int, step: Progress) -> None:
        self.epochs, self.total, self.step = epochs, trainings * epochs, step
        self.done, self.split, self.rows = 0, 0, list[dict[str, Any]]()

    def of(self, target: str, method: str) -> Callable[[Epoch], None]:
        """Return a function that records the epochs of one method on one target, and the present split."""

        def write(epoch: Epoch) -> None:
            row = {"target": target, "method": method, "split": self.split, "lr": epoch.lr}
            self.rows.append({**row, "epoch": epoch.epoch, "validation": epoch.quality})
            self.done += 1 + (self.epochs - epoch.epoch if epoch.last else 0)
            self.step(self.done, self.total)

        return write

    def score(self, plan: Plan, methods: Mapping[str, Method], number: int, seed: int) -> Results:
        """Train and score every method on one split; its epochs go with the results."""
        self.split, self.rows = number, []
        found = score_split(plan, methods, number, seed, keep=True)
        return dataclasses.replace(found, epochs=self.rows)


def check_beside(names: Sequence[str]) -> None:
    """Raise ConfigError for a network that there is not; the message suggests the nearest one."""
    for name in names:
        if name not in BESIDE:
            near = difflib.get_close_matches(name, BESIDE, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(BESIDE)}."
            raise ConfigError(f"--beside: there is no network {name!r}. {hint}")


def tune_and_compare(
    study: Study,
    config: FinetuneConfig,
    *,
    from_scratch: bool,
    networks: Mapping[str, Trainable],
    precision: Precision = "32-true",
) -> tuple[Results, pd.DataFrame]:
    """Score fine-tuning and the methods beside it on every split of a study; return the scores, and the epochs."""
    tuned_in = choose_precision(precision, study.device, study.card.encoder)
    tell(tuned_in)
    sets = feature_sets(study)
    study.stages.next()
    starts: dict[str, Encoder | Trainable] = {FINETUNED: in_precision(study.encoder, tuned_in.precision, study.device)}
    if from_scratch:
        starts[FINETUNED_RANDOM] = in_precision(study.encoders[RANDOM], tuned_in.precision, study.device)
    if tuned_in.precision == "bf16-mixed":
        study.notes.append("Encoders were tuned in bf16-mixed; all else computed in float32.")
    starts |= networks
    pool = open_pool([study.embedded], study.device)
    passed = (
        pool if study.embedded.band == study.cohort.band or not networks else open_pool([study.cohort], study.device)
    )
    passed = only_shown(passed, study.cohort, crop_spans(study.cohort, study.card.encoder, study.crops))
    splits = sum(len(plan.splits) for plan in study.plans)
    trainings = splits * sum(len(rates_for(start, config)) for start in starts.values())
    diary, pieces = Diary(config.epochs, trainings, study.stages.step), list[Piece]()
    for plan in study.plans:
        tuned = {
            name: Finetune(
                start=start,
                pool=passed if isinstance(start, Trainable) else pool,
                groups=study.people.groups,
                config=config,
                device=study.device,
                on_epoch=diary.of(plan.target, name),
            )
            for name, start in starts.items()
        }
        methods, seed = methods_for(study, sets, plan) | tuned, study.config.seed
        for number in range(len(plan.splits)):
            call = joblib.delayed(diary.score)(plan, methods, number, seed)
            pieces.append(
                Piece(call, name_of("finetune", *about_split(plan, number), tuple(methods), seed, tuned_in.precision))
            )
    results = Results()
    for done, found in enumerate(study.work.results(pieces, lambda _: " in fine-tuning"), start=1):
        results.add(found)
        diary.done = done * diary.total // splits
    study.words |= {name: networks[name].words if name in networks else study.words_of(name) for name in starts}
    return results, pd.DataFrame(results.epochs)


def finetune(
    model: str | Path | Encoder,
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str] | str,
    out: str | Path,
    config: FinetuneConfig | None = None,
    probe: ProbeConfig | None = None,
    from_scratch: bool = False,
    beside: Sequence[str] | str = (),
    extra: Mapping[str, Baseline | Trainable] | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
) -> Scores:
    """Fine-tune an encoder (a run's or folder's teacher, or a loaded one) on ``targets``, beside every baseline.

    On each split, a copy of the encoder learns the target from the training people, some of whom are held out to
    choose epoch and learning rate; the test people are scored once, after that. The linear probes of the encoder, of
    random weights, of functional connectivity and of motion see the same people and splits: for the same seed, those
    of ``probe``.

    Parameters
    ----------
    config
        How to fine-tune; the published settings by default.
    probe
        The people and the splits, as in a probe; its protocol, readouts, methods, crops and analyses are ignored.
        Repeats default to 1, since every split costs one training per learning rate.
    from_scratch
        Also fine-tune from random weights, to show what pretraining adds.
    beside
        Networks to train from labels alone, on the same people: names of ``beside.BESIDE``.
    extra
        Networks of your own (``Trainable``) and baselines of your own (``Baseline``), by name.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.
    precision
        Of the encoders that are tuned: bf16-mixed has products in bfloat16, weights, heads and losses in float32; auto
        takes it where a training would. Linear probes, and networks from labels alone, compute in float32.

    Returns
    -------
    Scores
        The DataFrame of ``summarise``, which has its columns: one row per target and method. ``out`` then has
        scores.csv, predictions.parquet and probe.json, as after a probe, and epochs.csv with the validation after
        every epoch.

    Raises
    ------
    ConfigError
        Without a target, or for a setting, network or device that does not exist.
    DataError
        For an unknown target, too few people in a class, or a label that varies within a person.
    WeightsError
        When there is no encoder, or its atlas is not the cohort's.
    FloatingPointError
        When a training diverges.
    """
    check_arguments(finetune, locals())
    config, out, extra = config or FinetuneConfig(), Path(out), extra or {}
    targets, beside = as_list(targets), as_list(beside)
    if not targets:
        raise ConfigError("finetune needs at least one target: a column of the cohort's participants.tsv.")
    if probe is not None and probe.events is not None:
        raise ConfigError("fine-tuning is of whole recordings: leave events out, or use probe.")
    check_beside(beside)
    check_extra(extra)
    networks = {name: BESIDE[name] for name in beside}
    networks |= {name: one for name, one in extra.items() if isinstance(one, Trainable)}
    with hold_folder(out), shown_if(verbose, "finetune", "%", progress) as progress:
        check_out(out)
        settings = settings_beside(probe or ProbeConfig(), config)
        study = open_study(model, cohort, targets, settings, device=device, out=out, batch=config.batch_size)
        study.stages = Stages(progress, [1.0, 9.0])
        study.extra = {name: one for name, one in extra.items() if isinstance(one, Baseline)}
        how = (to_plain(config), os.urandom(8) if extra else b"")
        with unfinished(out, (*study.fingerprint(), *how)) as folder:
            study.work = Work(folder=folder)
            results, epochs = tune_and_compare(
                study, config, from_scratch=from_scratch, networks=networks, precision=precision
            )
        scores, predictions = results.write(out, study.people.ids if settings.identifiers else None)
        write_durably(out / EPOCHS, epochs.to_csv(index=False).encode())
        about = {"command": command, **study.about(), "finetune": to_plain(config)}
        write_sums_of_tables(out, (SCORES, PREDICTIONS))
        write_sealed(out / ABOUT, about)
        return summarise(scores, predictions, bound=settings.equivalence, seed=settings.seed)
