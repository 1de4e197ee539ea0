"""The doctor: what a source of recordings is, and what is wrong with it, before anything is prepared or embedded."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.checking.evidence import LEAST_ROIS, Frames, fits, has_pattern, mean_correlations, reach, trusted, turned
from semantoks.checking.fitting import NoAtlasError, fitting_atlases
from semantoks.checking.orders import better_order, with_structure
from semantoks.config import check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.notebook import as_html
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.likeness import QUICK, Compared, compare
from semantoks.signals.opened_source import GATES, PUBLISHED, SourceConfig, introduce, work_list
from semantoks.signals.pairing import unmatched_ids
from semantoks.signals.quality import FILTERED_SHARE, TRAIN_SECONDS, GateConfig, missing_networks, spectrum
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.reasons import common_reasons, names_of
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Item, Source, participant_of
from semantoks.signals.writer import Progress, checked, read_recording
from semantoks.types import RoiMask, Series
from semantoks.visible import one_line

SOME = 20
STAND_IN_TR = 1.0
"""Lets a source be opened whose repetition time is not known, to look at all else; nothing is computed with it."""
FILTERED = "--already-filtered"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that would give wrong or no results: the evidence, and what to do.

    ``partial``: it keeps some recordings out, and the rest can be used as it is.
    """

    evidence: str
    remedy: str
    partial: bool = False


@dataclass(kw_only=True, repr=False)
class Checkup:
    """What was found: ``facts``, one line each; ``problems``; ``table``, one row per recording that could be read.

    ``warnings`` are what may be wrong, though every recording can be used.

    ``atlas`` is the name of the one that the columns were compared with, empty if none fits; ``options`` are those of
    prepare and embed that the recordings need, as found.
    """

    atlas: str = ""
    facts: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def usable(self) -> bool:
        """Whether the recordings, or most of them, can be used as they are."""
        return all(problem.partial for problem in self.problems)

    def __str__(self) -> str:
        """Return all of it as text, as ``semantoks doctor`` prints it."""
        lines = list(self.facts)
        for one in self.problems:
            kind = "LEFT OUT" if one.partial else "PROBLEM"
            lines += ["", f"{kind:<10} {one.evidence}", f"       ->  {one.remedy}"]
        for warning in self.warnings:
            lines += ["", f"WARNING    {warning}"]
        return "\n".join(map(one_line, lines))

    def __repr__(self) -> str:
        """Count what was found."""
        counts = f"{plural(len(self.problems), 'problem')}, {plural(len(self.warnings), 'warning')}"
        return f"Checkup({counts}; {self.atlas or 'no atlas'} fits; print it to read them)"

    def _repr_html_(self) -> str:
        rows = [(line[:10].strip(), line[10:].strip()) for line in self.facts]
        rows += [("left out" if one.partial else "PROBLEM", f"{one.evidence} -> {one.remedy}") for one in self.problems]
        return as_html("Checkup", [*rows, *(("warning", words) for words in self.warnings)])

    def say(self, what: str, words: str) -> None:
        """Add a fact."""
        self.facts.append(f"{what:<10} {words}")

    def complain(self, evidence: str, remedy: str, *, partial: bool = False) -> None:
        """Add a problem."""
        self.problems.append(Problem(evidence=evidence, remedy=remedy, partial=partial))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Examined:
    """One recording that was tried: what was read (None if it cannot be), why it would be left out (empty if not).

    ``compared`` is what likeness is told by; None where nothing was cleaned.

    ``series`` is None where good frames are too few.
    """

    item: Item
    recording: Recording | None
    reason: str
    compared: Compared | None = None

    @cached_property
    def series(self) -> Series | None:
        """The frames to judge by; ROIs without signal are NaN."""
        return None if self.recording is None else trusted(self.recording)


def checkup(
    source: str | Path | Source,
    *,
    atlas: Atlas | Path | str | None = None,
    tr: float | None = None,
    participants: Path | str | pd.DataFrame | None = None,
    reading: ReadingConfig = EVERYTHING,
    cleaning: CleaningConfig = PUBLISHED,
    gates: GateConfig = GATES,
    most: int = SOME,
    progress: Progress | None = None,
) -> Checkup:
    """Look at a source as `semantoks.doctor` does, which says what all of this is.

    Parameters
    ----------
    most
        Recordings to examine, spread evenly over the source; 0 = all.

    Raises
    ------
    ConfigError, DataError
        For arguments that cannot be; if there is nothing at the path, or nothing that can be recognised.
    """
    check_arguments(checkup, locals())
    if most < 0:
        raise ConfigError(f"most has to be 0 (all recordings) or more, not {most}.")
    found, known_tr = Checkup(), True
    given = SourceConfig(atlas=atlas, tr=tr, participants=participants, reading=reading, cleaning=cleaning, gates=gates)
    try:
        try:
            fitting = fitting_atlases(source, given)
        except UnknownTRError as error:
            found.complain(str(error), "then everything else can be checked and used")
            fitting, known_tr = fitting_atlases(source, dataclasses.replace(given, tr=STAND_IN_TR)), False
    except NoAtlasError as error:
        if error.example:
            found.say("example", error.example)
        found.complain(str(error), "give --atlas FILE.tsv with the columns label and network, one row per ROI")
        return found
    opened, chosen = fitting[0]
    found.atlas = chosen.name
    items = work_list(opened)
    picked = items if most == 0 else [items[i] for i in np.unique(np.linspace(0, len(items) - 1, most).astype(int))]
    examined = list[_Examined]()
    for item in picked:
        examined.append(_examine(opened, item, dataclasses.replace(given, atlas=chosen), known_tr))
        if progress is not None:
            progress(len(examined), len(picked))
    _tell_source(found, opened, items, len(picked))
    _tell_people(found, opened, items)
    if read := [one for one in examined if one.recording is not None]:
        found.table = _table(read, known_tr)
        series = [one for one in (one.series for one in read) if one is not None]
        _tell_atlas(found, series, chosen)
        if known_tr:
            _tell_time(found)
            _tell_filter(found, cleaning.already_filtered)
        _tell_order(found, series, chosen)
    _tell_alike(found, examined)
    _tell_kept(found, examined, known_tr)
    return found


