"""The command as it was typed, for what a run records about itself; and help for defaults that show as nothing."""

import dataclasses
from contextvars import ContextVar
from typing import Annotated, Any, get_type_hints

from tyro.conf import arg

TYPED: ContextVar[str] = ContextVar("TYPED", default="")


def words_if_empty(words: str) -> Any:
    """Return the marker of an option whose help says ``words`` where its default is None or empty."""
    return arg(help_behavior_hint=lambda shown: f"(default: {words if shown in ('', 'None') else shown})")


def worded(kind: type, **words: str) -> Any:
    """Return a settings class like ``kind`` with ``words_if_empty`` for the named options."""
    hints, fields = get_type_hints(kind, include_extras=True), {f.name: f for f in dataclasses.fields(kind)}
    marked = [
        (name, Annotated[hints[name], words_if_empty(text)], dataclasses.field(default=fields[name].default))
        for name, text in words.items()
    ]
    return dataclasses.make_dataclass(kind.__name__, marked, bases=(kind,), frozen=True, kw_only=True)
