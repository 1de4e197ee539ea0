"""CIFTI-2 files: their axes and repetition time, ROIs out of parcel series, ROI means of dense series."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float, Float32, Int
from nibabel.cifti2.cifti2_axes import BrainModelAxis, LabelAxis, ParcelsAxis, SeriesAxis
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.columns import FileColumns, fill, match_labels, no_label
from semantoks.signals.files.intact import readable, refuse_unfetched
from semantoks.signals.files.names import BidsFile
from semantoks.signals.files.parcellations import Parcellations, find_parcellations
from semantoks.signals.files.roi_means import NO_ROI, PIECE, roi_means
from semantoks.signals.files.stated import StatedTR
from semantoks.storage.apart import read_apart
from semantoks.types import Series

SECONDS = {"SECOND": 1.0, "SEC": 1.0, "MSEC": 1e-3, "MILLISECOND": 1e-3, "USEC": 1e-6, "MICROSECOND": 1e-6}


def cifti_tr(path: Path) -> float | None:
    """Read the step of the time axis of a CIFTI file in seconds; None where it has no time axis or another unit."""
    seconds: float | None = read_apart(path, _cifti_tr, path)
    return seconds


def _cifti_tr(path: Path) -> float | None:
    with readable(f"{path} cannot be read as CIFTI"):
        image = nib.load(path)
        axes = [image.header.get_axis(i) for i in range(image.ndim)]  # type: ignore[attr-defined]
    series = next((axis for axis in axes if isinstance(axis, SeriesAxis)), None)
    if series is None or series.unit not in SECONDS:
        return None
    return float(series.step) * SECONDS[series.unit]


@dataclass(frozen=True, kw_only=True, eq=False)
class CiftiFile:
    """An opened file of two axes: nibabel's ``rows`` and ``columns``; its numbers are still on disk."""

    path: Path
    rows: Any
    columns: Any
    numbers: Any

    def pieces(self) -> Iterator[Float32[ndarray, "row column"]]:
        """Read the numbers, some rows at a time; DataError when the file ends before them."""
        for start in range(0, len(self.rows), PIECE):
            with readable(f"{self.path} cannot be read as CIFTI, is it cut off?"):
                piece = np.asarray(self.numbers[start : start + PIECE], dtype=np.float32)
            yield piece

    def stated_tr(self) -> StatedTR:
        """Take the repetition time from the axis of time, which tools write in seconds."""
        if self.rows.unit in SECONDS and self.rows.step:
            return StatedTR(seconds=float(self.rows.step) * SECONDS[self.rows.unit], where=self.path.name)
        unit = str(self.rows.unit).lower()
        units = unit if unit == "hertz" else f"{unit}s"
        return StatedTR(seconds=None, where=f"{self.path.name} has steps of {self.rows.step:g} {units}")


def open_cifti(path: Path) -> CiftiFile:
    """Open a CIFTI-2 file of two axes.

    Raises
    ------
    DataError
        When it is none, or a link to a file that is not here.
    """
    refuse_unfetched(path)
    with readable(f"{path} cannot be read as CIFTI, is it cut off?"):
        image: Any = nib.load(path, mmap=False)
        header = image.header if isinstance(image, nib.Cifti2Image) else None
        axes = [] if header is None else [header.get_axis(i) for i in range(2)]  # type: ignore[no-untyped-call]
    if not axes:
        raise DataError(f"{path} has to be CIFTI-2, but is {type(image).__name__}: its header has no axes.")
    if tuple(len(axis) for axis in axes) != image.shape:
        raise DataError(f"{path}: its axes are of {[len(axis) for axis in axes]}, its numbers of {list(image.shape)}.")
    return CiftiFile(path=path, rows=axes[0], columns=axes[1], numbers=image.dataobj)


def open_series(path: Path, columns: type) -> CiftiFile:
    """Open a series: time along its rows, ``columns`` (nibabel's axis of parcels or grayordinates) across.

    Raises
    ------
    DataError
        When it is no such file.
    """
    file = open_cifti(path)
    if not isinstance(file.rows, SeriesAxis) or not isinstance(file.columns, columns):
        raise DataError(
            f"{path} has to be frames x places, {SeriesAxis.__name__} x {columns.__name__}, but is "
            f"{type(file.rows).__name__} x {type(file.columns).__name__}."
        )
    return file


