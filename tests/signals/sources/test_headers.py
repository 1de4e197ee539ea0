"""Repetition times of headers that are off by exactly 1000, as fMRIPrep before 21.0.2 wrote them."""

import nibabel as nib
import numpy as np
import pytest
from families import only
from tiny_cifti import KEYS, NAMES, places, write_dlabel, write_dtseries
from tiny_fmriprep import FRAMES, labels_of, made, opened, read, reasons, write_fmriprep, write_labels

from semantoks.cli.main import run
from semantoks.errors import DataError
from semantoks.signals.files.stated import StatedTR, over_headers


def dense(root, step):
    """A run in grayordinates of 2 s, whose header says ``step`` seconds."""
    values = np.random.default_rng(1).normal(size=(FRAMES, len(KEYS))) + 1000
    write_fmriprep(root, [made()])
    volume = only(root, "*preproc_bold.nii.gz")
    stem = volume.name.partition("_space-")[0] + "_space-fsLR_den-91k_bold"
    sidecar = volume.with_name(volume.name.replace(".nii.gz", ".json"))
    sidecar.rename(volume.with_name(f"{stem}.json"))
    volume.unlink()
    write_dtseries(volume.with_name(f"{stem}.dtseries.nii"), values, step, places())
    return write_dlabel(root.parent / "five.dlabel.nii", KEYS, NAMES, places())


@pytest.mark.parametrize(("step", "much"), [(2000.0, "1000 times as much"), (0.002, "a thousandth of it")])
def test_a_dense_header_that_is_off_by_1000_gives_way_to_the_sidecar_and_that_is_said(tmp_path, step, much):
    dlabel = dense(tmp_path / "d", step)
    (found,) = read(tmp_path / "d", dlabel)
    assert found.tr == 2.0
    assert f"repetition time 2 s from {found.tr_from}" in opened(tmp_path / "d", dlabel).notes()
    assert found.tr_from == (
        "sub-01_task-rest_space-fsLR_den-91k_bold.json (the header of "
        f"sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii says {much} and is not trusted)"
    )


@pytest.mark.parametrize("step", [1.0, 20.0, 200.0, 0.02, 2000.0 * 1.01])
def test_any_other_factor_is_still_a_contradiction(tmp_path, step):
    assert "correct the wrong one" in reasons(tmp_path / "d", dense(tmp_path / "d", step))


@pytest.mark.parametrize("zoom", [2000.0, 0.002])
def test_a_volume_s_header_gives_way_too(tmp_path, zoom):
    write_fmriprep(tmp_path / "d", [made()])
    path = only(tmp_path / "d", "*preproc_bold.nii.gz")
    image = nib.load(path)
    data = np.asarray(image.dataobj)
    image.header.set_zooms((3, 3, 3, zoom))
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)
    (found,) = read(tmp_path / "d", write_labels(tmp_path / "labels.nii.gz", labels_of(5)))
    assert found.tr == 2.0
    assert "is not trusted" in found.tr_from


def test_a_header_alone_that_is_no_repetition_time_leaves_it_to_the_option(tmp_path):
    dlabel = dense(tmp_path / "d", 2000.0)
    only(tmp_path / "d", "*_bold.json").unlink()
    assert "is 2000 s, not 0.3 to 6 s" in reasons(tmp_path / "d", dlabel)
    assert read(tmp_path / "d", dlabel, tr=2.0)[0].tr == 2.0


def test_a_sidecar_that_is_itself_no_repetition_time_is_never_trusted_against_a_header():
    with pytest.raises(DataError, match="correct the wrong one"):
        over_headers(StatedTR(seconds=2000.0, where="a.json"), [StatedTR(seconds=2.0, where="a.nii")])
    found = over_headers(StatedTR(seconds=2.0, where="a.json"), [StatedTR(seconds=None, where="a.nii")])
    assert found == StatedTR(seconds=2.0, where="a.json")


def test_a_folder_of_such_headers_can_be_prepared_and_the_doctor_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dlabel = dense(tmp_path / "d", 2000.0)
    (tmp_path / "five.tsv").write_text(
        "label\tnetwork\n" + "".join(f"{name}\tx\n" for name in list(NAMES.values())[1:])
    )
    assert run(["doctor", "d", "--atlas", "five.tsv", "--parcellation", str(dlabel)]) == 0
    assert "says 1000 times as much and is not trusted" in capsys.readouterr().out
