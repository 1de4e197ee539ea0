"""The tables of a page as TSV files, in a folder beside it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from semantoks.reporting.content import Beside, Block, Card, Cell, Folded, PairColumns, Pairs, Section, Table
from semantoks.storage.durable import write_durably
from semantoks.visible import visible

INDEX = "index.tsv"


def write_tables(page: Path, sections: Sequence[Section]) -> Path:
    """Write every table of a page to ``<page>_tables``, and an index of them; return the folder.

    Tables that the index of an earlier page lists, and that are no longer there, are deleted; other files stay.
    """
    folder = page.with_name(f"{page.stem}_tables")
    folder.mkdir(parents=True, exist_ok=True)
    before = _listed(folder)
    rows: list[list[str]] = []
    names: set[str] = set()
    for section in sections:
        for table in tables_of(section.blocks):
            name = _name(f"{section.key} {table.label}", names)
            names.add(name)
            write_durably(folder / name, _tsv(_filled([_columns(table), *(_cells(row) for row in table.rows)])))
            rows.append([name, section.title, table.caption])
    write_durably(folder / INDEX, _tsv([["file", "section", "caption"], *rows]))
    for name in before - names:
        (folder / name).unlink(missing_ok=True)
    return folder


def tables_of(blocks: Sequence[Block]) -> Iterator[Table]:
    """Give the tables among some blocks, also those that are folded or in cards; short ones have two columns."""
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Pairs):
            rows = [[Cell(key), Cell(value)] for key, value in block.rows]
            yield Table(label=block.caption, caption=block.caption, columns=("Name", "Value"), rows=rows)
        elif isinstance(block, PairColumns):
            yield from tables_of(block.tables)
        elif isinstance(block, Beside):
            yield from tables_of([*block.left, *block.right])
        elif isinstance(block, Card):
            yield from (replace(one, label=f"{block.title} {one.label}") for one in tables_of(block.blocks))
        elif isinstance(block, Folded):
            yield from tables_of(block.blocks)


def _columns(table: Table) -> list[str]:
    return [text for name in table.columns for text in (name, f"{name}: detail")]


def _cells(row: Sequence[Cell]) -> list[str]:
    """Write each cell as two: its text (of a drawing: in words) or verdict, and what stands below."""
    return [
        text
        for cell in row
        for text in (
            cell.text or cell.verdict or (cell.drawing.alt if cell.drawing else ""),
            " ".join(filter(None, (cell.under, *cell.notes))),
        )
    ]


def _filled(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Leave out the columns of details that are empty in every row."""
    kept = [n for n in range(len(rows[0])) if n % 2 == 0 or any(row[n] for row in rows[1:])]
    return [[row[n] for n in kept] for row in rows]


def _tsv(rows: Sequence[Sequence[str]]) -> bytes:
    """Write rows as TSV, in visible characters; minus signs and spaces become plain, so that numbers can be read."""
    plain = str.maketrans({"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "−": "-"})
    return visible("".join("\t".join(text.translate(plain) for text in row) + "\n" for row in rows)).encode()


def _name(label: str, taken: set[str]) -> str:
    """Make a file's name of a label that no other table has."""
    words = "_".join(re.findall(r"[a-z0-9]+", label.lower()))[:60] or "table"
    for number in range(1, len(taken) + 2):
        name = f"{words}.tsv" if number == 1 else f"{words}_{number}.tsv"
        if name not in taken and name != INDEX:
            return name
    raise AssertionError("there is always a free number")


def _listed(folder: Path) -> set[str]:
    """Return which tables an earlier index lists: names of files in this folder alone."""
    try:
        index = pd.read_csv(folder / INDEX, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, ValueError):
        return set()
    return {name for name in index.get("file", []) if re.fullmatch(r"[a-z0-9_]+\.tsv", name)}
