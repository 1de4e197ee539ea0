"""The page of a prepared cohort: its sections in the order in which a reader asks, and what is in the cohort."""

import hashlib
import re
from collections import Counter

import pandas as pd

from semantoks.counted import plural
from semantoks.reporting.citing import to_cite
from semantoks.reporting.cohort.exclusions import flags_of, left_out
from semantoks.reporting.cohort.folder import CohortFolder
from semantoks.reporting.cohort.methods import made_by, methods, references
from semantoks.reporting.cohort.motion import carpets, motion
from semantoks.reporting.cohort.people import demographics, network_names
from semantoks.reporting.cohort.signals import correlations, coverage, spectra
from semantoks.reporting.content import (
    Block,
    Bullets,
    Cell,
    Folded,
    Heading,
    Item,
    Pairs,
    Section,
    Table,
    Words,
    rows_of,
)
from semantoks.reporting.wording import duration, listed, median_words, share_words
from semantoks.signals.cohort_checks import full_band_words
from semantoks.signals.layout import RECORDINGS

MOST_NAMED, MOST_FILES = 6, 6
"""Sites that the facts name, and origins of repetition times in a table."""
ENTITIES = re.compile(r"(?:^|(?<=_))(?:sub|ses|task|acq|ce|rec|dir|run|echo|space|res|den)-[^_]+_?")
DESCRIBED = {"the participants table", "--tr"}
PRIVATE = (
    "This page names nobody: recording 12 is row 12 of recordings.tsv in the cohort's folder (not counting its "
    "header), where the ids are; `report --show-ids` names them. Sites and the paths of folders are named."
)
NAMED = "This page names recordings (`--show-ids`): do not pass it on to people who may not know the ids."
CHECKSUMS = {
    "ItemsSha256": "list of recordings and sizes of their files",
    "ParticipantsSha256": "participants table",
    "AtlasFingerprint": "atlas (labels and networks, in order)",
}


def sections(cohort: CohortFolder) -> list[Section]:
    """Return the sections of the page in their order."""
    found = [
        Section("contents", "What is in it?", "Contents", contents(cohort)),
        Section("excluded", "What was left out, and what is flagged?", "Exclusions and flags", left_out(cohort)),
    ]
    if len(cohort.recordings):
        found += [
            Section("motion", "How much did people move?", "Motion", motion(cohort)),
            Section("carpets", "What do the recordings look like?", "Carpets", carpets(cohort)),
            Section("coverage", "Which networks have signal?", "Coverage", [*coverage(cohort), *network_names(cohort)]),
            Section("spectra", "What did cleaning do to the spectrum?", "Spectra", spectra(cohort)),
            Section("connectivity", "Are the networks visible?", "Connectivity", correlations(cohort)),
            Section("methods", "Methods, to paste into a paper", "Methods", _methods(cohort)),
        ]
    return [*found, Section("provenance", "Where it comes from", "Provenance", provenance(cohort))]


def facts(cohort: CohortFolder) -> list[tuple[str, str]]:
    """List what the cohort is as (word, value) pairs; what is not known is left out."""
    table, about, atlas = cohort.recordings, cohort.about, cohort.atlas
    found = [
        ("People", f"{table['participant_id'].nunique():,}"),
        ("Recordings", f"{len(table):,}"),
        ("Sessions", _sessions(table)),
        ("Atlas", f"{atlas.name}: {plural(atlas.n_rois, 'ROI')} in {plural(atlas.n_networks, 'network')}"),
        ("Sites", _named(sorted(set(table["site"]) - {""}))),
        ("Repetition time", _repetition(cohort)),
        ("Band", _band(cohort)),
        ("Total time", duration(60 * float(cohort.minutes.sum())) if len(table) else ""),
        ("Time per recording", f"{median_words(cohort.minutes, 1)} min" if len(table) else ""),
        ("Censored frames", share_words(1 - table["good_frames"].sum() / table["frames"].sum()) if len(table) else ""),
        ("Excluded", f"{len(cohort.excluded):,} of {plural(len(table) + len(cohort.excluded), 'recording')}"),
        ("Source", str(about.get("SourceKind", ""))),
        ("Prepared with", made_by(cohort)),
    ]
    return [(word, value) for word, value in found if value]


def contents(cohort: CohortFolder) -> list[Block]:
    """Lay out how much there is: in a sentence, then by site; and where the repetition times come from."""
    table, flagged = cohort.recordings, int((flags_of(cohort) != "").sum())
    people = plural(table["participant_id"].nunique(), "person")
    lost = len(cohort.excluded)
    sentence = f"{plural(len(table), 'recording')} of {people} can be used; {f'{lost:,}' if lost else 'none'} "
    sentence += f"{'was' if lost == 1 else 'were'} left out"
    if "flags" in cohort.quality:
        sentence += f"; {f'{flagged:,}' if flagged else 'none'} of those kept {'is' if flagged == 1 else 'are'} flagged"
    blocks: list[Block] = [
        Words(f"{sentence}.", tone="loud"),
        *demographics(cohort),
        *_sites(cohort),
        *_repetition_times(cohort),
    ]
    if cohort.notes:
        blocks += [Heading("Missing on this page"), Bullets([Item(note) for note in cohort.notes])]
    return [*blocks, Words(NAMED if cohort.show_ids else PRIVATE, tone="quiet")]


