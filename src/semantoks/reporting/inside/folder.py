"""The folder of a look inside an encoder: what was found in words, and its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.reporting.content import Block, Bullets, Cell, Code, Item, Pairs, Table, Words
from semantoks.reporting.wording import interval, metric_words, score
from semantoks.statistics.methods import method_name
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import PREDICTIONS, SCORES, read_predictions, read_scores
from semantoks.storage.checksums import check_sum, read_sealed, read_sums
from semantoks.storage.tables import read_typed_table

FINDINGS = "findings.json"
ORDERS, COMPONENTS, PAIRS = "orders.tsv", "components.tsv", "pairs.tsv"
"""Tables of an audit."""
WORDS, USAGE, FOLLOWING = "words.tsv", "usage.tsv", "transitions.tsv"
PATTERNS, STABILITY, CODEBOOKS = "patterns.tsv", "stability.tsv", "codebooks.tsv"
"""Tables of a vocabulary."""
SANITY, MAPS, ROIS, KERNELS = "sanity.tsv", "maps.tsv", "rois.tsv", "kernels.tsv"
"""Tables of an explanation."""
RELEVANCE = "relevance.npy"
"""Integrated gradients of an explanation, float32 [window, roi, frame]."""
REMEDY = "Run the command again."
_TEXTS = ("structure", "source", "network", "other", "map", "word", "label", "survives", "codebook")


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What a look inside has found."""

    folder: Path
    about: dict[str, Any]
    sums: dict[str, str]
    """Checksums of the tables; empty where an earlier version wrote none."""

    @property
    def kind(self) -> str:
        """Which command made it."""
        return str(self.about["kind"])

    def table(self, name: str) -> pd.DataFrame:
        """Read a table; empty where there is none."""
        path = self.folder / name
        if not path.is_file() and name not in self.sums:
            return pd.DataFrame()
        check_sum(path, self.sums, name, REMEDY)
        if path.stat().st_size <= 1:
            return pd.DataFrame()
        found = read_typed_table(path, _TEXTS, what="a table of this page", remedy="run the command again")
        return found.fillna({text: "" for text in _TEXTS if text in found})

    def array(self, name: str) -> Float[ndarray, "*shape"] | None:
        """Read an array; None where there is none."""
        if not (self.folder / name).is_file():
            return None
        try:
            found: ndarray = np.load(self.folder / name, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.folder / name} is damaged ({error}): run the command again.") from error
        return found

    def listed(self, name: str) -> list[str]:
        """Return a list of sentences of the findings."""
        return [str(one) for one in self.about.get(name, [])]


def is_inside(folder: Path) -> bool:
    """Say whether a folder is that of a look inside an encoder."""
    return (folder / FINDINGS).is_file()


def read_inside(folder: Path) -> Inside:
    """Read such a folder; DataError where it is damaged."""
    path = folder / FINDINGS
    try:
        about = read_sealed(path)
    except DataError as error:
        raise DataError(f"{error} {REMEDY}") from error
    lists = ("answers", "notes", "networks")
    if "kind" not in about or not all(isinstance(about.get(name, []), list) for name in lists):
        raise DataError(f"{path} is damaged. {REMEDY}")
    return Inside(folder=folder, about=about, sums=read_sums(folder))


def facts(inside: Inside) -> list[tuple[str, str]]:
    """List what was looked at."""
    about = inside.about
    people, recordings = int(about.get("people", 0)), int(about.get("recordings", 0))
    return [
        ("Encoder", str(about.get("model", ""))),
        ("People", f"{plural(people, 'person')}, {plural(recordings, 'recording')}"),
        ("Networks", str(len(inside.listed("networks")))),
    ]


def answers(inside: Inside) -> list[Block]:
    """Say what was found."""
    return [Bullets([Item(text) for text in inside.listed("answers")])]


def how(inside: Inside) -> list[Block]:
    """Say who was looked at, and by which command."""
    about = inside.about
    blocks: list[Block] = [
        Pairs("What was looked at", [("Encoder", str(about.get("model"))), ("Cohort", str(about.get("cohort")))]),
        Bullets([Item(note) for note in inside.listed("notes")]),
    ]
    return [*blocks, *([Code(str(about["command"]))] if about.get("command") else [])]


def targets(inside: Inside, names: Mapping[str, str], opening: str) -> list[Block]:
    """Lay out the scores of a probe of what was found inside; ``names`` are of methods that it alone knows."""
    folder = inside.folder / "probe"
    summary = summarise(read_scores(folder / SCORES), read_predictions(folder / PREDICTIONS))
    rows = [
        [
            Cell(f"{row['target']}: {names.get(row['method']) or method_name(row['method'])}"),
            Cell(score(row["mean"], row["metric"]), under=interval(row["low"], row["high"], row["metric"])),
            Cell(metric_words(row["metric"])),
        ]
        for row in summary.to_dict("records")
    ]
    return [
        Words(opening),
        Table(
            label="Targets",
            caption="Linear models, with 95\u00a0% intervals over people; `semantoks report` on the folder probe/ "
            "has more.",
            columns=("Target and features", "Score", "Metric"),
            rows=rows,
        ),
    ]


def has_targets(inside: Inside) -> bool:
    """Say whether targets were predicted; scores of an earlier look into the same folder do not count."""
    return bool(inside.about.get("targets", True)) and (inside.folder / "probe" / SCORES).is_file()


def square(
    rows: pd.DataFrame, names: list[str], column: str, *, mirrored: bool = False
) -> Float[ndarray, "network network"]:
    """Lay rows of (network, other, value) out as a square; NaN where a pair has none."""
    place = {name: number for number, name in enumerate(names)}
    found = np.full((len(names), len(names)), nan)
    for row in rows[["network", "other", column]].to_dict("records"):
        i, j = place.get(row["network"], -1), place.get(row["other"], -1)
        if min(i, j) >= 0:
            found[i, j] = row[column]
            if mirrored:
                found[j, i] = row[column]
    return found
