"""Which participants have recordings and no row in the table, or a row and no recordings, and why that may be."""

import re
from collections.abc import Iterable, Sequence

SHOWN = 3
"""Ids that a note names."""
PUNCTUATION, PREFIX = re.compile(r"[^0-9a-z]"), re.compile(r"^(sub)?0*")


def unmatched_ids(recorded: Iterable[str], listed: Iterable[str]) -> list[str]:
    """Compare the participants of recordings with those of a participants table.

    Parameters
    ----------
    recorded, listed
        Ids as the recordings, and as the table, have them; each may come several times.

    Returns
    -------
    A note on the ids that only the recordings have, one on those that only the table has, with counts and examples, and
    one on those that differ only by ``sub-``, leading zeros, case or punctuation and may be the same people; each only
    where there are any.
    """
    with_recording, in_table = set(recorded), set(listed)
    lost, idle = sorted(with_recording - in_table), sorted(in_table - with_recording)
    notes = []
    if lost:
        notes.append(
            f"{len(lost)} of {len(with_recording)} participants with recordings are not in the participants table "
            f"(for example {_some(lost)}): nothing is known of them but their recordings."
        )
    if idle:
        notes.append(
            f"{len(idle)} of {len(in_table)} participants of the table have no recording (for example {_some(idle)})."
        )
    alike = {_core(one): one for one in reversed(idle)}
    pairs = [f"{one} and the table's {alike[_core(one)]}" for one in lost if _core(one) in alike]
    if pairs:
        notes.append(
            f"{len(pairs)} of these ids differ only by sub-, leading zeros, case or punctuation (for example "
            f"{_some(pairs)}). If they are the same people, spell them in the table as the recordings do."
        )
    return notes


def _core(name: str) -> str:
    """Take off what is easily lost or added on the way: ``sub-``, leading zeros, case, punctuation."""
    return PREFIX.sub("", PUNCTUATION.sub("", name.lower())) or "0"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN])
