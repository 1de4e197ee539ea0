"""Files that were made, or damaged, to end a reader otherwise than by its answer: each is refused by its name."""

import struct

import h5py
import numpy as np
import pytest
import scipy.io
from damages import FAMILIES, FIVE, series

from semantoks.config import read_toml
from semantoks.errors import ConfigError, DataError
from semantoks.model.convert import _patch_of
from semantoks.signals.files.counters import only_counts
from semantoks.signals.files.series_file import read_array_file
from semantoks.signals.files.several import recordings_in
from semantoks.signals.files.text_table import read_text_table
from semantoks.signals.phenotypes import MOST_COLUMNS, read_participants
from semantoks.signals.sources.hdf5 import open_array_hdf5, open_reference_hdf5
from semantoks.signals.sources.listed import open_listed
from semantoks.signals.sources.source import Request


@pytest.mark.parametrize(
    ("content", "why"),
    [('1\t"' + "x" * 200_000 + '"\n1\t2\n', "field larger"), ('""\n""\n', "no numbers"), ("1\n" + "9" * 9999, "line")],
)
def test_a_table_of_endless_cells_or_of_none_is_refused_by_name(tmp_path, content, why):
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(DataError, match=rf"a\.tsv.*{why}"):
        read_text_table(tmp_path / "a.tsv")


def test_names_of_more_digits_than_python_reads_count_nothing():
    assert only_counts(["roi1", "roi2"])
    assert not only_counts(["9" * 5000, "1" + "9" * 5000])
    assert not only_counts(["1" * 100_000 + "x", "2" * 100_000 + "y1"])


def test_numbers_of_more_digits_than_a_float_has_are_text(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text(f"participant_id\tage\tscore\n1\t30\t{'9' * 5000}\n2\t<{'9' * 30}\t{'9' * 30}\n")
    table = read_participants(path)
    assert table["age"].tolist() == [30, 1e30]
    assert table["score"].tolist() == ["9" * 5000, "9" * 30]


def test_a_table_of_more_columns_than_anybody_needs_is_refused_at_once(tmp_path):
    for name, first, opened in (
        ("participants.tsv", "participant_id", read_participants),
        ("files.tsv", "path\tparticipant_id", lambda path: open_listed(Request(path=path, atlas=FIVE, tr=2.0))),
    ):
        header = "\t".join([first, *(f"c{i}" for i in range(3 * MOST_COLUMNS))])
        (tmp_path / name).write_text(f"{header}\n" + "\t".join(["1"] * len(header.split("\t"))) + "\n")
        with pytest.raises(DataError, match=f"{name}.* at most"):
            opened(tmp_path / name)


def test_a_mat_file_whose_head_lies_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "sub-1.mat"
    scipy.io.savemat(path, {"bold": series()})
    content = bytearray(path.read_bytes())
    content[128 + 8 + 16 + 4 : 128 + 8 + 16 + 8] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    assert recordings_in(path) == {}
    with pytest.raises(DataError, match=r"sub-1\.mat"):
        read_array_file(path)


@pytest.mark.parametrize("how", ["raw", "link", "virtual"])
def test_nothing_is_read_from_other_files_that_an_hdf5_file_names(tmp_path, how):
    secret, path = tmp_path / "secret.h5", tmp_path / "data.mat"
    with h5py.File(secret, "w") as file:
        file["bold"] = np.stack([series(1).T] * 2)
    layout = h5py.VirtualLayout((2, 5, 9), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "bold", (2, 5, 9))

    def put(group, name):
        if how == "raw":
            group.create_dataset(name, (2, 5, 9), "f4", external=[(str(secret), 0, 360)])
        elif how == "link":
            group[name] = h5py.ExternalLink(str(secret), "/bold")
        else:
            group.create_virtual_dataset(name, layout)

    with h5py.File(path, "w") as file:
        put(file, "bold")
        file["participant_id"] = ["01", "02"]
        put(file.create_group("timeseries"), "five")
        file["long_subject_id"] = ["01", "02"]
    request = Request(path=path, atlas=FIVE, tr=2.0)
    for read in (lambda: open_array_hdf5(request), lambda: open_reference_hdf5(request), lambda: read_array_file(path)):
        with pytest.raises(DataError, match=r"another file, which is not read") as caught:
            read()
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["a = " + "[" * 5000, "a.a" * 3000 + " = 1", "a" + " . a" * 300 + " = 1", "a = " + "9" * 5000, "#" * (2 << 20)],
)
def test_settings_that_would_take_all_memory_or_python_down_are_refused_by_name(tmp_path, content):
    for name, read in (("a.toml", read_toml), ("a.yaml", _patch_of)):
        (tmp_path / name).write_text(content)
        if name == "a.toml" or len(content) > 1 << 20:
            with pytest.raises((ConfigError, RuntimeError), match=name):
                read(tmp_path / name)


def test_dates_that_are_none_are_refused_in_yaml(tmp_path):
    (tmp_path / "a.yaml").write_text("begun: 2020-99-99\n")
    with pytest.raises(RuntimeError, match=r"a\.yaml cannot be read as YAML: month"):
        _patch_of(tmp_path / "a.yaml")


def test_a_number_that_float32_cannot_hold_is_refused_without_a_warning(tmp_path):
    family = FAMILIES["pcp"]
    family.write(tmp_path)
    (path,) = tmp_path.glob("*.1D")
    path.write_text(path.read_text().replace("\n", "\n1e300\t1\t2\t3\t4\n", 1))
    source = family.opened(tmp_path)
    assert np.isinf(source.read(source.items()[0]).series[0, 0])
