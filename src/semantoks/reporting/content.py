"""What a page is built of: sections of blocks (words, lists, tables, figures) that the template can write."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from semantoks.reporting.figures.plot import Drawing


@dataclass(frozen=True)
class Words:
    """A paragraph; a quiet one explains, a loud one is the answer."""

    kind: ClassVar[str] = "words"
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Item:
    """One entry of a list: its text, and the bold words before it."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: Sequence[Item]


@dataclass(frozen=True)
class Code:
    """A command, to be copied."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Heading:
    """A heading one level below what it stands in."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text or a verdict, shown as a badge, or a drawing; quieter lines below."""

    text: str
    under: str = ""
    verdict: str = ""
    drawing: Drawing | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row names the row. One of ``answers`` has drawings, and stacks on narrow pages."""

    kind: ClassVar[str] = "table"
    label: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    answers: bool = False


@dataclass(frozen=True)
class Pairs:
    """A short table of names and values."""

    kind: ClassVar[str] = "pairs"
    caption: str
    rows: Sequence[tuple[str, str]]
    prose: bool = True


@dataclass(frozen=True)
class PairColumns:
    """Short tables of names and values, in columns beside each other."""

    kind: ClassVar[str] = "columns"
    tables: Sequence[Pairs]


@dataclass(frozen=True)
class Figure:
    """A drawing with the sentence that stands below it."""

    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class Figures:
    """Figures beside each other, two on a line where they fit, three narrow ones."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]
    narrow: bool = False


@dataclass(frozen=True)
class Beside:
    """Blocks at the left and at the right, below each other where the page is narrow."""

    kind: ClassVar[str] = "beside"
    left: Sequence["Block"]
    right: Sequence["Block"]


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown on a click."""

    kind: ClassVar[str] = "folded"
    title: str
    blocks: Sequence["Block"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A box about one thing: its name, a verdict and a quiet line, then its blocks."""

    kind: ClassVar[str] = "card"
    title: str
    verdict: str = ""
    about: str = ""
    blocks: Sequence["Block"] = field(default_factory=tuple)


Block = Words | Bullets | Code | Heading | Table | Pairs | PairColumns | Figures | Beside | Folded | Card


@dataclass(frozen=True)
class Section:
    """A section of the page: its anchor, its heading, its name in the list of contents, its blocks."""

    key: str
    title: str
    short: str
    blocks: Sequence[Block]


def as_list(value: Any) -> list[Any]:
    """Take a list as it is, nothing as an empty one, and anything else as its only entry."""
    return value if isinstance(value, list) else [value] if value else []


def rows_of(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lay a nested table out flat, as (dotted name, value)."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            rows += rows_of(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", plain(value)))
    return rows


def in_words(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lay settings out for people: names without underscores, yes and no, none for nothing."""
    said: dict[object, str] = {True: "yes", False: "no", None: "none"}
    return [
        (name.replace("_", " "), said[value] if value is None or isinstance(value, bool) else plain(value) or "none")
        for name, value in rows_of(table)
    ]


def plain(value: Any) -> str:
    """Write a value of a JSON file without its punctuation."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} {plain(item)}" for key, item in value.items())
    return json.dumps(value)
