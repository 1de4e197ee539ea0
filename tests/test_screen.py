"""What a person sees: the table of scores, and lines of progress where there is no terminal."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from semantoks import screen
from semantoks.screen import probe_notes, progress, score_table

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
    lines = score_table(pd.DataFrame(rows)).splitlines()
    assert lines[1].split() == (
        [
            "sex",
            "balanced_accuracy",
            "encoder",
            "0.600",
            "[0.500,",
            "0.700]",
            "-0.100",
            "[-0.200,",
            "-0.050]",
            "0.021",
            "lower",
        ]
    )
    assert lines[2].split() == ["sex", "balanced_accuracy", "fc", "0.700", "[0.500,", "0.700]"]
    assert len(lines) == 3
    assert len(lines[0]) < 130


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
    assert score_table(pd.DataFrame(rows)).splitlines()[5:] == [
        "",
        "dx: random_weights alone scores 0.510, within or above the interval of encoder.",
        "dx: site alone scores 0.550, within or above the interval of encoder and fc.",
        "dx without confounds: encoder 0.520 [0.500, 0.700], fc 0.610 [0.500, 0.700].",
    ]


def test_a_score_that_is_as_good_within_the_bound_is_called_so():
    row = {"analysis": "main", "target": "a", "metric": "r", "mean": 0.6, "low": 0.5, "high": 0.7, "reached_by": ""}
    row |= {"method": "encoder", "diff": -0.01, "diff_low": -0.03, "diff_high": 0.01, "p_holm": 0.3}
    tables = [score_table(pd.DataFrame([{**row, "verdict": "undecided", "p_equal": p}])) for p in (0.01, 0.2)]
    assert [text.endswith("undecided, as good within the bound") for text in tables] == [True, False]


def test_what_a_probe_has_to_say_is_said(tmp_path):
    about = {"checks": ["0 people on both sides."], "notes": ["3 were seen."], "excluded": [["no value for age", 4]]}
    (tmp_path / "probe.json").write_text(json.dumps(about))
    assert probe_notes(tmp_path) == ["", "0 people on both sides.", "3 were seen.", "Left out: 4 (no value for age)."]


def test_without_a_terminal_a_line_comes_every_half_minute_and_at_the_end(monkeypatch, capsys):
    now = iter([0.0, 10.0, 31.0, 40.0, 62.0, 63.0])
    monkeypatch.setattr(screen, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with progress("embed") as shown:
        for done in range(1, 6):
            shown(done, 5)
    assert capsys.readouterr().err.splitlines() == [
        "embed: 2 of 5, 31 s",
        "embed: 4 of 5, 62 s",
        "embed: 5 of 5, 63 s",
    ]


def test_on_a_terminal_there_is_a_bar(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("embed") as shown:
        shown(3, 4)
        shown(4, 4)
    text = capsys.readouterr().err
    assert "embed" in text
    assert "4/4" in text


def test_an_error_inside_a_job_goes_through_the_bar():
    with pytest.raises(ValueError, match="inside"), progress("embed"):
        raise ValueError("inside")
