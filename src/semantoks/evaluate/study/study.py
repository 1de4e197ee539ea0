"""All that one evaluation works on: the people, the plans, the features, and what a reader has to be told of them."""

import itertools
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from semantoks.config import to_plain
from semantoks.errors import DataError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.people import Excluded, People, people_of, plan_target, read_targets
from semantoks.evaluate.study.tasks import Plan
from semantoks.features.encode import find_device, open_encoder
from semantoks.model.card import EncoderCard, check_fit, hash_participant
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import Target

FAMILY_COLUMNS = ("family_id", "rel_family_id")
Progress = Callable[[int, int], None]


class Stages:
    """Progress over stages of unknown length: each counts as one thousand steps."""

    def __init__(self, progress: Progress | None, stages: int) -> None:
        self.progress, self.stages, self.done = progress or (lambda _done, _total: None), stages, 0
        self.furthest = 0

    def step(self, done: int, total: int) -> None:
        """Tell how far the present stage is."""
        self.furthest = max(self.furthest, 1000 * self.done + 1000 * done // max(total, 1))
        self.progress(self.furthest, 1000 * self.stages)

    def ticks(self, total: int) -> Callable[[], None]:
        """Return what one calls after each of ``total`` pieces of the present stage."""
        count = itertools.count(1)
        return lambda: self.step(next(count), total)

    def next(self) -> None:
        """End the present stage."""
        self.done += 1
        self.step(0, 1)


@dataclass(kw_only=True)
class Study:
    """One evaluation of one encoder on one cohort.

    Attributes
    ----------
    plans
        One a target.
    seen
        Whether the encoder saw a person, without labels, in pretraining.
    cache
        Folder of embeddings.
    excluded, checks, notes, words, confounds, decoded
        What probe.json has to say: (reason, count); sentences; words for each method; what was regressed out; the
        kind and classes of each confound that was decoded.
    """

    cohort: Cohort
    people: People
    encoder: Encoder
    card: EncoderCard
    config: ProbeConfig
    aims: Sequence[Target]
    plans: Sequence[Plan]
    seen: Bool[ndarray, " person"]
    cache: Path
    device: torch.device
    n_jobs: int
    excluded: Excluded
    checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    confounds: list[str] = field(default_factory=list)
    decoded: dict[str, Any] = field(default_factory=dict)
    stages: Stages = field(default_factory=lambda: Stages(None, 1))

    def about(self) -> dict[str, Any]:
        """Say what probe.json says, but for the command."""
        return {
            "protocol": self.config.protocol,
            "targets": {
                aim.name: {"kind": plan.kind, "n": len(plan.people), "classes": aim.classes}
                for aim, plan in zip(self.aims, self.plans, strict=True)
            },
            "methods": self.words,
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


def open_study(
    model: str | Path,
    cohort: Cohort | str | Path,
    targets: Sequence[str],
    config: ProbeConfig,
    *,
    device: str,
    n_jobs: int,
    out: Path,
) -> Study:
    """Open the encoder and the cohort, choose people and splits, and check that nobody is on both sides of any.

    Raises
    ------
    DataError
        For an unknown target, too few people in a class, a label that varies within a person, a person on both sides
        of given splits, or pretrained people to leave out whom the encoder does not know.
    WeightsError
        When there is no encoder, or its atlas is not the cohort's.
    """
    cohort = cohort if isinstance(cohort, Cohort) else Cohort(Path(cohort))
    aims = read_targets(cohort.participants, targets, config)
    encoder, card = open_encoder(model)
    check_fit(card, cohort)
    people, family_note = _people(cohort, config)
    known = set(card.participants)
    if config.exclude_pretrained and not known:
        raise DataError(
            "--exclude-pretrained: the encoder does not say whom it was pretrained on, so that nobody can be left out."
        )
    seen = np.array([hash_participant(card.salt, name) in known for name in people.ids])
    eligible = ~seen if config.exclude_pretrained else np.ones(len(people), dtype=bool)
    sites = people.first(cohort.recordings["site"].fillna("").astype(str).tolist())
    planned = [plan_target(aim, people, sites, config, eligible) for aim in aims]
    run = Path(model)
    study = Study(
        cohort=cohort,
        people=people,
        encoder=encoder,
        card=card,
        config=config,
        aims=aims,
        plans=[plan for plan, _ in planned],
        seen=seen,
        cache=(run if (run / "run.json").exists() else out) / "cache",
        device=find_device(device),
        n_jobs=n_jobs,
        excluded=[row for _, rows in planned for row in rows],
    )
    _tell_of_people(study, family_note)
    return study


def _people(cohort: Cohort, config: ProbeConfig) -> tuple[People, str]:
    """Group people by copies of recordings and by family, and say by which column."""
    table = cohort.participants
    lower = {str(name).lower(): str(name) for name in table.columns}
    column = next((lower[name] for name in FAMILY_COLUMNS if name in lower), None)
    if config.family != "auto":
        column = config.family
        if column not in table:
            raise DataError(f"participants.tsv has no column {column!r} (--family); it has {', '.join(table.columns)}.")
    if column is None:
        return people_of(cohort), "No families are known (no column family_id): relatives count as strangers."
    families = table.dropna(subset=[column]).drop_duplicates("participant_id").set_index("participant_id")[column]
    return people_of(cohort, families), f"Families by the column {column}: {families.nunique()} of them."


def _tell_of_people(study: Study, family_note: str) -> None:
    """Write down the checks and notes that concern who is compared with whom."""
    people, config = study.people, study.config
    for plan in study.plans:
        study.checks.append(
            f"{plan.target}: 0 people, families or copies of a recording are on both sides of any of "
            f"{len(plan.splits)} splits ({len(plan.people)} people in {len(np.unique(plan.groups))} groups)."
        )
    if config.split == "leave-site-out":
        for plan in study.plans:
            tested = len(np.unique(np.concatenate([test for _, test in plan.splits])))
            study.notes.append(
                f"{plan.target}: {len(plan.splits)} sites tested; {len(plan.people) - tested} people of "
                "sites that are too small, or of one class, are only trained on."
            )
    study.checks.append(family_note)
    seen = int(study.seen.sum())
    if not study.card.participants:
        study.notes.append(
            "Whom the encoder was pretrained on is not known: whether these people are among them cannot be checked."
        )
    elif config.exclude_pretrained:
        study.excluded.append(("seen in pretraining (--exclude-pretrained)", seen))
    else:
        study.notes.append(
            f"{seen} of {len(people)} people were seen, without labels, in pretraining"
            + ("; --exclude-pretrained leaves them out." if seen else ".")
        )
    if refused := len(study.cohort.excluded):
        study.excluded.append(("recordings refused by prepare: the cohort's excluded.tsv says why", refused))
