"""Rows of the participants table as facts of recordings: which of a person's rows are of which recording."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from semantoks.signals.phenotypes import FILE_COLUMNS, RUN_COLUMNS, find_column

TR_COLUMNS = ("tr", "repetition_time", "repetitiontime")
SITE_COLUMNS = ("site", "site_id")
MOTION_COLUMNS = ("mean_fd", "func_mean_fd", "framewise_displacement_mean")


@dataclass(frozen=True, kw_only=True)
class FactRow:
    """One row of the participants table; None where a cell is missing.

    ``session``, ``run`` and ``file`` are empty where it is of all; ``wrong`` has the cells that should be numbers and
    are not, by what they are (``tr``, ``mean_fd``).
    """

    session: str
    run: str
    file: str
    tr: float | None
    site: str | None
    mean_fd: float | None
    wrong: Mapping[str, str]


def fact_rows(table: pd.DataFrame) -> dict[str, list[FactRow]]:
    """Collect the rows of each participant."""
    session = table["session_id"] if "session_id" in table else [""] * len(table)
    runs, files, sites = (_texts(table, names) for names in (RUN_COLUMNS, FILE_COLUMNS, SITE_COLUMNS))
    trs, motion = _numbers(table, TR_COLUMNS), _numbers(table, MOTION_COLUMNS)
    rows = defaultdict(list)
    for place, (participant, label) in enumerate(zip(table["participant_id"], session, strict=True)):
        wrong = {"tr": trs[place][1], "mean_fd": motion[place][1]}
        row = FactRow(
            session=label,
            run=plain_run(runs[place] or ""),
            file=(files[place] or "").replace("\\", "/"),
            tr=trs[place][0],
            site=sites[place],
            mean_fd=motion[place][0],
            wrong={name: cell for name, cell in wrong.items() if cell},
        )
        rows[participant].append(row)
    return dict(rows)


def rows_of(rows: Sequence[FactRow], *, session: str, run: str, path: Path) -> list[FactRow]:
    """Give those of a person's rows that are of a recording: of its session, and its file or run where one names it."""
    if session and any(row.session for row in rows):
        rows = [row for row in rows if row.session in (session, "")]
    label, file = plain_run(run), f"/{path.as_posix()}"
    for names in (
        lambda row: row.file and file.endswith(f"/{row.file}"),
        lambda row: label and row.run == label,
    ):
        if any(map(names, rows)):
            return [row for row in rows if names(row) or not (row.file or row.run)]
    return list(rows)


def plain_run(label: str) -> str:
    """Spell a run without ``run-``, leading zeros and case: ``run-01`` is ``1``."""
    bare = label.strip().lower().removeprefix("run-")
    return str(int(bare)) if bare.isdecimal() else bare


def motion_in(rows: Sequence[FactRow], run: str) -> set[float]:
    """Give the different mean displacements of a recording's rows, leaving out those of other runs."""
    label = plain_run(run)
    return {row.mean_fd for row in rows if row.mean_fd is not None and not (label and row.run not in (label, ""))}


def sites_in(rows: Sequence[FactRow]) -> set[str]:
    """Give the different sites of a recording's rows."""
    return {row.site for row in rows if row.site is not None}


def _texts(table: pd.DataFrame, names: tuple[str, ...]) -> list[str | None]:
    """Give the cells of a column as text, a whole number without the point that missing cells gave it."""
    column = find_column(table, names)
    return [None] * len(table) if column is None else [None if pd.isna(cell) else _text(cell) for cell in table[column]]


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbers(table: pd.DataFrame, names: tuple[str, ...]) -> list[tuple[float | None, str]]:
    """Give the number in each cell of a column, None where there is none, and the text of a cell that is no number."""
    column = find_column(table, names)
    if column is None:
        return [(None, "")] * len(table)
    numbers = pd.to_numeric(table[column], errors="coerce")
    return [
        (None if pd.isna(number) else float(number), str(cell) if pd.isna(number) and not pd.isna(cell) else "")
        for number, cell in zip(numbers, table[column], strict=True)
    ]
