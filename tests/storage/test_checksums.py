"""Files that carry their checksums: every flipped bit is found, and equal content makes equal files."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from semantoks.errors import DataError, WeightsError
from semantoks.storage.checksums import (
    SUMS,
    check_sum,
    read_sums,
    read_tensors,
    seal_tensors,
    sealed,
    sha256,
    stated_sum,
    unsealed,
    write_sums,
)

PLAIN = {"tr": 2.0, "band": [0.01, 0.1], "salt": "ab", "none": None}
TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(3, dtype=torch.float16)}


def write_sealed(path, metadata=None):
    path.write_bytes(b"".join(seal_tensors(save(TENSORS, metadata=metadata))))
    return path


def test_a_json_object_with_its_checksum_reads_back_however_it_is_laid_out(tmp_path):
    text = json.dumps(sealed(PLAIN), indent=7, sort_keys=True)
    assert unsealed(json.loads(text), tmp_path) == PLAIN
    assert unsealed(PLAIN, tmp_path) == PLAIN


def test_every_flipped_bit_of_a_sealed_json_file_is_noticed_or_changes_nothing(tmp_path):
    text = json.dumps(sealed(PLAIN)).encode()
    for place in range(8 * len(text)):
        flipped = bytearray(text)
        flipped[place // 8] ^= 1 << place % 8
        try:
            found = unsealed(json.loads(flipped), tmp_path)
        except (DataError, ValueError):
            continue
        assert {key: found.get(key) for key in PLAIN} == PLAIN


def test_a_changed_json_object_is_refused_and_taking_the_checksum_out_admits_the_change(tmp_path):
    changed = sealed(PLAIN) | {"tr": 3.0}
    with pytest.raises(WeightsError, match='take its entry "sha256" out'):
        unsealed(changed, tmp_path, error=WeightsError)
    del changed["sha256"]
    assert unsealed(changed, tmp_path)["tr"] == 3.0


def test_a_sealed_file_of_tensors_is_a_safetensors_file_and_the_same_bytes_each_time(tmp_path):
    several = [write_sealed(tmp_path / str(i), {f"key{j}": "x" for j in range(9)}).read_bytes() for i in range(5)]
    assert len(set(several)) == 1
    loaded = load_file(tmp_path / "0")
    assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS)
    content, metadata = read_tensors(tmp_path / "0", error=WeightsError, remedy="")
    assert content == several[0]
    assert metadata["key3"] == "x"
    assert metadata["sha256"] == stated_sum(tmp_path / "0")


def test_a_flipped_bit_of_every_byte_of_a_file_of_tensors_is_noticed(tmp_path):
    path = write_sealed(tmp_path / "t", {"step": "7"})
    whole, stated = path.read_bytes(), stated_sum(path)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            _, metadata = read_tensors(path, error=WeightsError, remedy="")
        except WeightsError:
            continue
        # What is left are bits of the checksum's own name, and of blanks: the card's copy of the checksum finds these.
        padding = whole.index(b" ") if b" " in whole[: 8 + whole[0]] else len(whole)
        assert metadata.get("sha256") != stated or place >= padding, place


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x03\0\0\0\0\0\0\0{}x"])
def test_what_is_no_file_of_tensors_is_refused_by_name(tmp_path, content):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"t\.safetensors cannot be read as safetensors: .*Get it again\."):
        read_tensors(path, error=WeightsError, remedy="Get it again.")
    assert stated_sum(path) == ""


def test_deep_json_in_the_header_of_tensors_is_refused(tmp_path):
    deep = b"[" * 100_000
    (tmp_path / "t").write_bytes(np.uint64(len(deep)).tobytes() + deep)
    with pytest.raises(WeightsError, match="nested too deeply"):
        read_tensors(tmp_path / "t", error=WeightsError, remedy="")


def test_a_list_of_checksums_finds_a_changed_file_and_its_remedies_work(tmp_path):
    (tmp_path / "a b.tsv").write_bytes(b"1")
    write_sums(tmp_path, {"a b.tsv": sha256(b"1"), "other": "0" * 64})
    assert (tmp_path / SUMS).read_text().splitlines()[0] == f"{sha256(b'1')}  a b.tsv"
    check_sum(tmp_path / "a b.tsv", read_sums(tmp_path), "a b.tsv", "Restore it.")
    (tmp_path / "a b.tsv").write_bytes(b"2")
    with pytest.raises(DataError, match=r"a b.tsv does not match its checksum in SHA256SUMS.*Restore it\. .*its line"):
        check_sum(tmp_path / "a b.tsv", read_sums(tmp_path), "a b.tsv", "Restore it.")
    write_sums(tmp_path, {"other": "0" * 64})
    check_sum(tmp_path / "a b.tsv", read_sums(tmp_path), "a b.tsv", "Restore it.")


def test_a_damaged_list_of_checksums_says_so(tmp_path):
    (tmp_path / SUMS).write_text("abc  file\n")
    with pytest.raises(DataError, match="no list of checksums"):
        read_sums(tmp_path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "C:\\secret", "..\\secret", "\\secret"])
def test_a_list_of_checksums_that_names_a_file_outside_its_folder_is_refused(tmp_path, name):
    write_sums(tmp_path, {"inside.tsv": sha256(b"1"), name: sha256(b"2")})
    with pytest.raises(DataError, match=r"SHA256SUMS names 1 file outside its folder"):
        read_sums(tmp_path)
    (tmp_path / SUMS).unlink()
    assert read_sums(tmp_path) == {}


def test_names_with_dots_and_of_folders_inside_are_no_names_outside(tmp_path):
    sums = {"a..b.tsv": sha256(b"1"), "shards/000001.npy": sha256(b"2")}
    write_sums(tmp_path, sums)
    assert read_sums(tmp_path) == sums
