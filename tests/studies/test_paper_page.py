"""docs/paper.md and docs/studies.md name commands, options and conditions that exist."""

import re
from pathlib import Path

from semantoks.cli.main import COMMANDS, run
from semantoks.studies.ablate import load_grid

DOCS = Path(__file__).parents[2] / "docs"
PAPER = (DOCS / "paper.md").read_text(encoding="utf-8")


def commands(page):
    """(command, its options) of every command that a page names."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"semantoks ([a-z]+ [^`#\n']*)", text):
        name, *words = line.split()
        if name in COMMANDS:
            yield name, [word for word in words if word.startswith("--")]


def test_every_option_of_a_command_on_the_pages_exists(capsys):
    found = [one for page in ("paper.md", "studies.md") for one in commands(page)]
    assert {"prepare", "pretrain", "probe", "finetune", "ablate", "scale", "audit", "vocabulary", "explain"} <= {
        name for name, _ in found
    }
    for name in {name for name, options in found if options}:
        run([name, "--help"])
        known = re.findall(r"--[\w.-]+", capsys.readouterr().out)
        assert {option for one, options in found if one == name for option in options} <= {*known, "--help"}, name


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
