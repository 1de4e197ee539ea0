"""Means over places: those without signal do not count, nor do ROIs without half of their places; one rule for all."""

import nibabel as nib
import numpy as np
import pytest
import tiny_fmriprep
from families import only
from tiny_cifti import KEYS, NAMES, hcp, places, read, write_dlabel, write_dtseries

from semantoks.signals.files.roi_means import roi_means


def means(values, roi, sizes):
    values = np.asarray(values, dtype=np.float32)
    return roi_means(lambda: [values[:4], values[4:]], np.asarray(roi), np.asarray(sizes))


def test_places_that_are_zero_or_not_finite_throughout_count_in_no_mean():
    values = np.arange(60, dtype=np.float32).reshape(10, 6) + 1
    expected = values[:, [0, 3]].mean(axis=1)
    values[:, 1] = 0
    values[:, 2] = np.nan
    values[3, 0] = 0  # for one frame: a value like any other
    expected[3] = (values[3, 0] + values[3, 3]) / 2
    found = means(values, [0, 0, 0, 0, 1, -1], [4, 1])
    np.testing.assert_allclose(found[:, 0], expected)
    np.testing.assert_allclose(found[:, 1], values[:, 4])


def test_a_place_that_is_zero_and_nan_in_turn_has_no_signal():
    values = np.ones((10, 2))
    values[:, 1] = np.where(np.arange(10) % 2, 0, np.nan)
    np.testing.assert_array_equal(means(values, [0, 0], [2])[:, 0], 1)


@pytest.mark.parametrize(("dead", "missing"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_roi_with_signal_in_less_than_half_of_its_places_is_missing(dead, missing):
    values = np.full((10, 4), 7.0)
    values[:, :dead] = 0
    assert np.isnan(means(values, [0] * 4, [4])).all() == missing
    assert np.isnan(means(values, [0] * 4, [9])).all()  # the parcellation has five more, which the series lacks


def test_what_is_not_finite_does_not_count_in_its_frame():
    values = np.tile([2.0, 4.0], (10, 1))
    values[5, 0], values[6] = np.inf, np.nan
    found = means(values, [0, 0], [2])[:, 0]
    assert found[:5].tolist() == [3.0] * 5
    assert found[5] == 4.0
    assert np.isnan(found[6])


@pytest.mark.parametrize("dead", [0.0, np.nan])
@pytest.mark.parametrize(("count", "missing"), [(2, False), (4, True)])
def test_vertices_and_voxels_without_signal_follow_the_same_rule(tmp_path, dead, count, missing):
    dense = hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    values = 1000 + np.asarray(nib.load(dense).dataobj)
    values[:, :count] = dead
    write_dtseries(dense, values, 0.72, places())
    five = write_dlabel(tmp_path / "five.dlabel.nii", KEYS, NAMES, places())
    on_surface = read(tmp_path / "d", parcellation=five)[0].series

    tiny_fmriprep.write_fmriprep(tmp_path / "v", [tiny_fmriprep.made()])
    volume = only(tmp_path / "v", "*preproc_bold.nii.gz")
    image, numbers = nib.load(volume), tiny_fmriprep.labels_of(5)
    data = np.asarray(image.dataobj).copy()
    gone = np.argwhere(numbers == 1)[: int((numbers == 1).sum() * count / 5)]
    kept = data[numbers == 1][len(gone) :].mean(axis=0)
    data[tuple(gone.T)] = dead
    nib.save(nib.Nifti1Image(data, image.affine, image.header), volume)
    labels = tiny_fmriprep.write_labels(tmp_path / "labels.nii.gz", numbers)
    parcels = tiny_fmriprep.opened(tmp_path / "v", labels)._read.__self__.rois
    in_volume = parcels.means(volume, mask=None)

    for series, expected in ((on_surface, values[:, count:5].mean(axis=1)), (in_volume, kept)):
        if missing:
            assert np.isnan(series[:, 0]).all()
        else:
            np.testing.assert_allclose(series[:, 0], expected, rtol=1e-5)
        assert np.isfinite(series[:, 1:]).all()
