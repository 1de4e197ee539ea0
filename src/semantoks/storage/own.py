"""What a job writes into a folder is not mixed with what somebody else keeps there."""

from collections.abc import Collection
from pathlib import Path

from semantoks.errors import ConfigError
from semantoks.storage.durable import TEMPORARY
from semantoks.storage.lock import LOCK


def need_own(out: Path, kind: str, *, marks: Collection[str], left: Collection[str] = ()) -> None:
    """Refuse an output folder that has something in it and is not of its kind.

    Parameters
    ----------
    out
        The folder; it need not be there.
    kind
        What it would be, in words: a run.
    marks
        Patterns of files that only such a folder has: with one of them it is of the kind, whatever else is in it.
    left
        Names that a job which was killed leaves before there is a mark; locks and what is half written always may be.

    Raises
    ------
    ConfigError
        With the first name that is in the way.
    """
    if not out.is_dir() or any(True for mark in marks for _ in out.glob(mark)):
        return
    names = sorted(entry.name for entry in out.iterdir() if entry.name not in left)
    if others := [name for name in names if not name.startswith(TEMPORARY) and not name.endswith(LOCK)]:
        raise ConfigError(f"--out {out} contains {others[0]} and is not {kind}: choose a new or an empty folder.")
