"""From settings to a study: who has a label, who is left out and why, the splits, and notes for the reader."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.methods import check_memory
from semantoks.evaluate.protocols import PROTOCOLS
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.splitting import another_split, nothing_scored, splits_of
from semantoks.evaluate.study.crossval import INNER_FOLDS
from semantoks.evaluate.study.overlap import Overlap, overlap
from semantoks.evaluate.study.people import People, Sites, people_with_families, sites_of
from semantoks.evaluate.study.splits import (
    check_disjoint,
    check_sizes,
)
from semantoks.evaluate.study.study import Study
from semantoks.evaluate.study.tasks import Plan
from semantoks.features.blocks import Blocks, frames_needed
from semantoks.features.encode import as_encoder_takes, find_device, open_encoder
from semantoks.features.events import FoundBlocks, find_blocks
from semantoks.model.encoder import Encoder
from semantoks.model.precision import in_precision, precision_notes
from semantoks.signals.cohort import Cohort
from semantoks.signals.cohort_checks import full_band_words
from semantoks.signals.likeness import find_alike
from semantoks.signals.pairing import shapes
from semantoks.signals.phenotypes import UNKNOWN, unknown_note
from semantoks.signals.targets import Target, binned, class_name, of_recorded_sessions, target, without_codes
from semantoks.types import Precision

Excluded = list[tuple[str, int]]
"""(reason, how many people)"""


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What is predicted from: everybody's recordings, and who may be tested; ``names`` are participant_ids."""

    cohort: Cohort
    embedded: Cohort
    people: People
    names: Sequence[str]
    sites: Sites
    eligible: Bool[ndarray, " person"]

    def of_blocks(self, blocks: pd.DataFrame) -> "_Rows":
        """Take the blocks of a task for people; their groups stay those of people."""
        recording = blocks["recording"].to_numpy()
        owner = self.people.owner[recording]
        return _Rows(
            cohort=Blocks(self.cohort, blocks),
            embedded=Blocks(self.embedded, blocks),
            people=self.people.of_blocks(recording),
            names=[self.names[person] for person in owner],
            sites=self.sites.rows(owner),
            eligible=self.eligible[owner],
        )


def open_study(
    model: str | Path | Encoder,
    cohort: Cohort | str | Path,
    targets: Sequence[str],
    config: ProbeConfig,
    *,
    device: str,
    out: Path,
    precision: Precision = "32-true",
    jobs: int = 1,
    batch: int | None = None,
) -> Study:
    """Open the encoder and the cohort, choose people and splits, and check that nobody is on both sides of a split.

    Parameters
    ----------
    jobs
        Processes that will fit at once on this machine.
    batch
        People in a batch of the trainings that follow; None = nothing is trained.

    Raises
    ------
    DataError
        For an unknown target, too few people in a class, a label that varies within a person, a person on both sides
        of a given split, or ``exclude_pretrained`` when the encoder does not record whom it was pretrained on.
    MemoryShort
        When less memory is free than so many recordings need.
    WeightsError
        If there is no encoder, or its atlas is not the cohort's.
    """
    cohort = (cohort if isinstance(cohort, Cohort) else Cohort(Path(cohort))).in_band("passed")
    (encoder, card), where = open_encoder(model), find_device(device)
    encoder = in_precision(encoder, precision, where)
    task = None if config.events is None else find_blocks(cohort, config, least_frames=frames_needed(encoder))
    table = of_recorded_sessions(cohort.participants, cohort.recordings) if task is None else task.targets(targets)
    aims = read_targets(table, targets, config)
    embedded = as_encoder_takes(cohort, card)
    whole, cohort = cohort, embedded.in_band("passed")
    for looked_at in {cohort.band: cohort, embedded.band: embedded}.values():
        looked_at.check_signals()
    protocol = PROTOCOLS[config.protocol]
    check_memory(
        config if protocol.analyses and task is None else dataclasses.replace(config, analyses=()),
        cohort.atlas.n_rois,
        len(cohort) if task is None else len(task.blocks),
        jobs=jobs,
        training=batch and card.encoder.training_bytes(embedded.atlas.n_networks, batch) * (where.type == "cpu"),
    )
    alike = find_alike(cohort)
    people, family_note = people_with_families(cohort, config.family, alike.copies)
    known = overlap(card, cohort, people, trust_ids=config.trust_ids)
    eligible = _eligible(known, config)
    sites = sites_of(people, cohort.recordings["site"].fillna("").astype(str).tolist())
    rows = _Rows(cohort=cohort, embedded=embedded, people=people, names=people.ids, sites=sites, eligible=eligible)
    if task is not None:
        rows = rows.of_blocks(task.blocks)
    planned = [plan_target(aim, rows.people, rows.sites, config, rows.eligible) for aim in aims]
    study = Study(
        cohort=rows.cohort,
        embedded=rows.embedded,
        people=rows.people,
        names=rows.names,
        encoder=encoder,
        card=card,
        config=config,
        protocol=protocol,
        aims=aims,
        plans=[plan for plan, _ in planned],
        overlap=known,
        cache=_cache_folder(model, out),
        device=where,
        excluded=[row for _, rows in planned for row in rows],
    )
    _describe_labels(study, table, targets, task, people.ids)
    study.notes += [*_option_notes(study), *_input_notes(embedded, whole), *precision_notes(encoder)]
    _describe_people(study, family_note, sites)
    study.notes += alike.words(cohort.recordings, names=config.identifiers)
    return study


