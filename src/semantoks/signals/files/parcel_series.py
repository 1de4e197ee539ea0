"""ROI series out of parcel series (.ptseries.nii): which of the files have ROIs of the atlas, and what is in them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.cifti2.cifti2_axes import ParcelsAxis

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.bids import BidsFile
from semantoks.signals.files.cifti_file import CiftiFile, open_series
from semantoks.signals.files.columns import Columns, fill, match_labels
from semantoks.signals.files.sidecar import StatedTR
from semantoks.types import RoiIndex, Series


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
