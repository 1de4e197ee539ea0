"""Why recordings cannot be used, in few words: reasons that differ only in names and numbers count as one."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

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


def names_of(item: Item) -> tuple[str, ...]:
    """List what messages may call a recording."""
    return item.key, str(item.path), item.path.name, item.participant, item.session, item.run


def _kind(names: Sequence[str], reason: str) -> str:
    """Take names and numbers out of a reason."""
    for name in sorted(filter(None, set(names)), key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "#", reason)
    return NUMBER.sub("#", " ".join(reason.split()))
