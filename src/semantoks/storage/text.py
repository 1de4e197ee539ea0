"""The text of a file, whatever wrote it: UTF-8 with or without a mark, UTF-16 of spreadsheets, compressed; JSON."""

import codecs
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from semantoks.errors import DataError, SemantoksError

GZIP = b"\x1f\x8b"
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path, *, start: int | None = None) -> str:
    """Read a file of text; of ``start`` bytes alone, if that is given.

    Raises
    ------
    DataError
        If the file is not there, damaged or no text.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            with gzip.open(raw) if compressed else raw as file:
                content = file.read() if start is None else file.read(start)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    return decoded(content, path, cut=start is not None)


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


def parse_json(text: str | bytes, where: Path | str, *, error: type[SemantoksError] = DataError) -> Any:
    """Parse JSON; ``error``, with the reason, where it is none or nested too deeply."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as cause:
        reason = "it is nested too deeply" if isinstance(cause, RecursionError) else str(cause)
        raise error(f"{where} cannot be read as JSON: {reason}.") from cause


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
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as cause:
        raise error(f"{path} cannot be read as JSON: {cause}.") from cause
    plain = parse_json(text, path, error=error)
    if not isinstance(plain, dict):
        raise error(f"{path} has to contain a JSON object, not {type(plain).__name__}.")
    return plain