def _cache_folder(model: str | Path | Encoder, out: Path) -> Path:
    """Return the folder for stored embeddings: the run's own, where there is a run, else one in that of the results."""
    run = out if isinstance(model, Encoder) else Path(model)
    return (run if (run / "run.json").exists() else out) / "cache"


def _eligible(known: Overlap, config: ProbeConfig) -> Bool[ndarray, " person"]:
    """Say who may be tested: everybody, or those whom the encoder has not seen."""
    if not config.exclude_pretrained:
        return np.ones_like(known.seen)
    if not known.known:
        raise DataError(
            "--exclude-pretrained: the encoder does not record whom it was pretrained on, so nobody can be left out."
        )
    if known.seen.all():
        raise DataError(f"--exclude-pretrained leaves nobody: {known.words()[0]}.")
    return ~known.seen


def _describe_labels(
    study: Study, table: pd.DataFrame, targets: Sequence[str], task: FoundBlocks | None, ids: Sequence[str]
) -> None:
    """Write down how the columns of the targets were understood, and whose ids or blocks have no label."""
    study.notes += _understood(study.aims, table)
    study.notes += unmatched_codes(study.cohort.participants if task is None else table, targets, study.config.missing)
    if task is None:
        study.notes += spelling_notes(ids, table["participant_id"])
    else:
        study.notes += [f"{note[0].upper()}{note[1:]}." for note in task.notes]
        study.excluded[:0] = Counter(task.left_out["reason"]).most_common()


def _understood(aims: Sequence[Target], table: pd.DataFrame) -> list[str]:
    """Say how the columns of the targets were understood."""
    notes = [*unknown_note(table, [aim.name for aim in aims]), *(note for aim in aims for note in aim.notes)]
    return [f"{note[0].upper()}{note[1:]}." if note.startswith("taken") else f"{note}." for note in notes]


def _option_notes(study: Study) -> list[str]:
    """Say what --components costs, and which options have no effect because their analysis is not run."""
    config, notes = study.config, list[str]()
    for name, analysis in (("confounds", "confounds"), ("permutations", "permutation")):
        if getattr(config, name) != getattr(ProbeConfig, name) and analysis not in study.analyses:
            notes.append(f"--{name} has no effect here: the analysis {analysis} is not run.")
    most = max(len(train) for plan in study.plans for train, _ in plan.splits)
    if config.components and config.components < most:
        notes.append(
            f"Wide features, FC above all, are reduced to {config.components:,} principal components of the training "
            "people (--components): they lose by it, and are easier to beat."
        )
    elif config.components:
        notes.append(
            f"--components {config.components:,} reduces nothing: no more than {most:,} people train, and their "
            "features have fewer components."
        )
    return notes


