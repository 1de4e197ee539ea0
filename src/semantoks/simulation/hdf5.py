"""Recordings as one HDF5 array, one per row, padded to the longest: ``bold`` [n, roi, frame] and whose the rows are."""

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError
from semantoks.signals.recording import Recording
from semantoks.signals.sources.hdf5 import LENGTH, NAMES, PARTICIPANT, SERIES, SESSION


def write_hdf5(recordings: Iterable[Recording], path: Path, atlas: Atlas) -> None:
    """Write recordings into the file ``path``, one at a time; frames after a recording's last are NaN.

    The file does not state the repetition time: it belongs in the column ``tr`` of a participants table beside it.

    Raises
    ------
    ConfigError
        When a recording does not fit: it has a run, a band or censored frames.
    """
    people: list[str] = []
    sessions: list[str] = []
    lengths: list[int] = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        shape = (0, atlas.n_rois, 1)
        series = file.create_dataset(
            SERIES,
            shape,
            np.float32,
            maxshape=(None, atlas.n_rois, None),
            chunks=(1, atlas.n_rois, 256),
            fillvalue=np.nan,
        )
        for one in recordings:
            if one.run or one.band is not None or (one.good is not None and not one.good.all()):
                raise ConfigError(f"{one.source}: the HDF5 array cannot have runs, a band or censored frames.")
            series.resize((len(people) + 1, atlas.n_rois, max(series.shape[2], len(one.series))))
            series[len(people), :, : len(one.series)] = one.series.T
            people.append(one.participant)
            sessions.append(one.session)
            lengths.append(len(one.series))
        file[PARTICIPANT], file[LENGTH], file[NAMES] = people, lengths, list(atlas.labels)
        if any(sessions):
            file[SESSION] = sessions
