"""ROI means of dense CIFTI series: which ROI each vertex and voxel belongs to, from a .dlabel.nii."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from nibabel.cifti2.cifti2_axes import BrainModelAxis, LabelAxis
from numpy import ndarray
from scipy.sparse import csr_array

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.cifti_file import open_cifti, open_series
from semantoks.signals.files.columns import match_labels
from semantoks.signals.files.sidecar import StatedTR
from semantoks.types import Series

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
