"""The errors that a user can meet: each says what was expected, what was found, where, and what to do."""

from semantoks.visible import message

EXIT_OK, EXIT_BUG, EXIT_USAGE, EXIT_INPUT, EXIT_PARTIAL = 0, 1, 2, 3, 4


class SemantoksError(Exception):
    """Base of every error that semantoks raises on purpose; the command line prints it as one sentence.

    Whatever the text quotes of files and names, it is one line of visible characters (`semantoks.visible`).
    """

    exit_code = EXIT_INPUT

    def __init__(self, text: str = "") -> None:
        super().__init__(message(text))


class DataError(SemantoksError, ValueError):
    """A recording, table, atlas or cohort cannot be used as it is."""


class ConfigError(SemantoksError, ValueError):
    """A setting is unknown, out of its range, or contradicts another."""

    exit_code = EXIT_USAGE


class BusyError(ConfigError):
    """Another job writes what this one would write."""


class RankLost(SemantoksError, RuntimeError):
    """Another process of the same training has ended."""


class MemoryShort(DataError):
    """The machine has less memory than the work needs, or killed a process that took too much."""


class UnknownTRError(ConfigError):
    """The repetition time is not known for any recording; it is never guessed."""


class WeightsError(SemantoksError, RuntimeError):
    """Saved weights cannot be used here: damaged, for another atlas, or of another shape."""
