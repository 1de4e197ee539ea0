"""What a cohort holds and what it does not: facts, sites, repetition times, exclusions by reason, flags."""

import re
from collections import Counter

import pandas as pd

from semantoks.report.cohort.folder import CohortFolder
from semantoks.report.cohort.methods import fd_words, made_by, plural, share_words, spread_words
from semantoks.report.cohort.reasons import reasons, unnamed
from semantoks.report.content import Bullets, Cell, Folded, Heading, Item, Part, Table, Words
from semantoks.report.figures.plot import percent
from semantoks.report.wording import duration

MOST_NAMED, MOST_FILES, MOST_ROWS = 6, 6, 300
"""Sites that the facts name, files of repetition times in a table, and single recordings in one."""
ENTITIES = re.compile(r"(?:^|(?<=_))(?:sub|ses|task|acq|ce|rec|dir|run|echo|space|res|den)-[^_]+_?")
DESCRIBED = {"the participants table", "--tr"}
PRIVATE = (
    "Nobody is named on this page: recording 12 is row 12 of recordings.tsv in the cohort's folder (its header not "
    "counted), where the ids are. Sites and the folders' paths are named."
)


def facts(cohort: CohortFolder) -> list[tuple[str, str]]:
    """What the cohort is, as (word, value) pairs; what is not known is left out."""
    table, about, atlas = cohort.recordings, cohort.about, cohort.atlas
    minutes = table["frames"] * cohort.trs / 60
    found = [
        ("People", f"{table['participant_id'].nunique():,}"),
        ("Recordings", f"{len(table):,}"),
        ("Sessions", _sessions(table)),
        ("Atlas", f"{atlas.name}: {plural(atlas.n_rois, 'ROI')} in {plural(atlas.n_networks, 'network')}"),
        ("Sites", _named(sorted(set(table["site"]) - {""}))),
        ("Repetition time", _repetition(cohort)),
        ("Band", _band(cohort)),
        ("Time in all", duration(60 * float(minutes.sum())) if len(table) else ""),
        ("Time a recording", f"{spread_words(minutes, 1)} min" if len(table) else ""),
        ("Censored frames", share_words(1 - table["good_frames"].sum() / table["frames"].sum()) if len(table) else ""),
        ("Excluded", f"{len(cohort.excluded):,} of {len(table) + len(cohort.excluded):,} recordings"),
        ("Source", str(about.get("SourceKind", ""))),
        ("Prepared with", made_by(cohort)),
    ]
    return [(word, value) for word, value in found if value]


def contents(cohort: CohortFolder) -> list[Part]:
    """Lay out how much there is in a sentence, then by site, and where the repetition times come from."""
    table, flagged = cohort.recordings, int((_flags(cohort) != "").sum())
    people = plural(table["participant_id"].nunique(), "person")
    lost = len(cohort.excluded)
    sentence = f"{plural(len(table), 'recording')} of {people} can be used, {f'{lost:,}' if lost else 'none'} "
    sentence += f"{'was' if lost == 1 else 'were'} left out"
    if "flags" in cohort.quality:
        sentence += f"; {f'{flagged:,}' if flagged else 'none'} of those kept {'is' if flagged == 1 else 'are'} flagged"
    parts: list[Part] = [Words(f"{sentence}.", tone="loud"), *_sites(cohort), *_repetition_times(cohort)]
    if cohort.notes:
        parts += [Heading("Missing on this page"), Bullets([Item(note) for note in cohort.notes])]
    return [*parts, Words(PRIVATE, tone="quiet")]


def left_out(cohort: CohortFolder) -> list[Part]:
    """Lay out exclusions by reason and flags, the recordings themselves on a click."""
    return [*_exclusions(cohort.excluded), *_flagged(cohort)]


def _exclusions(excluded: pd.DataFrame) -> list[Part]:
    if not len(excluded):
        return [Words("No recording was left out.")]
    found = reasons(excluded)
    by_reason = Table(
        label="Exclusions by reason",
        caption=f"{plural(len(excluded), 'recording')} left out, by reason. Ids and files are in excluded.tsv.",
        columns=("Reason", "Recordings"),
        rows=[[Cell(one.text), Cell(f"{one.count:,}")] for one in found[:MOST_ROWS]],
    )
    items = [Item(text, lead=f"Row {row}: ") for row, text in enumerate(unnamed(excluded.head(MOST_ROWS)), start=1)]
    order = _first_of(len(excluded), "excluded.tsv", "by the row of excluded.tsv (its header not counted)")
    title = f"The {plural(len(excluded), 'recording')} left out, row by row"
    return [by_reason, Folded(title, [Words(order, tone="quiet"), Bullets(items)])]


