"""A family of sources as tests use it: opened at a path, read, and the reason why its first recording cannot be."""

import pytest

from semantoks.errors import DataError
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.sources.source import Request


def reader_of(family, atlas, tr=None):
    """The functions ``opened``, ``read`` and ``reason`` of what opens a family, with its usual atlas."""

    def opened(path, atlas=atlas, tr=tr, table=None, **reading):
        return family(Request(path=path, atlas=atlas, tr=tr, participants=table, reading=ReadingConfig(**reading)))

    def read(path, atlas=atlas, **options):
        source = opened(path, atlas, **options)
        return [source.read(item) for item in source.items()]

    def reason(path, **options):
        source = opened(path, **options)
        with pytest.raises(DataError) as caught:
            source.read(source.items()[0])
        return str(caught.value)

    return opened, read, reason


def only(path, pattern):
    (found,) = sorted(path.rglob(pattern))
    return found
