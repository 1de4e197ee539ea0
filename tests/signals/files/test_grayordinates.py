"""Dense series: places are found by vertex and voxel, ROIs by label; means, and what cannot be used."""

import shutil

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2.cifti2_axes import BrainModelAxis
from tiny_cifti import (
    ATLAS,
    CORTEX,
    KEYS,
    LEFT,
    MESH,
    NAMES,
    hcp,
    made,
    opened,
    places,
    read,
    reason,
    write_dlabel,
    write_dtseries,
)

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.simulation.derivatives import write_ptseries


@pytest.fixture
def dlabel(tmp_path):
    return write_dlabel(tmp_path / "five.dlabel.nii", KEYS, NAMES, places())


@pytest.mark.parametrize(("step", "unit"), [(0.72, "HERTZ"), (0.0, "SECOND")])
def test_a_step_that_is_no_time_is_no_repetition_time(tmp_path, dlabel, step, unit):
    folder = tmp_path / "sub-01" / "func"
    folder.mkdir(parents=True)
    path = folder / "sub-01_task-rest_space-fsLR_bold.dtseries.nii"
    write_dtseries(path, np.ones((60, len(KEYS))), step, places(), unit)
    assert f"has steps of {step:g} {unit.lower()}" in reason(tmp_path, parcellation=dlabel)
    assert read(tmp_path, parcellation=dlabel, tr=0.8)[0].tr == 0.8


def test_a_roi_is_the_mean_over_its_vertices_of_both_hemispheres_and_its_voxels(tmp_path, dlabel):
    path = hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    (found,) = read(tmp_path / "d", parcellation=dlabel)
    values = np.asarray(nib.load(path).dataobj, dtype=np.float64)
    for roi in range(5):
        naive = [np.mean([frame[place] for place in np.flatnonzero(roi + 1 == KEYS)]) for frame in values]
        np.testing.assert_allclose(found.series[:, roi], naive, rtol=1e-5, atol=1e-6)
    assert found.tr == pytest.approx(0.72)
    source = opened(tmp_path / "d", parcellation=dlabel)
    assert source.notes()[0] == (
        "dense series as their maker cleaned them, averaged over the labels of five.dlabel.nii: 5 of 5 ROIs"
    )


def test_places_are_found_by_vertex_and_voxel_and_not_by_their_order(tmp_path):
    """A dlabel on the whole mesh, the other hemisphere first, with the medial wall labelled."""
    hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    narrow = write_dlabel(tmp_path / "a.dlabel.nii", KEYS, NAMES, places())
    cortex = np.full((2, MESH), 2.0)
    inside = np.setdiff1d(np.arange(MESH), (0, 5))
    cortex[0, inside], cortex[1, inside] = KEYS[CORTEX : 2 * CORTEX], KEYS[:CORTEX]
    keys = np.r_[KEYS[2 * CORTEX :][::-1], cortex.ravel()]
    wide = write_dlabel(tmp_path / "b.dlabel.nii", keys, NAMES, places(whole_mesh=True, reverse=True))
    expected, found = (read(tmp_path / "d", parcellation=path)[0].series for path in (narrow, wide))
    np.testing.assert_array_equal(found, expected)


def test_a_roi_without_vertices_or_label_is_nan(tmp_path):
    hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    cortical = write_dlabel(tmp_path / "c.dlabel.nii", KEYS[: 2 * CORTEX], NAMES, places(volume=False))
    (found,) = read(tmp_path / "d", parcellation=cortical)
    assert np.isnan(found.series).all(axis=0).tolist() == [False] * 4 + [True]
    four = write_dlabel(tmp_path / "f.dlabel.nii", KEYS, {**NAMES, 2: "Other"}, places())
    (found,) = read(tmp_path / "d", parcellation=four)
    assert np.isnan(found.series).all(axis=0).tolist() == [False, True, False, False, False]
    assert opened(tmp_path / "d", parcellation=four).notes()[0].endswith("4 of 5 ROIs")