def _flagged(cohort: CohortFolder) -> list[Part]:
    if "flags" not in cohort.quality:
        return [Words("Whether any of the recordings that were kept deserves a second look is not recorded.")]
    flags = _flags(cohort)
    if not (flags != "").any():
        return [Words("None of the recordings that were kept is flagged.")]
    counts = Counter(flag for text in flags for flag in text.split("; ") if flag)
    by_flag = Table(
        label="Flags",
        caption="Kept, but flagged: look before you use these.",
        columns=("Flag", "Recordings", "Share"),
        rows=[[Cell(flag), Cell(f"{n:,}"), Cell(percent(n / len(flags)))] for flag, n in counts.most_common()],
    )
    table = cohort.recordings[flags != ""]
    minutes, means = cohort.told("good_seconds") / 60, table["mean_fd"]
    shown = means.sort_values(ascending=False, na_position="last").index[:MOST_ROWS]
    items = [
        Item(
            f"{fd_words(means[row])}, {minutes[row]:.1f} good minutes; {flags[row]}",
            lead=f"Recording {row + 1}: ",
        )
        for row in shown
    ]
    order = _first_of(len(table), "quality.tsv", "those that move most on top")
    title = f"The {plural(len(table), 'flagged recording')}"
    return [by_flag, Folded(title, [Words(order, tone="quiet"), Bullets(items)])]


def _flags(cohort: CohortFolder) -> pd.Series:
    if "flags" in cohort.quality:
        return cohort.quality["flags"]
    return pd.Series("", index=cohort.recordings.index, dtype=str)


def _first_of(count: int, file: str, order: str = "") -> str:
    shown = f"The first {MOST_ROWS} of {count:,}; all are in {file}" if count > MOST_ROWS else f"All {count:,}"
    return f"{shown}{', ' if order else ''}{order}."


def _sites(cohort: CohortFolder) -> list[Part]:
    table = cohort.recordings
    if table["site"].nunique() < 2:
        return []
    minutes, rows = table["frames"] * cohort.trs / 60, []
    for site, own in table.groupby("site"):
        known = own["mean_fd"].dropna()
        rows.append(
            [
                Cell(str(site) or "not known"),
                Cell(f"{own['participant_id'].nunique():,}"),
                Cell(f"{len(own):,}"),
                Cell(_few([f"{tr:g}" for tr in sorted(own["source_tr"].unique())])),
                Cell(spread_words(minutes[own.index], 1)),
                Cell(spread_words(known, 2) if len(known) else "not known"),
            ]
        )
    names = ("Site", "People", "Recordings", "Scan TR (s)", "Minutes", "Mean FD (mm)")
    caption = "By site: number of people and recordings; minutes and mean FD of a recording as median (least to most)."
    sites = Table(label="Sites", caption=caption, columns=names, rows=rows)
    return [sites] if len(rows) <= 3 * MOST_NAMED else [Folded(f"The {len(rows)} sites", [sites])]


def _repetition_times(cohort: CohortFolder) -> list[Part]:
    """Say where repetition times come from: one sentence, or a table where there are several."""
    if "tr_from" not in cohort.quality:
        return []
    told = cohort.quality["tr_from"]
    shared = told.map(told.value_counts()) > 1
    origin = [_origin(where, alone=not several) for where, several in zip(told, shared, strict=True)]
    counts = Counter(zip(cohort.recordings["source_tr"], origin, strict=True))
    if len(counts) == 1:
        (tr, where), _ = next(iter(counts.items()))
        return [Words(f"The repetition time of all scans, {tr:g} s, was taken from {where}.")]
    common = counts.most_common(MOST_FILES)
    rows = [[Cell(f"{tr:g} s"), Cell(f"{n:,}"), Cell(where)] for (tr, where), n in common]
    if rest := sum(counts.values()) - sum(n for _, n in common):
        rows.append([Cell("others"), Cell(f"{rest:,}"), Cell(f"{len(counts) - len(common)} other times and files")])
    columns = ("Repetition time", "Recordings", "Taken from")
    caption = "Repetition times of the scans, and who says them."
    return [Table(label="Repetition times", caption=caption, columns=columns, rows=rows)]


def _origin(told: str, *, alone: bool) -> str:
    """Say where a repetition time was found, without the names of people and runs (``alone``: of one recording)."""
    if not told:
        return "a place that is not recorded"
    if told in DESCRIBED or (told.startswith("the ") and " protocol" in told):
        return told
    bare = ENTITIES.sub("", told)
    if bare != told and bare:
        return f"each recording's …_{bare}"
    return "each recording's own file" if alone or not bare else told


def _sessions(table: pd.DataFrame) -> str:
    known = table[table["session_id"] != ""]
    if not len(known):
        return ""
    each = known.groupby("participant_id")["session_id"].nunique()
    total = known.groupby(["participant_id", "session_id"]).ngroups
    a_person = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
    return f"{total:,} ({a_person} a person)"


def _repetition(cohort: CohortFolder) -> str:
    found = [f"{tr:g}" for tr in sorted(cohort.recordings["source_tr"].dropna().unique())]
    scans = f"{_few(found)} s" if found else ""
    target = cohort.about.get("RepetitionTime")
    return scans if target is None or scans == f"{target:g} s" else f"{target:g} s (scans: {scans or 'none'})"


def _band(cohort: CohortFolder) -> str:
    band = cohort.about.get("Band")
    if band is not None:
        return f"{band[0]:g} to {band[1]:g} Hz"
    return "filtered before" if cohort.about.get("AlreadyFiltered") else "not filtered"


def _named(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if len(names) <= MOST_NAMED and names else f"{len(names)}" * bool(names)


def _few(texts: list[str]) -> str:
    return ", ".join(texts) if len(texts) <= MOST_NAMED else f"{texts[0]} to {texts[-1]}"
