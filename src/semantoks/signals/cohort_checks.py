"""What a cohort has to be before a signal is read from it: its description typed, every row within its shard."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semantoks.errors import DataError
from semantoks.signals import layout
from semantoks.signals.clean import mask_from_text
from semantoks.signals.recording import MAX_TR, MIN_TR
from semantoks.storage.text import read_json

FULL_BAND = "FullBand"
"""Key of the description: whether the full band is kept where recordings have it. Earlier versions have no such key."""
ROIS = re.compile(r"([0-9]{1,9}(,[0-9]{1,9})*)?")


def read_description(path: Path) -> dict[str, Any]:
    """Read the ``dataset_description.json`` of the cohort ``path``; DataError if it is none, or not of this schema."""
    file = path / layout.DESCRIPTION
    if path.is_file():
        raise DataError(f"{path} is a file, not a cohort: name the folder that prepare wrote.")
    try:
        description = read_json(file)
    except FileNotFoundError:
        if not path.exists():
            raise DataError(f"there is no folder {str(path)!r}.") from None
        raise DataError(f"{path} is not a cohort: it has no {layout.DESCRIPTION}. Make one with prepare.") from None
    schema = description.get("SchemaVersion")
    if not isinstance(schema, int):
        raise DataError(
            f"{path} is not a cohort: its {layout.DESCRIPTION} has no SchemaVersion. Make one with prepare."
        )
    if schema != layout.SCHEMA_VERSION:
        remedy = "prepare it again" if schema < layout.SCHEMA_VERSION else "use a newer semantoks"
        raise DataError(f"{path} has the schema {schema}; this version reads {layout.SCHEMA_VERSION}: {remedy}.")
    if lacking := [key for key in FIELDS if key not in description]:
        raise DataError(f"{file} lacks {', '.join(lacking)}: it was changed. Restore it, or prepare the cohort again.")
    optional = {key: MEASURE for key in MEASURES if key in description}
    for key, (expected, fits) in {**FIELDS, **optional}.items():
        if not fits(description[key]):
            raise DataError(
                f"{file}: {key} has to be {expected}, and is {description[key]!r}: it was changed. Restore it, or "
                "prepare the cohort again."
            )
    return dict(description)


def check_recordings(table: pd.DataFrame, shards: Sequence[int], n_rois: int, file: Path) -> None:
    """Check that every recording has its ids, is within its shard, and lists only existing ROIs as missing.

    Parameters
    ----------
    table
        ``recordings.tsv`` with its number columns typed.
    shards
        Frames of each shard.
    n_rois
        ROIs of the atlas.
    file
        The table's file, for the message.

    Raises
    ------
    DataError
        If not; the first row that is wrong is named.
    """
    known = table["shard"].between(1, len(shards))
    room = np.array([0, *shards])[table["shard"].where(known, 0)] - table["offset"]
    within = table["frames"] <= room
    texts = {text: _names_rois(text, n_rois) for text in table["missing_rois"].unique()}
    rules = {
        "recording_id has to be there": table["recording_id"] != "",
        "participant_id has to be there": table["participant_id"] != "",
        f"shard has to be 1 to {len(shards)}": known,
        "frames has to be 1 or more": table["frames"] >= 1,
        "offset has to be 0 or more": table["offset"] >= 0,
        "frames has to end within the shard": within,
        "bad_frames has to hold frames within the recording": [
            _names_frames(text, frames) if fits else True  # the rule before this one says so
            for text, frames, fits in zip(table["bad_frames"], table["frames"], within, strict=True)
        ],
        f"missing_rois has to hold numbers from 0 to {n_rois - 1}": table["missing_rois"].map(texts).astype(bool),
    }
    for rule, kept in rules.items():
        if not np.all(kept):
            row = int(np.flatnonzero(~np.asarray(kept))[0])
            column = rule.partition(" ")[0]
            raise DataError(
                f"{file}: {rule}, but recording {row + 1} ({table['recording_id'][row]}) has "
                f"{str(table[column][row]) or 'nothing'!r}: it was changed or damaged. Restore it, or prepare the "
                "cohort again."
            )


def damaged_signals(cohort: Path, recordings: Sequence[str], of: int) -> DataError:
    """Say which recordings of a cohort do not have the signals that prepare wrote, and what to do."""
    shown = ", ".join(recordings[:3]) + (f" and {len(recordings) - 3} more" if len(recordings) > 3 else "")
    return DataError(
        f"{len(recordings)} of {of} recordings in {cohort} do not match their checksums or are not finite: {shown}. "
        f"They were changed or damaged: `semantoks info {cohort} --verify` names the files. Restore these, or prepare "
        "the cohort again."
    )


def full_band_words(description: dict[str, Any], recordings: pd.DataFrame) -> str:
    """Say of how many recordings the full band is kept, and why not of the others; empty if none was band-passed here.

    ``recordings`` is ``recordings.tsv``.
    """
    lacking = int((recordings["full_sha256"] == "").sum())
    if description["Band"] is None:
        return ""
    if not description.get(FULL_BAND):
        return f"the full band is not kept ({'as asked' if FULL_BAND in description else 'by an earlier version'})"
    if not lacking:
        return "the full band is kept, too"
    some = f"{len(recordings) - lacking}" if lacking < len(recordings) else "none"
    return f"the full band is kept of {some} of {len(recordings)} recordings: the others came band-passed, or look so"


def without_full_band(description: dict[str, Any], lacking: int, recordings: int, otherwise: str) -> str:
    """Say why ``lacking`` of the recordings of a cohort do not have the full band, and what to do."""
    gone = f"and what a filter took does not come back: {otherwise}"
    if description.get("AlreadyFiltered"):
        return f"its recordings came band-passed (--already-filtered), {gone}"
    if description["Band"] is None:
        return f"its series were not band-passed, and there are no others: {otherwise}"
    if description.get(FULL_BAND):
        return f"{lacking} of its {recordings} recordings came band-passed, or look so, {gone}"
    how = "it was prepared with --no-full-band" if FULL_BAND in description else "an earlier version prepared it"
    return f"{how}: prepare the source again, into another folder, or {otherwise}"


def _names_frames(text: str, frames: int) -> bool:
    if not text:
        return True
    try:
        mask_from_text(text, frames)
    except ValueError:
        return False
    return True


def _names_rois(text: str, n_rois: int) -> bool:
    return ROIS.fullmatch(text) is not None and all(int(roi) < n_rois for roi in text.split(",") if roi)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_band(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)))


def _is_tr(value: Any) -> bool:
    return value is None or (_is_number(value) and MIN_TR <= value <= MAX_TR)


def _is_makers(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(maker, dict) and {"Name", "Version"} <= maker.keys() for maker in value)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_measure(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 <= value <= LARGEST)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Name": ("text", _is_text),
    "Atlas": ("text", _is_text),
    "AtlasFingerprint": ("text", _is_text),
    "RepetitionTime": (f"a number from {MIN_TR:g} to {MAX_TR:g} (s) or null", _is_tr),
    "Band": ("two numbers (Hz) or null", _is_band),
    "Items": ("a whole number from 1", _is_count),
    "Shards": ("a whole number from 1", _is_count),
    "SourcePath": ("text", _is_text),
    "GeneratedBy": ("a list of tools with Name and Version", _is_makers),
}
MEASURES = ("MaxMeanFD", "WarnMeanFD", "MinFrames", "BridgeSeconds")
"""Keys that not all versions wrote."""
LARGEST = 1e9
MEASURE = ("a number from 0 or null", _is_measure)
