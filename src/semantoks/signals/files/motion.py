"""Framewise displacement beside a run: the plain one, or the one without what respiration adds."""

from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.files.text_table import read_column, read_header

FD = "framewise_displacement"
FILTERED_FD = ("framewise_displacement_filtered", "filtered_framewise_displacement")
"""Of motion parameters that were filtered (notch or low-pass), as XCP-D and others call it."""


def read_fd(path: Path, *, filtered: bool) -> Float[ndarray, " frame"] | None:
    """Read the framewise displacement (mm) of each frame; None where the table has none.

    Raises
    ------
    DataError
        When it is not of numbers, or the filtered one is asked for and not there.
    """
    names = read_header(path)
    found = [name for name in FILTERED_FD if name in names] if filtered else [name for name in (FD,) if name in names]
    if filtered and not found:
        raise DataError(
            f"{path} has no column {' or '.join(FILTERED_FD)}: leave --filtered-fd out, or leave this run out."
        )
    return read_column(path, found[0]) if found else None


def fd_note(path: Path, *, filtered: bool) -> list[str]:
    """Say which framewise displacement is read where the table has both; empty where there is no choice."""
    names = set(read_header(path))
    if FD not in names or not names & set(FILTERED_FD):
        return []
    other = next(name for name in FILTERED_FD if name in names)
    if filtered:
        return [f"motion: {other} is read (--filtered-fd), not {FD}"]
    return [f"motion: {FD} is read; {other}, without respiration, is there too (--filtered-fd)"]
