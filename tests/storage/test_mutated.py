"""Small files of text, JSON and arrays with bytes changed, cut out, repeated or put in are read, or refused by name.

``SEMANTOKS_FUZZ=10000`` tries so many of each, other ones each time, and prints the slowest.
"""

import io
import os
import random
import sys
import time

import numpy as np
import pytest

from semantoks.errors import SemantoksError
from semantoks.signals.files.text_table import read_labelled, read_text_table
from semantoks.signals.layout import load_array
from semantoks.signals.phenotypes import read_participants
from semantoks.storage.checksums import read_tensors, seal_tensors, unsealed
from semantoks.storage.tables import read_table
from semantoks.storage.text import read_json

pytestmark = pytest.mark.slow

MANY = int(os.environ.get("SEMANTOKS_FUZZ", "0"))
TABLE = "a\tb\tc\n" + "".join(f"{row}.5\t-{row}e-3\tn/a\n" for row in range(6))
PEOPLE = "participant_id\tage\tsex\nsub-01\t23\tF\nsub-02\t<89\tM\nsub-03\tn/a\tF\n"
OBJECT = '{"a": [1, 2.5, {"b": null}], "c": "x", "sha256": "00"}'
TENSORS = b"\x40" + bytes(7) + b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(64) + bytes(8)
TELLING = [b"\t", b"\n", b'"', b",", b"\0", b"\xff", b"{", b"[", b"1e999", b"-", b"9" * 30, b"\r"]
TELLING += [b"\xef\xbb\xbf", b"\x1f\x8b"]  # a mark of UTF-8, the start of gzip


def array(path):
    return np.array(load_array(path, "the array"))


def npy():
    held = io.BytesIO()
    np.save(held, np.arange(12, dtype="<f2").reshape(4, 3))
    return held.getvalue()


FORMATS = {
    "table": (TABLE.encode(), read_text_table),
    "labelled": (TABLE.encode(), read_labelled),
    "own table": (TABLE.encode(), read_table),
    "participants": (PEOPLE.encode(), read_participants),
    "json": (OBJECT.encode(), lambda path: unsealed(read_json(path), path)),
    "safetensors": (
        b"".join(seal_tensors(TENSORS)),
        lambda path: read_tensors(path, error=SemantoksError, remedy="Get it again."),
    ),
    "shard": (npy(), array),
}


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
    whole, reader = FORMATS[name]
    file = tmp_path / "a.tsv"
    file.write_bytes(whole)
    refused, slowest = 0, 0.0
    for seed in range(MANY or 150):
        chance = random.Random(f"{name} {seed}" if not MANY else None)
        file.write_bytes(content := mutated(whole, chance))
        begin, unnamed = time.process_time(), ""
        try:
            reader(file)
        except SemantoksError as error:
            refused += 1
            unnamed = "" if str(file) in str(error) else str(error)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} of {content!r}") from error
        assert not unnamed, content
        slowest = max(slowest, time.process_time() - begin)
    assert slowest < 5
    if MANY:
        sys.stdout.write(f"{name}: {MANY} tried, {refused} refused, the slowest took {slowest:.2f} s\n")