def test_places_that_are_not_finite_do_not_count(tmp_path, dlabel):
    path = hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    values = np.asarray(nib.load(path).dataobj).copy()
    expected = values[:, 1:5].mean(axis=1)
    values[:, 0] = np.nan
    values[:, 5:10] = np.nan
    write_dtseries(path, values, 0.72, places())
    (found,) = read(tmp_path / "d", parcellation=dlabel)
    np.testing.assert_allclose(found.series[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert np.isnan(found.series[:, 1]).all()


def test_labels_are_found_with_a_prefix(tmp_path):
    atlas = get_atlas("schaefer100")
    axis = BrainModelAxis.from_surface(np.arange(100), 100, LEFT)
    table = dict(enumerate(("???", *(f"7Networks_{label}" for label in atlas.labels))))
    dlabel = write_dlabel(tmp_path / "s.dlabel.nii", np.arange(100) + 1, table, axis)
    folder = tmp_path / "d" / "sub-01"
    folder.mkdir(parents=True)
    values = made(n_rois=100).series
    write_dtseries(folder / "sub-01_task-rest_space-fsLR_bold.dtseries.nii", values, 0.72, axis)
    np.testing.assert_array_equal(read(tmp_path / "d", atlas, parcellation=dlabel)[0].series, values)
    with pytest.raises(DataError, match="not the same set"):
        opened(tmp_path / "d", get_atlas("schaefer200"), parcellation=dlabel)


def test_another_mesh_or_grid_is_refused(tmp_path, dlabel):
    hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    finer = places(mesh=MESH + 2, whole_mesh=True)
    mesh = write_dlabel(tmp_path / "m.dlabel.nii", np.ones(len(finer)), NAMES, finer)
    assert "has 12 vertices in CIFTI_STRUCTURE_CORTEX_LEFT, the parcellation" in reason(
        tmp_path / "d", parcellation=mesh
    )
    grid = write_dlabel(tmp_path / "g.dlabel.nii", KEYS, NAMES, places(affine=np.diag([1.6, 1.6, 1.6, 1])))
    assert "its voxels on another grid" in reason(tmp_path / "d", parcellation=grid)
    elsewhere = BrainModelAxis.from_surface(np.arange(5), MESH, "CEREBELLUM")
    nothing = write_dlabel(tmp_path / "n.dlabel.nii", np.arange(5) + 1, NAMES, elsewhere)
    assert "none of the vertices and voxels" in reason(tmp_path / "d", parcellation=nothing)


def test_a_parcellation_that_cannot_be_used_is_refused(tmp_path, dlabel):
    hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    several = write_dlabel(tmp_path / "s.dlabel.nii", KEYS, NAMES, places(), maps=2)
    with pytest.raises(ConfigError, match="has 2 maps"):
        opened(tmp_path / "d", parcellation=several)
    with pytest.raises(DataError, match="none of its 6 labels is a label of the atlas cc200"):
        opened(tmp_path / "d", get_atlas("cc200"), parcellation=dlabel)
    series = write_dtseries(tmp_path / "t.dlabel.nii", np.ones((3, len(KEYS))), 0.72, places())
    with pytest.raises(DataError, match="no dense label file"):
        opened(tmp_path / "d", parcellation=series)
    whole = dlabel.read_bytes()
    for held in (b"", b"garbage", whole[:600], whole[:-20]):
        dlabel.write_bytes(held)
        with pytest.raises(DataError, match=r"five\.dlabel\.nii"):
            opened(tmp_path / "d", parcellation=dlabel)
    image = tmp_path / "labels.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), image)
    with pytest.raises(ConfigError, match=r"need a parcellation \.dlabel\.nii"):
        opened(tmp_path / "d", parcellation=image)


def test_what_is_read_follows_from_the_parcellation(tmp_path, dlabel):
    hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    with pytest.raises(
        ConfigError, match=r"has dense series.*pass --parcellation FILE\.dlabel\.nii with labels of five"
    ):
        opened(tmp_path / "d")
    write_ptseries([made("100307")], tmp_path / "p", ATLAS)
    with pytest.raises(ConfigError, match="leave --parcellation out"):
        opened(tmp_path / "p", parcellation=dlabel)
    shutil.copytree(tmp_path / "p", tmp_path / "d", dirs_exist_ok=True)
    assert "1 file .dtseries.nii is there too, and not read" in opened(tmp_path / "d").notes()
    assert "1 file .ptseries.nii is there too, and not read" in opened(tmp_path / "d", parcellation=dlabel).notes()