def _sites(cohort: CohortFolder) -> list[Block]:
    table = cohort.recordings
    if table["site"].nunique() < 2:
        return []
    rows = []
    for site, own in table.groupby("site"):
        known = own["mean_fd"].dropna()
        rows.append(
            [
                Cell(str(site) or "not known"),
                Cell(f"{own['participant_id'].nunique():,}"),
                Cell(f"{len(own):,}"),
                Cell(_few([f"{tr:g}" for tr in sorted(own["source_tr"].unique())])),
                Cell(median_words(cohort.minutes[own.index], 1)),
                Cell(median_words(known, 2) if len(known) else "not known"),
            ]
        )
    names = ("Site", "People", "Recordings", "Scan TR (s)", "Minutes", "Mean FD (mm)")
    caption = "People and recordings by site; minutes and mean FD per recording as median (smallest to largest)."
    sites = Table(label="Sites", caption=caption, columns=names, rows=rows)
    return [sites] if len(rows) <= MOST_NAMED else [Folded(f"The {len(rows)} sites", [sites])]


def _repetition_times(cohort: CohortFolder) -> list[Block]:
    """Lay out where repetition times come from: in a sentence, or in a table where there are several origins."""
    if "tr_from" not in cohort.quality:
        return []
    sources = cohort.quality["tr_from"]
    shared = sources.map(sources.value_counts()) > 1
    origin = [_origin(source, alone=not several) for source, several in zip(sources, shared, strict=True)]
    counts = Counter(zip(cohort.recordings["source_tr"], origin, strict=True))
    if len(counts) == 1:
        (tr, where), _ = next(iter(counts.items()))
        return [Words(f"The repetition time of all scans, {tr:g} s, comes from {where}.")]
    origins = set(origin)
    if len(origins) == 1 and len(counts) <= MOST_FILES:
        each = listed(f"{tr:g} s for {plural(n, 'recording')}" for (tr, _), n in counts.most_common())
        return [Words(f"The repetition times of the scans come from {origins.pop()}: {each}.")]
    common = counts.most_common(MOST_FILES)
    rows = [[Cell(f"{tr:g} s"), Cell(f"{n:,}"), Cell(where)] for (tr, where), n in common]
    if rest := sum(counts.values()) - sum(n for _, n in common):
        rows.append(
            [
                Cell("others"),
                Cell(f"{rest:,}"),
                Cell(f"{plural(len(counts) - len(common), 'other time or file', 'other times and files')}"),
            ]
        )
    columns = ("Repetition time", "Recordings", "From")
    caption = "Repetition times of the scans, and where they come from."
    return [Table(label="Repetition times", caption=caption, columns=columns, rows=rows)]


def _origin(source: str, *, alone: bool) -> str:
    """Name the origin of a repetition time without the names of people and runs (``alone``: of one recording)."""
    if not source:
        return "a place that is not recorded"
    if source in DESCRIBED or (source.startswith("the ") and " protocol" in source):
        return source
    bare = ENTITIES.sub("", source)
    if bare != source and bare:
        return f"each recording's …_{bare}"
    return "each recording's own file" if alone or not bare else source


def _sessions(table: pd.DataFrame) -> str:
    known = table[table["session_id"] != ""]
    if not len(known):
        return ""
    each = known.groupby("participant_id")["session_id"].nunique()
    total = known.groupby(["participant_id", "session_id"]).ngroups
    range_of = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
    return f"{total:,} ({range_of} per person)"


def _repetition(cohort: CohortFolder) -> str:
    found = [f"{tr:g}" for tr in sorted(cohort.recordings["source_tr"].dropna().unique())]
    scans = f"{_few(found)} s" if found else ""
    target = cohort.about.get("RepetitionTime")
    return scans if target is None or scans == f"{target:g} s" else f"{target:g} s (scans: {scans or 'none'})"


def _band(cohort: CohortFolder) -> str:
    band = cohort.about.get("Band")
    if band is not None:
        return f"{band[0]:g} to {band[1]:g} Hz; {full_band_words(cohort.about, cohort.recordings)}"
    return "already filtered" if cohort.about.get("AlreadyFiltered") else "not filtered"


def _named(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if len(names) <= MOST_NAMED and names else f"{len(names)}" * bool(names)


def _few(texts: list[str]) -> str:
    return ", ".join(texts) if len(texts) <= MOST_NAMED else f"{texts[0]} to {texts[-1]}"


def _methods(cohort: CohortFolder) -> list[Block]:
    cites = references(cohort)
    blocks: list[Block] = [Words(methods(cohort), tone="paste")]
    blocks += to_cite(cites)
    if cites:
        return blocks
    return [*blocks, Words("What to cite for this atlas is not known here: ask where you got it.", tone="quiet")]


def provenance(cohort: CohortFolder) -> list[Block]:
    """Lay out source, versions, checksums and settings."""
    about = cohort.about
    origin = [
        ("source", str(about.get("SourcePath", "not recorded"))),
        ("cohort", str(cohort.path)),
        ("prepared with", made_by(cohort)),
    ]
    sums = [(words, str(about[key])) for key, words in CHECKSUMS.items() if key in about]
    sums.append((f"{RECORDINGS} (SHA-256)", hashlib.sha256((cohort.path / RECORDINGS).read_bytes()).hexdigest()))
    settings = {key: value for key, value in about.items() if key not in {*CHECKSUMS, "SourcePath", "GeneratedBy"}}
    return [
        Pairs("Origin", origin),
        Pairs("Checksums", sums),
        Words(
            f"`semantoks info {cohort.path} --verify` checks every byte of the signals against its checksum.",
            tone="quiet",
        ),
        Folded("All settings", [Pairs("dataset_description.json", rows_of(settings))]),
    ]
