"""What a person sees: the table of scores, and lines of progress where there is no terminal."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from semantoks import screen
from semantoks.screen import progress, score_table

VALUES = {
    ("sex", "encoder", "balanced_accuracy"): [0.5, 0.6, 0.7],
    ("sex", "fc", "balanced_accuracy"): [0.7, 0.7, 0.7],
    ("sex", "encoder", "auroc"): [0.9, 0.9, 0.9],
    ("sex", "fc", "auroc"): [0.1, 0.1, 0.1],
    ("age", "fc", "r"): [0.2, 0.3, 0.4],
    ("age", "encoder", "r"): [0.1, 0.4, 0.4],
}


def test_the_table_shows_mean_and_spread_and_the_paired_difference_to_fc():
    rows = [
        {"target": t, "kind": "value" if m == "r" else "class", "method": method, "split": s, "metric": m, "value": v}
        for (t, method, m), values in VALUES.items()
        for s, v in enumerate(values)
    ]
    lines = score_table(pd.DataFrame(rows), {"class": "balanced_accuracy", "value": "r"}).splitlines()
    cells = [line.split() for line in lines]
    assert cells[0][:5] == ["target", "score", "features", "mean", "sd"]
    assert cells[1] == ["sex", "balanced_accuracy", "encoder", "0.600", "0.100", "-0.100", "0.100"]
    assert cells[2] == ["sex", "balanced_accuracy", "fc", "0.700", "0.000"]
    sd = np.std([-0.1, 0.1, 0.0], ddof=1)
    assert cells[3] == ["age", "r", "fc", "0.300", "0.100"]
    assert cells[4] == ["age", "r", "encoder", "0.300", f"{np.std([0.1, 0.4, 0.4], ddof=1):.3f}", "+0.000", f"{sd:.3f}"]
    assert len(lines) == 5


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
