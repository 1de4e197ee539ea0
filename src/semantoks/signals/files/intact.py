"""Whether a file is here and whole."""

import os
from pathlib import Path

from semantoks.errors import DataError


def refuse_unfetched(path: Path) -> None:
    """Raise DataError for a link to a file that is not here, as DataLad leaves it."""
    if os.path.islink(path) and not os.path.exists(path):
        raise DataError(f"{path} is a link to a file that is not here (datalad get, git annex get).")
