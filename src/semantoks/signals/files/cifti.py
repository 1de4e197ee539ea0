"""A CIFTI-2 file: what its axes are, and its numbers, read in pieces."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float, Float32, Int
from nibabel.cifti2.cifti2_axes import BrainModelAxis, LabelAxis, ParcelsAxis, SeriesAxis
from numpy import ndarray
from scipy.sparse import csr_array

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.columns import Columns, fill, match_labels
from semantoks.signals.files.intact import refuse_unfetched
from semantoks.signals.files.names import BidsFile
from semantoks.signals.files.stated import SECONDS, StatedTR
from semantoks.types import RoiIndex, Series

PIECE = 100
"""Frames at a time: 100 of HCP's dense series are 37 MB."""


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
            try:
                piece = np.asarray(self.numbers[start : start + PIECE], dtype=np.float32)
            except Exception as error:  # whatever nibabel stumbles over, the file is at fault
                raise _unreadable(self.path, error) from error
            yield piece

    def stated_tr(self) -> StatedTR:
        """Take the repetition time from the axis of time, which tools write in seconds."""
        if self.rows.unit in SECONDS and self.rows.step:
            return StatedTR(seconds=float(self.rows.step) * SECONDS[self.rows.unit], where=self.path.name)
        unit = str(self.rows.unit).lower()
        return StatedTR(seconds=None, where=f"{self.path.name} has steps of {self.rows.step:g} {unit}")


def open_cifti(path: Path) -> CiftiFile:
    """Open a CIFTI-2 file of two axes.

    Raises
    ------
    DataError
        When it is none, or a link to a file that is not here.
    """
    refuse_unfetched(path)
    try:
        image: Any = nib.load(path, mmap=False)
        header = image.header if isinstance(image, nib.Cifti2Image) else None
        axes = [] if header is None else [header.get_axis(i) for i in range(2)]  # type: ignore[no-untyped-call]
    except Exception as error:
        raise _unreadable(path, error) from error
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
            f"{path} has to hold {SeriesAxis.__name__} x {columns.__name__}, frames x places, but holds "
            f"{type(file.rows).__name__} x {type(file.columns).__name__}."
        )
    return file


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{path} cannot be read as CIFTI, is it cut off? ({type(error).__name__}: {reason})")


@dataclass(frozen=True, kw_only=True)
class ParcelSeries:
    """Reads the ROIs of ``atlas`` out of the files of a run.

    Parameters
    ----------
    names, unused
        What the files with labels of the atlas are called (``parcellation_name``), those with more first; the others.
    """

    atlas: Atlas
    reorder: bool
    names: tuple[str, ...]
    unused: tuple[str, ...]

    def read(self, files: Sequence[BidsFile]) -> tuple[Series, list[StatedTR]]:
        """Fill the columns of the atlas from the files of one run, and give the repetition time that each states.

        What an earlier file has is not taken from a later one.

        Raises
        ------
        DataError
            When one cannot be read, has no label of the atlas, or another number of frames than the others.
        """
        ordered = sorted(files, key=lambda one: self.names.index(parcellation_name(one)))
        said: list[StatedTR] = []

        def opened() -> Iterator[Columns]:
            for one in ordered:
                file = open_series(one.path, ParcelsAxis)
                positions = _positions(file, self.atlas, self.reorder)
                said.append(file.stated_tr())
                yield one.path, np.concatenate(list(file.pieces())), positions

        return fill(opened(), self.atlas.n_rois), said


def find_parcel_series(files: Sequence[BidsFile], atlas: Atlas, root: Path, *, reorder: bool) -> ParcelSeries:
    """Look into one file of each parcellation for labels of the atlas.

    Raises
    ------
    DataError
        When none has any.
    """
    paths: dict[str, list[Path]] = defaultdict(list)
    for one in files:
        paths[parcellation_name(one)].append(one.path)
    counts, refusals = dict.fromkeys(paths, 0), []
    for name, alike in paths.items():
        try:
            file = _first_readable(alike)
            positions = _positions(file, atlas, reorder)
        except DataError as error:
            refusals.append(str(error))
            continue
        counts[name] = 0 if positions is None else int((positions >= 0).sum())
        if positions is None:
            refusals.append(
                f"{file.path}: its first label is {str(file.columns.name[0])!r}, the atlas's {atlas.labels[0]!r}."
            )
    useful = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    if not useful:
        raise DataError(f"{root}: no parcel series has labels of {atlas.name}: choose another atlas. {refusals[0]}")
    return ParcelSeries(
        atlas=atlas, reorder=reorder, names=tuple(useful), unused=tuple(sorted(set(counts) - set(useful)))
    )


def parcellation_name(one: BidsFile) -> str:
    """Tell what a parcel series was made with, by its name: its atlas, else its version."""
    return next((one.entities[name] for name in ("atlas", "seg", "desc") if name in one.entities), "")


