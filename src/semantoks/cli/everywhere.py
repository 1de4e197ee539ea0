"""What every command takes beside its own options: --quiet, --verbose and --json."""

import contextlib
import functools
import io
import itertools
import json
import logging
import math
import os
import re
import shutil
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO, cast

import tyro

from semantoks.progress import QUIET, duration
from semantoks.screen import FACTS, folded
from semantoks.storage.memory import gib
from semantoks.visible import visible

FLAGS = {
    "--quiet": "show nothing but errors",
    "--verbose": "show warnings, too, and in the end the time and the memory that it took",
    "--json": "print one JSON object instead of text",
}
FOUND: ContextVar[dict[str, Any]] = ContextVar("FOUND")
"""What the JSON object of this command will have."""
COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
MARKUP = re.compile(r"\[/?bold\]")
"""What tyro leaves of its markup where it quotes what an option has to have."""
CONTINUED = re.compile(r"\n {9,}(?=\S)")
"""The break of a line in what a docstring says of an argument."""
OR_NONE = ("--band", "--max-fd")
"""Options whose None may be written in small letters."""


def split_flags(argv: Sequence[str]) -> tuple[set[str], list[str]]:
    """Return the flags of every command that are among the words, and the other words."""
    return {word for word in argv if word in FLAGS}, [word for word in argv if word not in FLAGS]


def found(**what: Any) -> None:
    """Add to the JSON object of the command that runs."""
    FOUND.get({}).update(what)


def hush() -> None:
    """Write nothing more to standard output: another process says it."""
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout.flush()
        os.dup2(nowhere.fileno(), 1)


def say(*what: object, end: str = "\n", file: Any = None) -> None:
    """Print in visible characters, whatever names come out of files; the commands' ``print``.

    A terminal gets lines broken between words, but for a command that is to be pasted.
    """
    text = visible(" ".join(map(str, what)))
    if file is None and end == "\n" and sys.stdout.isatty():
        text = "\n".join(line if ": semantoks " in line else folded(line, True) for line in text.split("\n"))
    print(text, end=end, file=file)


class Spelt:
    """A stream in visible characters, but for colours of a terminal."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Pass on what can be seen."""
        text = "\n".join(map(_without_markup, text.split("\n")))
        parts = COLOUR.split(text) if self.stream.isatty() else [text]
        self.stream.write("".join(part if COLOUR.fullmatch(part) else visible(part) for part in parts))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Be in all else the stream."""
        return getattr(self.stream, name)


def _without_markup(line: str) -> str:
    """Take markup out of a line; the end of a box stays where it is."""
    bare = MARKUP.sub("", line)
    inside, edge, after = bare.rpartition("│")
    return f"{inside}{' ' * (len(line) - len(bare))}{edge}{after}" if edge else bare


class HelpPage(Spelt):
    """A terminal that breaks usage and description between words, as tyro does with what stands in its boxes."""

    def write(self, text: str) -> int:
        """Break the lines that are too long; an example, so that it can be pasted."""
        width = shutil.get_terminal_size((80, 24)).columns
        for end, line in zip(itertools.chain([""], itertools.repeat("\n")), text.split("\n"), strict=False):
            plain = COLOUR.sub("", line)
            self.stream.write(end + (line if len(plain) <= width else self._broken(plain, width)))
        return len(text)

    @staticmethod
    def _broken(line: str, width: int) -> str:
        if line.startswith("usage") or ": semantoks" not in line:
            return folded(line, True, indent=2 * line.startswith("usage"))
        parts = textwrap.wrap(line, width - 2, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
        return " \\\n".join(parts)


def read_words(kind: Callable[..., Any], argv: Sequence[str], prog: str, **more: Any) -> Any:
    """Return what tyro reads of words; help fits the terminal, and errors quote words in visible characters."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(cast(TextIO, Spelt(sys.stderr))))
        if sys.stdout.isatty():
            stack.enter_context(contextlib.redirect_stdout(cast(TextIO, HelpPage(sys.stdout))))
        return tyro.cli(kind, args=argv, prog=prog, **more)


def call_with_words(command: Callable[..., int], argv: Sequence[str], prog: str) -> int:
    """Call a command with the options and arguments that tyro reads of words (`read_words`)."""

    @functools.wraps(command)
    def bound(*given: Any, **named: Any) -> Callable[[], int]:
        return functools.partial(command, *given, **named)

    command.__doc__ = CONTINUED.sub(" ", command.__doc__ or "")  # tyro keeps these breaks
    return int(read_words(bound, list(map(_none_as_typed, ["", *argv], argv)), prog)())


def _none_as_typed(before: str, word: str) -> str:
    """Spell None as tyro knows it after an option that takes it."""
    name, equals, value = word.partition("=")
    if before in OR_NONE and word.lower() == "none":
        return "None"
    return f"{name}=None" if equals and name in OR_NONE and value.lower() == "none" else word


class Visible(logging.Formatter):
    """Log records in visible characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        return visible(super().format(record))


def show(text: object, indent: int = FACTS) -> None:
    """Say a text, broken between words where standard output is a terminal."""
    say(folded(str(text), sys.stdout.isatty(), indent))


def shown_as(flags: Collection[str], command: str, call: Callable[[], int]) -> int:
    """Run a command, which returns its exit code, and show it as the flags say."""
    told, before, begin = FOUND.set({}), QUIET.get(), time.monotonic()
    quiet = QUIET.set(before or bool({"--quiet", "--json"} & set(flags)))
    log = logging.getLogger("semantoks")
    level = log.level
    try:
        with contextlib.ExitStack() as stack:
            if QUIET.get():
                log.setLevel(logging.WARNING)
                stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            if "--verbose" in flags:
                log.setLevel(logging.DEBUG)
                stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("default")
            code = call()
        seconds, peak = time.monotonic() - begin, peak_memory()
        if "--json" in flags:
            about = {"command": command, "exit_code": code, "seconds": round(seconds, 3), "peak_bytes": peak}
            print(json.dumps(_plain(about | FOUND.get())))
        if "--verbose" in flags:
            memory = f", with at most {gib(peak)} of memory" if peak else ""
            print(f"{duration(seconds)}{memory}.", file=sys.stderr)
        return code
    finally:
        log.setLevel(level)
        QUIET.reset(quiet)
        FOUND.reset(told)


def peak_memory() -> int | None:
    """Return the most bytes that this process, or one that it started and that has ended, had; None if not known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    each = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(each) * (1 if sys.platform == "darwin" else 1024)


def _plain(value: Any) -> Any:
    """Return what JSON can hold: a number that is none is null, a path its text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
