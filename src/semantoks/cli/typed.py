"""The command as it was typed, for what a run writes down about itself."""

from contextvars import ContextVar

TYPED: ContextVar[str] = ContextVar("TYPED", default="")
