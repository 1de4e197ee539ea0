"""Text that is a bomb, too wide, too long, too deep or no file is one refusal by its name, at once."""

import gzip
import json
import os
import time
import zlib
from functools import partial

import pytest

from semantoks.errors import DataError, WeightsError
from semantoks.signals.files.text_table import read_labelled, read_text_table
from semantoks.signals.phenotypes import _distinct
from semantoks.storage import tables, text
from semantoks.storage.tables import decoded, read_table
from semantoks.storage.text import plain_json, read_json, read_text


def quick(function, *args):
    """Give the words of a refusal that takes less than 3 s of work."""
    begin = time.process_time()
    with pytest.raises(DataError) as caught:
        function(*args)
    assert time.process_time() - begin < 3
    return str(caught.value)


def packed(megabytes):
    """Compress zeros without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b"0\t" * 2**19) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("reader", [read_text_table, read_text, read_table])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_does(tmp_path, reader):
    bomb = tmp_path / "sub-1_timeseries.tsv.gz"
    bomb.write_bytes(packed(60))
    said = quick(reader, bomb)
    begin = f"{bomb} is no table: it has more than 16 MiB when unpacked, and 0.1 MiB as it is. "
    assert said == f"{begin}It is damaged or made to do harm."


def test_a_table_that_packs_well_is_read(tmp_path):
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"1\t1\n" * 20_000))
    assert read_text_table(tmp_path / "a.tsv.gz").values.shape == (20_000, 2)


def test_a_file_with_a_hole_of_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LARGEST", 1 << 20)
    monkeypatch.setattr(tables, "LARGEST", 1 << 20)
    with (tmp_path / "a.tsv").open("wb") as file:
        file.truncate(1 << 40)
    for reader in (read_text_table, read_table, read_json):
        assert "it has more than 1 MiB" in quick(reader, tmp_path / "a.tsv")
    assert "has more than 1 MiB" in quick(partial(decoded, what="a table of people"), tmp_path / "a.tsv")


@pytest.mark.parametrize("cell", ["", "a", "1"])
@pytest.mark.parametrize("reader", [read_text_table, read_labelled, read_table])
def test_a_line_of_200000_cells_is_refused_at_once(tmp_path, reader, cell):
    line = "\t".join([cell or ".", *[cell] * 200_000])
    (tmp_path / "a.tsv").write_text(f"{line}\n{line}\n")
    assert "it has 200,001 cells in its first line, and at most 20,000 are read" in quick(reader, tmp_path / "a.tsv")


def test_names_of_columns_are_told_apart_in_time_however_many_there_are():
    names = [f"f{number % 100_000}" for number in range(200_000)]
    begin = time.process_time()
    found = _distinct(names)
    assert time.process_time() - begin < 2
    assert found[:2] + found[100_000:100_002] == ["f0", "f1", "f0.1", "f1.1"]


def test_more_lines_than_any_recording_has_are_refused(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"1\n" * 1_000_001)
    assert "it has 1,000,001 lines, and at most 1,000,000 are read" in quick(read_text_table, tmp_path / "a.tsv")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tsv")
    assert quick(read_text_table, tmp_path / "a.tsv") == (
        f"{tmp_path / 'a.tsv'} cannot be read: it is no file, but a folder, a pipe or a device."
    )


@pytest.mark.parametrize("levels", [65, 900, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_of_many_levels_is_refused_whatever_they_are(tmp_path, levels, opening):
    deep = opening * levels + "1" + {"[": "]", '{"a":': "}"}[opening] * levels
    with pytest.raises(ValueError, match="it is nested too deeply"):
        plain_json(deep)
    (tmp_path / "a.json").write_text(f'{{"inner": {deep}}}')
    with pytest.raises(WeightsError, match=r"a\.json cannot be read as JSON: it is nested too deeply\."):
        read_json(tmp_path / "a.json", error=WeightsError)


def test_json_of_few_levels_is_read_as_it_is():
    plain = {"a": [1, {"b": [[], {}, None, "x"]}], "c": 1.5}
    assert plain_json(json.dumps(plain)) == plain
    assert plain_json("[" * 60 + "]" * 60)
