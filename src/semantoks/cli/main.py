"""The entry point: finds the command, runs it, and turns every error that a user can cause into one sentence."""

import difflib
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version

from semantoks.cli.cohorts import doctor, info, prepare, simulate
from semantoks.cli.everywhere import FLAGS, Visible, call_with_words, found, show, shown_as, split_flags
from semantoks.cli.everywhere import say as print
from semantoks.cli.fetching import fetch
from semantoks.cli.inside import audit, explain, vocabulary
from semantoks.cli.machine import bench, completion
from semantoks.cli.results import demo, embed, probe, report
from semantoks.cli.studies import ablate, compare, scale
from semantoks.cli.training import fit, pretrain
from semantoks.cli.tuning import finetune
from semantoks.cli.typed import TYPED
from semantoks.cli.weights import convert, export, push
from semantoks.cli.without_torch import without_torch
from semantoks.errors import EXIT_INPUT, EXIT_OK, EXIT_USAGE, ConfigError, SemantoksError
from semantoks.screen import folded
from semantoks.storage.cores import share_cores
from semantoks.storage.memory import memory_short
from semantoks.storage.stopping import Stopped, stoppable
from semantoks.visible import message

COMMANDS: dict[str, Callable[..., int]] = {
    f.__name__: f
    for f in (
        doctor,
        prepare,
        fit,
        pretrain,
        embed,
        probe,
        finetune,
        ablate,
        scale,
        compare,
        audit,
        vocabulary,
        explain,
        report,
        convert,
        export,
        push,
        info,
        fetch,
        simulate,
        demo,
        bench,
        completion,
    )
}
GO_ON = ("fetch", "prepare", "pretrain", "probe", "finetune", "ablate", "scale", "compare")
"""Commands that keep what they had finished when they were stopped."""
WITH_RECIPES = ("pretrain", "finetune")
"""Commands whose defaults come from a recipe: they read their words themselves."""


def _overview() -> list[str]:
    lines = ["semantoks: resting-state fMRI recordings in, representations of the person out.", "", "commands:"]
    lines += [f"  {name:<10} {(f.__doc__ or '').splitlines()[0]}" for name, f in COMMANDS.items()]
    return [
        *lines,
        "",
        *(f"  {flag:<10} with any of them: {what}" for flag, what in FLAGS.items()),
        "",
        "semantoks COMMAND --help explains a command; semantoks --version says which this is.",
        "semantoks-bids is the BIDS App: one participant at a time, on any number of machines.",
    ]


def run(argv: list[str]) -> int:
    """Run one command and return its exit code: 0 done, 2 usage, 3 input, 4 done but some recordings excluded."""
    typed = shlex.join(["semantoks", *argv])
    TYPED.set(typed)
    flags, words = split_flags(argv)
    return shown_as(flags, typed, lambda: answered(lambda: answer(words)))


def answer(argv: list[str]) -> int:
    """Run one command; what goes wrong is raised, and SystemExit after help."""
    if not argv or argv[0] in ("-h", "--help"):
        for line in _overview():
            show(line, indent=13 if line.startswith(" ") else 0)
        return EXIT_OK
    if argv[0] == "--version":
        found(version=version("semantoks"))
        print(f"semantoks {version('semantoks')}")
        return EXIT_OK
    if argv[0] not in COMMANDS:
        near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        raise ConfigError(f"there is no command {argv[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    if argv[0] in WITH_RECIPES:
        return _helped(COMMANDS[argv[0]], argv[1:])
    return call_with_words(COMMANDS[argv[0]], argv[1:], f"semantoks {argv[0]}")


def _helped(command: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run a command that reads its words itself; where it is asked for help alone, without importing torch."""
    if {"-h", "--help"} & set(argv) and "torch" not in sys.modules:
        with suppress(AttributeError, TypeError, ImportError), without_torch():
            return command(argv)
    return command(argv)


def answered(call: Callable[[], int]) -> int:
    """Give the exit code of a call, and turn what a user can cause into a sentence and a code of its own."""
    try:
        with stoppable():
            return call()
    except SemantoksError as error:
        return _refused(str(error), error.exit_code)
    except FloatingPointError as error:
        return _refused(str(error), EXIT_INPUT)
    except (MemoryError, RuntimeError) as error:
        if (short := memory_short(error)) is None:
            raise
        return _refused(f"{short}{_go_on()}", EXIT_INPUT)
    except BrokenPipeError:  # whoever read what is printed has closed: `semantoks info cohort | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (or the interpreter complains at its end)
        return EXIT_OK
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _refused(f"cannot read or write{where}: {error.strerror or error}.", EXIT_INPUT)
    except SystemExit as end:  # tyro has printed help, or what is wrong with the options
        code = end.code if isinstance(end.code, int) else EXIT_USAGE
        if code:
            found(error="an option or what it has to have is wrong or missing: standard error says which.")
        return code
    except Stopped as stop:
        return _refused(f"stopped by {signal.Signals(stop.number).name}.{_go_on()}", stop.exit_code)
    except KeyboardInterrupt:
        return _refused(f"stopped.{_go_on()}", 130)


def _refused(why: str, code: int) -> int:
    """Say why a command did not do what it was asked for."""
    why = message(why)
    print(folded(f"semantoks: {why}", sys.stderr.isatty()), file=sys.stderr)
    found(error=why)
    return code


def _go_on() -> str:
    """Say how to go on with the command that was typed."""
    typed = TYPED.get().split()
    command = typed[1] if len(typed) > 1 else ""
    if command in GO_ON:
        return " The same command goes on with what is finished."
    return " The same command begins anew." if command in COMMANDS else ""


class Told(logging.Handler):
    """Writes to what standard error is by then: a bar that is drawn there makes room for what is said."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        print(folded(self.format(record), sys.stderr.isatty()), file=sys.stderr)


def main() -> None:
    """Entry point of the ``semantoks`` command."""
    told = logging.getLogger("semantoks")
    told.setLevel(logging.INFO)
    (handler := Told()).setFormatter(Visible())
    told.addHandler(handler)
    share_cores()
    sys.exit(run(sys.argv[1:]))
