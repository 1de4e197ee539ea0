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


def common_reasons(refused: Iterable[tuple[Sequence[str], str]], *, named: bool = False) -> list[str]:
    """Give the most common reasons, each with its count and, where they differ in a name or number, one as an example.

    Parameters
    ----------
    refused
        What the recording is called (its key, path, file name, participant ...), and why it cannot be used.
    named
        Give the key of the one whose reason is quoted, unless that has it, the path or the file name in it.
    """
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for names, reason in refused:
        called = names[0] if named and _nameless(names[:3], reason) == reason else ""
        kind = NUMBER.sub("#", " ".join(_nameless(names, reason).split()))
        alike[kind].append((called, reason))
    ranked = sorted(alike.values(), key=lambda found: -len(found))
    lines = [_line(found) for found in ranked[:MOST]]
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


def _line(found: Sequence[tuple[str, str]]) -> str:
    """Quote the first of some reasons that are alike; each comes with what it has to be called, if anything."""
    called, reason = found[0]
    one_of_many = len(found) > 1 and (called or len({reason for _, reason in found}) > 1)
    example = " ".join(filter(None, ["for example" if one_of_many else "", called]))
    return f"({len(found)} x{example and f', {example}'}) {reason}"


def _nameless(names: Sequence[str], reason: str) -> str:
    """Take names out of a reason; 1 is no name in 1.5."""
    for name in sorted(filter(None, set(names)), key=len, reverse=True):
        reason = re.sub(rf"(?<!\w)(?<!\d\.){re.escape(name)}(?!\w|\.\d)", "#", reason)
    return reason
