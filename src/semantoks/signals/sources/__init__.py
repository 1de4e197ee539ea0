"""Sources of recordings: one file a family of inputs, each read one recording at a time."""

from semantoks.signals.sources.recognise import find_participants, open_source, usual_atlas
from semantoks.signals.sources.source import Item, Source, notes_of, participant_of

__all__ = ["Item", "Source", "find_participants", "notes_of", "open_source", "participant_of", "usual_atlas"]
