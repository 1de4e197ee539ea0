"""What one evaluation works on (people, plans, encoder, protocol), and all that probe.json reports about it."""

import dataclasses
import itertools
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from semantoks.config import to_plain
from semantoks.evaluate.settings import Analysis, ProbeConfig, Probed
from semantoks.evaluate.study.overlap import Overlap
from semantoks.evaluate.study.people import People
from semantoks.evaluate.study.shown import Baseline
from semantoks.evaluate.study.splits import Split
from semantoks.evaluate.study.tasks import FeatureSet, Method, Plan
from semantoks.evaluate.study.work import Work
from semantoks.features.blocks import Blocks
from semantoks.features.encode import own_readout, untrained
from semantoks.features.stored import content_key
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.signals.targets import Target
from semantoks.statistics.methods import BLOCK_WORDS, ENCODER, METHODS, RANDOM

Progress = Callable[[int, int], None]
Sets = Mapping[str, FeatureSet]


class Stages:
    """Progress over stages: each counts as much as it is expected to cost beside the others, in thousandths of all."""

    def __init__(self, progress: Progress | None, costs: Sequence[float]) -> None:
        self.progress, self.done, self.furthest = progress or (lambda _done, _total: None), 0, 0
        self.ends = [*(np.cumsum([0.0, *costs]) / sum(costs)), 1.0]

    def step(self, done: int, total: int) -> None:
        """Show the progress of the current stage."""
        begin, end = self.ends[self.done : self.done + 2]
        share = begin + (end - begin) * done / max(total, 1)
        self.furthest = max(self.furthest, int(1000 * share + 1e-6))
        self.progress(self.furthest, 1000)

    def ticks(self, total: int) -> Callable[[], None]:
        """Return a function to call after each of the ``total`` pieces of the current stage."""
        count = itertools.count(1)
        return lambda: self.step(next(count), total)

    def next(self) -> None:
        """End the current stage."""
        self.done += 1
        self.step(0, 1)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How methods are scored: on which splits, how often, and by which models.

    Attributes
    ----------
    repeats
        Number of repeats, unless the settings give one.
    splits
        (plan, repeats, seed) -> its splits; None = the splits of the settings (``--split``, ``--folds``).
    methods
        Per target, the methods that replace the linear models of the same names; None = none are replaced.
    costly
        Whether the slowest methods run always, or only if they are named.
    bins
        Number of classes that values are cut into, unless the settings give one; None = values stay values.
    analyses
        Whether the analyses in the settings run after the scores.
    """

    repeats: int
    splits: Callable[[Plan, int, int], list[Split]] | None = None
    methods: "Callable[[Study, Sets], Mapping[str, Mapping[str, Method]]] | None" = None
    costly: Literal["if named", "always"] = "always"
    bins: int | None = None
    analyses: bool = False


@dataclass(kw_only=True)
class Study:
    """One evaluation of one encoder on one cohort.

    Attributes
    ----------
    embedded
        The cohort in the band that the encoder takes; ``cohort``, which baselines see, has the band-passed series.
    plans
        One per target.
    people, names
        The rows of all features, and the participant_id of each: ``people.unit`` may be a block of a task.
    overlap
        Whom the encoder saw, without labels, in pretraining, and what says so.
    cache
        Folder for stored embeddings.
    work
        Who computes the pieces, and where they are kept.
    extra
        Baselines of your own, by name.
    predictors
        Those of them that predict by themselves instead of returning features.
    excluded, checks, notes, words, confounds, decoded
        What probe.json reports: (reason, count); sentences; the description of each method; what was regressed out; the
        kind and classes of each decoded confound.
    """

    cohort: Cohort
    embedded: Cohort
    people: People
    encoder: Encoder
    card: EncoderCard
    config: ProbeConfig
    protocol: Protocol
    aims: Sequence[Target]
    plans: Sequence[Plan]
    names: Sequence[str]
    overlap: Overlap
    cache: Path
    device: torch.device
    excluded: list[tuple[str, int]]
    checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    confounds: list[str] = field(default_factory=list)
    decoded: dict[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Baseline] = field(default_factory=dict)
    predictors: dict[str, Method] = field(default_factory=dict)
    stages: Stages = field(default_factory=lambda: Stages(None, [1.0]))
    work: Work = field(default_factory=Work)

    @property
    def seen(self) -> Bool[ndarray, " person"]:
        """Whether the encoder saw each person, without labels, in pretraining."""
        return self.overlap.seen

    def words_of(self, method: str) -> str:
        """Describe a method for readers."""
        if method in self.extra:
            return self.extra[method].words
        of_blocks = BLOCK_WORDS if self.people.unit == "block" else {}
        return of_blocks.get(method) or METHODS[method].words

    @property
    def crops(self) -> int | None:
        """Windows per recording that the settings name, or that a block needs; None = the encoder's own."""
        return self.config.crops or (self.embedded.windows(self.encoder) if isinstance(self.embedded, Blocks) else None)

    @property
    def readouts(self) -> tuple[Probed, ...]:
        """The readouts that the settings name, or the encoder's own."""
        return self.config.readouts or (own_readout(self.encoder),)

    @property
    def analyses(self) -> tuple[Analysis, ...]:
        """The analyses that the settings name, if they can be run."""
        return self.config.analyses if self.protocol.analyses and self.people.unit != "block" else ()

    @cached_property
    def encoders(self) -> Mapping[str, Encoder]:
        """The encoder, and the same one with the random weights that its pretraining started from."""
        return {ENCODER: self.encoder, RANDOM: untrained(self.encoder, self.card)}

    def fingerprint(self) -> tuple[object, ...]:
        """Return all that the scores depend on, for telling whether the pieces of a killed job are of the same one.

        Code cannot be compared: with a baseline of one's own, every job is another one.
        """
        tables = (self.embedded.participants, self.embedded.recordings, self.embedded.quality, self.cohort.recordings)
        versions = [version(name) for name in ("semantoks", "torch", "numpy", "scikit-learn", "scipy", "nilearn")]
        weights = content_key(self.encoder, self.embedded, self.crops, "cls_avg")
        own = os.urandom(8) if self.extra else b""
        return (to_plain(self.config), versions, weights, self.card.seed, *(one.to_csv() for one in tables), own)

    def about(self) -> dict[str, Any]:
        """Return the contents of probe.json, except for the command."""
        return {
            "protocol": self.config.protocol,
            "unit": self.people.unit,
            "targets": {
                aim.name: {
                    "kind": plan.kind,
                    "n": len(plan.people),
                    "classes": aim.classes,
                    "splits": len(plan.splits),
                    "unscored_splits": len(plan.unscored),
                    "untested": plan.untested(),
                }
                for aim, plan in zip(self.aims, self.plans, strict=True)
            },
            "methods": self.words,
            "extra": sorted(self.extra),
            "settings": to_plain(self.config),
            "notes": self.notes,
            "checks": self.checks,
            "excluded": self.excluded,
            "confounds": self.confounds,
            "decoded": self.decoded,
            "environment": {
                "semantoks": version("semantoks"),
                "scikit-learn": version("scikit-learn"),
                "nilearn": version("nilearn"),
                "torch": torch.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
            },
        }


def first_repeats(plan: Plan, config: ProbeConfig, repeats: int = 1) -> Plan:
    """Return a plan with only the splits of the first repeats (or all splits, if they are not repeated folds)."""
    return first_tests(plan, repeats) if config.split in ("person", "site") else plan


def first_tests(plan: Plan, times: int) -> Plan:
    """Return a plan with its first splits, as many as test nobody more than ``times``."""
    tested = np.zeros(len(plan.labels), np.int64)
    for count, (_, test) in enumerate(plan.splits):
        tested[test] += 1
        if tested.max() > times:
            return dataclasses.replace(plan, splits=plan.splits[:count])
    return plan
