"""BIDS' tables of sessions (``sub-01/sub-01_sessions.tsv``), joined to the participants table."""

from pathlib import Path

import pandas as pd

from semantoks.signals.phenotypes import NOTES, UNKNOWN, tidy_participants
from semantoks.signals.typed_columns import MISSING
from semantoks.storage.tables import read_table

PATTERN = "sub-*/sub-*_sessions.tsv"
FROM_PERSON = "\0"
"""Marks the columns of the participants table that sessions have, too."""


def with_sessions(people: pd.DataFrame | None, folder: Path) -> pd.DataFrame | None:
    """Give a participants table one row per session where the folder has tables of sessions.

    A value of the session goes before one of the person. Without tables of sessions, ``people`` comes back.

    Raises
    ------
    DataError
        If a table of sessions cannot be read, or lacks ``session_id``.
    """
    files = sorted(folder.glob(PATTERN)) if folder.is_dir() else []
    if not files:
        return people
    tables = [read_table(file, ["session_id"], what="a table of sessions") for file in files]
    rows = pd.concat([one.assign(participant_id=file.parent.name) for file, one in zip(files, tables, strict=True)])
    rows = rows.mask(rows.isin(MISSING)).reset_index(drop=True)
    sessions = tidy_participants(rows, where=str(folder / PATTERN))
    note = f"sessions of {len(files)} {'person' if len(files) == 1 else 'people'} from {PATTERN}"
    if people is None:
        sessions.attrs[NOTES] = [*sessions.attrs[NOTES], note]
        return sessions
    key = ["participant_id", *(["session_id"] if "session_id" in people else [])]
    joined = sessions.merge(people, on=key, how="outer", suffixes=("", FROM_PERSON))
    for name in [str(name) for name in joined.columns if str(name).endswith(FROM_PERSON)]:
        both = joined.pop(name)
        joined[name.removesuffix(FROM_PERSON)] = joined[name.removesuffix(FROM_PERSON)].combine_first(both)
    joined["session_id"] = joined["session_id"].fillna("")
    joined.attrs = {
        NOTES: [*people.attrs.get(NOTES, ()), *sessions.attrs[NOTES], note],
        UNKNOWN: {**people.attrs.get(UNKNOWN, {}), **sessions.attrs[UNKNOWN]},
    }
    return joined