def _examine(source: Source, item: Item, config: SourceConfig, known_tr: bool) -> _Examined:
    """Read a recording, and clean it as prepare would; without a repetition time, it is only read."""
    recording, reason, compared = None, "", None
    try:
        recording = read_recording(source, item)
        if known_tr:
            cleaned = checked(recording, atlas=config.known_atlas, cleaning=config.cleaning, gates=config.gates)
            compared = Compared.of(cleaned.series, cleaned.good)
    except DataError as error:
        reason = str(error)
    comparable = recording is not None and recording.series.shape[1] == config.known_atlas.n_rois
    return _Examined(item=item, recording=recording if comparable else None, reason=reason, compared=compared)


def _tell_source(found: Checkup, source: Source, items: Sequence[Item], picked: int) -> None:
    first, *others = introduce(source, items)
    found.say("source", f"{first}, {picked} of them looked into")
    for note in others:
        found.say("", note)


def _tell_people(found: Checkup, source: Source, items: Sequence[Item]) -> None:
    """Complain where the participants table is about other people."""
    table, people = source.participants(), {participant_of(item) for item in items}
    if table is None or people & set(table["participant_id"]):
        return
    spelling = "".join(f": {note}" for note in unmatched_ids(people, table["participant_id"])[2:])
    found.complain(
        f"none of the {plural(len(people), 'person')} with recordings is in the participants table{spelling}",
        "spell the ids in the table as the recordings do, or give the right table with --participants",
    )


def _tell_kept(found: Checkup, examined: Sequence[_Examined], known_tr: bool) -> None:
    """Say how many recordings would be kept, and why the others would not."""
    left_out = [one for one in examined if one.reason]
    kept = len(examined) - len(left_out)
    if known_tr:
        found.say("kept", f"{kept} of the {len(examined)} looked into would be kept by prepare")
    if not left_out:
        return
    reasons = " ".join(common_reasons(((names_of(one.item), one.reason) for one in left_out), named=True))
    found.complain(
        f"{len(left_out)} of {plural(len(examined), 'recording')} cannot be used: {reasons}",
        "correct or remove them; prepare would list each in excluded.tsv with its reason"
        if kept
        else "do what the reasons say; as it is, nothing would be left",
        partial=kept > 0,
    )


def _tell_alike(found: Checkup, examined: Sequence[_Examined]) -> None:
    """Warn of near copies under different ids, and of what may be one person's visits, among those looked into."""
    clean = [(one.recording, one.compared) for one in examined if one.compared is not None][:QUICK]
    rows = [(one.participant, one.session, one.run) for one, _ in clean if one is not None]
    table = pd.DataFrame(rows, columns=["participant_id", "session_id", "run"])
    if table["participant_id"].nunique() > 1:
        alike = compare(table["participant_id"], lambda index: clean[index][1])
        found.warnings += alike.words(table, names=True)


def _tell_atlas(found: Checkup, series: Sequence[Frames], atlas: Atlas) -> None:
    if not series:
        return
    missing = np.array([_lacking(one) for one in series])
    there = np.sort((~missing).sum(axis=1))
    least = f"{there[0]}" if there[0] == there[-1] else f"{there[0]} to {there[-1]}"
    found.say(
        "atlas", f"{atlas.name}: {least} of {atlas.n_rois} ROIs have signal, {plural(atlas.n_networks, 'network')}"
    )
    lacking = missing_networks(missing, atlas.network_index).sum(axis=0)
    for name, count in zip(atlas.network_names, lacking.tolist(), strict=True):
        if count:
            found.say("hidden", f"network {name}: missing in {count} of {len(missing)}; its tokens are hidden")
    if missing.all():
        found.complain("no recording has signal in any ROI", "check that these are time series")


def _lacking(series: Series) -> RoiMask:
    lacking: RoiMask = np.isnan(series).all(axis=0)
    return lacking


