"""Which encoder in the box recordings fit, where no encoder is named: labels decide, and nothing is guessed."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

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
SHOWN = 110
"""Letters of a reason that are shown."""
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
            raise _none_fits(f"the cohort's atlas is {recordings.atlas.name}", cohort=recordings.path)
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
    reasons = "; ".join(f"{name}: {shorten(why, SHOWN, placeholder=' ...')}" for name, why in refusals.items())
    raise _none_fits(f"their columns are other ROIs ({reasons})", path)


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
    named = f"if they are the ROIs of {box}, in that order, say so (--model); else " if unlabelled else ""
    prepare = f"semantoks prepare {shlex.quote(str(path or 'RECORDINGS'))} --atlas ATLAS --out cohort/; "
    made = f"{'' if cohort else prepare}semantoks fit {shlex.quote(str(cohort or 'cohort/'))} --out encoders/a"
    return ConfigError(
        f"which encoder? Those in the box are for {box}, and {why}: {named}fit one to your own recordings in seconds "
        f"({made}), and give --model encoders/a."
    )
