"""The page of a prepared cohort: its sections in the order in which a reader asks, and what each shows."""

import hashlib

from semantoks.report.cohort.contents import contents, left_out
from semantoks.report.cohort.folder import RECORDINGS, CohortFolder
from semantoks.report.cohort.methods import made_by, methods, references
from semantoks.report.cohort.motion import carpets, motion
from semantoks.report.cohort.signals import correlations, coverage, spectra
from semantoks.report.content import (
    Bullets,
    Folded,
    Item,
    Pairs,
    Part,
    Section,
    Words,
)
from semantoks.report.run.provenance import rows_of

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
            Section("coverage", "Which networks have signal?", "Coverage", coverage(cohort)),
            Section("spectra", "What did cleaning do to the spectrum?", "Spectra", spectra(cohort)),
            Section("connectivity", "Do the networks hold together?", "Connectivity", correlations(cohort)),
            Section("methods", "Methods, to paste into a paper", "Methods", _methods(cohort)),
        ]
    return [*found, Section("provenance", "Where it comes from", "Provenance", provenance(cohort))]


def _methods(cohort: CohortFolder) -> list[Part]:
    cites = references(cohort)
    parts: list[Part] = [Words(methods(cohort), tone="paste")]
    if cites:
        return [*parts, Words("To cite:"), Bullets([Item(cite) for cite in cites])]
    return [*parts, Words("What to cite for the atlas is not known here: see where you have it from.", tone="quiet")]


def provenance(cohort: CohortFolder) -> list[Part]:
    """Lay out source, versions, checksums and settings."""
    about = cohort.about
    origin = [
        ("source", str(about.get("SourcePath", "not recorded"))),
        ("cohort", str(cohort.path)),
        ("made by", made_by(cohort)),
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
