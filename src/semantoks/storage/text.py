"""The text of a file, whatever wrote it: UTF-8 with or without a mark, UTF-16 of spreadsheets, compressed; JSON."""

import codecs
import gzip
import json
import stat
import zlib
from pathlib import Path
from typing import Any

from semantoks.config import is_deep
from semantoks.errors import DataError, SemantoksError

GZIP = b"\x1f\x8b"
LARGEST = 256 << 20
"""Bytes of a table of numbers."""
PACKED, PACKED_PER_BYTE = 16 << 20, 16
"""Bytes that a compressed one may unpack to, and more for each of its own: numbers take a half or a third, bombs a
thousandth.
"""
WIDEST, LONGEST = 20_000, 1_000_000
"""Cells of a line and lines of a table of numbers: one that is larger is none of ROIs and frames."""
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path, *, start: int | None = None) -> str:
    """Read a file of text; of ``start`` bytes alone, if that is given.

    Raises
    ------
    DataError
        If the file is not there, damaged, larger than any table is, or no text.
    """
    return decoded(read_content(path, start=start), path, cut=start is not None)


def read_content(path: Path, *, start: int | None = None) -> bytes:
    """Read the bytes of a file, unpacked where it is compressed; DataError like ``read_text``."""
    try:
        size = regular_size(path)
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            most = min(LARGEST, PACKED + PACKED_PER_BYTE * size) if compressed else LARGEST
            with gzip.open(raw) if compressed else raw as file:
                content = file.read(most + 1 if start is None else min(start, most))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if len(content) > most:
        packed = f" when unpacked, and {size / 2**20:,.1f} MiB as it is" if compressed else ""
        raise DataError(
            f"{path} is no table: it has more than {most >> 20:,} MiB{packed}. It is damaged or made to do harm."
        )
    return content


def regular_size(path: Path) -> int:
    """Return the size of a file in bytes; DataError for a folder, a pipe or a device, OSError where there is none."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise DataError(f"{path} cannot be read: it is no file, but a folder, a pipe or a device.")
    return about.st_size


def check_extent(where: Path | str, *, cells: int = 0, lines: int = 0) -> None:
    """Raise DataError where a line of numbers has more than ``WIDEST`` cells, or there are more than ``LONGEST``."""
    for found, what, most in ((cells, "cells in its first line", WIDEST), (lines, "lines", LONGEST)):
        if found > most:
            raise DataError(f"{where} is no table: it has {found:,} {what}, and at most {most:,} are read.")


def decoded(content: bytes, where: Path | str, *, cut: bool = False) -> str:
    """Turn the bytes of a file into text; ``cut`` allows the last character to be incomplete.

    Raises
    ------
    DataError
        If they are no text.
    """
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "")
    if not encoding:
        encoding = "utf-16-le" if content[1:2] == b"\0" and content[:1] > b"\0" else "utf-8"
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, final=not cut)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} cannot be read as text in UTF-8: {error}. Save it as UTF-8.") from error


def plain_json(text: str | bytes) -> Any:
    """Parse JSON; ValueError where it is none, or ``config.is_deep``, which not all can walk."""
    try:
        plain = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if is_deep(plain):
        raise ValueError("it is nested too deeply")
    return plain


def read_rows(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """Read the lines that a training has logged so far, one JSON object with its ``step`` each; none without a file.

    Returns
    -------
    rows
        Those that can be read.
    bad
        The numbers of all other lines, from 1: what a kill has cut, or damage changed.
    """
    rows: list[dict[str, Any]] = []
    bad = []
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = plain_json(line) if line.strip() else None
        except ValueError:
            row = None
        if isinstance(row, dict) and type(row.get("step")) is int:
            rows.append(row)
        else:
            bad.append(number)
    return rows, bad


def parse_json(text: str | bytes, where: Path | str, *, error: type[SemantoksError] = DataError) -> Any:
    """Parse JSON; ``error``, with the reason, where it is none or nested too deeply (``plain_json``)."""
    try:
        return plain_json(text)
    except ValueError as cause:
        raise error(f"{where} cannot be read as JSON: {cause}.") from cause


def read_json(path: Path, *, error: type[SemantoksError] = DataError) -> dict[str, Any]:
    """Read a JSON object from a file in UTF-8.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    error
        If it cannot be read, or is no JSON object.
    """
    try:
        if regular_size(path) > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as cause:
        raise error(f"{path} cannot be read as JSON: {cause}.") from cause
    plain = parse_json(text, path, error=error)
    if not isinstance(plain, dict):
        raise error(f"{path} has to contain a JSON object, not {type(plain).__name__}.")
    return plain
