"""Sources of recordings: one file a family of inputs, each read one recording at a time."""

from semantoks.signals.sources.recognise import find_participants, open_source
from semantoks.signals.sources.source import Item, Source

__all__ = ["Item", "Source", "find_participants", "open_source"]
