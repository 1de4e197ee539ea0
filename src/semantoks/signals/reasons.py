"""Why recordings cannot be used, in few words: reasons that differ only in names and numbers count as one."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from semantoks.counted import plural
from semantoks.signals.sources.source import Item

NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")
MOST = 3


def common_reasons(refused: Iterable[tuple[Sequence[str], str]]) -> list[str]:
    """Give the most common reasons, each with its count and, where they differ in a name or number, one as an example.

    Parameters
    ----------
    refused
        What the recording is called (its key, participant, file ...), and why it cannot be used.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for names, reason in refused:
        alike[_kind(names, reason)].append(reason)
    ranked = sorted(alike.values(), key=lambda reasons: -len(reasons))
    lines = [f"({len(found)} x{', for example' if len(set(found)) > 1 else ''}) {found[0]}" for found in ranked[:MOST]]
    left = sum(map(len, ranked[MOST:]))
    return [*lines, f"({left} x) other reasons"] if left else lines


def why_excluded(rows: Iterable[Mapping[Any, Any]]) -> list[str]:
    """Give the most common reasons of excluded recordings; of each its names and ``reason``, as in excluded.tsv."""
    names = ("recording_id", "source_file", "participant_id", "session_id", "run")
    return common_reasons(([str(row[name]) for name in names], row["reason"]) for row in rows)


def excluded_words(rows: Sequence[Mapping[Any, Any]], where: Path) -> str:
    """Say how many recordings were excluded, where they are listed, and the most common reasons, one a line."""
    lost = plural(len(rows), "recording was", "recordings were")
    return "\n".join([f"{lost} excluded: see {where}.", *why_excluded(rows)])


def names_of(item: Item) -> tuple[str, ...]:
    """List what messages may call a recording."""
    return item.key, str(item.path), item.path.name, item.participant, item.session, item.run


def _kind(names: Sequence[str], reason: str) -> str:
    """Take names and numbers out of a reason."""
    for name in sorted(filter(None, set(names)), key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "#", reason)
    return NUMBER.sub("#", " ".join(reason.split()))
