"""Label images: values are ROIs by number or rank, by place too; coverage, and what cannot be told."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from families import only
from tiny_fmriprep import AFFINE, ATLAS, LABELS, SHAPE, labels_of, made, opened, read, write_fmriprep, write_labels

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.label_image import read_label_image


@pytest.fixture
def labels(tmp_path):
    return write_labels(tmp_path / "labels.nii.gz", labels_of(5))


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_claims_a_million_million_voxels_is_refused_by_name(tmp_path, packed):
    path = write_labels(tmp_path / "labels.nii", labels_of(5))
    content = bytearray(path.read_bytes())
    np.frombuffer(content, np.int16, 4, offset=40)[:] = 3, 32_000, 32_000, 1_000
    path = tmp_path / f"huge.nii{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match="huge"):
        read_label_image(path, ATLAS)


# Values and places
def test_a_parcellation_on_another_grid_is_brought_over(tmp_path):
    fine = np.repeat(np.repeat(np.repeat(labels_of(5), 2, 0), 2, 1), 2, 2)
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= 0.75
    write_fmriprep(tmp_path / "d", [made()])
    (found,) = read(tmp_path / "d", write_labels(tmp_path / "fine.nii.gz", fine, affine))
    (expected,) = read(tmp_path / "d", write_labels(tmp_path / "same.nii.gz", labels_of(5)))
    np.testing.assert_array_equal(found.series, expected.series)


def test_other_values_are_the_rois_in_rising_order(tmp_path, labels):
    numbers = np.array([0, 2001, 2002, 5000, 7011, 9170], np.int16)[labels_of(5)]
    write_fmriprep(tmp_path / "d", [made()])
    (found,) = read(tmp_path / "d", write_labels(tmp_path / "aal.nii.gz", numbers))
    np.testing.assert_array_equal(found.series, read(tmp_path / "d", labels)[0].series)


def test_a_roi_that_the_parcellation_lacks_is_nan_and_counted(tmp_path):
    numbers = labels_of(5)
    numbers[numbers == 2] = 0
    write_fmriprep(tmp_path / "d", [made()])
    path = write_labels(tmp_path / "four.nii.gz", numbers)
    assert np.isnan(read(tmp_path / "d", path)[0].series).all(axis=0).tolist() == [False, True, False, False, False]
    assert opened(tmp_path / "d", path).notes()[0].endswith("4 of 5 ROIs")


def test_columns_never_move_when_the_mask_leaves_nothing_of_a_roi(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    (whole,) = read(tmp_path / "d", labels)
    mask = np.ones(SHAPE, np.uint8)
    mask[0:2] = 0  # all of ROI 0
    mask[4:6, 2:7] = 0  # five eighths of ROI 2
    nib.save(nib.Nifti1Image(mask, AFFINE), only(tmp_path / "d", "*brain_mask.nii.gz"))
    (found,) = read(tmp_path / "d", labels)
    assert np.isnan(found.series).all(axis=0).tolist() == [True, False, True, False, False]
    np.testing.assert_array_equal(found.series[:, [1, 3, 4]], whole.series[:, [1, 3, 4]])


def test_values_in_another_order_than_the_atlas_are_refused_by_place(tmp_path):
    write_fmriprep(tmp_path / "d", [made()])
    numbers = np.array([0, 5, 4, 3, 2, 1], np.int16)[labels_of(5)]
    path = write_labels(tmp_path / "reversed.nii.gz", numbers)
    with pytest.raises(
        DataError, match=r"not in the order of the atlas five.*of 5 values, 2 are over 15 mm.*Value 5 would be Default"
    ):
        opened(tmp_path / "d", path)
    nowhere = Atlas(name="nowhere", labels=LABELS, networks=ATLAS.networks)
    assert len(read(tmp_path / "d", path, nowhere)) == 1  # nothing is known of where its ROIs are


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (labels_of(5) * 3, None),
        (np.array([0, 1, 2, 3, 4, 9], np.int16)[labels_of(5)] * (labels_of(5) != 2), "has 4 values, 1 to 9"),
        (labels_of(5) + np.float32(0.5), "whole numbers"),
        (np.where(labels_of(5) == 1, np.nan, labels_of(5)).astype(np.float32), "whole numbers"),
        (np.zeros(SHAPE, np.int16), "no value but 0"),
        (np.stack([labels_of(5)] * 2, axis=-1), "has to be a 3-D image"),
    ],
)
def test_a_parcellation_that_cannot_be_told_is_refused(tmp_path, numbers, message):
    write_fmriprep(tmp_path / "d", [made()])
    path = write_labels(tmp_path / "odd.nii.gz", numbers)
    if message is None:
        assert len(opened(tmp_path / "d", path).items()) == 1
        return
    with pytest.raises(DataError, match=message):
        opened(tmp_path / "d", path)


def test_a_damaged_parcellation_is_refused(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    whole = labels.read_bytes()
    for held in (b"", b"garbage", whole[: len(whole) // 2]):
        labels.write_bytes(held)
        with pytest.raises(DataError, match=r"labels\.nii\.gz"):
            opened(tmp_path / "d", labels)
