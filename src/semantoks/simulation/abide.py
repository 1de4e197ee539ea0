"""Recordings as the Preprocessed Connectomes Project hands out ABIDE: series of ROIs and the table of phenotypes."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError
from semantoks.signals.recording import Recording
from semantoks.signals.sources.pcp import FILTERED

COLUMNS = ("FILE_ID", "SITE_ID", "func_mean_fd")
TABLE = "Phenotypic_V1_0b_preprocessed1.csv"


def write_abide(
    recordings: Iterable[Recording], out: Path, atlas: Atlas, *, participants: pd.DataFrame | None = None
) -> None:
    """Write recordings into ``out/cpac/<strategy>``, and the table of phenotypes into ``out``, as its download does.

    The strategy is ``filt_noglobal`` or ``nofilt_noglobal``, as each recording's band is. The files do not
    state the repetition time: it is known for a FILE_ID of ABIDE alone when they are read.

    Parameters
    ----------
    recordings
        Series in the order of ``atlas``, one per participant, whose id becomes the FILE_ID.
    participants
        Further columns of the table, by ``participant_id``; SITE_ID and func_mean_fd come from the recordings.

    Raises
    ------
    ConfigError
        When a recording does not fit: a second one of a participant, a session or run, a band that is not 0.01 to
        0.1 Hz, censored frames.
    """
    name = re.sub(r":.*|[^a-z0-9]", "", atlas.name.lower())
    header = "\t".join(f"#{i}" for i in range(1, atlas.n_rois + 1))
    rows: dict[str, dict[str, str | float]] = {}
    for one in recordings:
        if one.participant in rows or one.session or one.run:
            raise ConfigError(f"{one.source}: ABIDE has one recording per participant, without session and run.")
        if one.band not in (None, FILTERED) or (one.good is not None and not one.good.all()):
            raise ConfigError(
                f"{one.source}: ABIDE's files cannot have a band other than 0.01 to 0.1 Hz, or censored frames."
            )
        folder = out / "cpac" / ("nofilt_noglobal" if one.band is None else "filt_noglobal")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{one.participant}_rois_{name}.1D"
        np.savetxt(path, one.series, fmt="%.9g", delimiter="\t", header=header, comments="")
        rows[one.participant] = {"FILE_ID": one.participant, "SITE_ID": one.site, "func_mean_fd": one.mean_fd}
    table = pd.DataFrame(rows.values(), columns=list(COLUMNS))
    if participants is not None:
        people = participants.drop(columns=list(COLUMNS), errors="ignore")
        table = table.merge(people.rename(columns={"participant_id": "FILE_ID"}), on="FILE_ID", how="left")
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / TABLE, lineterminator="\n")  # with an index that has no name, as the real one has
