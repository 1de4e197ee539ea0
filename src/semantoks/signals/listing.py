"""What a source lists before any signal is read: its recordings, its people, and whom its table does not match."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from semantoks.errors import DataError
from semantoks.signals.phenotypes import NOTES
from semantoks.signals.sources import Item, Source, notes_of, participant_of


def introduce(source: Source, items: Sequence[Item]) -> list[str]:
    """Give the kind of a source with its counts, then its own notes, then how its participants table fits, a line each.

    Parameters
    ----------
    items
        The recordings that are listed: ``source.items()``.
    """
    people = [participant_of(item) for item in items]
    table = source.participants()
    lines = [f"{source.kind}: {len(items)} recordings of {len(set(people))} people", *notes_of(source)]
    if table is None:
        return [*lines, "no participants table: nothing is known of them but their recordings"]
    return [*lines, *table.attrs.get(NOTES, ()), *unmatched_ids(people, table["participant_id"])]


def work_list(source: Source) -> list[Item]:
    """List the recordings in the order in which they are stored.

    Raises
    ------
    DataError
        When there are none, or two have the same key.
    """
    items = sorted(source.items(), key=lambda item: (str(item.path), item.row or 0, item.key))
    if not items:
        raise DataError(f"{source.path} holds no recordings of the kind {source.kind!r}.")
    twice = [key for key, count in Counter(item.key for item in items).items() if count > 1]
    if twice:
        raise DataError(f"{source.path} lists the recording {twice[0]!r} more than once; every one needs its own name.")
    return items


def people_of(source: Source, items: Sequence[Item]) -> pd.DataFrame:
    """Take the source's participants table, or list the participants where no table says more about them."""
    table = source.participants()
    if table is not None:
        return table
    ids = sorted({participant_of(item) for item in items} - {""})
    return pd.DataFrame({"participant_id": ids})


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
