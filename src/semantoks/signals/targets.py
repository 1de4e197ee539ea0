"""A target: one value per person, taken from a column of the participants table as classes or as numbers."""

import dataclasses
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from semantoks.errors import DataError
from semantoks.signals.typed_columns import NUMBER, plain_name, suspects, typed_column

CLASS_NAMES = frozenset(
    {
        *(
            "sex",
            "gender",
            "dx",
            "diagnosis",
            "diag",
            "group",
            "site",
            "siteid",
            "scanner",
            "scannerid",
            "center",
            "centre",
        )
    }
    | {*("arm", "condition", "category", "class", "race", "ethnicity", "status", "cohort", "batch", "subtype")}
)
"""Columns whose whole numbers are codes of classes, also as the last word of a name: ``dx_group``."""
MAX_CODES = 5
"""At most so many different whole numbers from 0 to 9 are codes of classes, whatever the column is called."""
SMALLEST, LARGEST = 1e-100, 1e100
"""How far values may differ: the square of more, or less, is no number."""
SHOWN = 3
"""People, values or codes that a message names."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be predicted: one value per participant; participants without a value are left out.

    ``values`` is indexed by ``participant_id``; strings for a class, float64 for a value. ``classes`` is sorted, and
    None for a value. ``missing`` counts the participants without a value. ``notes`` say how the column was understood.
    """

    name: str
    kind: Literal["class", "value"]
    values: pd.Series
    classes: tuple[str, ...] | None
    missing: int
    notes: tuple[str, ...] = ()


def target(participants: pd.DataFrame, name: str, kind: Literal["auto", "class", "value"] = "auto") -> Target:
    """Take the column ``name`` of a participants table as a target.

    ``auto``: text and booleans are classes; so are whole numbers that take two different values, at most five from 0
    to 9, or stand in a column called sex, dx, group, site ...; other numbers are values. Numbers that differ between
    the sessions of a participant are averaged. Participants without a value are left out and counted in ``missing``.

    Raises
    ------
    DataError
        If there is no such column (the nearest names are given), its classes vary within a participant, it is the same
        for everyone, differs for everyone although it is text, or is to be a value and has cells that are not numbers.
    """
    if name not in participants.columns or name in ("participant_id", "session_id"):
        usable = [str(column) for column in participants.columns if column not in ("participant_id", "session_id")]
        near = [c for c in usable if c.lower() == name.lower()] or difflib.get_close_matches(name, usable, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {_some(usable, 12) or 'none'}."
        raise DataError(f"the participants table has no target {name!r}. {hint}")
    values, notes = _one_a_participant(participants, name, kind)
    if values.empty:
        raise DataError(f"{name} cannot be predicted: no participant has a value of it.")
    if values.nunique() < 2:
        raise DataError(f"{name} cannot be predicted: {_have(len(values))} it, all with the same value.")
    chosen = kind
    if kind == "auto":
        chosen, why = _kind(values, name)
        notes += why
    missing = participants["participant_id"].nunique() - len(values)
    if chosen == "value":
        numbers, why = _numbers(values, name), _suspected(values, name)
        return Target(name=name, kind="value", values=numbers, classes=None, missing=missing, notes=(*notes, *why))
    order = sorted(values.unique().tolist()) if _is_number(values) else sorted(map(str, values.unique()))
    labels = values.map(class_name)
    if len(order) == len(values) > 2:
        raise DataError(
            f"{name} is different for each of its {len(values)} participants, so it is no class. Is it a name or an id?"
        )
    classes = tuple(map(class_name, order))
    return Target(name=name, kind="class", values=labels, classes=classes, missing=missing, notes=tuple(notes))


def _one_a_participant(participants: pd.DataFrame, name: str, kind: str) -> tuple[pd.Series, list[str]]:
    """Give each participant one value: the one that all rows have, or the mean of numbers, with a note."""
    known = participants.loc[participants[name].notna(), ["participant_id", name]]
    different = known.drop_duplicates()
    varying = different.loc[different["participant_id"].duplicated(), "participant_id"].unique()
    if not len(varying):
        return different.set_index("participant_id")[name], []
    means = known.groupby("participant_id")[name].mean() if _is_number(known[name]) and kind != "class" else None
    if means is not None and (
        kind == "value" or _kind(different.set_index("participant_id")[name], name)[0] == "value"
    ):
        people = known["participant_id"].nunique()
        return means, [
            f"{name} differs between the rows of {len(varying)} of {people} participants: their mean is taken"
        ]
    seen = known.loc[known["participant_id"] == varying[0], name].unique().tolist()
    within = f"{len(varying)} participant" + ("" if len(varying) == 1 else "s")
    raise DataError(
        f"{name} varies within {within}, for example {varying[0]}: {_some(list(map(str, seen)), 4)}. A "
        "target has one value per participant: choose or average it in the table."
    )


def _is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)


