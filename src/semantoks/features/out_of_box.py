"""Which encoder in the box recordings fit, where no encoder is named: labels decide, and nothing is guessed."""

import dataclasses
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.model.box import BOX, box_that_fits, list_box
from semantoks.model.card import read_card
from semantoks.signals.clean import missing_rois
from semantoks.signals.cohort import Cohort
from semantoks.signals.opened_source import SourceConfig, find_source
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Source, usual_atlas
from semantoks.signals.writer import read_recording
from semantoks.types import Series

Recordings = Path | str | Source | Cohort | Sequence[Recording]
TRIED = 10
"""Recordings of which one has to be readable."""
SIZE = re.compile(
    r"the array is (?P<array>\d+ x \d+)|It is time x ROI, \d+ x (?P<rois>\d+)|none of its (?P<names>\d+) labels"
)
"""What a reason says of the size of recordings."""
PLACE = re.compile(r"^\S+: ")
"""The file that a reason begins with."""
UNLABELLED = "their columns have no labels that tell their atlas"


def fitting_box(recordings: Recordings, config: SourceConfig) -> str:
    """Name the encoder in the box whose atlas recordings have, or are a part of, or contain.

    A cohort has labels. A path fits by the atlas that such sources imply, or where its labels are those of the atlas,
    and half of the ROIs have signal. Arrays in memory have no labels.

    Raises
    ------
    ConfigError
        When none fits: the message says what to do.
    DataError
        When nothing can be recognised at a path, or no recording can be read, whatever the atlas.
    """
    if isinstance(recordings, Cohort):
        name = box_that_fits(recordings.atlas.labels)
        if name is None:
            raise _none_fits(
                f"the cohort's atlas is {recordings.atlas.name}, and the box has {' and '.join(list_box())}",
                cohort=recordings.path,
            )
        return name
    if not isinstance(recordings, str | Path):
        raise _none_fits("recordings in memory have no labels that tell their atlas", unlabelled=True)
    path, refusals = Path(recordings), dict[str, str]()
    for name in list_box():
        try:
            refusal = _refusal(path, read_card(BOX / name).atlas, config)
        except DataError as error:
            refusal = str(error)
        if not refusal:
            return name
        refusals[name] = refusal
    different = set(refusals.values())
    if UNLABELLED in different:
        raise _none_fits(UNLABELLED, path, unlabelled=True)
    if len(refusals) > 1 and len(different) == 1:
        raise DataError(different.pop())  # whatever the atlas
    raise _none_fits(_why_none(refusals), path)


def _why_none(refusals: dict[str, str]) -> str:
    """Say what recordings are and what each encoder needs; where that is not a matter of size, quote the reasons."""
    sizes = [SIZE.search(why) for why in refusals.values()]
    said = {one.lastgroup or "": one[one.lastgroup or 0] for one in sizes if one}
    if len(said) == 1 and all(sizes):
        (kind, size), *_ = said.items()
        are = {"array": f"are {size}", "rois": f"have {size} ROIs", "names": f"have {size} columns with other labels"}
        needs = ", ".join(f"{name} needs {read_card(BOX / name).atlas.n_rois}" for name in refusals)
        return f"these recordings {are[kind]}; {needs}{' ROIs' * (kind != 'rois')}"
    first = {name: why.partition(". ")[0].removesuffix(".") for name, why in refusals.items()}
    reasons = (f"{name}: {PLACE.sub('', why).replace(f'{name}:one', name)}" for name, why in first.items())
    return f"the recordings have other ROIs ({'; '.join(reasons)})"


def _refusal(path: Path, atlas: Atlas, config: SourceConfig) -> str:
    """Say why recordings do not fit an atlas; empty where they do."""
    series = _first(path, atlas, config)
    if 2 * int((~missing_rois(series)).sum()) < atlas.n_rois:
        return f"they have signal in less than half of the ROIs of {atlas.name}"
    if usual_atlas(path):
        return ""
    foreign = tuple(f"no such ROI {number}" for number in range(atlas.n_rois))
    try:
        _first(path, Atlas(name="no such atlas", labels=foreign, networks=foreign), config)
    except DataError:
        return ""
    return UNLABELLED  # any atlas of as many ROIs would do


def _first(path: Path, atlas: Atlas, config: SourceConfig) -> Series:
    """Read the first recording that can be read; DataError, that of the first one, where none of a few can."""
    source, refusal = find_source(path, dataclasses.replace(config, atlas=atlas)), None
    for item in source.items()[:TRIED]:
        try:
            return read_recording(source, item).series
        except DataError as error:
            refusal = refusal or error
    raise refusal or DataError(f"{source.path} has no recordings.")


def _none_fits(
    why: str, path: Path | None = None, *, cohort: Path | None = None, unlabelled: bool = False
) -> ConfigError:
    box = " or ".join(list_box())
    named = f"If they are the ROIs of {box}, in that order, say so (--model). Else fit" if unlabelled else "Fit"
    prepare = f"semantoks prepare {shlex.quote(str(path or 'RECORDINGS'))} --atlas ATLAS --out cohort/; "
    made = f"{'' if cohort else prepare}semantoks fit {shlex.quote(str(cohort or 'cohort/'))} --out encoders/a"
    return ConfigError(
        f"{'no encoder in the box can be chosen' if unlabelled else 'no encoder in the box fits'}: {why}. {named} one "
        f"to your own recordings in a minute or two ({made}), and give --model encoders/a."
    )
