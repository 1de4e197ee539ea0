"""No help imports torch, and that of commands whose settings stand in files of torch is word for word the real one."""

import json
import subprocess
import sys

import torch

from semantoks.cli import main
from semantoks.cli.main import COMMANDS, run

ASKED = [
    ["pretrain", "--help"],
    ["pretrain", "--recipe", "small", "--objective.kind", "jepa", "-h"],
    ["finetune", "--help"],
]
OTHERS = [[name, "--help"] for name in COMMANDS if name not in main.WITH_RECIPES]
ALONE = """
import contextlib, io, json, sys
from semantoks.cli.main import run
found = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        found.append((run(words), shown.getvalue()))
    assert "torch" not in sys.modules, words
left = [name for name in sys.modules if name.startswith(("semantoks.objective", "semantoks.train"))]
print(json.dumps([found, left]))
"""


def test_help_imports_no_torch_says_what_it_says_with_torch_and_leaves_nothing_hollow(monkeypatch, capsys):
    assert torch.__version__  # so this process shows the real help
    monkeypatch.setenv("COLUMNS", "100")
    words = [sys.executable, "-c", ALONE, json.dumps([*ASKED, *OTHERS])]
    found, left = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert [code for code, _ in found] == [0] * len([*ASKED, *OTHERS])
    assert left == []
    for asked, (_, text) in zip(ASKED, found, strict=False):
        run(asked)
        assert text == capsys.readouterr().out
        assert len(text.splitlines()) > 50


def test_help_that_cannot_be_made_without_torch_is_made_with_it(monkeypatch):
    tried = []

    def command(argv):
        tried.append(argv)
        if len(tried) == 1:
            raise AttributeError("hollow")
        return 0

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setitem(main.COMMANDS, "pretrain", command)
    assert run(["pretrain", "--help"]) == 0
    assert len(tried) == 2
