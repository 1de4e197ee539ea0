"""Options of every command that reads recordings: where they are, what is known of them, which of them are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from semantoks.errors import ConfigError
from semantoks.signals.reading_config import ReadingConfig

Source = Annotated[Positional[Path | None], arg(metavar="SOURCE", help_behavior_hint="")]
Files = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: SOURCE)")]
AtlasName = Annotated[
    str | None, arg(metavar="NAME|FILE", help_behavior_hint="(default: the source's usual one, if any)")
]
Labels = Annotated[tuple[str, ...], arg(metavar="LABEL [LABEL ...]", help_behavior_hint="(default: all)")]
Tasks = Annotated[tuple[str, ...], arg(metavar="LABEL [LABEL ...]", help_behavior_hint="(default: rest, else all)")]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(ReadingConfig):
    """`ReadingConfig` with words for the command line; its fields have the same meaning."""

    participant_label: Labels = ()
    session_label: Labels = ()
    task_label: Tasks = ()
    space: Annotated[str, arg(help_behavior_hint="(default: the only one)")] = ""
    variant: Annotated[str, arg(help_behavior_hint="(default: the only one)")] = ""
    parcellation: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What is known of recordings, and which of them are read.

    Parameters
    ----------
    tr
        Repetition time of the recordings in seconds (0.3 to 6), if neither they nor the participants table state it.
    participants
        Table (.tsv, .csv) of participant_id and phenotypes, or facts such as tr.
    reading
        Which recordings are read, and how.
    """

    tr: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: as stated)")] = None
    participants: Annotated[
        Path | None, arg(metavar="FILE", help_behavior_hint="(default: participants.tsv of the source, if any)")
    ] = None
    reading: Annotated[ReadingOptions, arg(name="")] = ReadingOptions()


SourceFlags = Annotated[SourceOptions, arg(name="")]
"""The options of `SourceOptions` as flags of a command."""


def named_source(source: Path | None, files: Path | None) -> Path:
    """Take the one that was given: a source, or a list of files, which is one, too."""
    if (source is None) == (files is None):
        raise ConfigError("give either SOURCE or --files FILE.tsv.")
    path = files if source is None else source
    assert path is not None
    return path