def _input_notes(embedded: Cohort, whole: Cohort) -> list[str]:
    """Say what is shown to the encoder alone, and what of the baselines is left out."""
    notes = []
    if embedded.band != "passed":
        notes.append(
            "The encoder sees the full band, the baselines band-passed series, but for FC and tangent FC of that band."
        )
    if (words := full_band_words(whole.description, whole.recordings)) and not whole.has_full_band:
        notes.append(f"FC and tangent FC of the full band have no rows: {words}.")
    if embedded.atlas.labels != whole.atlas.labels:
        there = int((~embedded.missing.all(axis=0)).sum())
        notes.append(
            f"All methods see {there} of the {embedded.atlas.n_rois} ROIs that the "
            f"encoder takes ({embedded.atlas.name}); the cohort has {whole.atlas.n_rois} ({whole.atlas.name})."
        )
    return notes


def read_targets(participants: pd.DataFrame, names: Sequence[str], config: ProbeConfig) -> list[Target]:
    """Read the targets, applying the settings for codes, classes and bins.

    Raises
    ------
    ConfigError
        If a setting names a column that is no target, or as a class and as a value.
    DataError
        If a target cannot be predicted.
    """
    for option, listed in (("--as-class", config.as_class), ("--as-value", config.as_value)):
        if other := [name for name in listed if name not in names]:
            raise ConfigError(
                f"{option} names {other[0]}, which is no target here: the targets are {', '.join(names)}."
            )
    if both := set(config.as_class) & set(config.as_value):
        raise ConfigError(f"{sorted(both)[0]} cannot be both --as-class and --as-value: choose one.")
    table = without_codes(participants, config.missing)
    bins = config.bins or PROTOCOLS[config.protocol].bins
    kinds: dict[str, Literal["class", "value"]] = {
        **dict.fromkeys(config.as_class, "class"),
        **dict.fromkeys(config.as_value, "value"),
    }
    found = []
    for name in dict.fromkeys(names):
        aim = target(table, name, kinds.get(name, "auto"))
        found.append(binned(aim, bins) if bins and aim.kind == "value" else aim)
    return found


def spelling_notes(recorded: Sequence[str], listed: pd.Series) -> list[str]:
    """Say how many people have no row in participants.tsv, and how both sides spell ids; no id is named."""
    lost, idle = sorted(set(recorded) - set(listed)), sorted(set(listed) - set(recorded))
    if not lost:
        return []
    are = "is" if len(lost) == 1 else "are"
    count = f"{len(lost)} of {plural(len(recorded), 'person')} with recordings {are} without a row in participants.tsv"
    if not idle:
        return [f"{count}."]
    others = plural(len(idle), "other row")
    return [f"{count}: their ids are spelled {shapes(lost)}, those of the {others} {shapes(idle)}."]


