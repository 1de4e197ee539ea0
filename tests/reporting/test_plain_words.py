"""No page has words for programs (names_like_this) or a plural of one thing."""

import json
from pathlib import Path

import pytest
from simulated_probe import CLASSES, Size, write_probe
from simulated_run import about
from small_cohort import made, recording

from plain_words import odd, shown
from semantoks.reporting.page import report

pytestmark = pytest.mark.slow

OWN = (*CLASSES["site"], "xcp_d", "L_CLS", "L_Tok", "L_TTR", "x86_64")
"""Names of the user, the paper and the machine."""


def words(run: Path, out: Path) -> list[str]:
    return shown(report(run, out / "page.html").read_text(encoding="utf-8"))


def test_no_page_has_words_for_programs(
    whole_page: Path, whole_cohort: Path, cohort_page: Path, whole_run: Path, tmp_path: Path
) -> None:
    assert odd(shown(whole_page.read_text(encoding="utf-8")), OWN) == []
    assert odd(shown(cohort_page.read_text(encoding="utf-8")), (str(whole_cohort.parent), *OWN)) == []
    other = write_probe(tmp_path / "b" / "probe", Size(people=60, folds=2, methods=("encoder", "fc"), targets=("sex",)))
    page = report([whole_run, other], tmp_path / "both.html")
    assert odd(shown(page.read_text(encoding="utf-8")), OWN) == []


def test_what_there_is_one_of_is_in_the_singular(tmp_path: Path) -> None:
    size = Size(people=20, folds=2, repeats=1, methods=("encoder", "fc"), targets=("sex",))
    run = tmp_path / "run"
    write_probe(run / "probe", size)
    one = about(1, 1)
    one["cohorts"] = [{**cohort, "participants": 1, "recordings": 1} for cohort in one["cohorts"]]
    (run / "run.json").write_text(json.dumps(one))
    found = words(run, tmp_path)
    assert odd(found, (*OWN, str(tmp_path))) == []
    assert any("1 recording of 1 person" in text for text in found)
    cohort = made(tmp_path / "cohort", [recording("a"), recording("b", frames=5)])
    found = words(cohort, tmp_path)
    assert odd(found, (*OWN, str(tmp_path))) == []
    assert any("1 recording of 1 person can be used; 1 was left out" in text for text in found)


def test_words_for_programs_would_be_noticed() -> None:
    wrong = [
        *(
            "falls once good_frames are out",
            "each tested 1 times",
            "1 people are left out",
            "lost 1 recordings",
            "Run run",
        ),
        *("3 recording(s)", "(no all-clear)", "settings.exclude_pretrained", "bins None", "mean nan"),
    ]
    assert odd(wrong) == wrong
    right = [
        *(
            "1 class",
            "21 recordings",
            "0.1 units",
            "`good_frames`",
            "quality_2.tsv",
            "--exclude-pretrained",
            "1 was lost",
        ),
        *("3.1 s of 1 recording", "SITE_A"),
    ]
    assert odd(right, ["SITE_A"]) == []
