"""docs/paper.md names conditions and a grid that exist."""

import re
from pathlib import Path

from semantoks.studies.ablate import load_grid

DOCS = Path(__file__).parents[2] / "docs"
PAPER = (DOCS / "paper.md").read_text(encoding="utf-8")


def test_conditions_on_the_page_are_in_the_grid():
    rows = re.findall(r"^\|.*?\| [^|]*\| (`[^|]*) \|$", PAPER.partition("## Ablations")[2].partition("```")[0], re.M)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    grid = {condition.name for condition in load_grid("paper", ()).condition}
    assert len(named) >= 12
    assert {name for name in named if not name.startswith("prepare")} <= grid


def test_the_grid_on_the_page_can_be_read(tmp_path):
    (tmp_path / "mine.toml").write_text(re.search(r"```toml\n(.*?)```", PAPER, re.S)[1])
    assert [one.name for one in load_grid(str(tmp_path / "mine.toml"), ()).condition] == [
        "dense branch alone, kernel of 20",
        "windows of 80 frames",
    ]
