"""The tutorial on real people: every command of docs/abide.md in its order, on made-up people from a local server."""

import re
import shlex
from pathlib import Path

import pytest
from typist import type_in

import semantoks.fetching
from served_abide import fill, served

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "abide.md").read_text(encoding="utf-8")
SMALLER = {
    "fit": ["--columns", "8"],
    "probe": ["--folds", "2", "--repeats", "1", "--methods", "motion", "--analyses", "--crops", "1"],
}


def test_the_tutorials_commands_lead_from_nothing_to_the_page(tmp_path, monkeypatch):
    commands = [
        shlex.split(line) for block in re.findall(r"^```\n(.*?)^```", PAGE, re.S | re.M) for line in block.splitlines()
    ]
    assert [words[1] for words in commands] == ["fetch", "doctor", "prepare", "fit", "probe", "report", "report"]
    monkeypatch.chdir(tmp_path)
    sites = {"NYU": 10, "CMU_a": 8, "UM_1": 6, "Stanford": 1}
    fill(tmp_path / "project", sites, atlas="cc200", n_rois=200, frames=40)
    with served(tmp_path / "project") as (url, _):
        monkeypatch.setattr(semantoks.fetching, "URL", url)
        said = [type_in(*words[1:], *SMALLER.get(words[1], ())) for words in commands]
    assert [answer.code for answer in said] == [0, 4, 4, 0, 0, 0, 0], [answer.err for answer in said]
    assert "Next: semantoks prepare abide --atlas cc200 --out cohort/" in said[0].out
    assert "people     24, recordings 24, excluded 1" in said[2].out
    for target in ("SEX", "AGE_AT_SCAN", "DX_GROUP"):
        assert re.search(rf"^{target}: .*\n.*\nencoder +\d", said[4].out, re.M)
    page = Path("encoders/abide/report.html").read_text(encoding="utf-8")
    assert "DX_GROUP" in page
    assert Path("cohort_report.html").exists()
