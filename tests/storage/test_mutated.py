"""Small files of text, JSON and arrays with bytes changed, cut out, repeated or put in are read, or refused by name.

``SEMANTOKS_FUZZ=10000`` tries so many of each, other ones each time, and prints the slowest.
"""

import gzip
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.io import savemat

from semantoks.atlas.table import read_columns
from semantoks.errors import SemantoksError
from semantoks.model.card import CARD, EncoderCard, read_card, write_card
from semantoks.model.convert import _patch_of, convert_checkpoint
from semantoks.model.encoder import EncoderConfig
from semantoks.signals.files.motion import read_fd
from semantoks.signals.files.series_file import read_array_file
from semantoks.signals.files.text_table import read_labelled, read_text_table
from semantoks.signals.layout import load_array
from semantoks.signals.participants_json import read_column_words
from semantoks.signals.phenotypes import read_participants
from semantoks.statistics.tables import PREDICTION_KEYS, PREDICTION_VALUES, read_predictions, read_scores
from semantoks.storage.checksums import read_sums, read_tensors, seal_tensors, sealed, unsealed
from semantoks.storage.tables import read_table
from semantoks.storage.text import read_json
from semantoks.studies.ablate import load_grid
from semantoks.train.recipe import load_recipe
from tiny_people import ATLAS

pytestmark = pytest.mark.slow

MANY = int(os.environ.get("SEMANTOKS_FUZZ", "0"))
TABLE = "a\tb\tc\n" + "".join(f"{row}.5\t-{row}e-3\tn/a\n" for row in range(6))
PEOPLE = "participant_id\tage\tsex\nsub-01\t23\tF\nsub-02\t<89\tM\nsub-03\tn/a\tF\n"
OBJECT = '{"a": [1, 2.5, {"b": null}], "c": "x", "sha256": null}'
TENSORS = b"\x40" + bytes(7) + b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(64) + bytes(8)
WORDS = '{"sex": {"Levels": {"1": "F", "2": "M"}, "LongName": "sex"}, "age": {"Units": "years"}}'
ROIS = "label\tnetwork\themisphere\tx\ty\tz\n" + "".join(f"r{i}\tn{i % 2}\tL\t{i}.5\t-1\t2\n" for i in range(4))
MOTION = "framewise_displacement\ttrans_x\nn/a\t0\n0.1\t0.2\n0.25\t0.1\n"
SCORES = "analysis,condition,target,kind,method,split,n_train,n_test,r\n"
SCORES += "main,,age,value,fc,0,20,10,0.5\nmain,,age,value,encoder,0,20,10,0.4\n"
RECIPE = 'batch_size = 8\nsteps = 3\n[encoder]\nwidth = 16\ndepth = 1\n[views]\npolicy = "across"\n'
GRID = 'recipe = "smoke"\n[[condition]]\nname = "no masks"\nset.objective.token_weight = 0.0\n'
TELLING = [b"\t", b"\n", b'"', b",", b"\0", b"\xff", b"{", b"[", b"1e999", b"-", b"9" * 30, b"\r"]
TELLING += [b"\xef\xbb\xbf", b"\x1f\x8b"]  # a mark of UTF-8, the start of gzip


def array(path):
    return np.array(load_array(path, "the array"))


def card():
    size = EncoderConfig(width=16, depth=1)
    about = EncoderCard(encoder=size, atlas=ATLAS, tr=2.0, band=None, seed=0, salt="salt", participants=("ab",))
    with tempfile.TemporaryDirectory() as folder:
        write_card(Path(folder), about)
        return (Path(folder) / CARD).read_bytes()


def checkpoint():
    held = io.BytesIO()
    torch.save({"teacher": {"a.weight": torch.zeros(2, 3)}, "epoch": 3}, held)
    return held.getvalue()


def arrays(write):
    held = io.BytesIO()
    write(held, np.arange(12, dtype=np.float32).reshape(4, 3))
    return held.getvalue()


def predictions(key=b"numpy_type"):
    columns = (*PREDICTION_KEYS, *PREDICTION_VALUES)
    table, held = pa.Table.from_pandas(pd.DataFrame({name: [0.5, 1.5] for name in columns})), io.BytesIO()
    about = {name: value.replace(b"numpy_type", key) for name, value in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(about), held)
    return held.getvalue()


def hdf5(held, array):
    with h5py.File(held, "w") as file:
        file["bold"] = array


