"""A count with its words, for people: 1 recording was, 1,200 recordings were."""

from operator import index
from typing import SupportsIndex

MANY = {"person": "people"}


def plural(count: SupportsIndex, one: str, many: str = "") -> str:
    """Write a count with its words: ``1 recording``, ``1,200 recordings``; ``many`` where an s is not enough."""
    number = index(count)
    return f"{number:,} {one if number == 1 else many or MANY.get(one, f'{one}s')}"
