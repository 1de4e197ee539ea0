"""What a person sees: the table of scores, and lines of progress where there is no terminal."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from semantoks import screen
from semantoks.screen import probe_notes, progress, score_table


def test_the_table_shows_interval_difference_p_and_verdict():
    row = {"analysis": "main", "target": "sex", "metric": "balanced_accuracy", "mean": 0.6, "low": 0.5, "high": 0.7}
    apart = {"diff": -0.1, "diff_low": -0.2, "diff_high": -0.05, "p_holm": 0.021, "verdict": "lower"}
    rows = [
        {**row, "method": "encoder", **apart},
        {**row, "method": "fc", "mean": 0.7, "verdict": ""},
        {**row, "method": "encoder", "analysis": "deconfounded", **apart},
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