FORMATS = {
    "table": ("a.tsv", TABLE.encode(), read_text_table),
    "labelled": ("a.tsv", TABLE.encode(), read_labelled),
    "own table": ("a.tsv", TABLE.encode(), read_table),
    "participants": ("a.tsv", PEOPLE.encode(), read_participants),
    "words of columns": ("a.json", WORDS.encode(), read_column_words),
    "atlas": ("a.tsv", ROIS.encode(), read_columns),
    "motion": ("a.tsv", MOTION.encode(), lambda path: read_fd(path, filtered=False)),
    "scores": ("scores.csv", SCORES.encode(), read_scores),
    "predictions": ("a.parquet", predictions(), read_predictions),
    "checksums": ("SHA256SUMS", f"{'ab' * 32}  a.tsv\n".encode() * 2, lambda path: read_sums(path.parent)),
    "json": ("a.json", json.dumps(sealed(json.loads(OBJECT))).encode(), lambda path: unsealed(read_json(path), path)),
    "card": (CARD, card(), lambda path: read_card(path.parent)),
    "recipe": ("a.toml", RECIPE.encode(), load_recipe),
    "grid": ("a.toml", GRID.encode(), load_grid),
    "yaml": ("a.yaml", b"model:\n  patch_size: 20\n  views: &a [1, 2]\n  other: *a\n", _patch_of),
    "released": ("a.pth", checkpoint(), lambda path: convert_checkpoint(path, path.parent / "out")),
    "safetensors": (
        "a.safetensors",
        b"".join(seal_tensors(TENSORS)),
        lambda path: read_tensors(path, error=SemantoksError, remedy="Get it again."),
    ),
    "shard": ("a.npy", arrays(lambda held, array: np.save(held, array.astype("<f2"))), array),
    "npy": ("a.npy", arrays(np.save), read_array_file),
    "npz": ("a.npz", arrays(lambda held, array: np.savez_compressed(held, bold=array)), read_array_file),
    "mat": ("a.mat", arrays(lambda held, array: savemat(held, {"bold": array})), read_array_file),
    "hdf5": ("a.h5", arrays(hdf5), read_array_file),
    "gzip": ("a.tsv.gz", gzip.compress(TABLE.encode(), mtime=0), read_text_table),
}


FOUND = {
    "scores, a split beyond 64 bits": ("scores", SCORES.replace("fc,0", f"fc,{'9' * 30}").encode()),
    "scores, endless": ("scores", SCORES.replace("20", "1e999").encode()),
    "predictions, a key of pandas": ("predictions", predictions(key=b"numpy_typf")),
}
"""What was once neither read nor refused."""


@pytest.mark.parametrize("case", FOUND)
def test_what_was_once_neither_read_nor_refused_is_refused_by_name(tmp_path, case):
    name, content = FOUND[case]
    called, _, reader = FORMATS[name]
    (tmp_path / called).write_bytes(content)
    with pytest.raises(SemantoksError, match=called):
        reader(tmp_path / called)


def mutated(whole, chance):
    content = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(content) + 1)
        kind = chance.randrange(5)
        if kind == 0 and place < len(content):
            content[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[place : place + chance.randint(1, 20)] = b""
        elif kind == 2:
            content[place:place] = chance.choice(TELLING) * chance.randint(1, 3)
        elif kind == 3:
            content[place:place] = content[max(0, place - 20) : place]
        else:
            del content[place:]
    return bytes(content)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_a_mutated_file_is_read_or_refused_by_name(tmp_path, name):
    called, whole, reader = FORMATS[name]
    file = tmp_path / called
    file.write_bytes(whole)
    if name != "released":  # of no network that was released
        reader(file)
    refused, slowest = 0, 0.0
    for seed in range(MANY or 60):
        chance = random.Random(f"{name} {seed}" if not MANY else None)
        file.write_bytes(content := mutated(whole, chance))
        begin, unnamed = time.process_time(), ""
        try:
            reader(file)
        except SemantoksError as error:
            refused += 1
            unnamed = "" if file.name in str(error) else str(error)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} of {content!r}") from error
        assert not unnamed, content
        slowest = max(slowest, time.process_time() - begin)
    assert slowest < 5
    if MANY:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(
            f"{name}: {MANY} tried, {refused} refused, the slowest took {slowest:.2f} s; {peak:.0f} MiB at the most\n"
        )