@dataclass(frozen=True, kw_only=True)
class ParcelSeries:
    """Reads the ROIs of ``atlas`` out of the parcel series of a run.

    Parameters
    ----------
    found
        What the files with labels of the atlas are called (``parcellation_name``), and the others.
    """

    atlas: Atlas
    reorder: bool
    found: Parcellations

    @property
    def names(self) -> tuple[str, ...]:
        """What the files that are read are called, those with more ROIs first."""
        return self.found.names

    def notes(self) -> list[str]:
        """Say which files are not used, and which labels are no ROIs of the atlas."""
        return [*self.found.unused(self.atlas), *self.found.left_over(self.atlas, reorder=self.reorder)]

    def read(self, files: Sequence[BidsFile]) -> tuple[Series, list[StatedTR]]:
        """Fill the columns of the atlas from the files of one run, and give the repetition time that each states.

        Earlier files go before later ones.

        Raises
        ------
        DataError
            When one cannot be read, has no label of the atlas, or another number of frames than the others.
        """
        ordered = sorted(files, key=lambda one: self.names.index(parcellation_name(one)))
        stated: list[StatedTR] = []

        def opened() -> Iterator[FileColumns]:
            for one in ordered:
                values, labels, tr = read_apart(one.path, _parcels_in, one.path)
                positions = match_labels(labels, self.atlas, where=str(one.path), reorder=self.reorder)
                stated.append(tr)
                yield one.path, values, positions

        return fill(opened(), self.atlas.n_rois), stated


def find_parcel_series(files: Sequence[BidsFile], atlas: Atlas, root: Path, *, reorder: bool) -> ParcelSeries:
    """Look into files of each parcellation for labels of the atlas.

    Raises
    ------
    DataError
        When none has any.
    """
    paths: dict[str, list[Path]] = defaultdict(list)
    for one in files:
        paths[parcellation_name(one)].append(one.path)

    found = find_parcellations(paths, lambda path: read_apart(path, _labels_in, path), atlas, reorder=reorder)
    if not found.names:
        foreign = [
            f"{name or 'Parcel series'}: its first label is {labels[0]!r}, the atlas's {atlas.labels[0]!r}."
            for name, labels in found.labels.items()
        ]
        reason = next(filter(None, [*found.refused.values(), *foreign]))
        raise DataError(f"{root}: no parcel series has labels of {atlas.name}: choose another atlas. {reason}")
    return ParcelSeries(atlas=atlas, reorder=reorder, found=found)


def parcellation_name(one: BidsFile) -> str:
    """Tell by its name what a parcel series was made with: its atlas, else its version."""
    return next((one.entities[name] for name in ("atlas", "seg", "desc") if name in one.entities), "")


def _labels_in(path: Path) -> list[str]:
    return [str(label) for label in open_series(path, ParcelsAxis).columns.name]


def _parcels_in(path: Path) -> tuple[Float32[ndarray, "frame parcel"], list[str], StatedTR]:
    """Read a parcel series: its numbers, the labels of its columns and the repetition time that it states."""
    file = open_series(path, ParcelsAxis)
    return np.concatenate(list(file.pieces())), [str(label) for label in file.columns.name], file.stated_tr()