def _kind(values: pd.Series, name: str) -> tuple[Literal["class", "value"], list[str]]:
    """Tell classes from values, and say so where numbers are taken for classes."""
    if not _is_number(values):
        _refuse_mostly_numbers(values, name)
        return "class", []
    numbers = np.unique(values.to_numpy(dtype=np.float64))
    if not np.all(numbers == np.round(numbers)):
        return "value", []
    named = {plain_name(name), re.split(r"[^a-z]+", name.lower())[-1]} & CLASS_NAMES
    few = len(numbers) <= MAX_CODES and numbers[0] >= 0 and numbers[-1] <= 9 and 2 * len(numbers) < len(values)
    if len(numbers) > 2 and not (named and 2 * len(numbers) < len(values)) and not few:
        return "value", []
    if len(numbers) == 2:
        return "class", []
    codes = _some([class_name(float(code)) for code in numbers], MAX_CODES)
    return "class", [
        f"{name}: {codes} are taken as codes of {len(numbers)} classes. If they are amounts: --as-value {name}; if one "
        "stands for a missing value: --missing CODE"
    ]


def _suspected(values: pd.Series, name: str) -> list[str]:
    """Name values at the ends of the others that may be codes for a missing one."""
    if not _is_number(values):
        return []
    found = suspects(values.to_numpy(np.float64))
    listed = _some([f"{class_name(code)} ({count} x)" for code, count in found.items()], SHOWN)
    if not found:
        return []
    return [f"{name} has {listed}: if that stands for a missing value, give --missing; if it is a class, --as-class"]


def _refuse_mostly_numbers(values: pd.Series, name: str) -> None:
    """Refuse a column of numbers of which a few cells are words: as classes, every number would be one."""
    text = values.astype(str)
    words = text[~text.str.fullmatch(NUMBER.pattern)]
    if pd.api.types.is_bool_dtype(values) or len(words) * 2 >= len(text) or text.nunique() <= 2 * MAX_CODES:
        return
    shown = sorted(words.unique())
    if shown:
        codes = " ".join(f"'{word}'" if " " in word else word for word in shown[:SHOWN])
        raise DataError(
            f"{name} has numbers, but for {len(words)} of {len(text)} participants words: {_some(shown, SHOWN)}. Take "
            f"them as missing with --missing {codes}, or {name} as classes with --as-class {name}."
        )


def class_name(value: object) -> str:
    """Spell a class the same whether missing cells made its column float or not: 1.0 is ``1``."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        raise DataError(
            f"{name} is to be a value, but {_have(int(wrong.sum()))} something else, for example "
            f"{values[wrong].tolist()[0]!r}. Make it a class (--as-class {name}), or make those cells n/a (--missing)."
        )
    spread = float((numbers / 2).max() - (numbers / 2).min())
    if not SMALLEST < spread < LARGEST:
        raise DataError(
            f"{name} has values from {numbers.min():g} to {numbers.max():g}, of which no variance can be computed: "
            "give it in another unit."
        )
    return numbers


def without_codes(participants: pd.DataFrame, codes: Sequence[str]) -> pd.DataFrame:
    """Make cells that hold one of ``codes`` (as text or as a number: ``-9999``) missing, but for the ids."""
    if not codes:
        return participants
    meant = {*codes, *(float(code) for code in codes if NUMBER.fullmatch(code))}
    columns = {}
    for name in participants.columns:
        if name not in ("participant_id", "session_id") and (coded := participants[name].isin(meant)).any():
            columns[name] = typed_column(participants[name].mask(coded)).values
    return participants.assign(**columns)


def of_recorded_sessions(participants: pd.DataFrame, recordings: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of sessions that have a recording; people none of whose sessions has one keep all their rows."""
    if "session_id" not in participants:
        return participants
    key = ["participant_id", "session_id"]
    recorded = pd.MultiIndex.from_frame(recordings[key].astype(str))
    there = pd.Series(pd.MultiIndex.from_frame(participants[key].astype(str)).isin(recorded), index=participants.index)
    some = there.groupby(participants["participant_id"]).transform("any")
    return participants[there | ~some | (participants["session_id"] == "")]


def binned(aim: Target, bins: int) -> Target:
    """Cut a value into ``bins`` classes of about equal size, ordered; equal values are never parted.

    Raises
    ------
    DataError
        If there are not that many different values.
    """
    codes, edges = pd.qcut(aim.values, bins, labels=False, retbins=True, duplicates="drop")
    if codes.nunique() < bins:
        raise DataError(f"{aim.name} cannot be cut into {bins} classes of equal size: it takes too few values.")
    names = tuple(f"{k + 1} ({edges[k]:.4g} to {edges[k + 1]:.4g})" for k in range(bins))
    values = codes.map(lambda code: names[int(code)])
    return dataclasses.replace(aim, kind="class", values=values, classes=names)


def _have(count: int) -> str:
    return "1 participant has" if count == 1 else f"{count} participants have"


def _some(words: Sequence[str], most: int) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
