import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_cohort import SMALL, made, recording

from semantoks.atlas.catalog import get_atlas
from semantoks.reporting.cohort.exclusions import reasons, short_counts
from semantoks.reporting.cohort.folder import CohortFolder, read_cohort
from semantoks.reporting.cohort.methods import methods, references
from semantoks.reporting.wording import share_words
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import GateConfig


def change(cohort: CohortFolder, **about: Any) -> CohortFolder:
    return dataclasses.replace(cohort, about=cohort.about | about)


def test_the_methods_say_what_was_done_and_nothing_else(whole_cohort: Path) -> None:
    cohort = read_cohort(whole_cohort)
    said, censored = methods(cohort), Cohort(whole_cohort).good
    assert said.startswith(
        "Regional BOLD time series (source: XCP-D 26.1.1) were prepared with semantoks 0.1.0. The atlas was "
        "schaefer400+tian-s3+buckner7 (457 ROIs in 9 networks; Schaefer et al. 2018; Yeo et al. 2011; Tian et al. "
        "2020; Buckner et al. 2011). The repetition time of the scans was 0.8 s. Of 8 recordings, 5 (4 people) were "
        "kept and 3 excluded (1 with too much motion, 1 too short, 1 without a known repetition time). Mean framewise"
    )
    for sentence in (
        "Criteria for exclusion were a mean FD above 0.5 mm or fewer than 20 frames of 2 s.",
        f"were censored ({share_words(1 - censored.mean())} of all, in 5 recordings): they were replaced by monotone",
        "gaps of more than 10 s were set to 0 at the end.",
        "with a Butterworth filter of order 5 run forwards and backwards (zero phase; gain 0.5 at both corners).",
        "Series that had been filtered according to their files were not band-passed again; if faster than 2 s, they",
        "All series were resampled to 2 s by cubic spline interpolation.",
        "Each ROI was z-scored over the frames of a recording that were not censored (population standard deviation).",
    ):
        assert sentence in said
    assert len(references(cohort)) == 4


def test_the_methods_follow_the_settings(tmp_path: Path) -> None:
    gates = GateConfig(max_fd=None)
    cohort = read_cohort(made(tmp_path / "a", [recording(tr=1.0, frames=90)], gates=gates))
    said = methods(cohort)
    assert "All 1 recording (1 person) were kept." in said
    assert "Criteria for exclusion were fewer than 20 frames of 2 s." in said
    assert "No frame was censored." in said
    assert "(6 ROIs in 2 networks)." in said
    assert "displacement" not in said
    raw = CleaningConfig(band=None, target_tr=None)
    said = methods(read_cohort(made(tmp_path / "b", [recording()], cleaning=raw)))
    assert "They were not band-passed. The series kept the repetition times of their scans." in said
    before = CleaningConfig(already_filtered=True)
    said = methods(read_cohort(made(tmp_path / "c", [recording(tr=1.0)], cleaning=before)))
    assert (
        "The series had been filtered before and were not band-passed; if faster than 2 s, they were low-passed" in said
    )
    assert "Normalisation: by hand." in methods(change(cohort, Normalisation="by hand"))


def test_an_atlas_is_cited_when_name_and_columns_are_the_known_ones(tmp_path: Path) -> None:
    cohort = read_cohort(made(tmp_path / "c", [recording()]))
    assert references(cohort) == []
    impostor = dataclasses.replace(cohort, atlas=dataclasses.replace(SMALL, name="schaefer100"))
    assert references(impostor) == []
    for name in ("schaefer100", "cc200:one", "aal+tian-s1", "ho", "4s456"):
        assert references(dataclasses.replace(cohort, atlas=get_atlas(name)))


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0"), (1.0, "100"), (0.998, "99.8"), (0.0024, "0.24"), (0.094, "9.4"), (0.567, "57")]
)
def test_little_is_not_nothing_and_most_is_not_all(share: float, words: str) -> None:
    assert share_words(share) == f"{words}\u00a0%"


def test_reasons_that_differ_in_numbers_and_names_are_one_with_a_range() -> None:
    rows = [
        (f"sub-{n}", f"{n}", f"/data/sub-{n}/x.tsv", f"motion: mean FD is 0.{n} mm, above 0.5 (sub-{n}/x.tsv, sub-{n})")
        for n in (9, 7, 8)
    ]
    rows += [
        (
            "k",
            "007",
            "",
            "no repetition time for k: participant 007, session b has no `tr`; looked at a/b.json, c/d.json",
        )
    ]
    rows += [("odd", "9", "/x/odd.npy", "/x/odd.npy could not be read")]
    rows += [("r_a_JD77", "JD77", "/x/r_a_JD77.mat", "r_a_JD77.mat of JD77 is empty")]
    table = pd.DataFrame(rows, columns=["recording_id", "participant_id", "source_file", "reason"])
    found = reasons(table)
    assert [(one.count, one.text) for one in found] == [
        (3, "motion: mean FD is 0.7 to 0.9 mm, above 0.5 (a file, the recording)"),
        (1, "no repetition time for the recording: the participant has no `tr`; looked at files"),
        (1, "the file could not be read"),
        (1, "the file of the participant is empty"),
    ]
    assert short_counts(found) == {
        "with too much motion": 3,
        "without a known repetition time": 1,
        "for other reasons": 2,
    }
