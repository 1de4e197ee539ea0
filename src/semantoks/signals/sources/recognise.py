"""Recognise what lies at a path and open it as a source of recordings."""

from collections.abc import Callable
from pathlib import Path

import h5py
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.names import SUFFIXES
from semantoks.signals.phenotypes import tidy_participants
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.sources.arrow import ArrowRowsSource, is_arrow_rows
from semantoks.signals.sources.cifti import CiftiSource, is_cifti
from semantoks.signals.sources.conn import ConnSource, is_conn
from semantoks.signals.sources.dpabi import DpabiSource, is_dpabi
from semantoks.signals.sources.fmriprep import FmriprepSource, is_fmriprep
from semantoks.signals.sources.folder import FolderSource
from semantoks.signals.sources.giga import GigaSource, is_giga
from semantoks.signals.sources.halfpipe import HalfpipeSource, is_halfpipe
from semantoks.signals.sources.hdf5 import ArrayHdf5Source, ReferenceHdf5Source, contents, open_hdf5
from semantoks.signals.sources.listed import ListedSource, is_listed
from semantoks.signals.sources.pcp import PcpSource, is_pcp
from semantoks.signals.sources.source import Source
from semantoks.signals.sources.ukb import UkbSource, is_ukb
from semantoks.signals.sources.xcpd import XcpdSource, is_xcpd

PUBLISHED = "schaefer400+tian-s3+buckner7"
FOLDERS: tuple[tuple[Callable[[Path], bool], type, str], ...] = (
    (is_ukb, UkbSource, PUBLISHED),
    (is_arrow_rows, ArrowRowsSource, PUBLISHED),
    (is_conn, ConnSource, ""),
    (is_dpabi, DpabiSource, ""),
    (is_xcpd, XcpdSource, PUBLISHED),
    (is_fmriprep, FmriprepSource, ""),
    (is_giga, GigaSource, ""),
    (is_halfpipe, HalfpipeSource, ""),
    (is_pcp, PcpSource, ""),
    (is_cifti, CiftiSource, ""),
)
"""Folders that a tool wrote: how they are told, what reads them, and the atlas to read them with where none is named
(empty: it has to be named). The first that fits counts, the quick ones first; else it holds arrays, one a file."""
LOOKED_FOR = (
    "(a) a folder that XCP-D, fMRIPrep, giga_connectome, HALFpipe, CONN or DPABI wrote, of ABIDE's C-PAC .1D files, of "
    f"UK Biobank's bulk files, of CIFTI or of Arrow files; (b) a folder with files {' '.join(SUFFIXES)}; (c) a list of "
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
    """Recognise what lies at ``path`` by looking, and open it.

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
        raise DataError(f"there is no {path}.")
    table = None if participants is None else tidy_participants(participants, where="the participants table")
    if not path.is_dir():
        return _open_file(path, atlas=atlas, tr=tr, participants=table, reading=reading)
    if (path / "recordings.tsv").exists() and (path / "shards").is_dir():
        raise DataError(f"{path} is a cohort that is prepared already: use it as it is.")
    for is_of, kind, _ in FOLDERS:
        if is_of(path):
            source: Source = kind(path, atlas=atlas, tr=tr, participants=table, reading=reading)
            return source
    return FolderSource(path, atlas=atlas, tr=tr, participants=table, reading=reading)


def usual_atlas(path: Path) -> str:
    """Name the atlas to read a source with where none is named; empty where the source does not tell.

    Raises
    ------
    DataError
        If there is nothing at ``path``.
    """
    if not path.exists():
        raise DataError(f"there is no {path}.")
    if not path.is_dir():
        return ""
    return next((usual for is_of, _, usual in FOLDERS if is_of(path)), "")


def _open_file(
    path: Path, *, atlas: Atlas, tr: float | None, participants: pd.DataFrame | None, reading: ReadingConfig
) -> Source:
    if is_listed(path):
        return ListedSource(path, atlas=atlas, tr=tr, participants=participants, reading=reading)
    if not h5py.is_hdf5(path):
        hint = " It is one file: give its folder." if path.suffix.lower() in SUFFIXES else ""
        raise DataError(f"{path} is no source of recordings.{hint} Looked for: {LOOKED_FOR}.")
    with open_hdf5(path) as file:
        reference = isinstance(file.get("timeseries"), h5py.Group)
        array = isinstance(file.get("bold"), h5py.Dataset)
        held = contents(file)
    if reference:
        return ReferenceHdf5Source(path, atlas=atlas, tr=tr, participants=participants)
    if array:
        return ArrayHdf5Source(path, atlas=atlas, tr=tr, participants=participants, reading=reading)
    raise DataError(f"{path} is HDF5 of an unknown layout: it holds {held}. Looked for: {LOOKED_FOR}.")


def find_participants(path: Path) -> Path | None:
    """The participants.tsv or participants.csv in a folder, or beside a file; None if there is none.

    A link to a table that is not here counts, so that reading it says so.
    """
    folder = path if path.is_dir() else path.parent
    return next(
        (
            found
            for name in ("participants.tsv", "participants.csv")
            if (found := folder / name).is_file() or found.is_symlink()
        ),
        None,
    )
