"""Recognise what is at a path and open it as a source of recordings."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.config import did_you_mean
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.lying_there import set_aside
from semantoks.signals.files.names import SHOWN_SUFFIXES, TEXT_SUFFIXES, array_suffix, walk
from semantoks.signals.phenotypes import tidy_participants
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.sources.arrow import is_arrow, open_arrow
from semantoks.signals.sources.cifti import is_cifti, open_cifti
from semantoks.signals.sources.conn import is_conn, open_conn
from semantoks.signals.sources.dpabi import is_dpabi, open_dpabi
from semantoks.signals.sources.fmriprep import is_fmriprep, open_fmriprep
from semantoks.signals.sources.folder import open_folder
from semantoks.signals.sources.hdf5 import open_hdf5_source
from semantoks.signals.sources.listed import is_listed, open_listed
from semantoks.signals.sources.pcp import is_pcp, open_pcp
from semantoks.signals.sources.source import OpenedSource, Request, Source
from semantoks.signals.sources.ukb import is_ukb, open_ukb
from semantoks.signals.sources.unlabelled import is_giga, is_halfpipe, open_giga, open_halfpipe
from semantoks.signals.sources.xcpd import is_xcpd, open_xcpd

PUBLISHED = "schaefer400+tian-s3+buckner7"
FOLDERS: tuple[tuple[Callable[[Path], bool], Callable[[Request], OpenedSource], str], ...] = (
    (is_ukb, open_ukb, PUBLISHED),
    (is_arrow, open_arrow, PUBLISHED),
    (is_conn, open_conn, ""),
    (is_dpabi, open_dpabi, ""),
    (is_xcpd, open_xcpd, PUBLISHED),
    (is_fmriprep, open_fmriprep, ""),
    (is_giga, open_giga, ""),
    (is_halfpipe, open_halfpipe, ""),
    (is_pcp, open_pcp, ""),
    (is_cifti, open_cifti, ""),
)
"""Folders that a tool wrote: how each is recognised, what opens it, and the atlas to read it with where none is named
(empty: it has to be named). The first that fits counts, the quick ones first; any other folder is one of arrays."""
MEANT_FOR: dict[str, dict[str, Callable[[Request], OpenedSource]]] = {
    "filtered_fd": {"XCP-D": open_xcpd, "fMRIPrep": open_fmriprep},
    "parcellation": {"fMRIPrep": open_fmriprep, "CIFTI": open_cifti},
    "fetch_parcellation": {"fMRIPrep": open_fmriprep},
    "confounds": {"fMRIPrep": open_fmriprep},
    "global_signal": {"fMRIPrep": open_fmriprep},
}
"""Choices that only some sources have a use for, and those sources."""
HDF5 = re.compile(r"^[^.].*\.(h5|hdf5|hdf)$", re.IGNORECASE)
LOOKED_FOR = (
    "(a) a folder that XCP-D, fMRIPrep, giga_connectome, HALFpipe, CONN or DPABI wrote, of ABIDE's C-PAC .1D files, of "
    f"UK Biobank's bulk files, of CIFTI or of Arrow files; (b) a folder with files {SHOWN_SUFFIXES}; (c) a list of "
    "files, a table with path and participant_id; (d) an HDF5 file with timeseries/<atlas> [n, roi, frame] and "
    "long_subject_id; (e) an HDF5 file with bold [n, roi, frame] and participant_id or scan_id"
)


def open_source(
    path: Path,
    *,
    atlas: Atlas,
    tr: float | None,
    participants: pd.DataFrame | None,
    reading: ReadingConfig = EVERYTHING,
) -> Source:
    """Recognise what is at ``path`` by looking, and open it.

    Parameters
    ----------
    tr
        Repetition time in seconds, None to take it from the files or the table.
    participants
        A table of participants, if any.
    reading
        What of it is read, where there is a choice.

    Raises
    ------
    DataError
        If there is nothing at ``path``, or nothing that is known: the message lists what was looked for.
    ConfigError
        If no repetition time can be known for any recording, or there is a choice that was not made.
    """
    if not path.exists():
        raise _nothing_at(path)
    table = None if participants is None else tidy_participants(participants, where="the participants table")
    request = Request(path=path, atlas=atlas, tr=tr, participants=table, reading=reading)
    if path.is_dir() and (path / "recordings.tsv").exists() and (path / "shards").is_dir():
        raise DataError(f"{path} is a cohort that is prepared already: use it as it is.")
    folder = next((opens for is_of, opens, _ in FOLDERS if is_of(path)), open_folder) if path.is_dir() else None
    _refuse_idle(reading, folder, path)
    if folder is open_folder and (file := _hdf5_in(path)) is not None:
        request, folder = dataclasses.replace(request, path=file), None
    return _open_file(request) if folder is None else folder(request)


def _refuse_idle(reading: ReadingConfig, opens: Callable[[Request], Source] | None, path: Path) -> None:
    """Raise ConfigError for a choice that the source at a path has no use for: it would change nothing, unsaid."""
    for field, families in MEANT_FOR.items():
        if getattr(reading, field) != getattr(EVERYTHING, field) and opens not in families.values():
            names, one = " and ".join(families), "neither" if len(families) > 1 else "not that"
            raise ConfigError(f"--{field.replace('_', '-')} is for {names}, and {path} is {one}: leave it out.")


def _hdf5_in(folder: Path) -> Path | None:
    """Find the one HDF5 file of a folder without arrays, if any; DataError where there are several."""
    files = sorted(file for file in folder.iterdir() if HDF5.search(file.name) and file.is_file())
    if not files or any(array_suffix(name) and not set_aside(name) for _, name in walk(folder)):
        return None
    if len(files) > 1:
        raise DataError(f"{folder} has {len(files)} HDF5 files, {files[0].name} and others: give one of them.")
    return files[0]


def _open_file(request: Request) -> Source:
    path = request.path
    if is_listed(path):
        return open_listed(request)
    if not h5py.is_hdf5(path):
        table = array_suffix(path.name).startswith(TEXT_SUFFIXES)
        also = ", or, if it is a list of files, give it the columns path and participant_id" if table else ""
        hint = f" It is one file: give its folder{also}." if array_suffix(path.name) else ""
        raise DataError(f"{path} is no source of recordings.{hint} Looked for: {LOOKED_FOR}.")
    return open_hdf5_source(request, looked_for=LOOKED_FOR)


def usual_atlas(path: Path) -> str:
    """Name the atlas to read a source with where none is named; empty where the source does not tell.

    Raises
    ------
    DataError
        If there is nothing at ``path``, or a folder without anything in it.
    """
    if not path.exists():
        raise _nothing_at(path)
    if not path.is_dir():
        return ""
    if not any(path.iterdir()):
        raise DataError(f"{path} is an empty folder: give the one that has the recordings.")
    return next((usual for is_of, _, usual in FOLDERS if is_of(path)), "")


def _nothing_at(path: Path) -> DataError:
    """Make the error of a path that is not there, with the nearest name beside it."""
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    return DataError(f"there is no file or folder {path}.{did_you_mean(path.name, beside)}")


def find_participants(path: Path) -> Path | None:
    """The participants.tsv or participants.csv in a folder, or beside a file; None if there is none.

    A link to a table that is not here counts, so that reading it says so.
    """
    folder = path if path.is_dir() else path.parent
    tables = [folder / name for name in ("participants.tsv", "participants.csv")]
    return next((table for table in tables if table.is_file() or table.is_symlink()), None)
