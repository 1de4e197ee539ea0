"""The examples run, one after the other, in a fresh folder."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


def test_the_examples_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for example in EXAMPLES:
        runpy.run_path(str(example))
    printed = capsys.readouterr().out
    assert "48 recordings of 24 people; 0 excluded" in printed
    assert (tmp_path / "run" / "report.html").exists()
    assert "L_TTR" in printed
    assert (tmp_path / "own" / "encoder" / "config.json").exists()
    assert all(name in printed.lower() for name in ("ml4fmri", "brainpfn", "brainmarks"))  # scores, or how to get them
