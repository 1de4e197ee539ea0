"""A folder whose only recordings are in one HDF5 file is that file."""

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.cli.main import run
from semantoks.errors import DataError
from semantoks.signals.sources import open_source

ATLAS = get_atlas("schaefer100")


def write(path):
    with h5py.File(path, "w") as file:
        file["bold"] = np.random.default_rng(0).normal(size=(3, 100, 120)).astype(np.float32)
        file["participant_id"] = ["a", "b", "c"]


@pytest.mark.parametrize("name", ["all.h5", "ALL.HDF5"])
def test_a_folder_with_one_hdf5_file_is_read_as_the_file(tmp_path, name):
    write(tmp_path / name)
    pd.DataFrame({"participant_id": ["a", "b", "c"], "age": [1, 2, 3]}).to_csv(
        tmp_path / "participants.tsv", sep="\t", index=False
    )
    (tmp_path / "README.txt").write_text("made by hand\n")
    source = open_source(tmp_path, atlas=ATLAS, tr=2.0, participants=None)
    assert (source.kind, source.path, len(source.items())) == ("HDF5 array", tmp_path / name, 3)
    assert source.read(source.items()[1]).participant == "b"


def test_doctor_and_prepare_take_such_a_folder(tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw" / "all.h5")
    run(["doctor", str(tmp_path / "raw"), "--tr", "2", "--atlas", "schaefer100"])
    assert "kept       3 of the 3 looked into would be kept" in capsys.readouterr().out
    words = ["prepare", str(tmp_path / "raw"), "--tr", "2", "--atlas", "schaefer100", "--out", str(tmp_path / "cohort")]
    assert run(words) == 0


def test_several_hdf5_files_are_asked_about_and_arrays_go_before_them(tmp_path):
    write(tmp_path / "x.h5")
    write(tmp_path / "y.h5")
    with pytest.raises(DataError, match=r"has 2 HDF5 files, x\.h5 and others: give one of them"):
        open_source(tmp_path, atlas=ATLAS, tr=2.0, participants=None)
    assert len(open_source(tmp_path / "y.h5", atlas=ATLAS, tr=2.0, participants=None).items()) == 3
    np.save(tmp_path / "sub-01_timeseries.npy", np.zeros((50, 100), np.float32))
    assert open_source(tmp_path, atlas=ATLAS, tr=2.0, participants=None).kind == "folder of arrays"
