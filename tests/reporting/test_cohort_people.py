from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_cohort import made, recording, words_of

from semantoks.reporting.citing import bibtex
from semantoks.reporting.cohort.folder import read_cohort
from semantoks.reporting.cohort.motion import lost_means
from semantoks.reporting.cohort.people import demographics, spell
from semantoks.reporting.content import Table
from semantoks.reporting.page import report


def cohort_of(folder: Path, table: pd.DataFrame) -> Path:
    given = [recording(str(row.participant_id), site=row.site, seed=n) for n, row in enumerate(table.itertuples())]
    cohort = made(folder / "cohort", given)
    table.to_csv(cohort / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    return cohort


def test_age_sex_and_diagnosis_are_counted_by_site(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "participant_id": ["1", "2", "3"],
            "site": ["A", "A", "B"],
            "age": [20.0, 30.0, np.nan],
            "sex": ["F", "M", "F"],
            "dx": ["<script>", "TC", "TC"],
        }
    )
    cohort = cohort_of(tmp_path, table)
    (shown,) = demographics(read_cohort(cohort))
    assert isinstance(shown, Table)
    assert shown.columns == ("Site", "People", "Age (years)", "Sex (column sex)", "Diagnosis (column dx)")
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in shown.rows}
    assert rows["All"] == ["3", "25.0 (20.0 to 30.0)", "2 F, 1 M", "2 TC, 1 <script>"]
    assert rows["B"] == ["1", "not known", "1 F", "1 TC"]
    assert shown.rows[0][2].under == "1 not known"
    assert "<script" not in report(cohort, tmp_path / "page.html").read_text(encoding="utf-8")


def test_recordings_are_named_only_on_request(tmp_path: Path) -> None:
    given = [recording("<script>x", seed=1), recording("Zora", seed=2), recording("Yann", frames=4)]
    cohort = made(tmp_path / "cohort", given)
    nameless = report(cohort, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Zora" not in nameless
    assert "Yann" not in nameless
    named = report(cohort, tmp_path / "named.html", show_ids=True).read_text(encoding="utf-8")
    assert "Zora" in named
    assert "Yann" in named
    assert "<script" not in named
    assert "This page names recordings" in named


def test_the_motion_of_what_was_left_out_is_drawn(tmp_path: Path) -> None:
    given = [recording(str(n), seed=n, fd=np.full(60, fd)) for n, fd in enumerate((0.1, 0.2, 0.8))]
    cohort = made(tmp_path / "cohort", given)
    assert lost_means(read_cohort(cohort)).tolist() == [pytest.approx(0.8, abs=0.005)]
    page = report(cohort, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "1 more were left out, with 0.8 to 0.8 mm." in page
    assert "Kept: 2; left out for motion: 1." in page


def test_short_names_of_networks_are_spelled_out(tmp_path: Path) -> None:
    assert [spell(name) for name in ("SalVentAttn", "ContA", "VisPeri", "mine", "A")] == [
        "salience and ventral attention",
        "frontoparietal control A",
        "peripheral visual",
        "mine",
        "A",
    ]
    assert "Cont frontoparietal control" in words_of(made(tmp_path / "cohort", [recording()]), tmp_path)


def test_citations_become_bibtex_and_say_no_more() -> None:
    assert bibtex("Yeo et al. 2011, J Neurophysiol 106:1125") == (
        "@article{yeo2011,\n  author = {Yeo and others},\n  title = {The organization of the human cerebral cortex "
        "estimated by intrinsic functional connectivity},\n  journal = {J Neurophysiol},\n  year = {2011},\n"
        "  volume = {106},\n  pages = {1125},\n  doi = {10.1152/jn.00338.2011}\n}"
    )
    assert bibtex("Pauli et al. 2018 (CIT168)") == (
        "@misc{pauli2018,\n  author = {Pauli and others},\n  note = {Pauli et al. 2018 (CIT168)}\n}"
    )
    assert "author = {Nadeau and Bengio},\n  title = {Inference for the" in bibtex(
        "Nadeau and Bengio 2003, Mach Learn 52:239"
    )
    assert "pages = {giac082}" in bibtex("Spisak 2022, Gigascience 11:giac082")
