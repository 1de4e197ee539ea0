"""Whether a file is here and can be read: links to nothing, damaged files, text that was cut off."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semantoks.errors import DataError


def refuse_unfetched(path: Path) -> None:
    """Raise DataError for a link to a file that is not here, as DataLad leaves it, and for a file of no bytes."""
    if os.path.islink(path) and not os.path.exists(path):
        raise DataError(f"{path} is a link to a file that is not here (datalad get, git annex get).")
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        raise DataError(f"{path} is empty: copy or make it again.")


@contextmanager
def readable(
    complaint: str, *, remedy: str = "", faults: tuple[type[BaseException], ...] = (Exception,)
) -> Iterator[None]:
    """Blame the file for whatever a reader of its format raises: DataError of the complaint, with the reason.

    What nibabel logs of headers that it mends (``pixdim``), once per file and more, is not shown.
    """
    nibabel = logging.getLogger("nibabel.global")
    level = nibabel.level
    nibabel.setLevel(logging.CRITICAL)
    try:
        yield
    except (DataError, MemoryError):  # whoever sets the limit of memory says what it was
        raise
    except faults as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{complaint} ({type(error).__name__}: {reason}){remedy and f'. {remedy}'}") from error
    finally:
        nibabel.setLevel(level)


def check_line_ends(content: bytes, path: Path | str) -> None:
    """Raise DataError for a table without a line break at its end, whose last number may have lost digits, or with
    carriage returns among its line feeds, which make pandas move cells.
    """
    if not content.endswith((b"\n", b"\r")):
        raise DataError(
            f"{path} does not end with a line break, so its last line may be cut off. Copy it again; or, if it is "
            "complete, add one."
        )
    if content.count(b"\n") > 0 and content.count(b"\r") > content.count(b"\r\n"):
        raise DataError(f"{path} mixes carriage returns and line feeds as ends of lines: save it with one of them.")