def _first_readable(paths: Sequence[Path]) -> CiftiFile:
    """Open the first parcel series that is one, so that a damaged one stops no others; DataError when none is."""
    for path in paths[:-1]:
        with suppress(DataError):
            return open_series(path, ParcelsAxis)
    return open_series(paths[-1], ParcelsAxis)


def _positions(file: CiftiFile, atlas: Atlas, reorder: bool) -> RoiIndex | None:
    labels = [str(label) for label in file.columns.name]
    return match_labels(labels, atlas, where=str(file.path), reorder=reorder)


NOWHERE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Grayordinates:
    """The ROI, counted from 0, of each place; -1 where there is none (medial wall, other labels).

    Parameters
    ----------
    surfaces
        By CIFTI structure (both cortices), a number for each vertex of its mesh.
    volume, affine
        Numbers of the voxels and the affine of their grid; None where the parcellation has none.
    n_rois, labelled
        ROIs of the atlas, and how many of them the parcellation has a label of.
    """

    path: Path
    n_rois: int
    labelled: int
    surfaces: Mapping[str, Int[ndarray, " vertex"]] = field(repr=False)
    volume: Int[ndarray, "x y z"] | None = field(repr=False)
    affine: Float[ndarray, "4 4"] | None = field(repr=False)

    def means(self, path: Path) -> tuple[Series, StatedTR]:
        """Average a ``.dtseries.nii`` over the places of each ROI; values that are not finite do not count.

        An ROI without any place in the file, or without a label, is NaN.

        Raises
        ------
        DataError
            When it cannot be read, lies on another mesh or grid, or shares no place with the parcellation.
        """
        file = open_series(path, BrainModelAxis)
        roi = self.roi_of(file.columns, path)
        there = np.flatnonzero(roi != NOWHERE)
        if not len(there):
            raise DataError(f"{path} has none of the vertices and voxels that {self.path} has labels for.")
        members = csr_array((np.ones(len(there)), (roi[there], there)), shape=(self.n_rois, len(roi)))
        every = members.sum(axis=1)[:, None]
        pieces = []
        for piece in file.pieces():
            counts, finite = every, np.isfinite(piece)
            if not finite.all():
                counts, piece = members @ finite.T, np.where(finite, piece, 0)
            with np.errstate(invalid="ignore"):  # none of nothing: NaN
                pieces.append((members @ piece.T / counts).T)
        series: Series = np.concatenate(pieces).astype(np.float32)
        return series, file.stated_tr()

    def roi_of(self, places: Any, where: Path) -> Int[ndarray, " grayordinate"]:
        """Give the ROI of each grayordinate of nibabel's axis of them, by structure and vertex, or by voxel."""
        found = np.full(len(places), NOWHERE, dtype=np.int16)
        for structure, span, part in places.iter_structures():
            if structure in places.nvertices:
                mesh = self.surfaces.get(structure)
                if mesh is not None and len(mesh) != places.nvertices[structure]:
                    raise DataError(
                        f"{where} has {places.nvertices[structure]} vertices in {structure}, the parcellation "
                        f"{self.path} {len(mesh)}: take the one on the mesh of the series."
                    )
                found[span] = NOWHERE if mesh is None else mesh[part.vertex]
            elif self.volume is not None and self.affine is not None:
                if places.volume_shape != self.volume.shape or not np.allclose(places.affine, self.affine, atol=1e-3):
                    raise DataError(f"{where} has its voxels on another grid than the parcellation {self.path}.")
                found[span] = self.volume[tuple(part.voxel.T)]
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
        raise DataError(
            f"{path}: none of its {len(table)} labels is a label of the atlas {atlas.name}: it has "
            f"{list(table.values())[-1]!r}, the atlas {atlas.labels[0]!r}. Choose the atlas that it is of."
        )
    there = np.flatnonzero(positions >= 0)
    roi_of_key = dict(zip(np.array(list(table))[positions[there]].tolist(), there.tolist(), strict=True))
    values = np.concatenate(list(file.pieces()))[0]
    keys, place = np.unique(values, return_inverse=True)
    rois = np.array([roi_of_key.get(key, NOWHERE) for key in keys.tolist()])[place]
    surfaces, volume = _spread(file.columns, rois)
    return Grayordinates(
        path=path,
        n_rois=atlas.n_rois,
        labelled=len(there),
        surfaces=surfaces,
        volume=volume,
        affine=None if volume is None else np.asarray(file.columns.affine, dtype=np.float64),
    )


def _spread(places: Any, rois: Int[ndarray, " grayordinate"]) -> tuple[dict[str, Any], ndarray | None]:
    """Put the ROI of each grayordinate onto its mesh, or into its volume."""
    surfaces: dict[str, Any] = {}
    volume = None if places.volume_shape is None else np.full(places.volume_shape, NOWHERE, dtype=np.int16)
    for structure, span, part in places.iter_structures():
        if structure in places.nvertices:
            surfaces[structure] = np.full(places.nvertices[structure], NOWHERE, dtype=np.int16)
            surfaces[structure][part.vertex] = rois[span]
        elif volume is not None:
            volume[tuple(part.voxel.T)] = rois[span]
    return surfaces, volume