def _tell_time(found: Checkup) -> None:
    """Say what the table knows of repetition times, lengths and good frames."""
    table = found.table
    trs = sorted(table["tr"].round(4).unique())
    shown = ", ".join(f"{tr:g}" for tr in trs[:6]) + " s" + (" and others" if len(trs) > 6 else "")
    found.say("TR", f"{shown}; for example from {table['tr_from'].iloc[0]}")
    seconds, good = table["frames"] * table["tr"], table["good_frames"] * table["tr"]
    low, middle, high = (f"{value / 60:.1f}" for value in (seconds.min(), seconds.median(), seconds.max()))
    found.say("length", f"{low} to {high} minutes, median {middle}")
    if (good < seconds).any():
        share = 1 - table["good_frames"].sum() / table["frames"].sum()
        low, high = (f"{value / 60:.1f}" for value in (good.min(), good.max()))
        found.say("censored", f"{share:.1%} of the frames; {low} to {high} minutes are good")
    if short := int((good < TRAIN_SECONDS).sum()):
        much = f"{TRAIN_SECONDS:g} s" + (" of good data" if (good < seconds).any() else "")
        found.say(
            "short", f"{short} of {len(table)} {'has' if short == 1 else 'have'} less than {much}: little to train on"
        )


def _tell_filter(found: Checkup, given: bool) -> None:
    """Say what the spectra show, and what follows for the band-pass."""
    table = found.table
    inside, above = table["power_in_band"], table["power_above_band"]
    if inside.isna().all():
        return
    where = f"{inside.mean():.0%} of the power in 0.01 to 0.1 Hz"
    found.say("spectrum", where if above.isna().all() else f"{where}, {above.mean():.1%} above")
    stated, low_passed = table["filtered"], above < FILTERED_SHARE
    if stated.any():
        found.say(
            "filter", f"{stated.sum()} of {len(table)} were filtered, as their files say: prepare does not do it again"
        )
    if not (silent := low_passed & ~stated).any():
        return
    if given:
        advice = "not filtered again, as told"
    elif silent.sum() == (~stated & above.notna()).sum():
        found.options.append(FILTERED)
        advice = f"pass {FILTERED} to avoid filtering twice"
    else:
        advice = f"prepare them apart, with {FILTERED}, to avoid filtering twice"
    found.say("filter", f"{silent.sum()} of {len(table)} were already low-passed: {advice}")


def _tell_order(found: Checkup, series: Sequence[Frames], atlas: Atlas) -> None:
    """Judge by what correlates with what whether columns are ROIs of this atlas, in its order."""
    known = with_structure(atlas)
    if atlas.n_rois < LEAST_ROIS or not series:
        why = "the recordings have too few good frames" if not series else f"{atlas.n_rois} ROIs are too few"
        found.say("order", f"cannot be checked: {why}")
        return
    if turned(series):
        found.complain(
            "rows and columns look transposed: neighbours along what was taken for ROIs are more alike than along time",
            "save the arrays as time x ROI with the labels as a header, or choose the atlas with as many ROIs",
        )
        return
    own, order, its = better_order(mean_correlations(series), known)
    if not str(own):
        found.say("order", "cannot be checked: too few ROIs have signal, or the atlas has one network and no centres")
        return
    possible = reach(series, known)
    if not has_pattern(possible):
        found.say("order", "cannot be checked: no columns go together more than others")
    elif order is not None:
        found.complain(
            f"the columns look like {order.name}: correlations are {own} as they stand, and {its} in that order",
            order.remedy,
        )
    elif not fits(own, possible):
        found.complain(
            f"the columns are in no known order of {atlas.name}: correlations are {own}; well sorted, these recordings "
            f"would reach {possible}",
            "check which atlas and order the columns have, and give the recordings labels",
        )
    else:
        found.say("order", f"as {atlas.name} has it: {own}")


def _table(read: Sequence[_Examined], known_tr: bool) -> pd.DataFrame:
    """Give one row per recording that could be read.

    Whose, how long (frames, s), how many frames are good, ROIs without signal, mean FD (mm), shares of power, whether
    its files say that it was filtered, and why it would be left out.
    """
    rows = []
    for examined in read:
        one, series = examined.recording, examined.series
        assert one is not None
        present = None if series is None else series[:, ~_lacking(series)]
        measured = known_tr and present is not None and present.size
        shares = spectrum(present, one.tr) if measured and present is not None else None
        rows.append(
            {
                "participant_id": one.participant,
                "session_id": one.session,
                "run": one.run,
                "frames": len(one.series),
                "good_frames": len(one.series) if one.good is None else int(one.good.sum()),
                "tr": one.tr if known_tr else np.nan,
                "tr_from": one.tr_from if known_tr else "",
                "missing_rois": one.series.shape[1] if series is None else int(_lacking(series).sum()),
                "mean_fd": one.mean_fd,
                "filtered": one.low_passed,
                "power_in_band": np.nan if shares is None else shares.inside,
                "power_above_band": np.nan if shares is None else shares.above,
                "left_out": examined.reason,
                "source": one.source,
            }
        )
    return pd.DataFrame(rows)
