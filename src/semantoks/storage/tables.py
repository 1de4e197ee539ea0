"""Tables as tab-separated text: one writer, and one reader that says which file is wrong, and how."""

import codecs
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.errors import DataError
from semantoks.storage.durable import write_durably
from semantoks.storage.text import LARGEST, check_extent, read_content

NONE = "n/a"
"""What an empty cell is written as."""
BINARY = {
    b"PK\x03\x04": "a spreadsheet or an archive (.xlsx, .ods, .zip)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls)",
    b"$FL2": "an SPSS file (.sav)",
    b"$FL3": "an SPSS file (.zsav)",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a compressed file (.gz)",
    b"%PDF": "a PDF",
}
"""How files begin that people take for tables of text."""
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
    what_to_do = f" {remedy[0].upper()}{remedy[1:]}." if remedy else ""
    try:
        content = io.BytesIO(read_content(path))
        check_extent(path, cells=content.readline().count(separator.encode()) + 1)
        content.seek(0)
        return pd.read_csv(content, sep=separator, dtype=dtype, keep_default_na=False, na_values=list(missing))
    except DataError as error:
        said = str(error).replace("cannot be read:", f"cannot be read as {what}:")
        raise DataError(f"{said}{what_to_do}") from error
    except ValueError as error:
        raise DataError(f"{path} cannot be read as {what}: {error}.{what_to_do}") from error


def decoded(path: Path, what: str) -> str:
    """Read a text file in UTF-8, or in UTF-16 with its byte order mark.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataError
        If it is something else; a spreadsheet is named as such. ``what`` is what it should be.
    """
    try:
        with path.open("rb") as file:  # also a pipe, such as <(...)
            content = file.read(LARGEST + 1)
    except IsADirectoryError as error:
        raise DataError(f"{path} has to be {what}, and is a folder.") from error
    if len(content) > LARGEST:
        raise DataError(f"{path} has to be {what}, and has more than {LARGEST >> 20} MiB: it is none, or damaged.")
    kind = next((name for start, name in BINARY.items() if content.startswith(start)), None)
    if kind is not None:
        raise DataError(
            f"{path} is {kind}, not {what} as text. Save it as .csv in UTF-8 (in a spreadsheet: Save as, CSV UTF-8), "
            "and give that file."
        )
    try:
        return content.decode("utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} has to be {what} as text in UTF-8, and is not: {error}. Save it so.") from error
