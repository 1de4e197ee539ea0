"""Tables as tab-separated text: one writer, and one reader that says which file is wrong, and how."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.errors import DataError
from semantoks.storage.durable import write_durably

NONE = "n/a"
"""What an empty cell is written as."""
UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Escape what a table cannot hold: control characters, and bytes of a file name that are not UTF-8 (``\r``)."""
    return UNWRITABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def table_text(frame: pd.DataFrame) -> str:
    """Write a table as tab-separated plain text: n/a for an empty cell, numbers so that they read back exactly."""
    return plain(frame.replace("", None).to_csv(sep="\t", index=False, na_rep=NONE, lineterminator="\n"))


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table durably as ``table_text`` has it."""
    write_durably(path, table_text(frame).encode())


def read_table(
    path: Path, columns: Sequence[str] = (), *, separator: str = "\t", what: str = "a table", remedy: str = ""
) -> pd.DataFrame:
    """Read every cell of a table as text, n/a as the empty string.

    Parameters
    ----------
    columns
        Columns that have to be there; others may be.
    what, remedy
        For errors: what the file should be (``scores``), and what to do if it is not (``run the probe again``).

    Raises
    ------
    DataError
        If the file cannot be read as a table, or lacks one of ``columns``.
    """
    frame = _read(path, str, what, remedy, separator=separator)
    if lacking := [name for name in columns if name not in frame.columns]:
        plural = "s" if len(lacking) > 1 else ""
        raise DataError(f"{path} lacks the column{plural} {', '.join(lacking)}" + (f": {remedy}." if remedy else "."))
    return frame.replace(NONE, "")


def read_typed_table(path: Path, texts: Sequence[str], *, what: str = "a table", remedy: str = "") -> pd.DataFrame:
    """Read a table whose columns ``texts`` are text; others are numbers where all cells are, and n/a is missing.

    Raises
    ------
    DataError
        If the file cannot be read as a table.
    """
    return _read(path, dict.fromkeys(texts, str), what, remedy, missing=[NONE])


def _read(
    path: Path, dtype: Any, what: str, remedy: str, *, separator: str = "\t", missing: Sequence[str] = ()
) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep=separator, dtype=dtype, keep_default_na=False, na_values=list(missing))
    except (OSError, ValueError) as error:
        what_to_do = f" {remedy[0].upper()}{remedy[1:]}." if remedy else ""
        raise DataError(f"{path} cannot be read as {what}: {error}.{what_to_do}") from error
