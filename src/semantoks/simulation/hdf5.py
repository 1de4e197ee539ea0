"""Recordings in the HDF5 layout of the method's authors: ``timeseries/<atlas>`` [n, roi, frame], one per row."""

from collections.abc import Iterable
from itertools import accumulate, pairwise
from pathlib import Path

import h5py
import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.recording import Recording
from semantoks.signals.sources.hdf5 import GROUP, GROUP_IDS, GROUP_LENGTH


def write_hdf5(recordings: Iterable[Recording], path: Path, atlas: Atlas) -> None:
    """Write recordings into the file ``path``, one at a time; frames after a recording's last are NaN.

    A joined atlas has one array per part (``schaefer400``, ``tian3``, ``buckner7``). A person's recordings are rows
    with the same ``long_subject_id``. The file does not state the repetition time: it belongs in the column ``tr`` of a
    participants table beside it.

    Raises
    ------
    ConfigError
        When a recording does not fit: it has a session, a band or censored frames; or for an atlas joined of tables of
        your own, whose parts have no names.
    """
    people: list[str] = []
    lengths: list[int] = []
    parts = atlas_parts(atlas)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        arrays = [
            file.create_dataset(
                f"{GROUP}/{name}",
                (0, rois, 1),
                np.float32,
                maxshape=(None, rois, None),
                chunks=(1, rois, 256),
                fillvalue=np.nan,
            )
            for name, rois in parts.items()
        ]
        ends = [0, *accumulate(parts.values())]
        for row, one in enumerate(recordings):
            if one.session or one.band is not None or (one.good is not None and not one.good.all()):
                raise ConfigError(f"{one.source}: the authors' HDF5 cannot have sessions, a band or censored frames.")
            for array, (begin, end) in zip(arrays, pairwise(ends), strict=True):
                array.resize((row + 1, array.shape[1], max(array.shape[2], len(one.series))))
                array[row, :, : len(one.series)] = one.series[:, begin:end].T
            people.append(one.participant)
            lengths.append(len(one.series))
        file[GROUP_IDS], file[GROUP_LENGTH] = people, lengths


def atlas_parts(atlas: Atlas) -> dict[str, int]:
    """Give the parts of a joined atlas as the authors call them (``tian-s3`` is ``tian3``), each with its ROIs."""
    names = [name.partition(":")[0] for name in atlas.name.split("+")]
    if len(names) == 1:
        return {_theirs(names[0]): atlas.n_rois}
    try:
        return {_theirs(name): get_atlas(name).n_rois for name in names}
    except DataError as error:
        raise ConfigError(f"the authors' HDF5 has one array per packaged atlas, but: {error}") from error


def _theirs(name: str) -> str:
    return name.replace("tian-s", "tian")
