"""UK Biobank's archives: read as they are, refused where they lead out of themselves or burst."""

import gzip
import shutil
import zipfile

import numpy as np
import pytest
from tiny_ukb import ATLAS, CORTEX, SCHAEFER_FILE, made, opened, read

from semantoks.errors import DataError
from semantoks.signals.sources import ukb
from semantoks.simulation.ukb import write_ukb

pytestmark = pytest.mark.slow


def test_archives_of_other_fields_are_not_looked_into(tmp_path):
    write_ukb([made()], tmp_path, ATLAS, zipped=True)
    (tmp_path / "1000012_20227_2_0.zip").write_bytes(b"no archive")
    assert opened(tmp_path).notes()[-1] == "archives of other fields not looked into: 20227 (1)"
    assert len(read(tmp_path)) == 1


def zip_of(path, entries):
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("name", ["../fMRI.x.csv.gz", "/etc/fMRI.x.csv.gz", "a\\..\\..\\b", "C:\\fMRI.x.csv", "a/../b"])
def test_an_archive_with_a_name_that_leads_out_of_it_is_refused_whole(tmp_path, name):
    write_ukb([made()], tmp_path / "bulk", ATLAS)
    content = next(tmp_path.rglob(SCHAEFER_FILE)).read_bytes()
    zip_of(tmp_path / "zips" / "1000012_31018_2_0.zip", {SCHAEFER_FILE: content, name: b"x"})
    with pytest.raises(DataError, match=r"1000012_31018_2_0\.zip: its entry .* leads out of the archive"):
        read(tmp_path / "zips")


def test_a_link_in_an_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo(SCHAEFER_FILE)
    link.external_attr = 0o120777 << 16
    zip_of(tmp_path / "1000012_31018_2_0.zip", {link: b"/etc/passwd"})
    with pytest.raises(DataError, match="leads out of the archive"):
        read(tmp_path)


def test_archives_are_read_without_a_trace_on_disk_and_in_folders_of_their_own(tmp_path):
    write_ukb([made()], tmp_path / "bulk", ATLAS)
    for folder in list((tmp_path / "bulk").iterdir()):
        entries = {f"fMRI/{path.name}": path.read_bytes() for path in folder.iterdir()}
        zip_of(tmp_path / "zips" / f"{folder.name}.zip", entries | {"README.txt": b"hello"})
    before = sorted(tmp_path.rglob("*"))
    np.testing.assert_array_equal(read(tmp_path / "zips")[0].series, made().series)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_unpacked_goes_before_its_archive_and_the_rest_comes_from_it(tmp_path):
    write_ukb([made()], tmp_path, ATLAS, zipped=True)
    cortex = made(seed=4, atlas=CORTEX)
    write_ukb([cortex], tmp_path, CORTEX)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series[:, :100], cortex.series)
    np.testing.assert_array_equal(found.series[:, 100:], made().series[:, 100:])


def test_a_file_that_is_there_twice_is_asked_about(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    shutil.copytree(tmp_path / "1000012_31018_2_0", tmp_path / "copy" / "1000012_31018_2_0")
    with pytest.raises(DataError, match=r"fMRI\.Schaefer7n100p is there twice.*Keep one"):
        read(tmp_path)


def test_an_archive_without_time_series_says_so(tmp_path):
    zip_of(tmp_path / "1000012_31021_2_0.zip", {"connectome.csv.gz": b"x"})
    with pytest.raises(DataError, match="it has no time series"):
        read(tmp_path)


def test_a_file_that_unpacks_to_more_than_any_table_is_refused(tmp_path, monkeypatch):
    write_ukb([made()], tmp_path, ATLAS)
    monkeypatch.setattr(ukb, "LARGEST", 2**20)
    bomb = gzip.compress(b"0" * 2**22)
    next(tmp_path.rglob(SCHAEFER_FILE)).write_bytes(bomb)
    with pytest.raises(DataError, match="is larger than 1 MiB when unpacked"):
        read(tmp_path)
