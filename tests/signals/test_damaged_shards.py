"""A shard whose header is damaged, or that shrinks while it is read, is a sentence with its name."""

import shutil

import numpy as np
import pytest
from scripted import TOY, scripted

from semantoks.errors import DataError
from semantoks.signals.cohort import Cohort
from semantoks.signals.part import InAtlas
from semantoks.signals.prepare import prepare


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort") / "cohort"
    prepare(scripted(3), out=out, atlas=TOY)
    return out


@pytest.fixture
def cohort_folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "cohort")


HEADERS = {
    "none": b"",
    "a zip": b"PK\x03\x04" + bytes(60),
    "an open bracket": b"{'descr': '<f2', 'fortran_order': False, 'shape': (40, 6",
    "a bracket too many": b"{'descr': '<f2', 'fortran_order': False, 'shape': (40, 6), }}",
    "an open quote": b"{'descr': '<f2, 'fortran_order': False, 'shape': (40, 6), }",
    "58 TiB": b"{'descr': '<f2', 'fortran_order': False, 'shape': (5315022388, 6000), }",
    "beyond all numbers": b"{'descr': '<f2', 'fortran_order': False, 'shape': (" + b"9" * 60 + b", 6), }",
    "negative": b"{'descr': '<f2', 'fortran_order': False, 'shape': (-1, 6), }",
    "a pickle": b"{'descr': '|O', 'fortran_order': False, 'shape': (40, 6), }",
    "deep": b"(" * 4000,
    "words": b"{'descr': [('a', '<f2')] * 3, 'fortran_order': __import__('os'), 'shape': 3}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("name", ["000001.npy", "000001.moments.npy", "000001.full.npy"])
def test_a_shard_with_a_damaged_header_is_refused_by_name(cohort_folder, header, name):
    file = cohort_folder / "shards" / name
    whole = file.read_bytes()
    packed = b"\x93NUMPY\x01\x00" + len(header + b"\n").to_bytes(2, "little") + header + b"\n"
    file.write_bytes((header if header[:2] == b"PK" else packed if header else b"") + whole[128:])

    def look():
        cohort = Cohort(cohort_folder, verify=False)
        return (cohort.in_band("full") if "full" in name else cohort).shards, cohort.moments

    with pytest.raises(DataError, match=rf"{name} (cannot be opened|holds).*Prepare the cohort again") as caught:
        look()
    assert len(str(caught.value)) < 400 + len(str(cohort_folder))
    assert "pickle" not in str(caught.value)


def test_a_shard_that_shrinks_while_it_is_read_is_refused_and_does_not_end_the_process(cohort_folder):
    cohort = Cohort(cohort_folder)
    columns = InAtlas(cohort, TOY).shards[0]
    assert np.isfinite(cohort.series(0)).all()
    file = cohort_folder / "shards" / "000001.npy"
    whole = file.read_bytes()
    for contents in (whole[:200], None):
        file.write_bytes(contents) if contents else file.unlink()
        for read in (lambda: cohort.series(0), lambda: columns[0:5]):
            with pytest.raises(DataError, match=r"000001\.npy became shorter while it was read, or is gone"):
                read()
    file.write_bytes(whole)
    assert np.isfinite(cohort.series(0)).all()
