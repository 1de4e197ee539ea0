"""What every command takes: --quiet, --verbose, --json; and completion for three shells."""

import contextlib
import io
import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from semantoks.cli.bids_app import run as bids
from semantoks.cli.completing import options_of
from semantoks.cli.everywhere import COLOUR, Spelt, found, say
from semantoks.cli.main import COMMANDS, Told, run
from semantoks.visible import IN_TEXT
from tiny_people import cohort

__all__ = ["cohort"]

SMALL = ["simulate", "--participants", "2", "--sessions", "1", "--atlas", "schaefer100", "--minutes", "2"]


def test_quiet_shows_nothing_but_errors(capsys, tmp_path):
    assert run([*SMALL, "--out", str(tmp_path / "a"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run(["--quiet", "info", str(tmp_path / "b")]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("semantoks: there is nothing at")


def test_json_is_one_object_with_what_happened(capsys, tmp_path):
    assert run([*SMALL, "--out", str(tmp_path / "a"), "--quiet"]) == 0
    words = ["prepare", str(tmp_path / "a"), "--atlas", "schaefer100", "--out", str(tmp_path / "c"), "--json"]
    assert run(words) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (said["exit_code"], said["out"], said["recordings"], said["excluded"]) == (0, str(tmp_path / "c"), 2, 0)
    assert said["command"].startswith("semantoks prepare ")
    assert said["peak_bytes"] > 1 << 20
    assert err == ""


def test_json_of_a_failure_has_the_error(capsys, tmp_path):
    assert run(["info", str(tmp_path / "none"), "--json"]) == 3
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["exit_code"] == 3
    assert err == f"semantoks: {said['error']}\n"


@pytest.mark.parametrize("words", [["probe"], ["probe", "r", "c", "--out", "p", "--fold", "3"], ["info"]])
def test_json_of_a_wrong_option_has_an_error_too(capsys, words):
    assert run([*words, "--json"]) == 2
    shown = capsys.readouterr()
    assert "standard error says which" in json.loads(shown.out)["error"]
    assert shown.err


@pytest.mark.parametrize("command", ["prepare", "pretrain", "finetune", "semantoks-bids"])
def test_usage_errors_quote_words_in_visible_characters(capsys, command):
    needed = ["finetune", "a", "b", "--target", "c", "--out", "d"]
    before = {"semantoks-bids": ["a", "b", "participant"], "finetune": needed}
    words = [*before.get(command, [command]), "--bad\x1b[2J", "--worse\u202e"]
    assert (bids if command == "semantoks-bids" else run)(words) == 2
    said = capsys.readouterr().err
    assert r"--bad\x1b[2J" in said
    assert r"--worse\u202e" in said
    assert not IN_TEXT.search(said)


@pytest.fixture(scope="module", params=[*COMMANDS, "semantoks-bids", "all"])
def help_of(request):
    """A command's help as a terminal of so many columns shows it."""

    def at(columns):
        shown, words = io.StringIO(), {"all": [], "semantoks-bids": []}.get(request.param, [request.param])
        shown.isatty = lambda: True
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
            patch.setenv("COLUMNS", str(columns))
            patch.setenv("TERM", "dumb" if columns > 100 else "xterm")
            assert (bids if request.param == "semantoks-bids" else run)([*words, "--help"]) == 0
        return COLOUR.sub("", shown.getvalue()).splitlines()

    return at


def test_help_fits_a_narrow_terminal_and_cuts_no_word(help_of):
    narrow, wide = help_of(60), help_of(129)
    assert max(map(len, narrow)) <= 60
    words = [{word for line in lines for part in line.split() for word in part.split(",")} for lines in (narrow, wide)]
    frames = {word for word in words[0] if set(word) <= set("╭─╮╰╯│-+|")}
    assert words[0] - words[1] - frames == {"\\"} & words[0]


def test_an_example_in_a_narrow_terminal_can_be_pasted(help_of):
    narrow, wide = ("\n".join(help_of(columns)) for columns in (60, 200))
    for example in re.findall(r"^Example: (semantoks.*)$", wide, re.M):
        assert example in narrow.replace(" \\\n  ", " ")


def test_a_terminal_gets_what_is_said_broken_between_words_but_for_commands(monkeypatch):
    words, command = "Open runs/a/report.html in a browser.", "Next: semantoks report runs/a --out elsewhere.html"
    for terminal, lines in ((True, ["Open runs/a/report.html in a", "  browser.", command]), (False, [words, command])):
        shown = io.StringIO()
        shown.isatty = lambda answer=terminal: answer
        monkeypatch.setenv("COLUMNS", "30")
        with contextlib.redirect_stdout(shown):
            say(f"{words}\n{command}")
        assert shown.getvalue().splitlines() == lines


def test_colours_of_usage_errors_stay_on_a_terminal():
    shown = io.StringIO()
    shown.isatty = lambda: True
    print("\x1b[31mred\x1b[0m \x1b[2J", end="", file=Spelt(shown))
    assert shown.getvalue() == "\x1b[31mred\x1b[0m \\x1b[2J"


def test_the_page_about_json_has_a_row_for_every_command():
    page = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text(encoding="utf-8")
    table = page.split("| command | beside that |")[1].split("What is not a finite")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(COMMANDS)


def test_json_of_what_is_fitted_and_looked_at_says_where_it_is(capsys, cohort, tmp_path):
    assert (
        run(["fit", str(cohort.path), "--columns", "4", "--components", "2", "--out", f"{tmp_path}/a", "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["out"], told["columns"], told["people"]) == (f"{tmp_path}/a", 4, 40)
    assert run(["info", f"{tmp_path}/a", "--verify", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["problems"]) == ("encoder", [])
    assert told["facts"]


def test_verbose_ends_with_time_and_memory(capsys, tmp_path):
    assert run([*SMALL, "--out", str(tmp_path / "a"), "--verbose"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith("GiB of memory.")


def test_what_is_not_finite_is_null(capsys, monkeypatch):
    def info(path: str) -> int:
        found(x=float("nan"), at=Path(path), n={1: (2.0,)})
        return 0

    monkeypatch.setitem(COMMANDS, "info", info)
    assert run(["info", "--json", "--path", "p"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {name: said[name] for name in ("x", "at", "n")} == {"x": None, "at": "p", "n": {"1": [2.0]}}


@pytest.mark.parametrize("command", ["probe", "prepare"])
def test_completion_knows_options_and_choices(command):
    options = options_of(command)
    assert {"--out", "--n-jobs", "--help", "--json"} <= set(options)
    if command == "probe":
        assert options["--protocol"] == ("nested", "paper", "brainmarks")
        assert options["--events"] == ()
        assert "--no-drop-rare" in options


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_its_shell_reads(shell, capsys, tmp_path):
    assert run(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert all(name in script.read_text() for name in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True)
    if shell == "bash":
        asked = f"source {script}; COMP_WORDS=(semantoks probe --protocol p); COMP_CWORD=3; _semantoks; "
        asked += "echo ${COMPREPLY[@]}"
        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
        assert done.stdout == "paper\n"


def test_what_is_told_goes_to_what_standard_error_is_by_then(capsys):
    told = logging.LogRecord("semantoks", logging.INFO, "", 0, "%s needs about %s of memory", ("embed", "1 GiB"), None)
    handler = Told()
    before, sys.stderr = sys.stderr, io.StringIO()
    try:
        handler.emit(told)
        assert sys.stderr.getvalue() == "embed needs about 1 GiB of memory\n"
    finally:
        sys.stderr = before
    assert capsys.readouterr().err == ""
