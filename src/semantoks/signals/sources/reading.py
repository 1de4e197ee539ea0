"""The configuration of reading, where it used to be."""

from semantoks.signals.reading import EVERYTHING, ReadingConfig

__all__ = ["EVERYTHING", "ReadingConfig"]
