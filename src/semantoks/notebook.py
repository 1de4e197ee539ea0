"""How things show themselves in a notebook: a title, and a row for each thing to know."""

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from semantoks.visible import one_line, visible


def as_html(title: str, rows: Mapping[str, object] | Iterable[tuple[str, object]]) -> str:
    """Write a small table; whatever is in the rows is escaped."""
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(visible(name))}</th>"
        f"<td style='text-align:left'>{html.escape(visible(str(value)))}</td></tr>"
        for name, value in pairs
    )
    return f"<table><caption><b>{html.escape(visible(title))}</b></caption>{cells}</table>"


@dataclass(frozen=True, repr=False)
class Described:
    """What there is to know of something on disk: lines of a name (ten columns) and words, as the command prints them.

    Printed or iterated over, it is these lines; in a notebook it is a table.
    """

    path: Path
    facts: tuple[str, ...]

    def __str__(self) -> str:
        """Return the lines."""
        return "\n".join(map(one_line, self.facts))

    def __iter__(self) -> Iterator[str]:
        """Yield the lines."""
        return iter(self.facts)

    def __repr__(self) -> str:
        """Say what it is about."""
        return f"{type(self).__name__}({str(self.path)!r}: {len(self.facts)} facts; print it to read them)"

    def _repr_html_(self) -> str:
        return as_html(str(self.path), [(line[:10].strip(), line[10:].strip()) for line in self.facts])
