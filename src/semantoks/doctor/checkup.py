"""The doctor: what a source of recordings is, and what is wrong with it, before anything is prepared or embedded."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.doctor.orders import (
    LEAST_HOMOTOPIC,
    LEAST_ROIS,
    LEAST_WITHIN,
    better_order,
    evidence,
    mean_correlations,
    turned,
    with_structure,
)
from semantoks.errors import DataError, UnknownTRError
from semantoks.signals.clean import missing_rois
from semantoks.signals.opened_source import SourceConfig, find_source, introduce
from semantoks.signals.quality import missing_networks, spectrum
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Item, Source, usual_atlas
from semantoks.signals.writer import read_recording

SOME = 20
TRAINING_SECONDS = 240.0
"""Less good data than this is little to train on (XCP-D's min_time)."""
FILTERED_SHARE = 0.03
"""Less power than this above the band means that it was low-passed; unfiltered recordings have a quarter and more."""
STAND_IN_TR = 1.0
"""Lets a source be opened whose repetition time is not known, to look at all else; nothing is computed with it."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that would give wrong or no results: the evidence, and what to do."""

    evidence: str
    remedy: str


@dataclass(kw_only=True)
class Checkup:
    """What was found: ``facts``, one line each; ``problems``; ``table``, one row per recording that was examined.

    ``atlas`` is the name of the one that the columns were compared with, empty if none fits.
    """

    atlas: str = ""
    facts: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    def say(self, what: str, words: str) -> None:
        """Add a fact."""
        self.facts.append(f"{what:<10} {words}")

    def complain(self, evidence: str, remedy: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(evidence=evidence, remedy=remedy))


def checkup(
    source: str | Path | Source,
    *,
    atlas: Atlas | Path | str | None = None,
    tr: float | None = None,
    participants: Path | str | pd.DataFrame | None = None,
    reading: ReadingConfig = EVERYTHING,
    most: int = SOME,
) -> Checkup:
    """Look at a source: kind, people, repetition times, atlas, missing networks, filters, lengths, order of ROIs.

    Parameters
    ----------
    source, tr, participants, reading
        As for ``prepare``.
    atlas
        What the columns should be; None finds out by labels, by number, and by what correlates with what.
    most
        Recordings to examine, spread evenly over the source; 0 = all.

    Raises
    ------
    DataError
        If there is nothing at the path, or nothing that can be recognised.
    """
    found, known_tr = Checkup(), True
    given = SourceConfig(atlas=atlas, tr=tr, participants=participants, reading=reading)
    try:
        fitting = _fitting(source, given)
    except UnknownTRError as error:
        found.complain(str(error), "then everything else can be checked and used")
        fitting, known_tr = _fitting(source, dataclasses.replace(given, tr=STAND_IN_TR)), False
    if not fitting:
        found.complain(
            "no packaged atlas has these labels or this number of ROIs",
            "give --atlas FILE.tsv with the columns label and network, one row per ROI",
        )
        return found
    opened, chosen = fitting[0]
    found.atlas = chosen.name
    items = opened.items()
    picked = items if most == 0 else [items[i] for i in np.unique(np.linspace(0, len(items) - 1, most).astype(int))]
    recordings, refused = _read(opened, picked)
    _tell_source(found, opened, items, picked, recordings, refused)
    if not recordings:
        return found
    found.table = _table(recordings, known_tr)
    _tell_atlas(found, recordings, chosen)
    if known_tr:
        _tell_time(found)
    _tell_order(found, recordings, chosen)
    return found


def _fitting(source: str | Path | Source, config: SourceConfig) -> list[tuple[Source, Atlas]]:
    """Open the source with the atlas that is given or usual, or with all that fit, the likeliest first."""
    if config.atlas is None and not (isinstance(source, str | Path) and usual_atlas(Path(source))):
        return fitting_atlases(source, config)
    named = config.with_atlas(source)
    return [(find_source(source, named), named.known_atlas)]


def _read(source: Source, items: Sequence[Item]) -> tuple[list[Recording], list[tuple[Item, str]]]:
    recordings, refused = [], []
    for item in items:
        try:
            recordings.append(read_recording(source, item))
        except DataError as error:
            refused.append((item, str(error)))
    return recordings, refused


def _tell_source(
    found: Checkup,
    source: Source,
    items: Sequence[Item],
    picked: Sequence[Item],
    recordings: Sequence[Recording],
    refused: Sequence[tuple[Item, str]],
) -> None:
    first, *others = introduce(source, items)
    found.say("source", f"{first}, {len(picked)} of them looked into")
    for note in others:
        found.say("", note)
    if refused:
        reason, _ = Counter(reason for _, reason in refused).most_common(1)[0]
        found.complain(
            f"{len(refused)} of {len(picked)} recordings cannot be used, for example: {reason}",
            "correct or remove them; prepare would list each in excluded.tsv with its reason"
            if recordings
            else "choose another --atlas, or correct the files",
        )


def _tell_atlas(found: Checkup, recordings: Sequence[Recording], atlas: Atlas) -> None:
    missing = np.array([missing_rois(one.series) for one in recordings])
    there = np.sort((~missing).sum(axis=1))
    least = f"{there[0]}" if there[0] == there[-1] else f"{there[0]} to {there[-1]}"
    found.say("atlas", f"{atlas.name}: {least} of {atlas.n_rois} ROIs have signal, {atlas.n_networks} networks")
    lacking = missing_networks(missing, atlas.network_index).sum(axis=0)
    for name, count in zip(atlas.network_names, lacking.tolist(), strict=True):
        if count:
            found.say("hidden", f"network {name}: missing in {count} of {len(missing)}; its tokens are hidden")
    if missing.all():
        found.complain("no recording has signal in any ROI", "check that these are time series")


def _tell_time(found: Checkup) -> None:
    """Say what the table knows of repetition times, lengths and spectra."""
    table = found.table
    trs = sorted(table["tr"].round(4).unique())
    shown = ", ".join(f"{tr:g}" for tr in trs[:6]) + " s" + (" and others" if len(trs) > 6 else "")
    found.say("TR", f"{shown}; for example from {table['tr_from'].iloc[0]}")
    seconds = table["frames"] * table["tr"]
    low, middle, high = (f"{value / 60:.1f}" for value in (seconds.min(), seconds.median(), seconds.max()))
    found.say("length", f"{low} to {high} minutes, median {middle}")
    if short := int((seconds < TRAINING_SECONDS).sum()):
        found.say("short", f"{short} of {len(table)} have less than {TRAINING_SECONDS:g} s: little to train on")
    inside, above = table["power_in_band"], table["power_above_band"]
    where = f"{inside.mean():.0%} of the power in 0.01 to 0.1 Hz"
    found.say("spectrum", where if above.isna().all() else f"{where}, {above.mean():.1%} above")
    if filtered := int((above < FILTERED_SHARE).sum()):
        found.say(
            "filter",
            f"{filtered} of {len(table)} were already low-passed: pass --already-filtered to avoid filtering twice",
        )


def _tell_order(found: Checkup, recordings: Sequence[Recording], atlas: Atlas) -> None:
    """Judge by what correlates with what whether columns are ROIs of this atlas, in its order."""
    known = with_structure(atlas)
    if atlas.n_rois < LEAST_ROIS:
        return
    if turned(one.series for one in recordings):
        found.complain(
            "rows and columns look transposed: neighbours along what was taken for ROIs are more alike than along time",
            "save the arrays as time x ROI with the labels as a header, or choose the atlas with as many ROIs",
        )
        return
    own, order, its = better_order(mean_correlations(one.series for one in recordings), known)
    if not str(own):
        found.say("order", "cannot be checked: the atlas has one network and no centres of ROIs")
        return
    if order is not None:
        found.complain(
            f"the columns look like {order.name}: correlations are {own} as they stand, and {its} in that order",
            order.remedy,
        )
    elif not (own.within > LEAST_WITHIN or own.homotopic > LEAST_HOMOTOPIC):
        found.complain(
            f"the columns are in no known order of {atlas.name}: correlations are {own}, in other recordings about "
            "+0.15 within networks and +0.35 homotopic",
            "check which atlas and order the columns have, and give the recordings labels",
        )
    else:
        found.say("order", f"as {atlas.name} has it: {own}")


def _table(recordings: Sequence[Recording], known_tr: bool) -> pd.DataFrame:
    """Give one row per recording: whose, how long (frames, s), ROIs without signal, mean FD (mm), shares of power."""
    rows = []
    for one in recordings:
        missing = missing_rois(one.series)
        present = np.nan_to_num(one.series[:, ~missing], posinf=0, neginf=0)
        shares = spectrum(present, one.tr) if known_tr and not missing.all() else None
        rows.append(
            {
                "participant_id": one.participant,
                "session_id": one.session,
                "run": one.run,
                "frames": len(one.series),
                "tr": one.tr if known_tr else np.nan,
                "tr_from": one.tr_from if known_tr else "",
                "missing_rois": int(missing.sum()),
                "mean_fd": one.mean_fd,
                "power_in_band": np.nan if shares is None else shares.inside,
                "power_above_band": np.nan if shares is None else shares.above,
                "source": one.source,
            }
        )
    return pd.DataFrame(rows)


JOINED = ("schaefer400+tian-s3", "schaefer400+tian-s3+buckner7")
FEW = 3


def fitting_atlases(source: str | Path | Source, config: SourceConfig) -> list[tuple[Source, Atlas]]:
    """Open a source by every packaged atlas that its first recordings can be read with; the likeliest first.

    Likelier is the one whose rows are time, then the one with more ROIs that have signal and fewer that have none, then
    the one in whose order ROIs of a network, and homotopic ones, correlate more.
    """
    fitting, refusals = [], set[str]()
    for name in (*list_atlases(), *JOINED):
        atlas = get_atlas(name)
        try:
            opened = find_source(source, dataclasses.replace(config, atlas=atlas))
            recordings = [read_recording(opened, item) for item in opened.items()[:FEW]]
        except DataError as error:
            refusals.add(str(error))
            continue
        there = float(np.mean([(~missing_rois(one.series)).sum() for one in recordings]))
        likely = evidence(mean_correlations(one.series for one in recordings), atlas).total
        fitting.append(((turned(one.series for one in recordings), -there, atlas.n_rois, -likely), opened, atlas))
    if not fitting and len(refusals) == 1:  # whatever the atlas
        raise DataError(refusals.pop())
    fitting.sort(key=lambda one: one[0])
    return [(opened, atlas) for _, opened, atlas in fitting]
