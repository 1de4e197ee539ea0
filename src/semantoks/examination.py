"""What is wrong with a source of recordings, for ``prepare`` or for an encoder: the doctor, with all that it needs."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.checking.checkup import SOME, Checkup, checkup
from semantoks.config import check_arguments
from semantoks.errors import ConfigError
from semantoks.progress import Report, shown_if
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.opened_source import GATES, PUBLISHED, as_source
from semantoks.signals.quality import GateConfig
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Source


def doctor(
    source: str | Path | Source | Sequence[Recording],
    *,
    atlas: Atlas | Path | str | None = None,
    model: str | Path | None = None,
    tr: float | None = None,
    participants: Path | str | pd.DataFrame | None = None,
    reading: ReadingConfig = EVERYTHING,
    cleaning: CleaningConfig = PUBLISHED,
    gates: GateConfig = GATES,
    recordings: int = SOME,
    verbose: bool = False,
    progress: Report | None = None,
) -> Checkup:
    """Look at a source: kind, people, repetition times, atlas, missing networks, filters, lengths, order of ROIs.

    Each recording that is looked into is cleaned as ``prepare`` would do it, so that what it would leave out is known.
    All else is judged by good frames alone.

    Parameters
    ----------
    source, tr, participants, reading, cleaning, gates
        As for ``prepare``.
    atlas
        What the columns should be; None finds out by labels, by number, and by what correlates with what.
    model
        A run, an encoder folder, a name in the box or an id on the hub, whose atlas, band and repetition time count
        instead; all motion is let in, as by ``embed``.
    recordings
        Recordings to examine, spread evenly over the source; 0 = all.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.

    Returns
    -------
    Checkup
        ``facts``, ``problems`` and ``warnings``, all that the command says where it is printed, and ``table``, one row
        per recording that was looked into.

    Raises
    ------
    ConfigError
        For arguments that cannot be, or an atlas and a model.
    DataError, WeightsError
        If there is nothing at the path, or nothing that can be recognised; if there is no such encoder.
    """
    check_arguments(doctor, locals())
    if atlas is not None and model is not None:
        raise ConfigError("--atlas and --model both name the atlas of the columns: give only one.")
    if recordings < 0:
        raise ConfigError(f"--recordings must be at least 0, not {recordings}.")
    if model is not None:
        # torch takes seconds, which a source alone does not need
        from semantoks.model.card import cleaning_for, read_card
        from semantoks.model.hub import find_encoder

        card = read_card(find_encoder(model))
        if (cleaning.band, cleaning.target_tr, gates) != (PUBLISHED.band, PUBLISHED.target_tr, GATES):
            raise ConfigError("--model has a band, a repetition time and no limit of motion: leave those options out.")
        atlas = card.atlas
        cleaning, gates = cleaning_for(card, already_filtered=cleaning.already_filtered)
    with shown_if(verbose, "doctor", "recordings", progress) as shown:
        return checkup(
            as_source(source, atlas),
            atlas=atlas,
            tr=tr,
            participants=participants,
            reading=reading,
            cleaning=cleaning,
            gates=gates,
            most=recordings,
            progress=shown,
        )
