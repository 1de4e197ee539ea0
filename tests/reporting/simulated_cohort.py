"""A cohort that is prepared from XCP-D's files: per-frame motion, censored frames, exclusions, missing networks."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.simulation.derivatives import FD_THRESHOLD, write_xcpd

ATLAS = "schaefer400+tian-s3+buckner7"
TR = 0.8
CALM, RESTLESS, TOO_MUCH = 0.05, 0.25, 0.6
"""Medians of framewise displacement (mm): of the first and the last person, and of a recording that is refused."""


def write_cohort(folder: Path, *, people: int = 6, frames: int = 300) -> Path:
    """Write ``folder/xcp_d`` and prepare ``folder/cohort`` from it; return the latter.

    Everyone has two sessions, two sites share the people, and each person moves more than the one before. In session b
    person 01 moves too much, the scan of person 02 is broken off, and nobody knows the repetition time of person 03. No
    recording has a cerebellum; the last person has no limbic network and few subcortical ROIs.
    """
    atlas = get_atlas(ATLAS)
    made = [
        _recording(atlas, n, session, people=people, frames=frames) for n in range(1, people + 1) for session in "ab"
    ]
    source = folder / "xcp_d"
    write_xcpd(made, source, atlas)
    next(source.rglob("sub-03_ses-b*_desc-denoised_bold.json")).unlink()
    ids = [f"{n:02d}" for n in range(1, people + 1)]
    table = pd.DataFrame({"participant_id": ids, "site": ["north" if n % 2 else "south" for n in range(people)]})
    prepare(source, out=folder / "cohort", atlas=atlas, participants=table)
    return folder / "cohort"


def _recording(atlas: Atlas, number: int, session: str, *, people: int, frames: int) -> Recording:
    rng = np.random.default_rng([number, ord(session)])
    if session == "b" and number == 2:
        frames = 40
    level = TOO_MUCH if session == "b" and number == 1 else float(np.geomspace(CALM, RESTLESS, people)[number - 1])
    fd = level * rng.lognormal(0, 0.5, size=frames)
    fd[rng.integers(5, frames - 5, size=3)] += 6 * level
    begin = frames // 3
    fd[begin : begin + 16] += 2 * level  # the last ones move for over ten seconds
    fd[0] = np.nan
    series = 1000 + _signals(rng, atlas, fd)
    absent = np.array(atlas.networks) == "Cerebellar"
    if number == people:
        absent |= np.array(atlas.networks) == "Limbic"
        absent |= (np.array(atlas.networks) == "Subcortical") & (rng.random(atlas.n_rois) < 0.7)
    series[:, absent] = np.nan
    return Recording(
        series=series,
        tr=TR,
        participant=f"{number:02d}",
        session=session,
        good=~(np.nan_to_num(fd) > FD_THRESHOLD),
        fd=fd,
        source="simulated",
    )


def _signals(rng: np.random.Generator, atlas: Atlas, fd: Float[ndarray, " frame"]) -> Float[ndarray, "frame roi"]:
    """Draw series that share what their network and their mirror image do, with the head's motion on top."""
    index, mirror = atlas.network_index, np.arange(atlas.n_rois) % 200
    shared = _slow(rng, len(fd), atlas.n_networks)[:, index] + 0.8 * _slow(rng, len(fd), 200)[:, mirror]
    series = 6 * shared + 5 * rng.normal(size=(len(fd), atlas.n_rois))
    moved: Bool[ndarray, " frame"] = np.nan_to_num(fd) > FD_THRESHOLD
    series[moved] += 30 * np.nan_to_num(fd)[moved, None] * rng.normal(1, 0.3, size=atlas.n_rois)
    return np.asarray(series)


def _slow(rng: np.random.Generator, frames: int, count: int) -> Float[ndarray, "frame signal"]:
    """Draw signals whose memory is about ten seconds, with sd 1."""
    noise, kept = rng.normal(size=(frames, count)), np.exp(-TR / 8)
    for frame in range(1, frames):
        noise[frame] = kept * noise[frame - 1] + np.sqrt(1 - kept**2) * noise[frame]
    return noise
