"""What a source says of itself before a signal is read: its recordings, its people, what is left out, who matches."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from semantoks.errors import DataError
from semantoks.signals.matching_ids import unmatched_ids
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
