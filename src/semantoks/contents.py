"""Describe what a folder contains (a cohort, a run or an encoder) in about ten lines."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.notebook import Described
from semantoks.signals.cohort import Cohort
from semantoks.storage.checksums import damaged, read_sealed
from semantoks.storage.text import read_rows

if TYPE_CHECKING:
    from semantoks.model.card import EncoderCard

CHECKPOINT = "Delete it, and resume from the one before, or from the start."
"""What to do with a checkpoint that is damaged."""

Kind = Literal["cohort", "run", "encoder"]


@dataclass(frozen=True, repr=False)
class Info(Described):
    """What lies in a folder, in about ten lines."""

    kind: Kind
    problems: tuple[str, ...] = ()
    """What does not agree with its checksum, one sentence each, if it was looked at; there are no ``facts`` then."""
    notes: tuple[str, ...] = ()
    """What looking at the checksums has shown: that they agree, first."""


def info(path: Cohort | Path | str, *, verify: bool = False) -> Info:
    """Describe a cohort, a run or an encoder; what is returned reads as lines where it is printed.

    Parameters
    ----------
    path
        A folder that semantoks wrote (or the Cohort in it), or the name of an encoder in the box (``schaefer400``).
    verify
        Check every file against its checksum, too; of a cohort also name near copies under different ids.

    Raises
    ------
    DataError
        If there is nothing that semantoks wrote.
    """
    path = Path(path) if isinstance(path, str | Path) else path.path
    folder, kind, describe = _kind_of(path)
    problems, notes = verify_path(folder) if verify else ([], [])
    if problems:
        return Info(path, (), kind, tuple(problems))
    return Info(path, tuple(describe(folder)), kind, notes=tuple(notes))


def _kind_of(path: Path) -> tuple[Path, Kind, Callable[[Path], list[str]]]:
    """Return the folder that a path or a name means, what it holds, and what describes it."""
    if (path / "dataset_description.json").exists():
        return path, "cohort", _cohort
    if (path / "run.json").exists():
        return path, "run", _run
    if (path / "config.json").exists():
        return path, "encoder", _encoder
    from semantoks.model.box import box_folder, list_box

    if not path.exists() and (packaged := box_folder(str(path))) is not None:
        return packaged, "encoder", _encoder
    raise DataError(
        f"{path} is not a cohort (dataset_description.json), run (run.json) or encoder (config.json)."
        if path.exists()
        else f"there is nothing at {path}, and in the box there are {' and '.join(list_box())}."
    )


def verify_path(path: Path) -> tuple[list[str], list[str]]:
    """Check a cohort, run or encoder against its checksums: one sentence per problem; and what is to be known."""
    if not (path / "dataset_description.json").exists():
        return _verify_weights(path)
    from semantoks.signals.likeness import find_alike

    cohort = Cohort(path, verify=False)
    if problems := cohort.verify():
        return problems, []
    notes = [_verified("participants.tsv was changed since prepare" if cohort.changed_participants() else "")]
    if not cohort.sums:
        notes.append("this cohort has checksums of its signals alone: an earlier version prepared it")
    return [], [
        *notes,
        *(find_alike(cohort).listed(cohort.recordings) or ["near copies: no recording is like one under another id"]),
    ]


def _verify_weights(path: Path) -> tuple[list[str], list[str]]:
    """Read run.json, every checkpoint and the encoder of a run, or an encoder, and say which are damaged."""
    from semantoks.errors import SemantoksError
    from semantoks.model.card import TEACHER, TRAINING, sums_of_weights
    from semantoks.model.hub import find_encoder, load_encoder
    from semantoks.model.tensors import REMEDY, read_training, read_whole
    from semantoks.storage.checksums import stated_sum

    encoder = find_encoder(path)
    files = [*sorted((path / "checkpoints").glob("*.safetensors")), *(encoder / name for name in (TEACHER, TRAINING))]
    checks: list[Callable[[], object]] = [lambda: load_encoder(encoder)]
    if (encoder / TRAINING).exists():
        checks.append(lambda: read_training(encoder))
    if (path / "run.json").exists():
        checks.append(lambda: read_sealed(path / "run.json"))
    checks += [functools.partial(read_whole, file, CHECKPOINT) for file in files[:-2]]
    lost = TRAINING in sums_of_weights(encoder) and not (encoder / TRAINING).exists()
    problems = [f"{encoder / TRAINING} is lost. {REMEDY}"] if lost else []
    for check in checks:
        try:
            check()
        except SemantoksError as error:
            problems.append(str(error))
    bare = [file.name for file in files if file.exists() and not stated_sum(file)]
    return problems, [_verified(f"there is no checksum of {', '.join(bare)}" if bare else "")]


def _verified(but: str) -> str:
    """Say that files agree with their checksums, all or ``but`` some."""
    return f"verified: {but}; everything else agrees" if but else "verified: everything agrees with its checksum"


def _cohort(path: Path) -> list[str]:
    from semantoks.signals.cohort_checks import full_band_words

    cohort = Cohort(path)
    table, about = cohort.recordings, cohort.description
    frames, missing = table["frames"], int(cohort.missing.any(axis=1).sum())
    band, full = about["Band"], full_band_words(about, table)
    full = f"; {full}" if full else ""
    sites = sorted(set(table["site"]) - {""})
    return [
        f"cohort     {path}: {about['Name']}",
        f"people     {table['participant_id'].nunique()}, recordings {len(table)}, excluded {len(cohort.excluded)}",
        f"atlas      {cohort.atlas.name}: {cohort.atlas.n_rois} ROIs in {plural(cohort.atlas.n_networks, 'network')} "
        f"(fingerprint {cohort.atlas.fingerprint})",
        f"frames     {frames.min()} to {frames.max()}, median {frames.median():.0f}, at {cohort.tr} s",
        f"band       {'not band-passed by semantoks' if band is None else f'{band[0]} to {band[1]} Hz'}{full}",
        f"missing    {plural(missing, 'recording lacks', 'recordings lack')} at least one ROI",
        f"sites      {', '.join(sites) if sites else 'not given'}",
        f"source TR  {', '.join(f'{tr:g} s' for tr in sorted(table['source_tr'].unique()))}",
        f"phenotypes {', '.join(c for c in cohort.participants.columns if c != 'participant_id') or 'none'}",
        f"made by    {about['GeneratedBy'][0]['Name']} {about['GeneratedBy'][0]['Version']} from {about['SourcePath']}",
    ]


def _run(path: Path) -> list[str]:
    record = path / "run.json"
    run = read_sealed(record)
    try:
        lines = _of_record(path, run)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(f"{record} was not written by a training run: {error!r}.") from error
    if (card := path / "encoder" / "config.json").exists():
        read_sealed(card)
    weights = [file for part in ("checkpoints", "encoder") for file in sorted((path / part).glob("*.safetensors"))]
    if problems := damaged(weights, f"semantoks info {path} --verify says what to do."):
        raise DataError(" ".join(problems))
    warnings, bad = read_rows(path / "warnings.jsonl")
    shown = [f"           at step {row['step']}: {row.get('message')}" for row in warnings[:3]]
    more = f" (all in {path / 'warnings.jsonl'})" if len(warnings) > 3 else ""
    cut = f", and {plural(len(bad), 'line')} that cannot be read" if bad else ""
    return [*lines, f"warnings   {len(warnings)}{more}{cut}", *shown]


def _of_record(path: Path, run: dict[str, Any]) -> list[str]:
    """Say what run.json says."""
    config, cost = run["config"], run["cost"]
    size = config["encoder"]
    done = cost["samples"] // config["batch_size"]
    return [
        f"run        {path}: {run['status']}, {done} of {run['steps_total']} steps",
        f"command    {run['command'] or 'from Python'}",
        *[
            f"cohort     {c['path']}: {plural(c['participants'], 'person')}, {plural(c['recordings'], 'recording')}, "
            + str(c["atlas"])
            + (f" ({c['too_short']} too short to train on)" if c.get("too_short") else "")
            for c in run["cohorts"]
        ],
        f"encoder    width {size['width']}, depth {size['depth']}, "
        f"{plural(size['frames'] // size['patch'], 'patch', 'patches')} of {size['patch']} frames",
        f"training   batch {config['batch_size']}, lr {config['optim']['lr']:g} per 256, views "
        f"{config['views']['policy']}, seed {config['seed']}",
        f"cost       {cost['samples']} samples, {cost['flops'] / 1e12:.1f} TFLOP, {cost['seconds']:.0f} s, "
        f"{cost['peak_memory_bytes'] / 2**20:.0f} MiB",
        f"machine    {run['environment']['device']}, {run['environment']['precision']}, torch "
        f"{run['environment']['torch']}",
        f"semantoks  {run['version']}",
    ]


def _people(path: Path, card: "EncoderCard") -> str:
    from semantoks.model.group import ABOUT, read_about

    if card.participants:
        return f"{len(card.participants)}, kept as salted hashes"
    return f"{read_about(path).people}, as their mean alone" if (path / ABOUT).exists() else "not known"


def _encoder(path: Path) -> list[str]:
    from semantoks.model.card import band_words
    from semantoks.model.hub import load_encoder

    encoder, card = load_encoder(path)
    size, cost = card.encoder, card.cost
    frames = "any number of" if size.any_length else size.frames
    gives, networks = f"CLS [{size.width}] and " if size.depth else "", plural(encoder.n_networks, "network")
    parameters = sum(p.numel() for p in encoder.parameters())
    return [
        f"encoder    {path}",
        f"size       width {size.width}, depth {size.depth}, {parameters:,} parameters",
        f"input      {encoder.n_rois} ROIs x {frames} frames at {card.tr} s, {card.normalisation}",
        f"band       {band_words(card)}",
        f"output     {gives}{networks} x {plural(size.patches, 'patch', 'patches')} [{size.width}]",
        f"atlas      {card.atlas.name} (fingerprint {card.atlas.fingerprint})",
        f"people     {_people(path, card)}",
        *[f"{'' if place else 'origin':<11}{line}" for place, line in enumerate(card.origin)],
        *(
            [
                f"cost       {cost.get('samples', 0):.0f} samples, {cost.get('flops', 0) / 1e12:.1f} TFLOP, "
                f"{cost.get('seconds', 0):.0f} s"
            ]
            if cost
            else []
        ),
        f"versions   {', '.join(f'{name} {number}' for name, number in card.versions.items()) or 'not known'}",
    ]
