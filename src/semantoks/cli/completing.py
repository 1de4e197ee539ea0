"""What a shell needs to complete commands, options and their choices."""

import contextlib
import io
import os
import re
from collections.abc import Mapping
from typing import Literal

from semantoks.config import check_arguments

Shell = Literal["bash", "zsh", "fish"]
Options = Mapping[str, tuple[str, ...]]
"""Options of a command, and the values that each can have; none where these are anything."""
_OPTION = re.compile(r"(--[a-z][\w.-]*)(?: \[?\{([\w.,-]+)\}(?!\|))?")
_WIDE = "1000"


def completion(shell: Shell) -> str:
    """Return what a shell needs to complete commands, options and their choices, as a script.

    Parameters
    ----------
    shell
        bash (for ``~/.local/share/bash-completion/completions/semantoks``), zsh (``_semantoks`` in a folder of $fpath)
        or fish (``~/.config/fish/completions/semantoks.fish``).

    Raises
    ------
    ConfigError
        For another shell.
    """
    check_arguments(completion, locals())
    from semantoks.cli.main import COMMANDS

    about = {name: (words[0] if (words := (f.__doc__ or "").splitlines()) else "") for name, f in COMMANDS.items()}
    options = {name: options_of(name) for name in COMMANDS}
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](about, options)


def options_of(command: str) -> Options:
    """Read the options of a command, and their choices, off its help."""
    from semantoks.cli.everywhere import FLAGS
    from semantoks.cli.main import answer

    shown, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDE
    try:
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            answer([command, "--help"])
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    rows = [line.strip("│ ") for line in shown.getvalue().splitlines()]
    found = {name: choices for row in rows if row.startswith("-") for name, choices in _OPTION.findall(_names(row))}
    return {name: tuple(filter(None, found.get(name, "").split(","))) for name in (*found, *FLAGS)}


def _names(row: str) -> str:
    """Leave out the words of help, which may name other options."""
    return re.split(r"\s{2,}", row)[0]


def _bash(about: Mapping[str, str], options: Mapping[str, Options]) -> str:
    values = [
        f'    {command}:{name}) COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$word")); return ;;'
        for command, each in options.items()
        for name, choices in each.items()
        if choices
    ]
    words = [f'    {command}) words="{" ".join(each)}" ;;' for command, each in options.items()]
    return "\n".join(
        [
            "_semantoks() {",
            '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""',
            f'  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "{" ".join(about)}" -- "$word")); return; fi',
            '  case "${COMP_WORDS[1]}:$before" in',
            *values,
            "  esac",
            '  case "${COMP_WORDS[1]}" in',
            *words,
            "  esac",
            '  case "$word" in -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;; esac',
            "}",
            "complete -o default -F _semantoks semantoks",
            "",
        ]
    )


def _zsh(about: Mapping[str, str], options: Mapping[str, Options]) -> str:
    cases = []
    for command, each in options.items():
        specs = " ".join(_zsh_option(name, choices) for name, choices in each.items())
        cases.append(f"    {command}) _arguments {specs} '*:file:_files' ;;")
    commands = " ".join(f"'{name}:{_plain(words)}'" for name, words in about.items())
    return "\n".join(
        [
            "#compdef semantoks",
            f"local -a commands=({commands})",
            "if (( CURRENT == 2 )); then _describe command commands; else",
            '  local command="$words[2]"',
            "  shift words; (( CURRENT-- ))",
            '  case "$command" in',
            *cases,
            "  esac",
            "fi",
            "",
        ]
    )


def _zsh_option(name: str, choices: tuple[str, ...]) -> str:
    return f"'{name}:value:({' '.join(choices)})'" if choices else f"'{name}'"


def _fish(about: Mapping[str, str], options: Mapping[str, Options]) -> str:
    lines = [
        f"complete -c semantoks -n __fish_use_subcommand -a {name} -d '{_plain(words)}'"
        for name, words in about.items()
    ]
    for command, each in options.items():
        for name, choices in each.items():
            values = f" -x -a '{' '.join(choices)}'" if choices else ""
            seen = f"'__fish_seen_subcommand_from {command}'"
            lines.append(f"complete -c semantoks -n {seen} -l {name.removeprefix('--')}{values}")
    return "\n".join([*lines, ""])


def _plain(words: str) -> str:
    return words.replace("'", "").replace(":", ",")
