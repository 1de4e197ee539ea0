"""ROI means of 4-D images: which value of a label image is which ROI, checked against where the atlas has its ROIs."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import ndimage

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.intact import readable, refuse_unfetched
from semantoks.signals.files.roi_means import PIECE, roi_means
from semantoks.storage.apart import read_apart
from semantoks.types import Series

SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
FAR, MOST_FAR = 15.0, 0.05
"""Millimetres from the atlas's centroid beyond which an ROI is another one, and the share of such ROIs that is allowed:
versions of MNI space differ by 2, and the right image of any packaged atlas has all ROIs within 4."""


@dataclass(frozen=True, kw_only=True)
class LabelImage:
    """``values[i]`` is the value of ROI i in the image, in which ``labelled`` ROIs of the atlas occur."""

    path: Path
    values: tuple[int, ...]
    labelled: int

    def means(self, image: Path, *, mask: Path | None) -> Series:
        """Average a 4-D image over the voxels of each ROI that are in the brain mask, if any, and have signal.

        The labels are resampled onto the image's grid (nearest neighbour). An ROI that vanishes there, or has less than
        half of its voxels, is NaN (see ``roi_means``).

        Raises
        ------
        DataError
            When an image cannot be read, is not 4-D, or has no label in it.
        """
        found: Series = read_apart(image, self._means, image, mask)
        return found

    def _means(self, image: Path, mask: Path | None) -> Series:
        bold, labels = read_image(image, 4), read_image(self.path, 3)
        numbers = _onto(_numbered(_integers(labels, self.path), self.values), labels.affine, bold)
        sizes = np.bincount(numbers.ravel(), minlength=len(self.values) + 1)[1:]
        if not sizes.any():
            raise DataError(f"{image} cannot be averaged over {self.path}: no label is within the image.")
        if mask is not None:
            brain = read_image(mask, 3)
            with readable(f"{mask} cannot be read: is it cut off?"):
                inside = (np.nan_to_num(np.asanyarray(brain.dataobj)) != 0).astype(np.int64)
            numbers = numbers * _onto(inside, brain.affine, bold)
        there = numbers != 0
        with readable(f"{image} cannot be read: is it cut off?"):
            values = bold.get_fdata(dtype=np.float32, caching="unchanged")[there].T
        return roi_means(
            lambda: (values[start : start + PIECE] for start in range(0, len(values), PIECE)),
            numbers[there] - 1,
            sizes,
        )


def read_label_image(path: Path, atlas: Atlas) -> LabelImage:
    """Find out which value is which ROI.

    Value k is the k-th ROI of the atlas, from 1. Where there are higher values, the values that occur are the ROIs in
    rising order, and have to be as many. 0 is the background.

    Raises
    ------
    DataError
        When it is no 3-D image of whole numbers, they are not as many as the ROIs, or they are elsewhere than the
        atlas's ROIs: another order, or another atlas.
    """
    found: LabelImage = read_apart(path, _read_label_image, path, atlas)
    return found


def _read_label_image(path: Path, atlas: Atlas) -> LabelImage:
    image = read_image(path, 3)
    numbers = _integers(image, path)
    found = np.unique(numbers[numbers != 0])
    counted = np.arange(1, atlas.n_rois + 1)
    direct = bool(np.isin(found, counted).all())
    if not len(found) or not (direct or len(found) == atlas.n_rois):
        span = f"{len(found)} values, {found.min()} to {found.max()}" if len(found) else "no value but 0"
        raise DataError(
            f"the parcellation {path} has {span}, and the atlas {atlas.name} has {atlas.n_rois} ROIs: value k has to "
            "be ROI k, or there have to be as many values as ROIs, in their order. Choose the atlas that it is of."
        )
    values = counted if direct else found
    _refuse_elsewhere(numbers, values, image.affine, path, atlas)
    return LabelImage(path=path, values=tuple(values.tolist()), labelled=len(found))


def read_image(path: Path, axes: int) -> Any:
    """Open a NIfTI image of 3 or 4 axes, its numbers left on disk; a 4-D one of one volume is 3-D.

    Raises
    ------
    DataError
        When it cannot be read, has another number of axes, or is a link to a file that is not here.
    """
    refuse_unfetched(path)
    with readable(f"{path} cannot be read as an image, is it cut off?"):
        image: Any = nib.load(path)
        shape = tuple(image.shape)
        if axes == 3 and len(shape) == 4 and shape[3] == 1:
            image, shape = image.slicer[..., 0], shape[:3]
    if len(shape) != axes or not hasattr(image, "affine"):
        raise DataError(f"{path} has to be a {axes}-D image, but is {' x '.join(map(str, shape))}.")
    return image


def image_tr(path: Path) -> float | None:
    """Read the repetition time in the header of a 4-D image, in seconds; None where it names no unit of time."""
    seconds: float | None = read_apart(path, _image_tr, path)
    return seconds


def _image_tr(path: Path) -> float | None:
    header = read_image(path, 4).header
    unit, step = SECONDS.get(header.get_xyzt_units()[1]), float(header.get_zooms()[3])
    return step * unit if unit and step > 0 else None


def _onto(numbers: Int[ndarray, "x y z"], affine: Float[ndarray, "4 4"], image: Any) -> Int[ndarray, "i j k"]:
    """Bring whole numbers onto the grid of an image, by the nearest neighbour."""
    if numbers.shape == image.shape[:3] and np.allclose(affine, image.affine, atol=1e-4):
        return numbers
    from nilearn.image import resample_img

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that vanish: those become missing ROIs
        moved = resample_img(
            nib.Nifti1Image(numbers.astype(np.int32), affine),  # type: ignore[no-untyped-call]
            target_affine=image.affine,
            target_shape=image.shape[:3],
            interpolation="nearest",
        )
    return np.asarray(moved.dataobj).astype(np.int64)


def _integers(image: Any, path: Path) -> Int[ndarray, "x y z"]:
    with readable(f"{path} cannot be read: is it cut off?"):
        values = np.asanyarray(image.dataobj)
    if values.dtype.kind not in "fiu" or not (np.abs(values) < 2**31).all() or (values != np.rint(values)).any():
        raise DataError(f"the parcellation {path} has to consist of whole numbers, one for each ROI, and 0 elsewhere.")
    whole: Int[ndarray, "x y z"] = values.astype(np.int64)
    return whole


def _numbered(numbers: Int[ndarray, "x y z"], values: tuple[int, ...]) -> Int[ndarray, "x y z"]:
    """Number the ROIs from 1, whatever their values."""
    keys, place = np.unique(numbers, return_inverse=True)
    number = {value: index for index, value in enumerate(values, start=1)}
    whole: Int[ndarray, "x y z"] = np.array([number.get(key, 0) for key in keys.tolist()], np.int32)[place]
    return whole.reshape(numbers.shape)


def _refuse_elsewhere(
    numbers: Int[ndarray, "x y z"],
    values: Int[ndarray, " roi"],
    affine: Float[ndarray, "4 4"],
    path: Path,
    atlas: Atlas,
) -> None:
    """Refuse values that are where the atlas has other ROIs, as far as it says where they are."""
    known = np.flatnonzero(np.isin(values, numbers) & np.isfinite(atlas.centroids).all(axis=1))
    if not len(known):
        return
    centres = np.array(ndimage.center_of_mass(np.ones(numbers.shape), numbers, values[known]))
    found = centres @ affine[:3, :3].T + affine[:3, 3]
    away = np.linalg.norm(found - atlas.centroids[known], axis=1)
    if np.mean(away > FAR) > MOST_FAR:
        worst = int(np.argmax(away))
        roi = known[worst]
        raise DataError(
            f"the parcellation {path} is not in the order of the atlas {atlas.name}, or is of another: of {len(known)} "
            f"values, {int((away > FAR).sum())} are over {FAR:g} mm from their ROI. Value {values[roi]} would be "
            f"{atlas.labels[roi]}, which is at {np.round(atlas.centroids[roi]).astype(int).tolist()} mm, and is at "
            f"{np.round(found[worst]).astype(int).tolist()}. Name the atlas in the order of the values, or renumber "
            "them."
        )


SCHAEFER = re.compile(r"schaefer(?P<parcels>\d+)(?P<order>-17)?")
RESOLUTION = 2
"""Voxel size, millimetres."""
SPACE = "MNI152NLin6Asym"
"""The space of the images that nilearn fetches."""


def fetch_parcellation(atlas: Atlas) -> Path:
    """Let nilearn fetch the image whose value k is ROI k of the atlas (into ``NILEARN_DATA`` or ``~/nilearn_data``).

    Raises
    ------
    ConfigError
        When the atlas is none of Schaefer's alone, or the image is not here and cannot be fetched.
    DataError
        When the labels that come with the image are not the atlas's.
    """
    found = SCHAEFER.fullmatch(atlas.name)
    if found is None:
        raise ConfigError(
            f"--fetch-parcellation knows the atlases schaefer100 to schaefer1000 (-17), not {atlas.name}: pass "
            "--parcellation IMAGE."
        )
    from nilearn.datasets import fetch_atlas_schaefer_2018

    order = 17 if found["order"] else 7
    try:
        fetched = fetch_atlas_schaefer_2018(
            int(found["parcels"]), yeo_networks=order, resolution_mm=RESOLUTION, verbose=0
        )
    except OSError as error:  # nilearn's and requests' errors are all of this type
        raise ConfigError(
            f"the parcellation of {atlas.name} cannot be fetched ({type(error).__name__}): download it elsewhere and "
            "pass --parcellation IMAGE."
        ) from error
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in fetched.labels]
    labels = [name.removeprefix(f"{order}Networks_") for name in names if name != "Background"]
    if labels != list(atlas.labels):
        raise DataError(
            f"the labels that nilearn fetched with {fetched.maps} are not those of {atlas.name}, in its order."
        )
    return Path(fetched.maps)
