"""A simulated cohort in the files of another tool: what ``simulate --as`` writes."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from semantoks.atlas.catalog import get_atlas
from semantoks.config import check_arguments
from semantoks.errors import ConfigError
from semantoks.signals.recording import Recording
from semantoks.signals.sources.ukb import PROTOCOL
from semantoks.simulation.abide import write_abide
from semantoks.simulation.cohort import Simulation, SimulationConfig, Site, Tool
from semantoks.simulation.derivatives import FD_THRESHOLD, write_participants, write_ptseries, write_xcpd
from semantoks.simulation.hdf5 import write_hdf5
from semantoks.simulation.ukb import write_ukb
from semantoks.storage.lock import hold_file

HDF5 = "recordings.h5"
FIRST_INSTANCE = 2
"""UK Biobank's first visit with images."""


def simulate_as(
    tool_format: Tool,
    config: SimulationConfig,
    *,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a simulated cohort as another tool would have, and its participants.tsv; return what ``prepare`` reads.

    Parameters
    ----------
    tool_format
        ``xcpd`` (frames over 0.3 mm are outliers), ``ukb`` (one scanner of 0.735 s; sessions are the instances 2, 3,
        ...), ``abide`` (one session per participant), ``hdf5`` (one file as the method's authors have it: sessions are
        further rows of the person) or ``ptseries``.
    out
        A new or empty folder. It appears whole or not at all; a killed run leaves ``.NAME.partial`` beside it.
    progress
        Called with the recordings done and their number.

    Raises
    ------
    ConfigError
        When ``out`` is something else, or the format cannot have the atlas or the sessions.
    """
    check_arguments(simulate_as, locals())
    with hold_file(out):
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise ConfigError(f"{out} exists already: give a new or an empty folder.")
        config = fitted(tool_format, config)
        simulation = Simulation(config, get_atlas(config.atlas))
        partial = out.with_name(f".{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        recordings = _counted(tool_format, simulation, progress)
        table = participants_table(tool_format, simulation)
        if tool_format == "xcpd":
            write_xcpd(recordings, partial, simulation.atlas)
        elif tool_format == "ukb":
            write_ukb(recordings, partial, simulation.atlas)
        elif tool_format == "abide":
            write_abide(recordings, partial, simulation.atlas, participants=table)
        elif tool_format == "hdf5":
            write_hdf5(recordings, partial / HDF5, simulation.atlas)
        else:
            write_ptseries(recordings, partial, simulation.atlas)
        if tool_format != "abide":  # which has a table of its own
            write_participants(partial / "participants.tsv", table)
        if out.exists():
            out.rmdir()
        partial.rename(out)
        return out / HDF5 if tool_format == "hdf5" else out


def fitted(tool_format: Tool, config: SimulationConfig) -> SimulationConfig:
    """Give the simulation the scanner of a format that has only one; ConfigError for sessions that it cannot have."""
    if tool_format == "abide" and config.sessions > 1:
        raise ConfigError(f"ABIDE has one session per participant, not {config.sessions}: pass --sessions 1.")
    if config.task_blocks:
        raise ConfigError(f"the format {tool_format} has no events: leave --as out to simulate task blocks.")
    if tool_format != "ukb":
        return config
    assert PROTOCOL.seconds is not None
    return dataclasses.replace(config, sites=(Site(name="UKB", tr=PROTOCOL.seconds),))


def recordings_of(tool_format: Tool, simulation: Simulation) -> Iterator[Recording]:
    """Make the recordings one by one, with the sessions and the censoring that the format can have."""
    for participant in range(simulation.config.participants):
        for session in range(simulation.config.sessions):
            one = simulation.recording(participant, session)
            good = one.fd <= FD_THRESHOLD if tool_format == "xcpd" and one.fd is not None else None
            run = one.session if tool_format == "hdf5" else one.run
            yield dataclasses.replace(one, session=_session(tool_format, one.session), run=run, good=good)


def participants_table(tool_format: Tool, simulation: Simulation) -> pd.DataFrame:
    """Give the table of the people with the sessions of the format."""
    table = simulation.participants_table()
    if tool_format == "abide":
        return table.drop(columns="session_id")
    if tool_format == "hdf5":  # rows of a person, without sessions and with a motion that is not their own
        several = simulation.config.sessions > 1
        return table.drop(columns=["session_id", *(["mean_fd"] if several else [])]).drop_duplicates(ignore_index=True)
    return table.assign(session_id=[_session(tool_format, session) for session in table["session_id"]])


def _session(tool_format: Tool, session: str) -> str:
    if tool_format == "ukb":
        return str(FIRST_INSTANCE - 1 + int(session))
    return "" if tool_format in ("abide", "hdf5") else session


def _counted(
    tool_format: Tool, simulation: Simulation, progress: Callable[[int, int], None] | None
) -> Iterator[Recording]:
    total = simulation.config.participants * simulation.config.sessions
    for done, one in enumerate(recordings_of(tool_format, simulation), start=1):
        yield one
        if progress is not None:
            progress(done, total)