@dataclass(frozen=True, kw_only=True, eq=False)
class Grayordinates:
    """The ROI, counted from 0, of each vertex and voxel; -1 where there is none (medial wall, other labels).

    Parameters
    ----------
    surfaces
        By CIFTI structure (both cortices), the ROI of each vertex of its mesh.
    volume, affine
        The ROI of each voxel and the affine of their grid; None where the parcellation has no voxels.
    n_rois, labelled
        ROIs of the atlas, and how many of them the parcellation has a label for.
    """

    path: Path
    n_rois: int
    labelled: int
    surfaces: Mapping[str, Int[ndarray, " vertex"]] = field(repr=False)
    volume: Int[ndarray, "x y z"] | None = field(repr=False)
    affine: Float[ndarray, "4 4"] | None = field(repr=False)

    def means(self, path: Path) -> tuple[Series, StatedTR]:
        """Average a ``.dtseries.nii`` over the grayordinates of each ROI that have signal (see ``roi_means``).

        An ROI without a label, or with less than half of its grayordinates, is NaN.

        Raises
        ------
        DataError
            When it cannot be read, is on another mesh or grid, or shares no grayordinate with the parcellation.
        """
        found: tuple[Series, StatedTR] = read_apart(path, self._means, path)
        return found

    def _means(self, path: Path) -> tuple[Series, StatedTR]:
        file = open_series(path, BrainModelAxis)
        roi = self.roi_of(file.columns, path)
        if not (roi != NO_ROI).any():
            raise DataError(f"{path} has none of the vertices and voxels that {self.path} has labels for.")
        labels = [*self.surfaces.values(), *([] if self.volume is None else [self.volume.ravel()])]
        known = np.concatenate(labels)
        sizes = np.bincount(known[known != NO_ROI], minlength=self.n_rois)
        return roi_means(file.pieces, roi, sizes), file.stated_tr()

    def roi_of(self, axis: Any, where: Path) -> Int[ndarray, " grayordinate"]:
        """Give the ROI of each grayordinate of nibabel's axis of them, by structure and vertex, or by voxel."""
        found = np.full(len(axis), NO_ROI, dtype=np.int16)
        for structure, span, members in axis.iter_structures():
            if structure in axis.nvertices:
                mesh = self.surfaces.get(structure)
                if mesh is not None and len(mesh) != axis.nvertices[structure]:
                    raise DataError(
                        f"{where} has {axis.nvertices[structure]} vertices in {structure}, the parcellation "
                        f"{self.path} has {len(mesh)}: take the one on the mesh of the series."
                    )
                found[span] = NO_ROI if mesh is None else mesh[members.vertex]
            elif self.volume is not None and self.affine is not None:
                if axis.volume_shape != self.volume.shape or not np.allclose(axis.affine, self.affine, atol=1e-3):
                    raise DataError(f"{where} has its voxels on another grid than the parcellation {self.path}.")
                found[span] = self.volume[tuple(members.voxel.T)]
        return found


def read_dlabel(path: Path, atlas: Atlas, *, reorder: bool = False) -> Grayordinates:
    """Read a ``.dlabel.nii``: its labels are matched to the atlas by name, with or without ``7Networks_`` in front.

    Raises
    ------
    ConfigError
        When it has more than one map.
    DataError
        When it is no such file, or has no label of the atlas, or those of another order, resolution or version.
    """
    found: Grayordinates = read_apart(path, _read_dlabel, path, atlas, reorder)
    return found


def _read_dlabel(path: Path, atlas: Atlas, reorder: bool) -> Grayordinates:
    file = open_cifti(path)
    if not isinstance(file.rows, LabelAxis) or not isinstance(file.columns, BrainModelAxis):
        raise DataError(f"{path} is no dense label file (.dlabel.nii): it has no table of labels, or no grayordinates.")
    if len(file.rows) != 1:
        raise ConfigError(
            f"{path} has {len(file.rows)} maps ({', '.join(map(str, file.rows.name))}): keep one "
            "(wb_command -cifti-merge OUT.dlabel.nii -cifti IN.dlabel.nii -column 1)."
        )
    table = {int(key): name for key, (name, _) in sorted(file.rows.label[0].items())}
    positions = match_labels(list(table.values()), atlas, where=str(path), reorder=reorder)
    if positions is None:
        raise no_label(list(table.values())[::-1], atlas, str(path))  # the first is the background
    there = np.flatnonzero(positions >= 0)
    roi_of_key = dict(zip(np.array(list(table))[positions[there]].tolist(), there.tolist(), strict=True))
    values = np.concatenate(list(file.pieces()))[0]
    keys, which = np.unique(values, return_inverse=True)
    rois = np.array([roi_of_key.get(key, NO_ROI) for key in keys.tolist()])[which]
    surfaces, volume = _onto_meshes(file.columns, rois)
    return Grayordinates(
        path=path,
        n_rois=atlas.n_rois,
        labelled=len(there),
        surfaces=surfaces,
        volume=volume,
        affine=None if volume is None else np.asarray(file.columns.affine, dtype=np.float64),
    )


def _onto_meshes(axis: Any, rois: Int[ndarray, " grayordinate"]) -> tuple[dict[str, Any], ndarray | None]:
    """Put the ROI of each grayordinate onto its mesh, or into its volume."""
    surfaces: dict[str, Any] = {}
    volume = None if axis.volume_shape is None else np.full(axis.volume_shape, NO_ROI, dtype=np.int16)
    for structure, span, members in axis.iter_structures():
        if structure in axis.nvertices:
            surfaces[structure] = np.full(axis.nvertices[structure], NO_ROI, dtype=np.int16)
            surfaces[structure][members.vertex] = rois[span]
        elif volume is not None:
            volume[tuple(members.voxel.T)] = rois[span]
    return surfaces, volume
