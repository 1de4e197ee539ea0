"""Small Arrow files as the Brainmarks suite has them."""

import numpy as np
import pyarrow as pa
import pytest

from semantoks.atlas.catalog import brainmarks_spaces, get_atlas
from semantoks.errors import DataError
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.sources.arrow import open_arrow
from semantoks.signals.sources.source import Request

ATLAS = get_atlas("schaefer400+tian-s3+buckner7")
SPACES = brainmarks_spaces()
F32 = pa.list_(pa.list_(pa.float32()))


def raw(space="schaefer400", frames=30, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, len(SPACES[space]))).cumsum(axis=0) * 20 + 1000


def row(sub="01", series=None, tr=0.8, **more):
    """A row as the suite has it, of a series [frame, D]."""
    series = raw() if series is None else series
    mean, std = series.mean(axis=0, keepdims=True), series.std(axis=0, keepdims=True)
    parts = {"bold": (series - mean) / std, "mean": mean, "std": std}
    return {"sub": sub, "tr": tr, **{name: part.tolist() for name, part in parts.items()}, **more}


def write(path, rows, *, batch=1000, file_format=False, **types):
    """Write rows as an Arrow file, ``batch`` rows a batch; types of columns that are not to be inferred."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {"bold": F32, "mean": F32, "std": F32, **types}
    columns = {name: pa.array([one.get(name) for one in rows], type=kinds.get(name)) for name in rows[0]}
    table = pa.table(columns)
    opened = pa.ipc.new_file if file_format else pa.ipc.new_stream
    with opened(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=batch)
    return path


def opened(path, atlas=ATLAS, *, tr=None, table=None, **reading):
    return open_arrow(Request(path=path, atlas=atlas, tr=tr, participants=table, reading=ReadingConfig(**reading)))


def read(source):
    return [source.read(item) for item in source.items()]


def reason(tmp_path, rows, atlas=ATLAS, **types):
    """Why the first row cannot be read."""
    write(tmp_path / "x" / "data.arrow", rows, **types)
    source = opened(tmp_path / "x", atlas)
    with pytest.raises(DataError) as caught:
        source.read(source.items()[0])
    return str(caught.value)
