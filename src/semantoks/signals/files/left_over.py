"""Labelled columns that are no ROI of the atlas: which and how many they are, and which atlas would take them."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.atlas.spelling import shown
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels
from semantoks.signals.files.counters import Labelled, counts_rows, without_counters
from semantoks.signals.files.names import TEXT_SUFFIXES, array_suffix
from semantoks.signals.files.text_table import read_text_table

SHOWN = 3
"""Labels that a note names."""


def left_over(what: str, labels: Sequence[str], atlas: Atlas, *, reorder: bool = False) -> list[str]:
    """Write a note on the labels of ``what`` that are no ROI of the atlas; none where none is, or all are."""
    try:
        positions = match_labels(labels, atlas, where=what, reorder=reorder)
    except DataError:
        return []  # reading says what is wrong
    used = set() if positions is None else set(positions[positions >= 0].tolist())
    idle = [label for place, label in enumerate(labels) if place not in used and not counts_rows(label)]
    if not used or not idle:
        return []
    wider = wider_atlas(atlas, idle)
    remedy = (
        f"--atlas {wider} takes them"
        if wider
        else "no wider packaged atlas takes them; --atlas FILE.tsv of your own can"
    )
    return [
        f"{what}: {len(idle)} of its {len(labels)} columns {'is no ROI' if len(idle) == 1 else 'are not ROIs'} of "
        f"{atlas.name} and {'is' if len(idle) == 1 else 'are'} left out "
        f"({shown(idle, SHOWN)}); {remedy}"
    ]


def wider_atlas(atlas: Atlas, idle: Sequence[str]) -> str:
    """Name the packaged atlas, or the join, that has these labels beside those of ``atlas``; empty if there is none."""
    name, colon, suffix = atlas.name.partition(":")
    whole, left, parts = [*atlas.labels, *idle], list(idle), list[str]()
    for part in list_atlases():
        with suppress(DataError):
            if (get_atlas(part).match(whole) >= 0).sum() == len(whole):
                return part + colon + suffix
    for part in sorted(list_atlases(), key=lambda one: -get_atlas(one).n_rois):
        with suppress(DataError):
            found = get_atlas(part).match(left)
            if (found >= 0).all():
                parts.append(part)
                left = list(np.delete(np.array(left, dtype=object), found))
    joined = "+".join([name, *parts]) + colon + suffix
    with suppress(DataError):
        return joined if parts and not left and get_atlas(joined) else ""
    return ""


def without_remedy(note: str) -> str:
    """Return a note for who cannot choose the atlas, as it is the encoder's."""
    return re.sub(r"; (--atlas \S+|no wider packaged atlas) takes them.*$", "", note)


def left_over_in(paths: Iterable[Path], root: Path, atlas: Atlas, *, reorder: bool = False) -> list[str]:
    """Write the note on the first text table that has labels of the atlas, and others."""
    for path in paths:
        if not array_suffix(path.name).startswith(TEXT_SUFFIXES):
            continue
        with suppress(DataError, OSError):
            table = read_text_table(path)
            table_names = without_counters(Labelled(table.values, table.column_names, table.row_names), str(path))
            shown_path = path.relative_to(root) if root in path.parents else path
            for names in (table_names.column_names, table_names.row_names):
                if names and (note := left_over(str(shown_path), names, atlas, reorder=reorder)):
                    return note
    return []
