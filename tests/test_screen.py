"""What a person sees: the table of scores, and lines of progress where there is no terminal."""

import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from semantoks import progress as module
from semantoks.progress import fitting, progress
from semantoks.screen import FACTS, folded, probe_notes, score_table

NAN = float("nan")


def test_the_table_shows_interval_difference_p_and_verdict():
    row = {"analysis": "main", "target": "sex", "metric": "balanced_accuracy", "mean": 0.6, "low": 0.5, "high": 0.7}
    apart = {
        "diff": -0.1,
        "diff_low": -0.2,
        "diff_high": -0.05,
        "p_holm": 0.021,
        "verdict": "lower",
        "p_equal": NAN,
        "reached_by": "",
    }
    rows = [
        {**row, "method": "encoder", **apart},
        {**row, "method": "fc", "mean": 0.7, "verdict": "", "reached_by": ""},
    ]
    lines = score_table(pd.DataFrame(rows), 80).splitlines()
    assert lines == [
        "sex: balanced accuracy",
        "method              mean 95 % interval minus FC 95 % interval        p",
        "encoder            0.600 [0.500, 0.700]  -0.100 [-0.200, -0.050] 0.021 lower",
        "fc                 0.700 [0.500, 0.700]",
    ]


@pytest.mark.parametrize("width", [60, 64, 80, 120])
def test_the_table_fits_its_terminal(width):
    row = {"analysis": "main", "target": "sex", "metric": "balanced_accuracy", "mean": 0.6, "low": 0.5, "high": 0.7}
    for bar in ("", "tangent_"):
        row |= {f"{bar}diff": -0.1, f"{bar}diff_low": -0.2, f"{bar}diff_high": -0.05, f"{bar}p_holm": 1e-4}
        row |= {f"{bar}verdict": "undecided", f"{bar}p_equal": NAN}
    names = ("encoder", "encoder_attention", "finetuned_random", "tangent+encoder", "fc")
    rows = [{**row, "method": name, "reached_by": "motion,site"} for name in names]
    rows += [{**row, "analysis": "deconfounded", "method": name, "reached_by": ""} for name in names]
    rows += [{**row, "method": name, "reached_by": ""} for name in ("motion", "site")]
    lines = score_table(pd.DataFrame(rows), width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("undecided" in line for line in lines) == len(names) + 2 + 3
    assert any("<.001" in line for line in lines) == (width >= 64)


def test_below_the_table_stands_what_reaches_the_scores_without_a_brain_and_what_confounds_leave():
    row = {"target": "dx", "metric": "r", "low": 0.5, "high": 0.7, "verdict": "", "reached_by": "", "mean": 0.6}
    rows = [
        {**row, "analysis": "main", "method": "encoder", "reached_by": "random_weights,site"},
        {**row, "analysis": "main", "method": "fc", "reached_by": "site"},
        {**row, "analysis": "main", "method": "site", "mean": 0.55},
        {**row, "analysis": "main", "method": "random_weights", "mean": 0.51},
        {**row, "analysis": "deconfounded", "method": "encoder", "mean": 0.52},
        {**row, "analysis": "deconfounded", "method": "fc", "mean": 0.61},
        {**row, "analysis": "deconfounded", "method": "random_weights"},
    ]
    assert score_table(pd.DataFrame(rows), 100).splitlines()[6:] == [
        "",
        "dx: random_weights alone scores 0.510, within or above the interval of encoder.",
        "dx: site alone scores 0.550, within or above the intervals of encoder and fc.",
        "dx without confounds: encoder 0.520 [0.500, 0.700], fc 0.610 [0.500, 0.700].",
    ]


def test_a_score_that_is_as_good_within_the_bound_is_called_so():
    row = {"analysis": "main", "target": "a", "metric": "r", "mean": 0.6, "low": 0.5, "high": 0.7, "reached_by": ""}
    row |= {"method": "encoder", "diff": -0.01, "diff_low": -0.03, "diff_high": 0.01, "p_holm": 0.3}
    tables = [score_table(pd.DataFrame([{**row, "verdict": "undecided", "p_equal": p}])) for p in (0.01, 0.2)]
    assert [" as good\n" in text and "within the bound" in text for text in tables] == [True, False]


def test_where_one_split_gives_no_p_there_is_a_dash_and_the_reason():
    row = {"analysis": "main", "target": "a", "metric": "r", "mean": 0.6, "low": 0.5, "high": 0.7, "reached_by": ""}
    row |= {"method": "encoder", "diff": -0.01, "diff_low": -0.03, "diff_high": 0.01, "verdict": "undecided"}
    tables = [score_table(pd.DataFrame([{**row, "p_equal": NAN, "p_holm": p}]), 80).splitlines() for p in (NAN, 0.4)]
    assert tables[0][2:] == [
        "encoder            0.600 [0.500, 0.700]  -0.010 [-0.030, +0.010]     - undecided",
        "",
        "-: no p, which needs the scores of two splits at least (more --repeats).",
    ]
    assert len(tables[1]) == 3


def test_what_a_probe_has_to_say_is_said(tmp_path):
    about = {"checks": ["0 people on both sides."], "notes": ["3 were seen."], "excluded": [["no value for age", 4]]}
    (tmp_path / "probe.json").write_text(json.dumps(about))
    assert probe_notes(tmp_path) == ["", "0 people on both sides.", "3 were seen.", "Left out: 4 (no value for age)."]


def test_what_is_said_alike_of_several_targets_is_said_once(tmp_path):
    checks = [
        "sex: 0 people on both sides.",
        "age: 0 people on both sides.",
        "age: 3 unknown.",
        "No families: one.",
    ]
    about = {"targets": ["sex", "age"], "checks": checks, "notes": ["No families: one."], "excluded": []}
    (tmp_path / "probe.json").write_text(json.dumps(about))
    found = ["", "sex, age: 0 people on both sides.", "age: 3 unknown.", "No families: one."]
    assert probe_notes(tmp_path) == found


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until ``now`` is set."""
    found = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_without_a_terminal_a_line_comes_every_half_minute_and_at_the_end(clock, capsys):
    with progress("embed", "recordings") as shown:
        for done, clock.now in enumerate((10.0, 31.0, 40.0, 62.0, 63.0), start=1):
            shown(done, 5, "loss 2")
    assert capsys.readouterr().err.splitlines() == [
        "embed: 2 of 5 recordings, loss 2, 31 s, about 63 s left",
        "embed: 4 of 5 recordings, loss 2, 62 s, about 15 s left",
        "embed: 5 of 5 recordings, loss 2, 63 s",
    ]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([(3, 0.001)], ["3 s"]),  # too little to guess from
        ([(3, 0.02)], ["3 s", "about 2 min left"]),
        ([(12, 0.001)], ["12 s", "about 3 h 20 min left"]),
        ([(12, 0.0)], ["12 s"]),
        ([(60, 1.0)], ["60 s"]),
        ([(1, 0.8), (11, 0.81), (21, 0.82)], ["21 s", "about 3 min left"]),  # the first 80 % were there already
    ],
)
def test_the_time_left_is_guessed_from_the_later_half_of_the_time_that_passed(clock, seen, words):
    pace = module.Pace()
    for clock.now, share in seen:
        said = pace.words(share)
    assert said == words


@pytest.mark.parametrize(
    ("room", "line"),
    [
        (None, "20 of 200 steps, loss -2.6, rank 2.2, 12 s, about 2 min left"),
        (60, "20 of 200 steps, loss -2.6, rank 2.2, 12 s, about 2 min left"),
        (59, "20 of 200 steps, loss -2.6, 12 s, about 2 min left"),
        (49, "20 of 200 steps, 12 s, about 2 min left"),
        (38, "20 of 200 steps, about 2 min left"),
        (10, "20 of 200 steps, about 2 min left"),
    ],
)
def test_where_room_is_short_notes_are_left_out_and_the_time_that_is_left_stays(room, line):
    assert fitting(["20 of 200 steps", "loss -2.6", "rank 2.2"], ["12 s", "about 2 min left"], room) == line


def test_without_a_note_nothing_stands_in_its_place():
    assert fitting(["2 of 4 people", ""], ["3 s"], 60) == "2 of 4 people, 3 s"


def test_what_has_no_unit_is_a_share_and_its_end_is_said_once(clock, capsys):
    with progress("probe", "%") as shown:
        for clock.now, done in ((40, 1499), (41, 1500), (42, 1500)):
            shown(done, 1500)
    assert capsys.readouterr().err.splitlines() == ["probe: 99 %, 40 s, about 0 s left", "probe: 100 %, 41 s"]


def test_a_job_that_is_refused_before_it_begins_leaves_no_bar(monkeypatch, capsys):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(ValueError, match="too few"), progress("fit"):
        raise ValueError("too few")
    last = re.split(r"\x1b\[2?K", capsys.readouterr().err)[-1]  # what stands after the last line that was cleared
    assert "fit" not in last


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_there_is_a_bar_where_there_is_room(monkeypatch, capsys, columns):
    for name, value in (("FORCE_COLOR", "1"), ("TTY_COMPATIBLE", "1"), ("COLUMNS", str(columns))):
        monkeypatch.setenv(name, value)
    with progress("pretrain", "steps") as shown:
        shown(3, 4)
        shown(4000, 4000, "loss -1.234, agreement 0.91, rank 12.3")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert max(map(len, text.splitlines())) <= columns
    words = " ".join(text.replace("━", "").split())
    assert all(part in words for part in ("pretrain", "4,000 of 4,000 steps", "loss -1.234", ", 0 s"))
    assert ("agreement 0.91, rank 12.3" in words) == (columns > 80)
    assert "…" not in text
    assert ("━" in text) == (columns >= 80)


def test_an_error_inside_a_job_goes_through_the_bar():
    with pytest.raises(ValueError, match="inside"), progress("embed"):
        raise ValueError("inside")


def test_a_terminal_gets_lines_broken_between_words_and_a_file_gets_them_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = "atlas      schaefer400+tian-s3+buckner7 has it: within networks +0.25\n\nshort"
    assert folded(text, False, FACTS) == text
    assert folded(text, True, FACTS).split("\n") == [
        "atlas      schaefer400+tian-s3+buckner7",
        "           has it: within networks +0.25",
        "",
        "short",
    ]
