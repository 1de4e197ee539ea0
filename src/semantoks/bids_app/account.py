"""What BIDS Apps leave for readers: a log of each call, the page of the cohort, and what to cite."""

import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO, cast

from semantoks.errors import SemantoksError
from semantoks.signals.layout import DESCRIPTION
from semantoks.storage.durable import write_durably

LOGS, PAGE = "logs", "report.html"


class _Both:
    """A stream that keeps what it passes on, but for what only moves a cursor about."""

    def __init__(self, shown: Any, kept: list[str]) -> None:
        self.shown, self.kept = shown, kept

    def write(self, text: str) -> int:
        """Pass on and keep."""
        if "\x1b" not in text and "\r" not in text:
            self.kept.append(text)
        return int(self.shown.write(text))

    def __getattr__(self, name: str) -> Any:
        """Be in all else the stream that is shown."""
        return getattr(self.shown, name)


@contextmanager
def logged(out: Path, command: str) -> Iterator[None]:
    """Keep what is printed meanwhile, and how it ended, in a file of its own in ``out/logs``, if ``out`` is ours then.

    Calls at the same time have files of their own: named by the time in UTC, the machine and the process.
    """
    began, clock, kept, ended = time.gmtime(), time.monotonic(), list[str](), "done"
    try:
        out_too, err_too = (cast(TextIO, _Both(stream, kept)) for stream in (sys.stdout, sys.stderr))
        with redirect_stdout(out_too), redirect_stderr(err_too):
            yield
    except BaseException as error:
        told = isinstance(error, SemantoksError | OSError) or not isinstance(error, Exception)  # else it is a bug
        ended = f"{type(error).__name__}: {error}" if told else "".join(traceback.format_exception(error)).rstrip()
        raise
    finally:
        if (out / DESCRIPTION).exists():
            stamp = time.strftime("%Y%m%dT%H%M%S", began)
            lines = [
                f"$ {command}",
                f"semantoks {version('semantoks')}, Python {platform.python_version()}, {platform.platform()}",
                f"began {time.strftime('%Y-%m-%dT%H:%M:%SZ', began)}, took {time.monotonic() - clock:.0f} s",
                f"ended: {ended}",
                "",
                "".join(kept).rstrip(),
            ]
            (out / LOGS).mkdir(exist_ok=True)
            first = f"{stamp}_{platform.node() or 'machine'}_{os.getpid()}"
            names = [f"{first}.log", *(f"{first}-{number}.log" for number in range(2, 1000))]
            file = next(out / LOGS / name for name in names if not (out / LOGS / name).exists())
            write_durably(file, "\n".join(lines).encode(errors="replace"), b"\n")


def write_page(out: Path, cohort: Path) -> None:
    """Write ``report.html`` with its tables, and what to cite as ``logs/CITATION.md`` and ``CITATION.bib``."""
    from semantoks.reporting.citing import bibliography
    from semantoks.reporting.cohort.folder import read_cohort
    from semantoks.reporting.cohort.methods import methods, references
    from semantoks.reporting.page import report

    report(cohort, out / PAGE)
    described = read_cohort(cohort)
    texts, entries = bibliography(references(described))
    (out / LOGS).mkdir(exist_ok=True)
    lines = ["# Methods", "", methods(described), "", "# To cite", "", *(f"- {text}" for text in texts)]
    write_durably(out / LOGS / "CITATION.md", "\n".join(lines).encode(), b"\n")
    write_durably(out / LOGS / "CITATION.bib", "\n\n".join(entries).encode(), b"\n")