def unmatched_codes(participants: pd.DataFrame, names: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Name the codes for a missing value that no cell of the targets has."""
    cells = {str(cell) for name in names for cell in participants[name].dropna().map(class_name).unique()}
    taken = {code for name in names for code in participants.attrs.get(UNKNOWN, {}).get(name, ())}
    idle = [code for code in codes if code not in cells | taken]
    return [f"--missing: no target has the value {', '.join(idle)}."] if idle else []


def plan_target(
    aim: Target,
    people: People,
    sites: Sites,
    config: ProbeConfig,
    eligible: Bool[ndarray, " person"],
) -> tuple[Plan, Excluded]:
    """Choose the people and the splits of a target, and count who is left out and why.

    Raises
    ------
    DataError
        If the target cannot be predicted or split; the message names it.
    """
    values = aim.values.reindex(list(people.ids))
    known = values.notna().to_numpy()
    excluded: Excluded = [(f"no value for {aim.name}", int((~known & eligible).sum()))]
    known = known & eligible
    if aim.kind == "class" and config.drop_rare:
        least = max(config.folds, INNER_FOLDS + 1)
        for name, count in people.count(values.where(known)).items():
            if count < least:
                gone = known & (values == name).to_numpy()
                known = known & ~gone
                excluded.append((f"{aim.name}: class {name!r} is rare (fewer than {least} people)", int(gone.sum())))
    if values[known].nunique() < 2:
        raise DataError(
            f"target {aim.name!r} cannot be predicted: {known.sum()} of the {plural(len(people), people.unit)} with "
            f"recordings have a value, with {values[known].nunique()} different values; at least 2 are needed."
        )
    where = np.flatnonzero(known)
    labels = values[known].to_numpy(float if aim.kind == "value" else str)
    plan = Plan(target=aim.name, kind=aim.kind, people=where, labels=labels, groups=people.groups[where], splits=())
    plan = dataclasses.replace(plan, unit=people.unit, components=config.components)
    try:
        if people.unit == "block" and aim.kind == "class":
            check_sizes(people.count(values.where(known)), config.folds, INNER_FOLDS)
        splits = tuple(splits_of(plan, people, sites.rows(where), config))
        check_disjoint(splits, plan.groups)
    except DataError as error:
        ways = another_split(plan, people, sites.rows(where), config)
        raise DataError(
            " ".join([f"target {aim.name!r}: {error}", *ways, *(f"Note: {note}." for note in aim.notes)])
        ) from error
    found = plan.with_splits(splits)
    if not found.splits:
        raise DataError(nothing_scored(found, people, sites.rows(where), config))
    if config.split == "site":
        found = dataclasses.replace(found, groups=pd.factorize(sites.home[where])[0])
    return found, [row for row in excluded if row[1]]


def _describe_people(study: Study, family_note: str, sites: Sites) -> None:
    """Write down the checks and notes about who is compared with whom."""
    people, config = study.people, study.config
    for plan in study.plans:
        study.notes += [plan.unscored_words()] if plan.unscored else []
        study.checks.append(
            f"{plan.target}: 0 people, families or copies of a recording are on both sides of any of "
            f"{plural(len(plan.splits), 'split')} ({plural(len(plan.people), plan.unit)} in "
            f"{plural(len(np.unique(plan.groups)), 'group')})."
        )
    if config.split == "leave-site-out":
        for plan in study.plans:
            tested = len(np.unique(np.concatenate([test for _, test in plan.splits])))
            others = plural(len(plan.people) - tested, "person is", "people are")
            study.notes.append(
                f"{plan.target}: {plural(len(plan.splits), 'site')} tested; {others} used for training only, from "
                "sites that are too small or have a single class."
            )
    if (travelled := int(sites.travelled().sum())) and config.split in ("site", "leave-site-out"):
        study.notes.append(
            f"{travelled} of {plural(len(people), 'person')} {'was' if travelled == 1 else 'were'} scanned at several "
            "sites: tested with the first, and never trained on when any of them is tested."
        )
    study.checks.append(family_note)
    sentence, *warning = study.overlap.words()
    if config.exclude_pretrained:
        study.excluded.append(("seen in pretraining (--exclude-pretrained)", int(study.seen.sum())))
    remedy = "; --exclude-pretrained leaves them out" if study.seen.any() and not config.exclude_pretrained else ""
    study.notes += [sentence.removesuffix(".") + remedy + ".", *warning]
    if refused := len(study.cohort.excluded):
        study.excluded.append(("recordings refused by prepare; the cohort's excluded.tsv gives the reasons", refused))
